from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.activity.drm import Card, Client, Following, Moment, Use, cards, client, follow
from carbonwatch.attribution import usage
from carbonwatch.errors import Unavailable
from carbonwatch.model import Domain, Usage, Work
from carbonwatch.settings import Settings
from tests.activity.drm_tree import AMD, ARC, FLEX, OURS, TWIN, Tree
from tests.sensors.trees import plant

AMD_ID, ARC_ID, FLEX_ID = f"amdsmi:{AMD}", f"intel_gpu:{ARC}", f"intel_gpu:{FLEX}"
OTHER = 200
GPU = 51963  # as amdkfd numbers them


class Machine(Tree):
    """A tree with some cards, what is said of them, and one clock for both."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for bus in (AMD, ARC, FLEX):
            self.board(bus)
        self.activity: Following | None = None

    def follow(self, pid: int | None = None) -> Mapping[str, Work]:
        self.activity = follow(self.settings, pid)
        return self.read()

    def read(self) -> Mapping[str, Work]:
        assert self.activity is not None
        return self.activity.read(self.ns)

    def counted(self, id_: str) -> Work:
        work = self.read()[id_]
        return Work(*(round(s, 6) for s in (work.own_s, work.busy_s, work.capacity_s, work.reserved_s)))

    def split(self, id_: str, before: Mapping[str, Work]) -> Usage:
        """Whose 100 J of a card were since a read: what attribution makes of it."""
        after = self.read()
        work = {key: after[key].since(before[key]) for key in after if key in before}
        return usage(Domain(id_, "gpu", "measured", "a card"), 100.0, work, 1.0)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.process(OTHER)
    return machine


# what a file tells

AMDGPU_TEXT = """pos:\t0
flags:\t02100002
mnt_id:\t26
ino:\t614
drm-driver:\tamdgpu
drm-client-id:\t217
drm-pdev:\t0000:08:00.0
pasid:\t32784
drm-total-vram:\t2068 KiB
drm-memory-gtt: \t8192 KiB
drm-engine-gfx:\t107322799 ns
drm-engine-compute:\t2677201 ns
"""
XE_TEXT = """drm-driver:     xe
drm-client-id:  3
drm-pdev:       0000:03:00.0
drm-total-gtt:  192 KiB
drm-cycles-rcs: 28257900
drm-total-cycles-rcs:   7655183225
drm-cycles-vcs: 10
drm-total-cycles-vcs:   7655183225
drm-engine-capacity-vcs:        2
"""
I915_TEXT = """drm-driver:	i915
drm-pdev:	0000:00:02.0
drm-client-id:	7
drm-engine-render:	9288864723 ns
drm-engine-copy:	2035071108 ns
drm-engine-video:	4 ns
drm-engine-capacity-video:	2
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (AMDGPU_TEXT, Client("0000:08:00.0", 217, 0.11)),
        (XE_TEXT, Client("0000:03:00.0", 3, 0.0, 28257905, 7655183225)),
        (I915_TEXT, Client("0000:00:02.0", 7, (9288864723 + 2035071108 + 2) / 1e9)),
        ("pos:\t0\nflags:\t0100002\n", None),
        (AMDGPU_TEXT.replace("amdgpu", "nouveau"), None),
        ("pdev:\t0000:08:00.0\npasid:\t32784\ngfx0:\t12.34%\n", None),  # amdgpu before Linux 5.19
        (AMDGPU_TEXT.replace("217", "many"), None),
        (I915_TEXT.replace("video:\t2", "video:\t0"), None),
    ],
    ids=["amdgpu", "xe", "i915", "no card", "another driver", "old kernel", "no number", "no engine"],
)
def test_an_open_file_is_read_as_the_kernel_writes_it(text: str, found: Client | None) -> None:
    assert client(text) == found


