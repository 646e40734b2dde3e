import json
import os
import platform
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.environment import _sockets, command, container, facts, git_commit, virtualisation
from carbonwatch.settings import Settings

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ON_A_HYPERVISOR = "processor\t: 0\nmodel name\t: Example 9000\nflags\t\t: fpu hypervisor sse\n"
ON_METAL = "processor\t: 0\nmodel name\t: Example 9000\nflags\t\t: fpu sse\n"


def files(folder: Path, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def machine(folder: Path) -> Settings:
    return Settings(path_procfs=str(folder / "proc"), path_sysfs=str(folder / "sys"))


def test_facts_of_a_machine(tmp_path: Path) -> None:
    files(
        tmp_path,
        {"proc/cpuinfo": ON_METAL, "proc/meminfo": "MemTotal:  33554432 kB\n", ".git/HEAD": COMMIT + "\n"},
    )
    found = facts(
        machine(tmp_path),
        "1.2.3",
        environ={},
        argv=["train.py", "--lr", "0.1"],
        folder=str(tmp_path),
        root=str(tmp_path),
    )

    assert found == {
        "version": "1.2.3",
        "python_version": platform.python_version(),
        "os": platform.platform(),
        "host": platform.node(),
        "cpu_count": os.cpu_count(),
        "cpu_model": "Example 9000",
        "cpu_sockets": None,
        "ram_total_gb": 32.0,
        "virtualisation": "none",
        "container": "none",
        "command": "train.py --lr 0.1",
        "git_commit": COMMIT,
    }


def test_facts_where_nothing_can_be_read(tmp_path: Path) -> None:
    found = facts(machine(tmp_path), "1", environ={}, argv=[], folder=str(tmp_path / "none"), root=str(tmp_path))

    assert (found["cpu_model"], found["virtualisation"], found["git_commit"]) == (None, None, None)


@pytest.mark.parametrize(
    ("cpuinfo", "sockets"), [("siblings\t: 64\n", 2), ("siblings\t: 256\n", 1), ("siblings\t: 0\n", None), ("", None)]
)
def test_processors_are_counted_by_the_cpus_of_one(cpuinfo: str, sockets: int | None) -> None:
    assert _sockets(cpuinfo, 128) == sockets


def test_facts_of_this_machine_are_plain_values_and_quick() -> None:
    took_s = []
    for _ in range(5):
        began_s = time.perf_counter()
        found = facts(Settings(), "1")
        took_s.append(time.perf_counter() - began_s)

    assert json.loads(json.dumps(found)) == found
    assert min(took_s) < 0.003


def test_jobs_are_noted_by_their_ids(tmp_path: Path) -> None:
    environ = {
        "SLURM_JOB_ID": "17",
        "PBS_JOBID": "18.host",
        "LSB_JOBID": "19",
        "GITHUB_RUN_ID": "20",
        "CI_JOB_ID": "21",
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "HOSTNAME": "trainer-0",
        "HOME": "/root",
        "HF_TOKEN": "hf_secret",
    }
    found = facts(machine(tmp_path), "1", environ=environ, argv=[], folder=str(tmp_path), root=str(tmp_path))

    ids = ("slurm_job_id", "pbs_job_id", "lsf_job_id", "github_run_id", "gitlab_job_id", "kubernetes_pod")
    assert [found[id_] for id_ in ids] == ["17", "18.host", "19", "20", "21", "trainer-0"]
    assert found["container"] == "kubernetes"
    assert "hf_secret" not in json.dumps(found)


def test_an_arm_processor_goes_by_its_numbers(tmp_path: Path) -> None:
    files(tmp_path, {"proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"})

    found = facts(machine(tmp_path), "1", environ={}, argv=[], folder=str(tmp_path), root=str(tmp_path))

    assert found["cpu_model"] == "ARM implementer 0x41 part 0xd40"


# virtual machine and container are two bits


@pytest.mark.parametrize(
    ("contents", "name"),
    [
        ({"sys/class/dmi/id/sys_vendor": "QEMU\n"}, "kvm"),
        ({"sys/class/dmi/id/sys_vendor": "Amazon EC2\n"}, "amazon"),
        ({"sys/class/dmi/id/sys_vendor": "Microsoft Corporation\n"}, "hyperv"),
        ({"sys/class/dmi/id/sys_vendor": "VMware, Inc.\n"}, "vmware"),
        ({"sys/class/dmi/id/product_name": "VirtualBox\n"}, "virtualbox"),
        ({"sys/hypervisor/type": "xen\n"}, "xen"),
        ({"sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc kvm-clock\n"}, "kvm"),
        ({"proc/sys/kernel/osrelease": "5.15.0-microsoft-standard-WSL2\n"}, "wsl"),
        ({}, "unknown"),
    ],
)
def test_a_virtual_machine_is_named(tmp_path: Path, contents: dict[str, str], name: str) -> None:
    files(tmp_path, contents)

    assert virtualisation(machine(tmp_path), ON_A_HYPERVISOR) == name


def test_a_cloud_s_machine_without_a_hypervisor_is_metal(tmp_path: Path) -> None:
    files(tmp_path, {"sys/class/dmi/id/sys_vendor": "Amazon EC2\n"})

    assert virtualisation(machine(tmp_path), ON_METAL) == "none"


def test_an_arm_guest_is_told_by_its_device_tree(tmp_path: Path) -> None:
    files(tmp_path, {"proc/device-tree/hypervisor/compatible": "linux,kvm\0"})

    assert virtualisation(machine(tmp_path), "processor\t: 0\n") == "kvm"


@pytest.mark.parametrize(
    ("contents", "environ", "name"),
    [
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/.containerenv": ""}, {}, "podman"),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({}, {"APPTAINER_CONTAINER": "/a.sif"}, "apptainer"),
        ({"proc/1/cgroup": "3:cpu:/kubepods/burstable/pod1\n"}, {}, "kubernetes"),
        ({"proc/1/cgroup": "0::/docker/abc\n"}, {}, "docker"),
        ({"proc/1/cgroup": "0::/init.scope\n"}, {}, "none"),
    ],
)
def test_a_container_is_named(tmp_path: Path, contents: dict[str, str], environ: dict[str, str], name: str) -> None:
    files(tmp_path, contents)

    assert container(str(tmp_path / "proc"), environ, str(tmp_path)) == name


def test_a_container_in_a_virtual_machine_is_both(tmp_path: Path) -> None:
    files(tmp_path, {".dockerenv": "", "proc/cpuinfo": ON_A_HYPERVISOR, "sys/class/dmi/id/sys_vendor": "QEMU"})
    found = facts(machine(tmp_path), "1", environ={}, argv=[], folder=str(tmp_path), root=str(tmp_path))

    assert (found["virtualisation"], found["container"]) == ("kvm", "docker")


# the command line


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["a.py", "--token", "s3cret", "data"], "a.py --token *** data"),
        (["a.py", "--hf-token=s3cret"], "a.py --hf-token=***"),
        (["a.py", "password=s3cret x"], "a.py password=***"),
        (["a.py", "wandb.api_key=s3cret"], "a.py wandb.api_key=***"),
        (["a.py", "HF_TOKEN=s3cret"], "a.py HF_TOKEN=***"),
        (["a.py", "--authToken", "s3cret"], "a.py --authToken ***"),
        (["a.py", "-H", "Authorization: Bearer s3cret"], "a.py -H Authorization:***"),
        (["a.py", "https://me:s3cret@host/x"], "a.py https://***@host/x"),
        (["a.py", "postgres://me:s3/cret@host/db"], "a.py postgres://***@host/db"),
        (["a.py", "https://host/x?a=1&token=s3cret"], "a.py https://host/x?a=1&token=***"),
        (["a.py", "host=h password=s3cret"], "a.py host=h password=***"),
        (["a.py", "hf_s3crets3crets3cret"], "a.py ***"),
        (["a.py", "--model=sk-s3crets3crets3cret"], "a.py --model=***"),
    ],
)
def test_secrets_are_masked(argv: list[str], shown: str) -> None:
    assert command(argv) == shown


