from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.activity._everybody import Key, Seen
from carbonwatch.attribution import Idle
from carbonwatch.cli import top
from carbonwatch.cli._rows import ENDED, IDLE, Accounts, Frame, Row, by_group, divided, shown, used_between
from carbonwatch.model import Domain, Sample, Work
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeActivity, FakeMeter, fake_sampler, intensity

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

S = 10**9
CPU = Domain("rapl:package-0", "cpu", "measured", "a package", idle_w=20.0)
RAM = Domain("ram:model", "ram", "modelled", "a model", error=(-0.5, 1.0))
GPU = Domain("nvml:GPU-1", "gpu", "measured", "a card")


# rows add up


@given(st.integers(0, 10**18), st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_parts_of_a_number_add_up_to_it_exactly(total: int, weights: list[float]) -> None:
    parts = divided(total, weights)

    assert sum(parts) == total
    assert len(parts) == len(weights)
    assert min(parts) >= 0


@given(st.integers(1, 10**15), st.lists(st.integers(1, 10**6), min_size=1, max_size=50))
def test_each_part_is_its_weight_s_to_the_nanojoule(total: int, weights: list[int]) -> None:
    for part, weight in zip(divided(total, weights), weights, strict=True):
        assert part == pytest.approx(total * weight / sum(weights), abs=1.001, rel=1e-9)


processes = st.dictionaries(
    st.builds(Key, st.integers(1, 30), st.integers(0, 2)),
    st.builds(Seen, st.floats(0, 10), st.sampled_from("abc"), parent=st.integers(0, 30), children_s=st.floats(0, 10)),
    max_size=20,
)


@given(
    st.lists(processes, min_size=2, max_size=5),
    st.lists(st.integers(0, 10**12), min_size=3, max_size=3),
    st.builds(Work, st.just(0.0), st.floats(0, 8), st.floats(0, 8)),
    st.dictionaries(st.integers(1, 40), st.floats(0.01, 1), max_size=5),
    st.none() | st.integers(0, 30),
)
def test_rows_add_up_to_the_machine_s_line_exactly_however_they_are_shown(
    looks: list[dict[Key, Seen]], counts: list[int], work: Work, card: dict[int, float], most: int | None
) -> None:
    accounts = Accounts((CPU, RAM, GPU))
    accounts.begin(looks[0])
    counted = dict(zip((CPU.id, RAM.id, GPU.id), counts, strict=True))
    sample = Sample(0, S, {id_: nj / 1e9 for id_, nj in counted.items()}, {"cpu": work})
    for round_, seen in enumerate(looks[1:], 1):
        frame = accounts.frame(sample, counted, seen, {}, {GPU.id: card})

        assert frame.machine_nj == sum(counts)
        assert frame.total_nj == sum(counts) * round_
        for rows in (frame.rows, by_group(frame.rows), shown(frame.rows, most), shown(by_group(frame.rows), most)):
            assert sum(row.energy_nj for row in rows) == frame.machine_nj
            assert sum(row.total_nj for row in rows) == frame.total_nj


def a_frame(
    before: dict[Key, Seen],
    now: dict[Key, Seen],
    counted: dict[str, int],
    work: Work,
    cards: dict[int, float] | None = None,
    idle: dict[str, Idle] | None = None,
) -> Frame:
    accounts = Accounts((CPU, RAM, GPU))
    accounts.begin(before)
    sample = Sample(0, S, {id_: nj / 1e9 for id_, nj in counted.items()}, {"cpu": work})
    return accounts.frame(sample, counted, now, idle or {}, {GPU.id: cards or {}})


def watts(frame: Frame) -> dict[str, float]:
    return {row.name: row.energy_nj / 1e9 for row in frame.rows}


def test_a_process_has_its_share_of_the_work_and_of_the_cores() -> None:
    before = {Key(1, 0): Seen(0.0, "one"), Key(2, 0): Seen(5.0, "two")}
    now = {Key(1, 0): Seen(1.0, "one"), Key(2, 0): Seen(5.5, "two")}
    # 80 J, of them 20 J idle; 2 of 4 CPU seconds, half a one by nobody who is there
    frame = a_frame(before, now, {CPU.id: 80 * S}, Work(0.0, 2.0, 4.0))

    assert watts(frame) == {"one": 30 + 5, "two": 15 + 2.5, ENDED: 15 + 2.5, IDLE: 10}


def test_idle_power_that_was_calibrated_is_used() -> None:
    unknown = Domain("rapl:package-1", "cpu", "measured", "a package")
    accounts = Accounts((unknown,))
    accounts.begin({})
    sample = Sample(0, S, {unknown.id: 30.0}, {"cpu": Work(0.0, 0.0, 4.0)})
    frame = accounts.frame(sample, {unknown.id: 30 * S}, {}, {unknown.id: Idle(20.0, 20.0, 20.0, "a test")}, {})

    assert watts(frame) == {ENDED: 0, IDLE: 30}


def test_a_card_s_energy_goes_to_who_used_it_and_to_idle_where_nobody_did() -> None:
    now = {Key(7, 0): Seen(0.0, "train"), Key(8, 0): Seen(0.0, "serve")}
    used = a_frame(now, now, {GPU.id: 300 * S}, Work(0.0, 0.0, 4.0), {7: 0.2, 8: 0.3, 4711: 0.5})
    rested = a_frame(now, now, {GPU.id: 300 * S}, Work(0.0, 0.0, 4.0))

    assert watts(used) == {"train": 60, "serve": 90, ENDED: 150, IDLE: 0}
    assert [row.gpu_nj for row in used.rows] == [60 * S, 90 * S, 150 * S, 0]
    assert watts(rested)[IDLE] == 300


def test_where_nothing_tells_who_works_nobody_is_named() -> None:
    accounts = Accounts((CPU,))
    accounts.begin({})
    frame = accounts.frame(Sample(0, S, {CPU.id: 5.0}, {}), {CPU.id: 5 * S}, {}, {}, {})

    assert watts(frame) == {ENDED: 5, IDLE: 0}


def test_what_an_ended_process_has_used_stays_in_the_sum() -> None:
    accounts = Accounts((CPU,))
    seen = {Key(1, 0): Seen(1.0, "one")}
    accounts.begin({Key(1, 0): Seen(0.0, "one")})
    sample = Sample(0, S, {CPU.id: 60.0}, {"cpu": Work(0.0, 1.0, 1.0)})
    accounts.frame(sample, {CPU.id: 60 * S}, seen, {}, {})
    frame = accounts.frame(sample, {CPU.id: 60 * S}, {}, {}, {})

    assert {row.name: row.total_nj / 1e9 for row in frame.rows} == {ENDED: 120, IDLE: 0}


def test_what_came_and_went_is_that_of_who_waited_for_it() -> None:
    make, cc = Key(1, 0), Key(2, 0)
    before = {make: Seen(1.0, "make", children_s=10.0), cc: Seen(0.5, "cc", parent=1)}

    # the one that was seen used 0.2 more before it ended, and others came and went with 3
    assert used_between(before, {make: Seen(1.1, "make", children_s=13.7)}) == {make: pytest.approx(0.1 + 0.2 + 3.0)}
    assert used_between(before, {make: Seen(1.1, "make", children_s=10.0)}) == {make: pytest.approx(0.1)}
    assert used_between({}, {cc: Seen(0.5, "cc")}) == {cc: 0.5}


def test_what_was_used_before_a_branch_of_the_tree_went_is_not_used_again() -> None:
    shell, script, python = Key(1, 0), Key(2, 5), Key(3, 6)
    before = {
        shell: Seen(1.0, "bash"),
        script: Seen(0.1, "sh", parent=1),
        python: Seen(20.0, "python", parent=2),
    }

    assert used_between(before, {shell: Seen(1.0, "bash", children_s=20.4)}) == {shell: pytest.approx(0.3)}


def test_the_interval_is_that_of_all_meters_together() -> None:
    frame = a_frame({}, {}, {CPU.id: 30 * S, RAM.id: 10 * S}, Work(0.0, 0.0, 4.0))

    assert frame.error == (-0.125, 0.25)
    assert frame.qualities == ("measured", "modelled")


# how they are shown


def a_row(name: str, energy_j: float, pid: int | None = 1, group: str = "") -> Row:
    nj = round(energy_j * S)
    return Row(pid, "ada", group, name, nj, 0, energy_j / 10, nj)


ROWS = [a_row("b", 2.0), a_row("a", 5.0), a_row("sleeps", 0.0), a_row(IDLE, 3.0, None), a_row(ENDED, 0.0, None)]


@pytest.mark.parametrize(
    ("most", "names"),
    [(None, ["a", "b", "1 other", IDLE]), (2, ["a", "2 others", IDLE]), (9, ["a", "b", "1 other", IDLE])],
)
def test_the_greatest_come_first_and_the_others_are_one_row(most: int | None, names: list[str]) -> None:
    assert [row.name for row in shown(ROWS, most)] == names


def test_rows_of_a_container_are_one() -> None:
    rows = [a_row("x", 1.0, group="docker 1a"), a_row("y", 2.0, group="docker 1a"), a_row("z", 4.0)]

    assert [(row.name, row.energy_nj / S) for row in by_group(rows)] == [
        ("docker 1a", 3.0),
        ("outside any container", 4.0),
    ]


def test_the_view_has_the_machine_on_top_and_who_makes_it_up_below() -> None:
    frame = Frame(tuple(ROWS), 10 * S, 10 * S, 1.0, (-0.5, 1.0), ("modelled",))
    lines = top.screen(frame, shown(ROWS, None), intensity(360.0), 1.0, [5.0, 10.0], 80, False)

    assert lines == [
        "10.0 W  3.60 g/h  10.0 J so far",
        "modelled (5.00 W to 20.0 W); a fixed grid, 360 g/kWh",
        "▅█  up to 10.0 W",
        "",
        f"{'PID  USER   POWER                    CO2e   CPU    USED  WHO':<80}",
        "  1  ada   5.00 W  ██████        1.80 g/h  50 %  5.00 J  a",
        "  1  ada   2.00 W  ██▍           720 mg/h  20 %  2.00 J  b",
        "              0 W                   0 g/h           0 J  1 other",
        "     ada   3.00 W  ███▋          1.08 g/h  30 %  3.00 J  idle",
    ]


def test_columns_of_processes_stay_where_none_has_worked_and_containers_have_none() -> None:
    rows = [a_row(IDLE, 5.0, None)]
    frame = Frame(tuple(rows), 5 * S, 5 * S, 1.0, (0, 0), ("measured",))
    heads = [top.screen(frame, rows, intensity(), 1.0, [], 80, False, by)[3] for by in ("process", "container")]

    assert [head.split()[:3] for head in heads] == [["PID", "USER", "POWER"], ["POWER", "CO2e", "CPU"]]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("colour", [False, True])
def test_the_view_is_no_wider_than_the_terminal(width: int, colour: bool) -> None:
    rows = [a_row("long" * 100, 5.0), a_row(IDLE, 5.0, None)]
    lines = top.screen(
        Frame(tuple(rows), 10 * S, 10 * S, 1.0, (0, 0), ("measured",)), rows, intensity(), 1.2, [], width, colour
    )
    plain = [line.replace("\x1b[0m", "").split("m", 1)[-1] if line.startswith("\x1b") else line for line in lines]

    if not colour:
        assert max(map(len, plain)) <= max(width, 60)
    assert ("\x1b" in "".join(lines)) is colour


def test_without_a_meter_it_says_so_and_not_zero() -> None:
    assert top.screen(Frame((), 0, 0, 1.0, (0, 0), ()), [], intensity(), 1.0, [], 80, True) == [
        "Nothing can be metered here. `carbonwatch doctor` says why."
    ]


def test_an_hour_s_grams_are_of_the_power_and_the_place_with_its_overhead() -> None:
    assert top.g_per_hour(2 * 1000 * S, 2.0, intensity(100.0), 1.5) == pytest.approx(150.0)
    assert top.g_per_hour(0, 0.0, intensity(100.0), 1.5) == 0.0


def test_real_processes_are_followed_from_look_to_look() -> None:
    clock = Clock()
    sampler = fake_sampler([FakeMeter("cpu", power_w=10)], clock, FakeActivity(busy=1.0))
    watching = top.Watching(Settings(country="FR"), sampler)
    code = "import time\nwhile time.process_time() < 0.1: pass\nprint('burnt', flush=True)\ninput()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "--token", "hunter2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    clock.advance(2)
    frame = watching.frame()
    child.communicate(b"\n")
    watching.close()
    (row,) = [row for row in frame.rows if row.pid == child.pid]

    assert frame.machine_nj == 20 * S == sum(row.energy_nj for row in frame.rows)
    assert row.energy_nj > 0
    assert row.name.endswith("--token ***")
    assert [r.name for r in frame.rows if r.pid == os.getpid()] != []


# the command


def test_once_gives_one_table(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("top", "--once", "--interval-s", "0.2")
    lines = answer.stdout.decode().splitlines()

    assert (answer.returncode, answer.stderr) == (0, b"")
    assert "g/h" in lines[0]
    assert lines[3].split()[:3] == ["PID", "USER", "POWER"]
    assert carbonwatch.runs() == []  # nothing is kept


@pytest.mark.parametrize("by", ["process", "container"])
def test_json_s_rows_add_up_to_the_machine(by: str, carbonwatch: CommandLine) -> None:
    answer = carbonwatch("top", "--once", "--json", "--by", by, "--number", "3", "--interval-s", "0.2")
    found = json.loads(answer.stdout)

    assert sum(row["energy_nj"] for row in found["rows"]) == found["machine"]["energy_nj"] > 0
    assert sum(row["power_w"] for row in found["rows"]) == pytest.approx(found["machine"]["power_w"])
    assert found["g_per_kwh"] > 0


def test_without_once_there_is_a_line_an_interval_until_it_is_ended(carbonwatch: CommandLine) -> None:
    watching = carbonwatch.start("top", "--json", "--interval-s", "0.05")
    assert watching.stdout is not None
    frames = [json.loads(watching.stdout.readline()) for _ in range(3)]
    watching.terminate()
    watching.communicate(timeout=60)

    assert watching.returncode == 0
    assert [frame["machine"]["energy_nj"] > 0 for frame in frames] == [True, True, True]


def test_on_a_terminal_c_shows_containers_and_q_ends_and_leaves_it_as_it_was(carbonwatch: CommandLine) -> None:
    from tests.cli.test_run import in_terminal

    terminal = in_terminal(carbonwatch, "top", "--interval-s", "0.1")
    terminal.expect("\x1b[?1049h")
    terminal.expect("PID")
    terminal.type("c")
    terminal.expect("any container")
    terminal.type("q")
    code = terminal.end()

    assert code == 0
    assert terminal.text.endswith("\x1b[?25h\x1b[?1049l")