def test_boards_are_found_by_their_driver_and_graphics_inside_a_processor_is_none(tmp_path: Path) -> None:
    plant(tmp_path, "mi250")
    passed_through = "0000:00:06.0"  # to a virtual machine, whose bus is short
    for bus in ("0000:00:02.0", passed_through, ARC, FLEX):
        (tmp_path / "bus" / "pci" / "drivers" / ("i915" if bus == FLEX else "xe") / bus).mkdir(parents=True)
    busy = tmp_path / "bus" / "pci" / "drivers" / "amdgpu" / TWIN / "gpu_busy_percent"
    busy.write_text("0\n")

    assert cards(str(tmp_path)) == [
        Card(AMD_ID, (AMD, TWIN), (str(busy),)),
        Card("amdsmi:0000:63:00.0", ("0000:63:00.0",)),
        Card(FLEX_ID, (FLEX,)),
        Card(f"intel_gpu:{passed_through}", (passed_through,)),
        Card(ARC_ID, (ARC,)),
    ]


# who works


@pytest.mark.parametrize(
    ("bus", "id_", "engine"), [(AMD, AMD_ID, "gfx"), (ARC, ARC_ID, "rcs"), (FLEX, FLEX_ID, "render")]
)
def test_engine_time_is_added_up_by_process(machine: Machine, bus: str, id_: str, engine: str) -> None:
    machine.open(OURS, bus, 1, 5, **{engine: 0.3})
    machine.open(OTHER, bus, 2, 5, **{engine: 0.6})
    machine.advance(100)
    machine.follow()
    machine.advance(1)
    machine.read()
    machine.work(bus, 1, **{engine: 0.2})
    machine.advance(0.5)

    assert machine.counted(id_) == Work(0.4, 1.3, 1.5, 0.0)


def test_cards_are_told_apart(machine: Machine) -> None:
    machine.open(OURS, AMD, 1, fd=5, gfx=0.3)
    machine.open(OURS, ARC, 1, fd=6, ccs=0.9)
    machine.open(OTHER, ARC, 2, rcs=0.3)
    machine.follow()
    machine.advance(1)

    works = machine.read()

    assert {id_: (round(w.own_s, 6), round(w.busy_s, 6)) for id_, w in works.items()} == {
        AMD_ID: (0.3, 0.3),
        ARC_ID: (0.9, 1.2),
        FLEX_ID: (0.0, 0.0),
    }


def test_engines_of_a_kind_count_for_their_part_and_kinds_are_added(machine: Machine) -> None:
    machine.capacities = {"ccs": 4}
    machine.open(OURS, ARC, 1, ccs=2.0, rcs=0.25)
    machine.open(OTHER, ARC, 2, rcs=0.25)
    machine.follow()
    machine.advance(2)

    assert machine.counted(ARC_ID) == Work(1.5, 2.0, 2.0, 0.0)


def test_a_client_that_is_open_several_times_counts_once_for_the_process_of_the_lowest_number(
    machine: Machine,
) -> None:
    machine.process(300)
    machine.open(OTHER, AMD, 1, fd=5, gfx=0.5)
    machine.open(OTHER, AMD, 1, fd=6)
    machine.open(300, AMD, 1, fd=5)
    machine.follow()
    machine.advance(1)
    machine.follow(OTHER)
    before = machine.read()
    machine.advance(1)
    opener = machine.split(AMD_ID, before)
    machine.follow(300)
    before = machine.read()
    machine.advance(1)
    heir = machine.split(AMD_ID, before)

    assert machine.counted(AMD_ID).busy_s == 0.5
    assert (opener.own_j, heir.own_j) == (100, 0)


def test_children_are_the_tree_s_and_neighbours_are_not(machine: Machine) -> None:
    machine.process(300)
    machine.process(301, parent=300)
    machine.open(301, FLEX, 4, compute=0.6)
    machine.open(OTHER, FLEX, 5, compute=0.2)
    before = machine.follow(300)
    machine.advance(1)

    assert machine.split(FLEX_ID, before).own_j == pytest.approx(75)


