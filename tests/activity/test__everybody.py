from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from carbonwatch.activity._everybody import ByProc, ByPsutil, Cards, Engines, Key, MacCards, everybody
from carbonwatch.nvidia import choose, open_nvml
from tests.activity.drm_tree import AMD, Tree

if TYPE_CHECKING:
    from tests.conftest import FakeNvml

ID = "0123456789ab" + "c" * 52
S = 10**9


def process(folder: Path, pid: int, name: str, ticks: int, words: bytes = b"") -> None:
    (folder / str(pid)).mkdir(parents=True, exist_ok=True)
    fields = f"S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 5 6 20 0 1 0 99 0 0"
    (folder / str(pid) / "stat").write_text(f"{pid} ({name}) {fields}\n")
    (folder / str(pid) / "cmdline").write_bytes(words)
    (folder / str(pid) / "cgroup").write_text(f"0::/system.slice/docker-{ID}.scope\n")


def test_every_process_has_its_time_its_command_and_its_container(tmp_path: Path) -> None:
    process(tmp_path, 7, "a ) b (", 150, b"python\0train.py\0")
    process(tmp_path, 8, "kworker", 3)
    (tmp_path / "meminfo").write_text("not a process")
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    seen = ByProc(str(tmp_path)).look()

    assert [(key, now.name, now.group, now.parent) for key, now in sorted(seen.items())] == [
        (Key(7, 99), "python train.py", "docker 0123456789ab", 1),
        (Key(8, 99), "[kworker]", "docker 0123456789ab", 1),
    ]
    assert (seen[Key(7, 99)].cpu_s, seen[Key(7, 99)].children_s) == (150 * tick_s, 11 * tick_s)


def test_a_container_has_the_name_that_the_machine_s_files_tell(tmp_path: Path) -> None:
    process(tmp_path / "proc", 7, "nginx", 1)
    config = tmp_path / "var" / "lib" / "docker" / "containers" / ID / "config.v2.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"Name": "/web"}')

    assert [now.group for now in ByProc(str(tmp_path / "proc")).look().values()] == ["docker web"]


def test_a_command_is_read_once_and_again_after_an_exec(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(words: object) -> str:
        told.append(str(words))
        return "told"

    process(tmp_path, 7, "sh", 1, b"sh\0")
    everyone = ByProc(str(tmp_path), tell)
    everyone.look()
    everyone.look()
    process(tmp_path, 7, "python", 1, b"python\0")
    everyone.look()

    assert told == ["['sh']", "['python']"]


def burning() -> subprocess.Popen[bytes]:
    code = "import time\nwhile time.process_time() < 0.1: pass\nprint('burnt', flush=True)\ninput()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


@pytest.mark.parametrize("kind", [ByProc, ByPsutil])
def test_a_real_child_is_there_with_what_it_used(kind: Callable[[], ByProc | ByPsutil]) -> None:
    child = burning()
    seen = {key.pid: now for key, now in kind().look().items()}
    child.communicate(b"\n")

    assert seen[child.pid].cpu_s >= 0.08
    assert seen[child.pid].user == seen[os.getpid()].user


def test_where_there_is_no_proc_psutil_tells(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu 1\n")

    assert isinstance(everybody(str(tmp_path), str), ByProc)
    assert isinstance(everybody(str(tmp_path / "none"), str), ByPsutil)


# cards


def cards(nvml: FakeNvml) -> Cards:
    library = open_nvml("/proc", {}, signs=("/",))
    return Cards(library, choose(library, (), {}).boards)


def test_who_used_a_card_has_the_seconds_of_its_samples(nvml: FakeNvml) -> None:
    nvml.add("GPU-a")
    looking = cards(nvml)
    looking.look(0, 10 * 10**6)
    nvml.sample(0, 7, 10.5, 40)
    nvml.sample(0, 7, 11.0, 20)
    nvml.sample(0, 8, 11.0, 50)
    found = looking.look(S, 11 * 10**6)
    looking.close()

    assert found == {"nvml:GPU-a": {7: pytest.approx(0.3), 8: pytest.approx(0.5)}}


def test_a_card_that_rests_is_that_of_who_alone_has_it_open(nvml: FakeNvml) -> None:
    nvml.add("GPU-a")
    nvml.set_processes(0, 7)
    looking = cards(nvml)
    alone = looking.look(0, 10 * 10**6)
    nvml.set_processes(0, 7, 8)
    shared = looking.look(2 * S, 12 * 10**6)
    looking.close()

    assert (alone, shared) == ({"nvml:GPU-a": {7: 1.0}}, {"nvml:GPU-a": {}})


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A machine with a card of AMD's that two processes have open."""
    tree = Tree(tmp_path)
    tree.board(AMD)
    tree.node(51963, AMD, 100)
    for pid in (7, 8):
        tree.process(pid)
        tree.open(pid, AMD, pid)
    return tree


def used_in_a_second(tree: Tree) -> dict[int, float]:
    looking = Engines(tree.settings)
    looking.look(0, 0)
    tree.advance(1)
    found = looking.look(S, 0)
    looking.close()
    return {pid: round(seconds, 6) for pid, seconds in found[f"amdsmi:{AMD}"].items()}


def test_who_used_a_card_of_amd_s_has_the_seconds_of_its_engines(tree: Tree) -> None:
    tree.work(AMD, 7, gfx=0.3)
    tree.work(AMD, 8, compute=0.5)

    assert used_in_a_second(tree) == {7: 0.3, 8: 0.5}


def test_who_computes_through_rocm_has_the_units_that_it_keeps(tree: Tree) -> None:
    tree.queue(7, 51963, 20)
    tree.queue(8, 51963, 80)

    assert used_in_a_second(tree) == {7: 0.2, 8: 0.8}


def test_where_only_one_computes_it_has_what_the_card_was_busy_with(tree: Tree) -> None:
    tree.queue(7, 51963, None)
    tree.tell_load(AMD, 60)
    tree.work(AMD, 8, gfx=0.1)

    assert used_in_a_second(tree) == {7: 0.5, 8: 0.1}


def test_where_several_compute_and_nothing_tells_them_apart_nobody_is_named(tree: Tree) -> None:
    tree.queue(7, 51963, None)
    tree.queue(8, 51963, None)

    assert used_in_a_second(tree) == {}


def test_a_card_of_amd_s_that_rests_is_that_of_who_alone_has_it_open(tree: Tree) -> None:
    shared = used_in_a_second(tree)
    tree.end(8)

    assert (shared, used_in_a_second(tree)) == ({}, {7: 1.0})


def test_a_card_that_tells_nothing_names_nobody(nvml: FakeNvml) -> None:
    nvml.add("GPU-a")
    nvml.fail(0, "samples", nvml.NOT_SUPPORTED)
    nvml.fail(0, "processes", nvml.NOT_SUPPORTED)
    looking = cards(nvml)
    found = looking.look(0, 10 * 10**6)
    looking.close()

    assert found == {"nvml:GPU-a": {}}


def test_who_used_a_mac_s_gpu_has_the_seconds_of_his_clients(iokit: Any) -> None:
    clients = [iokit.fake_add(ctypes.c_uint64(n), f"pid {pid}, a".encode(), 1) for n, pid in ((1, 7), (2, 7), (3, 8))]
    looking = MacCards(lambda: (iokit, iokit))
    looking.look(0, 0)
    for client, used_ns in zip(clients, (100_000_000, 200_000_000, 0), strict=True):
        iokit.fake_time(client, 0, ctypes.c_int64(used_ns))
    found = looking.look(S, 0)
    looking.close()

    assert found == {"apple:gpu": {7: pytest.approx(0.3)}}
