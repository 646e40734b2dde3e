"""One run from its start to its end, on a clock that moves when told to: whose joules, which task, what was missing."""

import asyncio
import contextvars
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import carbonwatch
from carbonwatch import hardware, idle
from carbonwatch.attribution import Idle
from carbonwatch.errors import SettingsError
from carbonwatch.model import Gap, Run, State
from carbonwatch.sampler import Sampler
from carbonwatch.settings import Settings, resolve
from carbonwatch.store.journal import connect
from carbonwatch.store.query import Store
from carbonwatch.testing import Clock, FakeActivity, FakeMeter, fake_sampler
from carbonwatch.tracker import Measurement, Task, Tracker, outcome

SECOND = 10**9
START_NS = 1_790_000_000 * SECOND
CPU, GPU = "fake:cpu", "fake:gpu"


class Bench:
    """Two meters of 10 and 100 W, half of it the run's own, and a tracker that ticks when told to."""

    def __init__(self, path: Path | None = None, **settings: object) -> None:
        self.path = path
        self.clock = Clock(1000 * SECOND)
        self.cpu = FakeMeter("cpu", power_w=10.0, idle_w=0.0)
        self.gpu = FakeMeter("gpu", power_w=100.0)
        self.sampler = Silent([self.cpu, self.gpu], [FakeActivity(own=0.25, busy=0.5)], clock=self.clock)
        self.settings = Settings(
            **{"store": "none" if path is None else str(path), "g_per_kwh": 360.0, **settings}  # type: ignore[arg-type]
        )
        self.tracker = Tracker(self.settings, meters=self.sampler, environ={}, wall_ns=lambda: START_NS)

    def work(self, seconds: float = 1.0) -> None:
        """Time passes, and the ticker ticks at its end."""
        self.clock.advance(seconds)
        self.sampler.tick()

    @property
    def kept(self) -> Run:
        with Store(str(self.path)) as store:
            return store.run("last")


class Silent(Sampler):
    """A sampler without a thread: the tests tick."""

    def _start_thread(self) -> None:
        pass


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def stored(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "runs.db")


def energy_j(run: Run, component: str = "cpu") -> float:
    return run.energy("machine", component).value  # type: ignore[arg-type]  # one of its words


def series(path: Path) -> list[tuple[float, float]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT start_ns / 1e9, machine_j FROM samples WHERE domain = 1 ORDER BY start_ns").fetchall()


# -- start and stop --------------------------------------------------------------------------------------------------


def test_a_run_holds_what_was_used_between_start_and_stop(bench: Bench) -> None:
    bench.clock.advance(100)
    bench.tracker.start()
    bench.clock.advance(3)
    run = bench.tracker.stop()

    assert (run.state, run.started_ns, run.duration_s) == ("finished", START_NS, 3.0)
    assert (energy_j(run, "cpu"), energy_j(run, "gpu")) == (30.0, 300.0)
    assert run.energy("own", "cpu").value == 15.0
    assert run.emissions("machine", "cpu").value == pytest.approx(30.0 / 3.6e6 * 360)


def test_ticks_change_nothing_but_the_time_series(bench: Bench) -> None:
    bench.tracker.start()
    for _ in range(10):
        bench.work(0.3)
    run = bench.tracker.stop()

    assert energy_j(run) == pytest.approx(30.0)
    assert len(run.entries) == 2


def test_start_and_stop_may_come_twice(bench: Bench) -> None:
    bench.tracker.start()
    bench.clock.advance(1)
    bench.tracker.start()
    bench.clock.advance(1)
    first = bench.tracker.stop()
    bench.clock.advance(1)
    bench.tracker.start()

    assert energy_j(first) == 20.0
    assert bench.tracker.stop("failed") is first
    assert bench.tracker.run is first


def test_a_run_that_has_not_begun_is_empty(bench: Bench) -> None:
    assert (bench.tracker.run.entries, bench.tracker.stop().entries, bench.tracker.flush().entries) == ((), (), ())
    assert bench.tracker.stop().started_ns == 0


def test_start_and_stop_may_come_from_many_threads_at_a_time(bench: Bench) -> None:
    runs: list[Run] = []

    def at_once(function: Callable[[], object]) -> None:
        threads = [threading.Thread(target=function) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    at_once(bench.tracker.start)
    bench.clock.advance(2)
    at_once(lambda: runs.append(bench.tracker.stop()))

    assert [energy_j(run) for run in runs] == [20.0] * 8


def test_a_tick_after_stop_changes_nothing(stored: Bench) -> None:
    stored.tracker.start()
    stored.work(1)
    run = stored.tracker.stop()
    stored.clock.advance(5)
    stored.tracker._on_tick(stored.sampler.read())

    assert stored.tracker.run is run
    assert stored.kept == run


def test_a_reading_that_comes_late_is_not_counted_again(bench: Bench) -> None:
    bench.tracker.start()
    bench.clock.advance(1)
    late = bench.sampler.read()
    bench.clock.advance(1)
    assert energy_j(bench.tracker.run) == 20.0
    bench.tracker._on_tick(late)

    assert energy_j(bench.tracker.stop()) == 20.0


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "finished"),
        (ValueError(), "failed"),
        (KeyboardInterrupt(), "failed"),
        (SystemExit(), "finished"),
        (SystemExit(0), "finished"),
        (SystemExit(1), "failed"),
        (SystemExit("it broke"), "failed"),
        (GeneratorExit(), "finished"),
    ],
)
def test_a_block_that_an_error_leaves_has_failed(error: BaseException | None, state: State) -> None:
    assert outcome(error) == state