def test_what_a_client_used_before_the_run_does_not_count(machine: Machine) -> None:
    machine.open(OURS, AMD, 1, gfx=1.0)
    machine.advance(3600)

    assert machine.follow()[AMD_ID] == Work(0.0, 0.0, 0.0)


def test_a_card_that_is_opened_during_the_run_counts_from_then_on(machine: Machine) -> None:
    machine.follow()
    machine.advance(0.5)
    machine.open(OURS, AMD, 1, gfx=0.8)
    machine.advance(0.5)

    assert machine.counted(AMD_ID) == Work(0.4, 0.4, 1.0, 1.0)


def test_another_that_was_not_seen_before_used_no_more_than_the_time_since_the_last_look(machine: Machine) -> None:
    machine.follow()
    machine.open(OTHER, AMD, 2, gfx=1.0)
    for _ in range(11):  # others are looked for every 10 s
        machine.advance(1)
        machine.read()

    assert machine.counted(AMD_ID) == Work(0.0, 2.0, 11.0, 0.0)


def test_a_client_that_ended_keeps_what_it_was_last_seen_with_and_its_number_may_come_back(machine: Machine) -> None:
    machine.process(300, parent=OURS)
    machine.open(300, ARC, 1, ccs=0.5)
    machine.open(OTHER, ARC, 2, rcs=0.0)
    machine.follow(OURS)
    machine.advance(1)
    machine.read()
    machine.end(300)
    del machine.openings[ARC, 1]
    machine.advance(1)
    ended = machine.counted(ARC_ID)
    machine.advance(8)
    machine.read()
    machine.open(OURS, ARC, 1, ccs=0.25)
    machine.advance(1)

    assert ended == Work(0.5, 0.5, 2.0, 0.0)
    assert machine.counted(ARC_ID) == Work(0.75, 0.75, 11.0, 0.0)


def test_a_count_that_is_less_for_a_while_is_waited_for(machine: Machine) -> None:
    machine.open(OURS, AMD, 1, gfx=0.5)
    machine.follow()
    machine.advance(2)
    machine.read()
    machine.openings[AMD, 1].used_s["gfx"] = 0.9
    machine.advance(0.1)
    behind = machine.counted(AMD_ID)
    machine.advance(0.5)

    assert behind.own_s == 1.0
    assert machine.counted(AMD_ID).own_s == pytest.approx(1.2)


def test_a_clock_of_a_card_that_was_set_back_costs_one_look(machine: Machine) -> None:
    machine.open(OURS, ARC, 1, ccs=0.5)
    machine.follow()
    machine.advance(1)
    machine.read()
    machine.ns -= 3 * 10**9  # the clock of the card goes with it
    machine.write(machine.openings[ARC, 1])
    assert machine.activity is not None
    at_the_reset = machine.activity.read(2 * 10**9)
    machine.advance(1)

    assert at_the_reset[ARC_ID].own_s == pytest.approx(0.5)
    assert machine.activity.read(3 * 10**9)[ARC_ID].own_s == pytest.approx(1.0)


# whose a card is


@pytest.mark.parametrize(
    ("pids", "own_j", "idle_j"),
    [((), 0, 100), ((OURS,), 100, 0), ((OTHER,), 0, 100), ((OURS, OTHER), 0, 100)],
    ids=["nobody", "we", "others", "both"],
)
def test_a_card_that_rests_is_ours_if_we_have_it_alone_and_idle_otherwise(
    machine: Machine, pids: tuple[int, ...], own_j: float, idle_j: float
) -> None:
    for pid in pids:
        machine.open(pid, AMD, pid)
    before = machine.follow()
    machine.advance(1)

    split = machine.split(AMD_ID, before)

    assert (split.own_j, split.idle_j) == (own_j, idle_j)


def test_a_card_that_others_work_on_is_theirs(machine: Machine) -> None:
    machine.open(OURS, AMD, 1)
    machine.open(OTHER, AMD, 2, gfx=0.05)
    before = machine.follow()
    machine.advance(1)

    split = machine.split(AMD_ID, before)

    assert (split.own_j, split.idle_j) == (0, 0)


