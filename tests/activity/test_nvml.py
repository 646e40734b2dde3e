from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from carbonwatch.activity.nvml import Following, follow
from carbonwatch.attribution import usage
from carbonwatch.errors import Unavailable
from carbonwatch.model import Domain, Usage, Work
from carbonwatch.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import FakeNvml

S = 10**9
ID = "nvml:GPU-a"
OURS = os.getpid()
OTHER = 1  # a process that is here and not ours
FOREIGN = 1 << 30  # none here can have this number


class Machine:
    """The fake library with one card, what is said of it, and one clock for all; the wall clock is a day ahead."""

    def __init__(self, nvml: FakeNvml) -> None:
        self.nvml = nvml
        self.nvml.add("GPU-a")
        self.ns = 0
        self.activity: Following | None = None

    def follow(self, path_procfs: str = "/proc", gpus: tuple[str, ...] = ()) -> None:
        settings = Settings(path_procfs=path_procfs, gpus=gpus)
        self.activity = follow(settings, environ={}, wall_ns=lambda: self.ns + 86_400 * S)
        self.read()

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * S)

    def sample(self, pid: int, sm_percent: int) -> None:
        """What a process used since its last sample, as of now."""
        self.nvml.sample(0, pid, self.ns / S + 86_400, sm_percent)

    def read(self) -> Mapping[str, Work]:
        assert self.activity is not None
        return self.activity.read(self.ns)

    def split(self, before: Mapping[str, Work]) -> Usage:
        """Whose 100 J were since a read: what attribution makes of it."""
        after = self.read()
        work = {id_: after[id_].since(before[id_]) for id_ in after if id_ in before}
        return usage(Domain(ID, "gpu", "measured", "a card"), 100.0, work, 1.0)


@pytest.fixture
def machine(nvml: FakeNvml) -> Iterator[Machine]:
    machine = Machine(nvml)
    yield machine
    if machine.activity is not None:
        machine.activity.close()


def counted(machine: Machine) -> Work:
    """The card's counts, to the nanosecond."""
    work = machine.read()[ID]
    return Work(*(round(seconds, 9) for seconds in (work.own_s, work.busy_s, work.capacity_s, work.reserved_s)))


def shares(machine: Machine) -> tuple[float, float]:
    """Own and idle percent of the second that has passed since a fresh start."""
    machine.follow()
    before = machine.read()
    machine.advance(1)
    split = machine.split(before)
    return split.own_j, split.idle_j


# who works