def test_the_error_of_a_block_goes_on_and_the_run_is_kept(stored: Bench) -> None:
    def block() -> None:
        with stored.tracker:
            stored.clock.advance(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()

    assert stored.kept == stored.tracker.run
    assert (stored.kept.state, energy_j(stored.kept)) == ("failed", 10.0)


def test_wrong_settings_are_refused_before_the_run() -> None:
    with pytest.raises(SettingsError, match="country"):
        Tracker(Settings(country="Atlantis"))
    with pytest.raises(carbonwatch.Unavailable, match="no sensor called 'perpetuum_mobile'"):
        Tracker(Settings(sensors=("perpetuum_mobile",)))
    with pytest.raises(carbonwatch.Unavailable, match="no exporter called 'stone'"):
        Tracker(Settings(exporters=("stone",)))
    with pytest.raises(SettingsError, match="Did you mean 'country'"):
        carbonwatch.measure("x", contry="FR")


# -- tasks -----------------------------------------------------------------------------------------------------------


def test_tasks_and_the_time_between_add_up_to_the_run(bench: Bench) -> None:
    with bench.tracker:
        bench.clock.advance(1)
        with bench.tracker.start_task("load") as load:
            bench.clock.advance(2)
        with bench.tracker.start_task("train") as train:
            bench.work(1)
            bench.clock.advance(2)
    run = bench.tracker.run

    assert [energy_j(task.run) for task in (load, train)] == [20.0, 30.0]
    assert [task.run.duration_s for task in (load, train)] == [2.0, 3.0]
    assert [energy_j(run.only(name)) for name in run.tasks] == [20.0, 30.0]
    assert energy_j(run) == 60.0


def test_a_task_in_a_task_is_a_part_of_it(bench: Bench) -> None:
    with bench.tracker:
        with bench.tracker.start_task("epoch") as epoch:
            bench.clock.advance(1)
            with bench.tracker.start_task("batch") as batch:
                bench.clock.advance(2)
            bench.clock.advance(4)
        bench.clock.advance(8)
    run = bench.tracker.run

    assert run.tasks == ("epoch", "epoch/batch")
    assert (energy_j(epoch.run), energy_j(batch.run)) == (70.0, 20.0)
    assert energy_j(run.only("epoch")) == 70.0
    assert epoch.run.duration_s == 7.0


def test_a_name_may_come_twice(bench: Bench) -> None:
    with bench.tracker:
        tasks = []
        for seconds in (1, 2):
            with bench.tracker.start_task("batch") as task:
                bench.clock.advance(seconds)
            tasks.append(task)

    assert [energy_j(task.run) for task in tasks] == [10.0, 20.0]
    assert energy_j(bench.tracker.run.only("batch")) == 30.0
    assert len(bench.tracker.run.entries) == 2


def test_a_task_that_is_open_at_the_end_lasts_until_then(bench: Bench) -> None:
    bench.tracker.start()
    task = bench.tracker.start_task("forgotten")
    bench.clock.advance(3)
    bench.tracker.stop()
    bench.clock.advance(3)
    again = bench.tracker.stop_task(task)

    assert (energy_j(task.run), task.run.duration_s) == (30.0, 3.0)
    assert (energy_j(again), again.duration_s) == (30.0, 3.0)


def test_a_task_that_goes_on_has_used_something_already(bench: Bench) -> None:
    with bench.tracker, bench.tracker.start_task("long") as task:
        bench.work(2)
        so_far = task.run
        bench.clock.advance(1)

    assert (energy_j(so_far), so_far.duration_s) == (20.0, 2.0)
    assert (energy_j(task.run), task.run.duration_s) == (30.0, 3.0)


def test_a_task_that_has_ended_gives_the_same_again(bench: Bench) -> None:
    bench.tracker.start()
    outer = bench.tracker.start_task("outer")
    inner = bench.tracker.start_task("inner")
    bench.clock.advance(1)
    first = bench.tracker.stop_task(outer)
    bench.clock.advance(2)
    bench.tracker.stop()

    assert energy_j(first) == energy_j(bench.tracker.stop_task(outer)) == energy_j(outer.run) == 10.0
    assert energy_j(inner.run) == 30.0


def test_a_task_before_start_and_after_stop_measures_nothing(bench: Bench) -> None:
    with bench.tracker.start_task("early") as early:
        bench.clock.advance(1)
    with bench.tracker:
        bench.clock.advance(1)
    with bench.tracker.start_task("late") as late:
        bench.clock.advance(1)

    assert [task.run.entries for task in (early, late)] == [(), ()]
    assert energy_j(bench.tracker.run) == 10.0


def test_tasks_of_asyncio_follow_their_own_context(bench: Bench) -> None:
    async def main() -> None:
        ready, go = [asyncio.Event() for _ in range(2)], asyncio.Event()

        async def work(i: int) -> None:
            with bench.tracker.start_task(f"job-{i}"):
                ready[i].set()
                await go.wait()
                with bench.tracker.start_task("step"):
                    bench.clock.advance(1)
                    await asyncio.sleep(0)

        jobs = [asyncio.create_task(work(i)) for i in range(2)]
        for event in ready:
            await event.wait()
        bench.clock.advance(2)
        go.set()
        await asyncio.gather(*jobs)

    with bench.tracker:
        asyncio.run(main())
    run = bench.tracker.run

    assert set(run.tasks) == {"job-0", "job-1", "job-0/step", "job-1/step"}
    assert energy_j(run) == pytest.approx(40.0)
    assert sum(energy_j(run.only(f"job-{i}")) for i in range(2)) == pytest.approx(40.0)


def test_tasks_of_threads_share_what_is_used_at_a_time(bench: Bench) -> None:
    tasks: list[Task] = []

    def begin() -> None:
        tasks.append(bench.tracker.start_task("half"))

    with bench.tracker:
        for _ in range(2):
            thread = threading.Thread(target=begin)
            thread.start()
            thread.join()
        bench.clock.advance(4)
        for task in tasks:
            bench.tracker.stop_task(task)

    assert [energy_j(task.run) for task in tasks] == [20.0, 20.0]
    assert [task.path for task in tasks] == ["half", "half"]
    assert [task.run.duration_s for task in tasks] == [4.0, 4.0]


def test_tasks_that_are_ended_elsewhere_are_not_held_for_ever(bench: Bench) -> None:
    def in_another_context(task: Task) -> None:
        contextvars.copy_context().run(bench.tracker.stop_task, task)

    with bench.tracker:
        for _ in range(50):
            in_another_context(bench.tracker.start_task("request"))
        last = bench.tracker.start_task("request")

    from carbonwatch.tracker import _inside

    assert _inside.get() == (last,)
    assert last.path == "request"


steps = st.lists(st.tuples(st.sampled_from(["work", "tick", "begin", "end", "flush"]), st.integers(0, 4)), max_size=25)


@given(steps=steps)
@hypothesis_settings(max_examples=60, deadline=None)
def test_whatever_begins_and_ends_the_parts_add_up_to_the_run(steps: list[tuple[str, int]]) -> None:
    bench = Bench()
    tracker, opened = bench.tracker, []
    passed_s = 0
    with tracker:
        for action, number in steps:
            if action == "work":
                bench.clock.advance(number)
                passed_s += number
            elif action == "tick":
                bench.sampler.tick()
            elif action == "begin":
                opened.append(tracker.start_task(f"t{number}"))
            elif action == "end" and opened:
                tracker.stop_task(opened.pop(number % len(opened)))
            elif action == "flush":
                tracker.flush()
    run = tracker.run

    assert run.duration_s == passed_s
    assert energy_j(run) == pytest.approx(10.0 * passed_s)
    tops = {name.split("/")[0] for name in run.tasks}
    alone = sum(e.usage.machine_j for e in run.entries if not e.task and e.usage.domain.component == "cpu")
    assert sum(energy_j(run.only(top)) for top in tops) + alone == pytest.approx(10.0 * passed_s)


# -- what fails ------------------------------------------------------------------------------------------------------


def test_a_meter_that_fails_is_one_gap_and_its_energy_comes_later(bench: Bench) -> None:
    with bench.tracker:
        bench.work(1)
        bench.cpu.fail("gone")
        for _ in range(3):
            bench.work(1)
        bench.cpu.recover()
        bench.work(1)
        bench.cpu.fail("gone again")
        bench.work(1)
    run = bench.tracker.run

    def gap(start_s: int, end_s: int, reason: str) -> Gap:
        return Gap(CPU, START_NS + start_s * SECOND, START_NS + end_s * SECOND, reason)

    assert run.gaps == (gap(1, 4, "gone"), gap(5, 6, "gone again"))
    assert energy_j(run, "cpu") == 50.0
    assert energy_j(run, "gpu") == 600.0


def test_gaps_of_two_meters_do_not_merge(bench: Bench) -> None:
    with bench.tracker:
        bench.cpu.fail("gone")
        bench.gpu.fail("gone")
        bench.work(1)
        bench.work(1)

    assert {(gap.domain_id, gap.start_ns, gap.end_ns) for gap in bench.tracker.run.gaps} == {
        (id_, START_NS, START_NS + 2 * SECOND) for id_ in (CPU, GPU)
    }


class Breaking(FakeMeter):
    """A meter of somebody else's with a fault in it."""

    broken = False

    def read(self, ns: int) -> Mapping[str, int]:
        if self.broken:
            raise RuntimeError("a fault of the meter's own")
        return super().read(ns)


def test_a_meter_with_a_fault_does_not_take_the_result_away(caplog: pytest.LogCaptureFixture) -> None:
    clock, meter = Clock(), Breaking()
    with Tracker(Settings(store="none"), meters=fake_sampler([meter, FakeMeter("ram")], clock)) as tracker:
        clock.advance(1)
        tracker.flush()
        meter.broken = True
        clock.advance(1)

    assert (energy_j(tracker.run, "cpu"), energy_j(tracker.run, "ram")) == (10.0, 20.0)
    assert "a fault of the meter's own" in tracker.run.gaps[0].reason


@pytest.fixture
def exporters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for packages of other people with exporters; they are found by their entry points."""
    info = tmp_path / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[carbonwatch.exporters]\nfull = foreign_exporters:full\nfaulty = foreign_exporters:faulty\n"
        "keeping = foreign_exporters:keeping\n"
    )
    (tmp_path / "foreign_exporters.py").write_text(
        "def full(run, settings):\n    raise OSError(28, 'No space left on device')\n"
        "def faulty(run, settings):\n    raise RuntimeError('a fault of the exporter')\n"
        "kept = []\ndef keeping(run, settings):\n    kept.append(run)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("foreign_exporters", None)


def test_exporters_that_fail_are_a_log_line_and_a_note_and_the_others_still_write(
    exporters: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path / "runs.db", exporters=("full", "faulty", "keeping"), output_dir=str(tmp_path))
    with bench.tracker:
        bench.clock.advance(1)
    run = bench.tracker.run

    from foreign_exporters import kept  # type: ignore[import-not-found]  # made above

    assert [energy_j(whole) for whole in kept] == [10.0]
    assert len([note for note in run.notes if "full could not write the run" in note]) == 1
    assert len([note for note in run.notes if "faulty could not write the run" in note]) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert bench.kept == run


def test_files_are_written_where_the_program_was_when_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path / "runs.db", exporters=("json",), output_dir=".")
    with bench.tracker:
        monkeypatch.chdir(tmp_path / "elsewhere")
        bench.clock.advance(1)

    assert [file.parent for file in tmp_path.rglob("carbonwatch-*.json")] == [tmp_path]


@pytest.mark.parametrize("content", [b"no database" * 500, None])
def test_a_store_that_can_not_be_written_is_one_warning_and_a_note(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "runs.db"
    path.mkdir() if content is None else path.write_bytes(content)
    bench = Bench(path)
    with bench.tracker:
        for _ in range(3):
            bench.work(1)
        bench.tracker.flush()
    run = bench.tracker.run

    assert (energy_j(run), run.state) == (30.0, "finished")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert len([note for note in run.notes if "can't be written" in note]) == 1


def test_what_could_not_be_written_goes_with_the_next(stored: Bench, caplog: pytest.LogCaptureFixture) -> None:
    path = stored.settings.store
    assert path
    stored.tracker.start()
    stored.work(1)
    with closing(connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        stored.work(1)
        other.execute("ROLLBACK")
    stored.work(1)
    killed = stored.kept
    run = stored.tracker.stop()

    assert energy_j(killed) == 30.0
    assert stored.kept == run
    assert [energy_j for _, energy_j in series(Path(path))] == [10.0, 20.0]
    assert caplog.records == []  # many may write at a time


def test_a_store_that_is_busy_for_long_is_a_warning_and_the_result_is_returned(
    stored: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    path = stored.settings.store
    assert path
    stored.tracker.start()
    with closing(connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            stored.work(1)
        other.execute("ROLLBACK")
    run = stored.tracker.stop()

    assert [record.getMessage() for record in caplog.records] == [
        f"The run is not kept for now: {path} can't be written (database is locked). It is measured all the same."
    ]
    assert energy_j(run) == 30.0
    assert stored.kept == run


def test_a_store_that_is_deleted_meanwhile_holds_the_whole_run_in_the_end(stored: Bench) -> None:
    assert stored.path
    stored.tracker.start()
    with stored.tracker.start_task("early"):
        stored.work(1)
    for file in stored.path.parent.glob("runs.db*"):
        file.unlink()
    stored.work(1)
    run = stored.tracker.stop()

    assert stored.kept == run
    assert energy_j(run) == 20.0


# -- what is kept and noted ------------------------------------------------------------------------------------------


def test_a_run_is_kept_as_it_goes_on(stored: Bench) -> None:
    stored.tracker.start()
    states = [(stored.kept.state, energy_j(stored.kept))]
    for _ in range(2):
        stored.work(1)
        states.append((stored.kept.state, energy_j(stored.kept)))
    stored.clock.advance(1)
    stored.tracker.flush()
    states.append((stored.kept.state, energy_j(stored.kept)))
    run = stored.tracker.stop()

    assert states == [("running", 0.0), ("running", 10.0), ("running", 20.0), ("running", 30.0)]
    assert stored.kept == run


def test_the_time_series_has_a_sample_for_each_tick_whatever_tasks_did(stored: Bench) -> None:
    assert stored.path
    with stored.tracker:
        stored.work(1)
        with stored.tracker.start_task("in between"):
            stored.clock.advance(0.5)
        stored.work(0.5)
        stored.clock.advance(0.25)
    start_s = START_NS / SECOND

    assert series(stored.path) == [(start_s, 10.0), (start_s + 1, 10.0), (start_s + 2, 2.5)]


@given(steps=steps)
@hypothesis_settings(max_examples=25, deadline=None)
def test_the_run_that_is_kept_equals_the_run_that_is_given(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    bench = Bench(tmp_path_factory.mktemp("store") / "runs.db")
    opened: list[Task] = []
    bench.tracker.start()
    for action, number in steps:
        if action == "work":
            bench.clock.advance(number / 3)
        elif action == "tick":
            bench.sampler.tick()
        elif action == "begin":
            opened.append(bench.tracker.start_task(f"t{number}"))
        elif action == "end" and opened:
            bench.tracker.stop_task(opened.pop())
        else:
            bench.tracker.flush()
    run = bench.tracker.stop()

    assert bench.kept == run


def test_a_run_of_a_month_folds_by_the_hour_and_stays_small(stored: Bench) -> None:
    assert stored.path
    stored.tracker.start()
    for _ in range(31 * 24):
        stored.work(3600)
    run = stored.tracker.stop()

    assert len(run.entries) <= 2 * (31 * 24 + 1)
    assert energy_j(run) == pytest.approx(10.0 * 31 * 86400)
    assert stored.kept == run
    assert os.path.getsize(stored.path) < 1 << 20


def test_a_clock_that_is_set_during_a_run_moves_nothing(tmp_path: Path) -> None:
    clock, wall = Clock(), [START_NS]
    meters = fake_sampler([FakeMeter()], clock)
    with Tracker(Settings(store="none"), meters=meters, wall_ns=lambda: wall[0]) as tracker:
        clock.advance(1)
        tracker.flush()
        wall[0] -= 86400 * SECOND
        clock.advance(1)

    assert (tracker.run.duration_s, tracker.run.started_ns) == (2.0, START_NS)
    assert [entry.start_ns for entry in tracker.run.entries] == [START_NS]


def test_the_cpu_time_of_the_tracker_itself_is_counted(bench: Bench) -> None:
    with bench.tracker:
        for _ in range(20):
            bench.work(1)
    few = bench.tracker.run.overhead_s

    assert 0.0 < few < 5.0


def test_ids_are_sorted_by_time_and_differ() -> None:
    ids = [Tracker(Settings(), wall_ns=lambda i=i: START_NS + i * SECOND).id for i in range(3)]  # type: ignore[misc]
    same = {Tracker(Settings(), wall_ns=lambda: START_NS).id for _ in range(100)}

    assert ids == sorted(ids)
    assert len(same) == 100


def test_an_intensity_that_is_given_is_used_as_it_is(bench: Bench) -> None:
    with bench.tracker:
        bench.clock.advance(1)
    figure = bench.tracker.run.intensities[0]

    assert (figure.g_per_kwh, figure.low, figure.high, figure.basis) == (360.0, 360.0, 360.0, "given")


def test_an_unknown_place_is_the_world_and_said_so() -> None:
    clock = Clock()
    settings = Settings(store="none")
    with Tracker(settings, meters=fake_sampler([FakeMeter()], clock), environ={"TZ": "Etc/UTC"}) as tracker:
        clock.advance(1)

    assert [figure.zone for figure in tracker.run.intensities] == ["world"]
    assert any("world's mean intensity is used" in note for note in tracker.run.notes)


def test_a_known_place_needs_no_note() -> None:
    clock = Clock()
    with Tracker(Settings(store="none", country="FR"), meters=fake_sampler([FakeMeter()], clock)) as tracker:
        clock.advance(1)

    assert [figure.zone for figure in tracker.run.intensities] == ["FR"]
    assert tracker.run.notes == ()


def test_without_any_meter_that_is_said() -> None:
    with Tracker(Settings(store="none", country="FR"), meters=fake_sampler([], Clock())) as tracker:
        pass

    assert tracker.run.entries == ()
    assert any("Nothing could be metered" in note for note in tracker.run.notes)


def test_pue_and_wue_are_the_cloud_region_s_unless_they_are_given() -> None:
    def run(**settings: object) -> Run:
        given = Settings(store="none", cloud="gcp/europe-west1", **settings)  # type: ignore[arg-type]
        with Tracker(given, meters=fake_sampler([FakeMeter()], Clock())) as tracker:
            pass
        return tracker.run

    region = run()

    assert 1.0 < region.pue < 1.5
    assert (run(pue=1.4).pue, run(pue=1.4).wue_l_per_kwh) == (1.4, region.wue_l_per_kwh)
    assert (run(wue=0.5).pue, run(wue=0.5).wue_l_per_kwh) == (region.pue, 0.5)
    assert run(wue=0.0, pue=1.0).wue_l_per_kwh == 0.0


def test_emissions_hold_the_pue_and_energy_does_not(bench: Bench) -> None:
    with Bench(pue=2.0).tracker as tracker, bench.tracker:
        pass
    doubled = Bench(pue=2.0)
    with doubled.tracker, bench.tracker:
        doubled.clock.advance(1)

    assert tracker.run.pue == 2.0
    assert energy_j(doubled.tracker.run) == 10.0
    assert doubled.tracker.run.emissions("machine", "cpu").value == pytest.approx(2 * 10.0 / 3.6e6 * 360)


# -- a forked child --------------------------------------------------------------------------------------------------


def in_child(function: Callable[[], object]) -> str:
    """What a function gives in a forked child."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks where threads run: the point of it
        pid = os.fork()
    if pid == 0:
        try:
            os.write(write, str(function()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


def test_in_a_forked_child_its_parent_s_run_is_read_and_not_touched(stored: Bench) -> None:
    stored.tracker.start()
    stored.work(1)

    def child() -> object:
        stored.clock.advance(5)
        with stored.tracker.start_task("of the child"):
            stored.clock.advance(5)
        stored.tracker.flush()
        return (energy_j(stored.tracker.run), energy_j(stored.tracker.stop()), stored.tracker.here)

    said = in_child(child)
    stored.clock.advance(1)
    run = stored.tracker.stop()

    assert said == "(10.0, 10.0, False)"
    assert energy_j(run) == 20.0
    assert stored.kept == run


def test_a_tracker_that_was_made_before_a_fork_may_be_started_in_the_child(stored: Bench) -> None:
    def child() -> object:
        with stored.tracker:
            stored.clock.advance(3)
        return energy_j(stored.tracker.run)

    assert in_child(child) == "30.0"
    assert energy_j(stored.kept) == 30.0


# -- a signal handler in the middle ----------------------------------------------------------------------------------


class Interrupted(FakeMeter):
    """A meter that is read just when a signal arrives."""

    handler: Callable[[], object] | None = None

    def read(self, ns: int) -> Mapping[str, int]:
        before = super().read(ns)
        handler, self.handler = self.handler, None
        if handler is not None:
            handler()
        return before


def test_a_stop_in_a_signal_handler_in_the_middle_of_a_reading_ends_the_run(tmp_path: Path) -> None:
    clock, meter = Clock(), Interrupted()
    settings = Settings(store=str(tmp_path / "runs.db"), country="FR")
    tracker = Tracker(settings, meters=fake_sampler([meter, FakeMeter("ram")], clock))

    def handler() -> None:
        clock.advance(1)
        tracker.stop()

    tracker.start()
    clock.advance(1)
    tracker.flush()
    clock.advance(1)
    meter.handler = handler
    run = tracker.run
    clock.advance(1)

    assert tracker.run == tracker.stop() == run
    # up to the last reading that was whole
    assert (run.state, energy_j(run, "cpu"), energy_j(run, "ram")) == ("finished", 10.0, 10.0)
    with Store(settings.store or "") as store:
        assert store.run("last") == run


# -- measure() -------------------------------------------------------------------------------------------------------


def test_figures_are_live_inside_the_block_and_final_after_it(bench: Bench) -> None:
    with Measurement(bench.tracker) as m:
        bench.clock.advance(1)
        live_j, state = m.energy_j, m.run.state
        bench.clock.advance(1)
        with m.task("part") as part:
            bench.clock.advance(1)
    bench.clock.advance(9)

    own_j = 0.5 * 30 + 300  # nobody tells who used the GPU
    assert live_j == pytest.approx(own_j / 3)
    assert state == "running"
    assert m.energy_j == pytest.approx(own_j)
    assert m.energy_kwh == pytest.approx(own_j / 3.6e6)
    assert m.emissions_g == pytest.approx(own_j / 3.6e6 * 360)
    assert m.low <= m.emissions_g <= m.high
    assert (m.low, m.high) == (m.run.emissions("own").low, m.run.emissions("own").high)
    assert energy_j(part.run) == 10.0
    assert m.run.state == "finished"


def test_a_measurement_as_text_is_the_terminal_s_report(bench: Bench) -> None:
    from carbonwatch.reports import terminal

    with Measurement(bench.tracker) as m:
        bench.clock.advance(1)

    assert str(m) == terminal.render(m.run)
    assert "CO2e" in str(m)


def test_measure_takes_the_settings_as_options(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    with carbonwatch.measure("mine", store=path, country="FR", scope="machine") as m:
        pass

    assert (m.run.project, m.run.scope, m.run.place.country) == ("mine", "machine", "FR")
    with Store(path) as store:
        assert store.run("last") == m.run


def test_the_error_of_a_measured_block_is_its_own(bench: Bench) -> None:
    with pytest.raises(KeyError), Measurement(bench.tracker):
        raise KeyError

    assert bench.tracker.run.state == "failed"


# -- many of them ----------------------------------------------------------------------------------------------------


def test_trackers_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    code = """
import ctypes, gc, os, sys, threading, tracemalloc  # ctypes: what a run loads that a slow machine makes last 0.1 s
from carbonwatch.settings import Settings
from carbonwatch.tracker import Tracker

def cycles(number):
    for _ in range(number):
        with Tracker(Settings(store=sys.argv[1], country="FR", interval_s=0.01)) as tracker:
            with tracker.start_task("t"):
                pass
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count(), tracemalloc.get_traced_memory()[0]

tracemalloc.start(1)
cycles(20)
fds, threads, memory = cycles(20)
more_fds, more_threads, more_memory = cycles(200)
print(more_fds - fds, more_threads - threads, (more_memory - memory) // 200)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "runs.db"], capture_output=True, text=True)
    fds, threads, memory_per_cycle = map(int, done.stdout.split())

    assert (done.stderr, fds, threads) == ("", 0, 0)
    assert memory_per_cycle < 100


def test_the_log_says_nothing_of_a_run_without_trouble(stored: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), stored.tracker:
        stored.work(1)

    assert caplog.records == []


def test_settings_of_the_environment_reach_the_run(tmp_path: Path) -> None:
    environ = {"CARBONWATCH_PROJECT": "from-outside", "CARBONWATCH_STORE": str(tmp_path / "x.db")}
    settings = resolve({}, environ=environ)
    with Tracker(settings, meters=fake_sampler([FakeMeter()], Clock())) as tracker:
        pass

    assert tracker.run.project == "from-outside"
    assert (tmp_path / "x.db").exists()


# the place and its price


def test_a_mix_of_fuels_prices_a_run() -> None:
    bench = Bench(g_per_kwh=None, energy_mix=("wind=0.5", "coal=0.5"))
    with bench.tracker:
        bench.work()

    assert [(i.g_per_kwh, i.basis) for i in bench.tracker.run.intensities] == [(415.5, "mix")]


def test_a_mix_that_makes_no_sense_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="Did you mean coal"):
        Bench(energy_mix=("coul=1",))


def test_a_boundary_that_the_place_has_no_figure_of_is_said() -> None:
    bench = Bench(g_per_kwh=None, country="FR", boundary="direct")
    with bench.tracker:
        bench.work()
    run = bench.tracker.run

    assert {i.boundary for i in run.intensities} == {"lifecycle"}
    assert any("although boundary is direct" in note for note in run.notes)


def test_a_contract_and_the_lines_stand_beside_the_footprint_and_never_in_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "runs.db", country="US", pue=2.0, market_g_per_kwh=36.0, include_losses=True)
    plain = Bench(country="US", pue=2.0)
    for each in (bench, plain):
        with each.tracker:
            each.work()

    assert bench.kept.emissions_g == plain.tracker.run.emissions_g
    assert bench.kept.market_g == pytest.approx(bench.kept.emissions_g / 10)
    assert bench.kept.losses_g == pytest.approx(bench.kept.emissions_g * 0.044 / 0.956)
    assert (plain.tracker.run.market_g, plain.tracker.run.losses_g) == (None, None)


def test_coordinates_are_in_nothing_that_is_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "runs.db", at="45.7512,4.8423")
    with bench.tracker:
        bench.work()

    assert bench.kept.place.country == "FR"
    assert [path.name for path in tmp_path.iterdir() if b"45.75" in path.read_bytes()] == []


def test_a_network_that_does_not_say_where_this_is_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "runs.db", g_per_kwh=None, locate="ip", grid_urls=("ip=http://127.0.0.1:9/",))
    with bench.tracker:
        bench.work()

    assert [i.zone for i in bench.kept.intensities] == ["world"]
    assert any("127.0.0.1 did not say where this network is" in note for note in bench.kept.notes)


class Told(BaseHTTPRequestHandler):
    """A service that knows where this network is."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"country": "FR", "region": "Rhone", "ip": "192.0.2.1", "loc": "45.75,4.84"}')

    def log_message(self, *_: object) -> None:
        pass


def test_a_run_is_priced_where_the_network_says_that_it_is(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Told) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        urls = (f"ip=http://127.0.0.1:{server.server_address[1]}/",)
        bench = Bench(tmp_path / "runs.db", g_per_kwh=None, locate="ip", grid_urls=urls)
        with bench.tracker:
            bench.work()
        answering.join()
    run = bench.kept

    assert (run.place.country, run.place.evidence) == ("FR", "IP address, by 127.0.0.1")
    assert [i.zone for i in run.intensities] == ["FR"]
    assert not any("place is not known" in note for note in run.notes)
    assert energy_j(run) == 10.0
    assert run == bench.tracker.run


def test_a_run_says_how_its_own_share_came_about_and_what_went_on_meanwhile() -> None:
    clock, activity = Clock(), FakeActivity()
    activity.facts = {"cpu_time_by": "a test", "gpu_others": {"nvml:GPU-1": 2}}
    meters = fake_sampler([FakeMeter("cpu"), FakeMeter("ram", idle_w=3.0)], clock, activity)
    with Tracker(Settings(store="none"), meters=meters, environ={}, facts={"packages": {"x": "1"}}) as tracker:
        clock.advance(1)
    facts = tracker.run.facts

    model = {"watts": 3.0, "low_w": 3.0, "high_w": 3.0, "by": "model"}
    assert (facts["policy"], facts["cpu_time_by"]) == ("dynamic+reserved_idle", "a test")
    assert facts["idle_power"] == {"fake:cpu": {"by": "convention"}, "fake:ram": model}
    assert facts["packages"] == {"x": "1"}  # what the caller knows goes before
    assert {"load_average", "ram_used_gb", "git_changed_files", "machine_traffic_bytes"} <= facts.keys()
    assert "2 other processes were on nvml:GPU-1 meanwhile; what they used is not this run's." in tracker.run.notes


def test_calibrated_idle_power_splits_a_run(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    kept = {"fake:cpu": Idle(4.0, 3.0, 5.0, "a test")}
    idle.save(kept, idle.store_file(environ), hardware.fingerprint("/proc", "/sys"))
    clock = Clock()
    meters = fake_sampler([FakeMeter("cpu", power_w=10)], clock, FakeActivity(own=0.25, busy=0.5))
    with Tracker(Settings(store="none"), meters=meters, environ=environ) as tracker:
        clock.advance(1)
    (entry,) = tracker.run.entries

    # half of 6 J of work, and a quarter of the idle power
    assert (entry.usage.own_j, entry.usage.own_low_j, entry.usage.own_high_j) == (4.0, 3.75, 4.25)
    assert tracker.run.facts["idle_power"]["fake:cpu"]["by"] == "a test"


def test_a_quiet_run_finds_its_idle_power_out() -> None:
    clock = Clock()
    meters = fake_sampler([FakeMeter("cpu", power_w=10)], clock, FakeActivity(own=0.0, busy=0.0))
    with Tracker(Settings(store="none"), meters=meters, environ={}) as tracker:
        for _ in range(6):
            clock.advance(1)
            meters.tick()

    assert tracker.run.facts["idle_power"]["fake:cpu"] == {
        "watts": 10.0,
        "low_w": 10.0,
        "high_w": 10.0,
        "by": "quietest tenth of this run",
    }


def test_a_run_notes_its_machine_for_the_share_of_making_it_when_asked_to() -> None:
    given: dict[str, object] = {
        "hardware_cpu": "Xeon Platinum 8380",
        "hardware_form": "server",
        "hardware_embodied_kg": 1500.0,
    }
    asked, plain = Bench(None, include_embodied=True, **given), Bench(None, **given)
    for bench in (asked, plain):
        with bench.tracker:
            bench.work()

    assert asked.tracker.run.facts["embodied_kg"] == [1500.0, 1500.0, 1500.0]
    assert asked.tracker.run.facts["embodied_source"] == "setting hardware_embodied_kg"
    assert "embodied_kg" not in plain.tracker.run.facts
    assert asked.tracker.run.emissions_g == plain.tracker.run.emissions_g