def test_others_who_worked_are_counted_and_those_who_have_it_open_are_not(machine: Machine) -> None:
    machine.process(300)
    machine.open(OTHER, AMD, 2, gfx=0.1)
    machine.open(300, AMD, 3)
    machine.follow()
    machine.advance(1)
    machine.read()
    assert machine.activity is not None

    assert machine.activity.facts == {"gpu_processes_seen": "all", "gpu_others": {AMD_ID: 1}}


# work through ROCm


@pytest.fixture
def rocm(machine: Machine) -> Machine:
    """A GPU that ROCm can use; whoever computes has it open too, without engine time."""
    machine.node(GPU, AMD, 100)
    machine.open(OURS, AMD, 1)
    machine.open(OTHER, AMD, 2)
    return machine


def test_compute_units_that_are_kept_make_the_shares(rocm: Machine) -> None:
    rocm.queue(OURS, GPU, 60)
    rocm.queue(OTHER, GPU, 20)
    before = rocm.follow()
    rocm.advance(1)

    assert rocm.split(AMD_ID, before).own_j == pytest.approx(75)
    assert rocm.counted(AMD_ID) == Work(0.6, 0.8, 1.0, 0.0)


def test_between_two_looks_as_many_are_kept_as_half_of_both(rocm: Machine) -> None:
    rocm.queue(OURS, GPU, 100)
    rocm.follow()
    rocm.advance(1)
    rocm.queue(OURS, GPU, 0)

    assert rocm.counted(AMD_ID).own_s == 0.5


def test_engines_and_compute_units_are_added(rocm: Machine) -> None:
    rocm.queue(OURS, GPU, 75)
    rocm.work(AMD, 2, gfx=0.25)
    rocm.follow()
    rocm.advance(1)

    assert rocm.counted(AMD_ID) == Work(0.75, 1.0, 1.0, 0.0)


def test_without_compute_units_the_side_that_computes_has_what_engines_did_not_do(rocm: Machine) -> None:
    rocm.queue(OURS, GPU, None)
    rocm.work(AMD, 2, gfx=0.02)  # a screen
    rocm.tell_load(AMD, 92)
    rocm.follow()
    rocm.advance(1)

    assert rocm.counted(AMD_ID) == Work(0.9, 0.92, 1.0, 0.0)


