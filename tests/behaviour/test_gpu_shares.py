"""Whose joules on a machine with a GPU of AMD's and one of Intel's: from the kernel's files to the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from carbonwatch.cli import top
from carbonwatch.model import Run
from carbonwatch.sampler import Sampler, open_sampler
from carbonwatch.tracker import Tracker
from tests.activity.drm_tree import AMD, ARC, DRIVERS, OURS, Tree

AMD_ID, ARC_ID = f"amdsmi:{AMD}", f"intel_gpu:{ARC}"
OTHER, CHILD, GPU = 200, 201, 51963
POWER_W = {AMD: 300, ARC: 120}


class Machine(Tree):
    """An MI250 of 300 W and an Arc of 120 W; nothing meters the rest of the machine."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.process(OTHER)
        self.process(CHILD, parent=OTHER)
        self.settings_here = replace(self.settings, sensors=("amdsmi", "intel_gpu"), scope="process")
        chip = self.board(AMD) / "hwmon" / "hwmon4"
        chip.mkdir(parents=True)
        (chip / "power1_average").write_text(f"{POWER_W[AMD]}000000\n")
        self.chip = self.sys / "class" / "hwmon" / "hwmon2"
        self.chip.mkdir(parents=True)
        (self.chip / "name").write_text("xe\n")
        (self.chip / "device").symlink_to(self.board(ARC))
        for driver in DRIVERS.values():
            (self.sys / "module" / driver / "parameters").mkdir(parents=True, exist_ok=True)
        self.node(GPU, AMD, 104)
        self.advance(0)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        counted_uj = 5_000_000 + POWER_W[ARC] * self.ns // 1000
        (self.chip / "energy1_input").write_text(f"{counted_uj}\n")

    @contextmanager
    def run(self, pid: int | None = None) -> Iterator[Tracker]:
        """A run of this process' tree, or of another one's, on the machine's clock."""
        opened = open_sampler(self.settings_here, pid)
        sampler = Sampler(opened.meters, opened.activities, clock=lambda: self.ns, thread=False)
        with Tracker(self.settings_here, meters=sampler, environ={}) as tracker:
            yield tracker
        sampler.close()


def joules(run: Run, id_: str) -> tuple[float, float, float, float]:
    """Machine, own, idle and others of one GPU."""
    used = next(entry.usage for entry in run.entries if entry.usage.domain.id == id_)
    others_j = used.machine_j - used.own_j - used.idle_j
    return tuple(round(j, 3) for j in (used.machine_j, used.own_j, used.idle_j, others_j))  # type: ignore[return-value]  # four


def test_two_runs_and_their_neighbours_share_both_gpus_and_all_adds_up(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.open(OURS, AMD, 1, fd=5)
    machine.queue(OURS, GPU, 78)
    machine.open(CHILD, AMD, 2, fd=5)
    machine.queue(CHILD, GPU, 26)
    machine.open(OURS, ARC, 1, fd=6, rcs=0.1)
    machine.open(CHILD, ARC, 2, fd=6, ccs=0.3)
    machine.open(1, ARC, 3, fd=6, rcs=0.1)  # a screen
    with machine.run() as first, machine.run(OTHER) as second:
        for _ in range(10):
            machine.advance(1)

    a, b = first.run, second.run

    assert [joules(run, AMD_ID) for run in (a, b)] == [(3000, 2250, 0, 750), (3000, 750, 0, 2250)]
    assert [joules(run, ARC_ID) for run in (a, b)] == [(1200, 240, 0, 960), (1200, 720, 0, 480)]
    assert a.energy("machine").value == pytest.approx(4200)
    assert a.energy("own").value == pytest.approx(2490)


def test_a_gpu_that_nobody_works_on_is_idle_and_one_that_we_have_alone_is_ours(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.open(OURS, ARC, 1)
    with machine.run() as tracker:
        machine.advance(10)

    assert joules(tracker.run, AMD_ID) == (3000, 0, 3000, 0)
    assert joules(tracker.run, ARC_ID) == (1200, 1200, 0, 0)
    assert tracker.run.facts["gpu_processes_seen"] == "all"


def test_others_who_worked_are_noted_with_the_run(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.open(OURS, ARC, 1, ccs=0.5)
    machine.open(OTHER, ARC, 2, ccs=0.5)
    with machine.run() as tracker:
        machine.advance(1)

    assert f"Another process was on {ARC_ID} meanwhile; what they used is not this run's." in tracker.run.notes


def test_the_live_view_names_who_works_on_both_gpus(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.queue(CHILD, GPU, 104)
    machine.open(CHILD, ARC, 1, ccs=0.2)
    machine.open(1, ARC, 2, rcs=0.6)
    opened = open_sampler(machine.settings_here)
    sampler = Sampler(opened.meters, opened.activities, clock=lambda: machine.ns, thread=False)
    watching = top.Watching(machine.settings_here, sampler)
    machine.advance(1)
    frame = watching.frame()
    watching.close()

    assert {row.pid: round(row.gpu_nj / 1e9, 3) for row in frame.rows if row.gpu_nj} == {1: 90, CHILD: 330}
    assert frame.machine_nj == 420 * 10**9
