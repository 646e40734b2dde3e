from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import carbonwatch
from carbonwatch.errors import HardwareMismatch, SettingsError
from carbonwatch.requirements import require

if TYPE_CHECKING:
    from tests.conftest import FakeNvml

CPUINFO = """\
processor\t: 0
model name\t: AMD EPYC 7763 64-Core Processor
siblings\t: {threads}
cpu cores\t: {cores}
flags\t\t: fpu sse
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, Any]:
    """One socket with as many threads as there are here, two a core, and 64 GB, as the system shows them."""
    threads = os.cpu_count() or 1
    contents = {
        "proc/cpuinfo": CPUINFO.format(threads=threads, cores=32),
        "proc/meminfo": "MemTotal: 65800000 kB\n",
        "proc/stat": "cpu 1\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    }
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return {"path_procfs": str(tmp_path / "proc"), "path_sysfs": str(tmp_path / "sys")}


@pytest.mark.parametrize(
    "wanted",
    [
        {"cpu": "epyc 7763"},
        {"cpu_cores": 32},
        {"ram_gb": 64},
        {"governor": "performance"},
        {"virtualisation": "none"},
        {"cpu": "EPYC", "cpu_cores": 32, "ram_gb": 64},
    ],
)
def test_the_hardware_that_is_asked_for_passes(wanted: dict[str, Any], machine: dict[str, Any]) -> None:
    require(**wanted, **machine)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"cpu": "Xeon"}, "cpu: Xeon is asked for, and here is AMD EPYC 7763 64-Core Processor"),
        ({"cpu_cores": 16}, "cpu_cores: 16 is asked for, and here is 32"),
        ({"ram_gb": 128}, "ram_gb: 128 is asked for, and here is 62.75"),
        ({"ram_gb": 32}, "ram_gb: 32 is asked for, and here is 62.75"),
        ({"governor": "powersave"}, "governor: powersave is asked for, and here is performance"),
        ({"virtualisation": "kvm"}, "virtualisation: kvm is asked for, and here is none"),
        ({"gpu": "A100"}, "gpu: A100 is asked for, and here is none"),
        ({"gpu_count": 8}, "gpu_count: 8 is asked for, and here is 0"),
    ],
)
def test_other_hardware_stops_it_and_it_is_said_what_is_different(
    wanted: dict[str, Any], said: str, machine: dict[str, Any]
) -> None:
    with pytest.raises(HardwareMismatch) as error:
        require(**wanted, **machine)

    assert f"\n  {said}\n" in str(error.value)


def test_all_that_is_different_is_said_at_once(machine: dict[str, Any]) -> None:
    with pytest.raises(HardwareMismatch) as error:
        require(cpu="Xeon", cpu_cores=32, ram_gb=8, **machine)

    assert [line.split(":")[0].strip() for line in str(error.value).splitlines()[1:-1]] == ["cpu", "ram_gb"]


def test_threads_are_those_that_this_program_may_use() -> None:
    require(cpu_threads=len(os.sched_getaffinity(0)))

    with pytest.raises(HardwareMismatch, match="cpu_threads: 4096"):
        require(cpu_threads=4096)


def test_what_can_t_be_told_is_no_match(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {"path_procfs": str(tmp_path), "path_sysfs": str(tmp_path)}

    with pytest.raises(HardwareMismatch, match="governor: performance is asked for, and it can't be told"):
        require(governor="performance", **nothing)


def test_to_ask_for_nothing_or_for_what_can_t_be_asked_for_is_an_error() -> None:
    with pytest.raises(SettingsError, match="asks for nothing"):
        require()
    with pytest.raises(SettingsError, match="no setting 'gpus_count'"):
        require(gpu="A100", gpus_count=8)  # type: ignore[call-arg]  # that is the point


# cards, as NVML shows them


ENVIRON = {"NVIDIA_VISIBLE_DEVICES": "all"}


@pytest.fixture
def cards(nvml: FakeNvml) -> FakeNvml:
    for uuid in ("GPU-a", "GPU-b"):
        nvml.add(uuid)
    return nvml


def test_every_card_that_the_program_can_see_has_to_be_the_one(cards: FakeNvml) -> None:
    require(ENVIRON, gpu="a100", gpu_count=2, gpu_memory_gb=40, gpu_driver="550")
    cards.add("GPU-c", "NVIDIA T4")

    with pytest.raises(HardwareMismatch, match="here is NVIDIA A100-SXM4-40GB, NVIDIA A100-SXM4-40GB, NVIDIA T4"):
        require(ENVIRON, gpu="A100")
    require(ENVIRON, gpu="A100", gpus=("0", "1"))


@pytest.mark.parametrize("wanted", [{"gpu_memory_gb": 80}, {"gpu_driver": "535"}, {"gpu_count": 1}])
def test_other_cards_stop_it(wanted: dict[str, Any], cards: FakeNvml) -> None:
    with pytest.raises(HardwareMismatch):
        require(ENVIRON, **wanted)


# AMD's, as the kernel shows them


def boards(machine: dict[str, Any], *names: str, memory_gb: int | None = 64) -> None:
    for number, name in enumerate(names):
        device = Path(machine["path_sysfs"], "bus", "pci", "drivers", "amdgpu", f"0000:{number:02x}:00.0")
        device.mkdir(parents=True)
        (device / "product_name").write_text(f"{name}\n")
        if memory_gb is not None:
            (device / "mem_info_vram_total").write_text(f"{memory_gb << 30}\n")


def test_every_board_of_amd_has_to_be_the_one(machine: dict[str, Any]) -> None:
    boards(machine, "AMD Instinct MI250X", "AMD Instinct MI250X")
    version = Path(machine["path_sysfs"], "module", "amdgpu", "version")
    version.parent.mkdir(parents=True)
    version.write_text("6.8.5\n")

    require({}, gpu="MI250", gpu_count=2, gpu_memory_gb=64, gpu_driver="6.8", **machine)
    require({"ROCR_VISIBLE_DEVICES": "1"}, gpu_count=1, **machine)
    with pytest.raises(HardwareMismatch, match="gpu: A100 is asked for, and here is AMD Instinct MI250X, AMD"):
        require({}, gpu="A100", **machine)


def test_memory_that_a_driver_of_amd_does_not_tell_is_no_match(machine: dict[str, Any]) -> None:
    boards(machine, "AMD Instinct MI250X", memory_gb=None)

    with pytest.raises(HardwareMismatch, match="gpu_memory_gb: 64 is asked for; it can't be told: the driver of AMD"):
        require({}, gpu_memory_gb=64, **machine)


def test_it_is_one_of_the_public_names() -> None:
    assert carbonwatch.require is require