def test_without_compute_units_two_sides_that_compute_are_nobody_s_to_tell(
    rocm: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    rocm.queue(OURS, GPU, None)
    rocm.queue(OTHER, GPU, None)
    rocm.follow()
    rocm.advance(1)

    split = rocm.split(AMD_ID, {})

    assert (split.own_low_j, split.own_high_j, split.work) == (0, 100, None)
    assert "the kernel does not tell who works" in caplog.text


def test_where_nothing_tells_how_busy_a_card_is_computing_alone_has_all_of_it(rocm: Machine) -> None:
    rocm.queue(OTHER, GPU, None)
    rocm.follow()
    rocm.advance(1)
    theirs = rocm.counted(AMD_ID)
    rocm.work(AMD, 1, gfx=0.1)
    rocm.advance(1)

    assert theirs == Work(0.0, 1.0, 1.0, 0.0)
    assert AMD_ID not in rocm.read()


def test_numbers_of_processes_that_mean_nothing_here_are_nobody_s(rocm: Machine) -> None:
    rocm.queue(1 << 30, GPU, 50)

    assert AMD_ID not in rocm.follow()


def test_one_who_computed_at_the_last_look_and_has_ended_had_half_of_the_time(rocm: Machine) -> None:
    rocm.process(300, parent=OURS)
    rocm.queue(300, GPU, 100)
    rocm.follow(OURS)
    rocm.advance(1)
    rocm.end(300)
    (rocm.kfd / "proc" / "300").rename(rocm.sys / "gone")

    assert rocm.counted(AMD_ID) == Work(0.5, 0.5, 1.0, 0.0)


# where nobody can tell


def test_a_card_that_is_busy_while_nobody_seen_works_is_left_out_and_comes_back(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.tell_load(AMD, 80)
    machine.follow()
    for _ in range(2):
        machine.advance(1)
        hidden = machine.read()
    machine.tell_load(AMD, 0)
    machine.advance(1)

    assert hidden.keys() == {ARC_ID, FLEX_ID}
    assert machine.read().keys() == {AMD_ID, ARC_ID, FLEX_ID}
    assert [r.getMessage() for r in caplog.records] == [
        f"whose work {AMD_ID} does is not known: it is busy, but by nobody whose open files this user may see"
    ]


def test_open_files_that_may_not_be_seen_stop_nothing_and_are_noted(machine: Machine) -> None:
    for pid in (1, OTHER):
        (machine.proc / str(pid) / "fd").rename(machine.proc / f"hidden{pid}")
        (machine.proc / str(pid) / "fd").write_text("")  # root may see all: this is none to look into
    machine.open(OURS, AMD, 1, gfx=0.5)
    machine.follow()
    machine.advance(1)

    assert machine.counted(AMD_ID) == Work(0.5, 0.5, 1.0, 1.0)
    assert machine.activity is not None
    assert machine.activity.facts == {"gpu_processes_seen": "this user's"}


AS_NOBODY = """
import os
import resource  # needed later, from a folder that others may not be let into
from carbonwatch.activity.drm import Card, Clients, Following
from carbonwatch.activity._kfd import Kfd
from carbonwatch.activity.procfs import ProcTree

if os.geteuid() == 0:
    os.setuid(65534)
following = Following([Card("a card", ())], Clients("/proc"), Kfd("/sys"), ProcTree("/proc", None).look, "/proc")
is_ours = os.stat("/proc/1").st_uid == os.geteuid()  # as in some containers
print(*following.read(1), following.facts == {"gpu_processes_seen": "all" if is_ours else "this user's"})
"""


def test_a_user_who_may_not_see_others_files_is_told_so_by_the_real_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", AS_NOBODY], capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("a card True\n", "")


def test_without_a_card_there_is_nothing_to_follow(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        follow(Settings(path_sysfs=str(tmp_path)))


def test_without_proc_there_is_nobody_to_follow(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    with pytest.raises(Unavailable):
        follow(Settings(path_sysfs=str(machine.sys), path_procfs=str(tmp_path / "none")), 5)


PIDS = (1, 2, 3)
amounts = st.dictionaries(st.sampled_from(PIDS), st.floats(0, 2))
moments = st.builds(
    Moment,
    amounts,
    st.dictionaries(st.sampled_from(PIDS), st.one_of(st.none(), st.integers(0, 100))),
    st.one_of(st.none(), st.floats(0, 1)),
)


@given(steps=st.lists(st.tuples(st.floats(0.001, 3), moments), max_size=10), trees=st.permutations(PIDS))
def test_no_count_goes_back_and_shares_of_several_runs_are_no_more_than_the_card(
    steps: list[tuple[float, Moment]], trees: list[int]
) -> None:
    runs = {pid: Use(100) for pid in trees}
    ns = 0
    for seconds, moment in steps:
        before = {pid: use.work for pid, use in runs.items()}
        ns += round(seconds * 1e9)
        for pid, use in runs.items():
            use.look(ns, moment, {pid}, lambda _: False)
        if all(not use.unknown for use in runs.values()):
            grown = [use.work.since(before[pid]) for pid, use in runs.items()]
            shares = [usage(Domain("a", "gpu", "measured", "a card"), 100.0, {"a": work}, seconds) for work in grown]

            assert sum(share.own_j for share in shares) <= 100 + 1e-6
        for pid, use in runs.items():
            assert use.work.own_s <= use.work.busy_s + 1e-9
            assert use.work.reserved_s <= use.work.capacity_s + 1e-9
            assert before[pid].busy_s <= use.work.busy_s