@pytest.mark.parametrize(
    "argv",
    [
        ["train.py", "--tokenizer", "bert", "--max-tokens", "5", "--lr=0.1"],
        ["C:\\data\\train.py", "s3://bucket/key.csv", "https://host/pkg@1.2/x", "host:8080"],
        ["a.py", "--use-auth", "--verbose"],
    ],
)
def test_what_is_no_secret_is_shown(argv: list[str]) -> None:
    assert command(argv) == " ".join(argv)


def test_a_long_command_is_cut() -> None:
    assert command(["a.py", "x" * 1000]) == ("a.py " + "x" * 1000)[:500]


def test_an_argument_that_is_no_text_can_be_kept() -> None:
    assert command(["a.py", "caf\udce9"]) == "a.py caf?"


@given(
    name=st.sampled_from(["--token", "--password", "api_key", "--hf-token", "DB_PASSWORD", "--client-secret"]),
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6).map(lambda s: "Zq9" + s),
    joined=st.booleans(),
)
def test_a_named_secret_is_never_shown(name: str, secret: str, joined: bool) -> None:
    argv = [f"{name}={secret}"] if joined else [name, secret]

    assert secret not in command(["run", *argv])


# the commit


def test_a_branch_s_commit_is_found_from_a_folder_below(tmp_path: Path) -> None:
    files(tmp_path, {".git/HEAD": "ref: refs/heads/a/b\n", ".git/refs/heads/a/b": COMMIT + "\n", "src/x": ""})

    assert git_commit(str(tmp_path / "src")) == COMMIT


def test_a_packed_branch_is_found(tmp_path: Path) -> None:
    packed = f"# pack-refs with: peeled\n{'f' * 40} refs/heads/xmain\n{COMMIT} refs/heads/main\n^{'e' * 40}\n"
    files(tmp_path, {".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": packed})

    assert git_commit(str(tmp_path)) == COMMIT


def test_a_worktree_s_commit_is_found(tmp_path: Path) -> None:
    files(
        tmp_path,
        {
            "tree/.git": f"gitdir: {tmp_path}/main/.git/worktrees/tree\n",
            "main/.git/worktrees/tree/HEAD": "ref: refs/heads/side\n",
            "main/.git/worktrees/tree/commondir": "../..\n",
            "main/.git/refs/heads/side": COMMIT + "\n",
        },
    )

    assert git_commit(str(tmp_path / "tree")) == COMMIT


def test_a_new_repository_has_no_commit(tmp_path: Path) -> None:
    files(tmp_path, {".git/HEAD": "ref: refs/heads/main\n"})

    assert git_commit(str(tmp_path)) is None


def test_what_is_no_commit_is_not_taken_for_one(tmp_path: Path) -> None:
    files(tmp_path, {".git/HEAD": "ref: ../secret\n", "secret": "password\n"})

    assert git_commit(str(tmp_path)) is None


def test_tags_are_noted_where_there_are_any() -> None:
    assert facts(Settings(tags=("a", "<b>")), "1")["tags"] == ["a", "<b>"]
    assert "tags" not in facts(Settings(), "1")