def test_sm_time_is_added_up_by_process(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    machine.advance(1)
    machine.sample(OURS, 30)
    machine.sample(OTHER, 60)
    machine.read()
    machine.advance(0.5)
    machine.sample(OURS, 20)

    assert counted(machine) == Work(0.4, 1.0, 1.5, 0.0)


def test_several_samples_of_a_process_each_hold_for_their_own_time(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    for sm_percent in (100, 0, 50, 50):
        machine.advance(0.25)
        machine.sample(OURS, sm_percent)
    machine.sample(OTHER, 10)

    assert counted(machine) == Work(0.5, 0.6, 1.0, 0.0)


def test_until_a_sample_comes_the_last_known_use_goes_on(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    machine.advance(1)
    machine.sample(OURS, 30)
    machine.sample(OTHER, 60)
    before = machine.read()
    machine.advance(0.05)

    assert machine.split(before).own_j == pytest.approx(100 / 3)


def test_a_late_sample_corrects_what_was_taken_to_go_on(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    machine.advance(1)
    machine.sample(OURS, 50)
    machine.read()
    machine.advance(0.5)
    machine.read()
    machine.advance(0.5)
    machine.sample(OURS, 60)

    assert machine.read()[ID].own_s == pytest.approx(1.1)


def test_without_samples_for_long_nobody_works(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    machine.advance(1)
    machine.sample(OURS, 50)
    machine.read()
    machine.advance(2)
    before = machine.read()
    machine.advance(10)

    assert machine.split(before).idle_j == 100


def test_a_sample_after_a_long_silence_holds_for_no_more_than_that_time_of_a_sample(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    machine.advance(10)
    machine.read()
    machine.advance(1)
    machine.sample(OURS, 40)

    assert counted(machine).own_s == 1.0


def test_what_was_sampled_before_the_run_does_not_count(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.sample(OTHER, 90)
    machine.advance(1)
    machine.sample(OURS, 90)
    machine.follow()
    machine.advance(1)

    assert machine.read() == {ID: Work(0.0, 0.0, 1.0, 0.0)}


def test_rubbish_among_samples_is_left_out(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    machine.advance(1)
    machine.sample(0, 50)
    machine.nvml.sample(0, OTHER, 0, 50)
    machine.sample(OTHER, 4_000_000)
    machine.sample(OURS, 10)

    assert counted(machine) == Work(0.1, 0.1, 1.0, 0.0)


def test_a_wall_clock_that_was_set_back_stops_nothing(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.ns = 3600 * S
    machine.follow()
    machine.activity._wall_ns = lambda: machine.ns  # type: ignore[union-attr]
    machine.advance(1)
    machine.read()
    machine.advance(1)
    machine.nvml.sample(0, OURS, machine.ns / S, 40)

    assert machine.read()[ID].own_s == pytest.approx(0.4)


# whose a card is


def test_a_card_that_we_have_alone_is_ours_also_while_it_does_nothing(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS)

    assert shares(machine) == (100, 0)


def test_a_card_that_nobody_has_is_idle(machine: Machine) -> None:
    assert shares(machine) == (0, 100)


def test_a_card_of_others_who_rest_is_idle(machine: Machine) -> None:
    machine.nvml.set_processes(0, OTHER)

    assert shares(machine) == (0, 100)


def test_a_card_where_we_and_others_rest_is_idle_so_that_no_two_runs_claim_it(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)

    assert shares(machine) == (0, 100)


def test_a_card_that_others_work_on_is_theirs(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    before = machine.read()
    machine.advance(1)
    machine.sample(OTHER, 5)

    split = machine.split(before)

    assert (split.own_j, split.idle_j) == (0, 0)


def test_work_of_a_child_that_has_ended_since_the_last_look_is_ours(machine: Machine) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        machine.nvml.set_processes(0, child.pid)
        machine.follow()
        before = machine.read()
    machine.nvml.set_processes(0)
    machine.advance(1)
    machine.sample(child.pid, 80)

    assert machine.split(before).own_low_j == 100


def test_work_of_another_that_has_ended_since_the_last_look_is_anothers(machine: Machine) -> None:
    machine.nvml.set_processes(0, OTHER)
    machine.follow()
    before = machine.read()
    machine.nvml.set_processes(0)
    machine.advance(1)
    machine.sample(OTHER, 80)
    split = machine.split(before)

    assert (split.own_j, split.idle_j) == (0, 0)


def test_a_card_that_was_left_a_moment_ago_is_not_busy_by_nobody(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS)
    machine.follow()
    machine.nvml.set_processes(0)
    machine.nvml.set_busy(0, 80)
    machine.advance(1)
    machine.sample(OURS, 80)
    machine.read()
    machine.advance(0.2)
    at_once = machine.read()
    machine.advance(2)
    after_a_while = machine.read()

    assert at_once.keys() == {ID}
    assert after_a_while == {}


# where NVML gives no samples: MIG, vGPU, old cards


@pytest.mark.parametrize(
    ("pids", "own_j", "idle_j"), [((), 0, 100), ((OURS,), 100, 0), ((OTHER,), 0, 0)], ids=["nobody", "we", "others"]
)
def test_without_samples_a_card_is_of_those_who_have_it(
    machine: Machine, pids: tuple[int, ...], own_j: float, idle_j: float
) -> None:
    machine.nvml.split(0, "MIG-1")
    machine.nvml.set_processes(0, *pids)

    assert shares(machine) == (own_j, idle_j)


def test_without_samples_a_shared_card_is_nobodys_to_tell(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.nvml.split(0, "MIG-1")
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    machine.advance(1)

    split = machine.split({})

    assert (split.own_low_j, split.own_high_j, split.work) == (0, 100, None)
    assert "NVML does not tell who works" in caplog.text


def test_one_who_left_since_the_last_look_had_the_card_too(machine: Machine) -> None:
    machine.nvml.split(0, "MIG-1")
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.follow()
    machine.nvml.set_processes(0, OURS)
    machine.advance(1)
    meanwhile = machine.read()
    machine.advance(1)
    alone = machine.read()
    machine.advance(1)

    assert meanwhile == {}
    assert machine.split(alone).own_j == 100


# where nobody can tell


@pytest.mark.parametrize(
    "hide",
    [
        lambda nvml: nvml.set_processes(0, FOREIGN),
        lambda nvml: nvml.set_busy(0, 80),
        lambda nvml: nvml.set_mps_clients(0, 2),
        lambda nvml: nvml.fail(0, "processes", nvml.NOT_SUPPORTED),
        lambda nvml: nvml.fail(0, "all", nvml.GPU_IS_LOST),
    ],
    ids=["pids of the host", "busy by nobody", "MPS", "no list", "lost"],
)
def test_a_card_of_which_nobody_can_tell_is_left_out_and_comes_back(
    machine: Machine, hide: Callable[[FakeNvml], None]
) -> None:
    machine.follow()
    hide(machine.nvml)
    machine.advance(1)
    hidden = machine.read()
    machine.nvml.fail(0, "all", 0)
    machine.nvml.fail(0, "processes", 0)
    machine.nvml.set_processes(0, OURS)
    machine.nvml.set_mps_clients(0, 0)
    machine.advance(1)
    machine.read()
    machine.advance(1)

    assert hidden == {}
    assert machine.read().keys() == {ID}


def test_what_can_not_be_told_is_said_once(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.nvml.set_processes(0, FOREIGN)
    machine.follow()
    machine.advance(1)

    assert machine.read() == {}
    assert [r.getMessage() for r in caplog.records] == [
        "whose work nvml:GPU-a does is not known: its processes are not in this /proc, as in containers: set "
        "path_procfs to the host's"
    ]


def test_with_the_hosts_proc_the_hosts_numbers_are_ours(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to(str(FOREIGN))
    (tmp_path / str(FOREIGN)).mkdir()
    (tmp_path / "stat").write_text("cpu 0 0 0 0 0 0 0\n")
    fields = " ".join(["S", "0", *["0"] * 15, "1", "0", "77"])
    (tmp_path / str(FOREIGN) / "stat").write_text(f"{FOREIGN} (python) {fields}\n")
    machine.nvml.set_processes(0, FOREIGN)
    machine.follow(path_procfs=str(tmp_path))
    before = machine.read()
    machine.advance(1)

    assert machine.split(before).own_j == 100


# reading


def test_reads_close_together_ask_the_library_once(machine: Machine) -> None:
    machine.nvml.set_processes(0, OURS)
    machine.follow()
    asked = machine.nvml.asked(0)
    machine.advance(0.099)

    assert machine.read() == {ID: Work(0.0, 0.0, 0.099, 0.099)}
    assert machine.nvml.asked(0) == asked


def test_only_cards_that_the_program_can_see_are_followed(machine: Machine) -> None:
    machine.nvml.add("GPU-b")
    machine.follow(gpus=("1",))

    assert machine.read().keys() == {"nvml:GPU-b"}


def test_without_a_driver_there_is_nothing_to_follow(machine: Machine) -> None:
    machine.nvml.unload_driver()

    with pytest.raises(Unavailable):
        machine.follow()


def test_closing_gives_the_library_back(machine: Machine) -> None:
    machine.follow()
    assert machine.activity is not None

    machine.activity.close()

    assert machine.nvml.opened == 0
    assert machine.read() == {}


steps = st.lists(
    st.tuples(
        st.floats(0.001, 3),
        st.lists(st.tuples(st.sampled_from([OURS, OTHER]), st.integers(0, 100)), max_size=2),
        st.sets(st.sampled_from([OURS, OTHER])),
    ),
    max_size=12,
)


@hypothesis(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(steps=steps)
def test_no_count_goes_back_and_own_is_a_part_of_busy(
    nvml: FakeNvml, steps: list[tuple[float, list[tuple[int, int]], set[int]]]
) -> None:
    nvml.reset()
    machine = Machine(nvml)
    machine.follow()
    works = [machine.read()[ID]]
    for seconds, samples, pids in steps:
        machine.advance(seconds)
        for pid, sm_percent in samples:
            machine.sample(pid, sm_percent)
        nvml.set_processes(0, *pids)
        works.append(machine.read()[ID])
    assert machine.activity is not None
    machine.activity.close()

    assert all(w.own_s <= w.busy_s + 1e-9 for w in works)
    assert all(w.reserved_s <= w.capacity_s + 1e-9 for w in works)
    for name in ("own_s", "busy_s", "capacity_s", "reserved_s"):
        counts = [getattr(w, name) for w in works]
        assert counts == sorted(counts)


def test_others_on_a_card_are_seen_and_noted(machine: Machine) -> None:
    machine.follow()
    assert machine.activity is not None
    alone = machine.activity.facts
    machine.nvml.set_processes(0, OURS, OTHER)
    machine.advance(1)
    machine.read()
    shared = machine.activity.facts

    assert ("gpu_others" in alone, shared["gpu_others"]) == (False, {ID: 1})
    assert (shared["gpu_driver"], shared["gpu_state"][ID]["temperature_c"]) == ("550.54.15", 45)
