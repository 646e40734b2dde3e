"""Parts that lie across each other: nested, overlapping, from threads and tasks, and what their edges miss."""

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import carbonwatch
from carbonwatch.errors import WindowError
from carbonwatch.model import Figure, Gap
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeActivity, FakeMeter, fake_sampler
from carbonwatch.tracker import Measurement, Tracker

SECOND = 10**9
START_NS = 1_790_000_000 * SECOND


@pytest.fixture(autouse=True)
def _end_all() -> Iterator[None]:
    yield
    while made:
        made.pop().stop()


made: list[Tracker] = []


class Bench:
    """A tracker of one meter, half of whose energy is the run's own, on a clock that moves when told to."""

    def __init__(self, *meters: FakeMeter, **settings: object) -> None:
        self.clock = Clock(1000 * SECOND)
        self.sampler = fake_sampler(meters or [FakeMeter("cpu", power_w=10.0, idle_w=0.0)], self.clock, FakeActivity())
        chosen = Settings(**{"store": "none", "g_per_kwh": 360.0, "scope": "machine", **settings})  # type: ignore[arg-type]
        self.tracker = Tracker(chosen, meters=self.sampler, environ={}, wall_ns=lambda: START_NS)
        self.tracker.start()
        made.append(self.tracker)

    def work(self, seconds: float = 1.0) -> None:
        self.clock.advance(seconds)
        self.sampler.tick()


def renewed_s(seconds: float, period_s: float) -> float:
    """The last multiple of a period."""
    return round(seconds * 1e9) // round(period_s * 1e9) * period_s


def latched(power_w: float, period_s: float = 0.1, **otherwise: object) -> FakeMeter:
    """A counter that is renewed now and then."""
    return FakeMeter(
        "gpu",
        counted_j=lambda seconds: power_w * renewed_s(seconds, period_s),
        period_s=period_s,
        **otherwise,  # type: ignore[arg-type]
    )


def test_a_window_is_all_that_was_used_from_its_begin_to_its_end() -> None:
    bench = Bench()
    bench.work(5)
    bench.tracker.begin_window("step")
    bench.work(3)
    window = bench.tracker.end_window("step")
    bench.work(7)

    assert (window.name, window.duration_s, window.energy_j) == ("step", 3.0, 30.0)
    assert window.emissions_g == pytest.approx(0.003)
    assert window.run.started_ns == START_NS + 5 * SECOND


def test_a_window_over_the_whole_run_is_the_run() -> None:
    bench = Bench(scope="process")
    window = bench.tracker.window("all")
    for _ in range(5):
        bench.work(1)
    window.end()
    run = bench.tracker.stop()

    assert (window.energy_j, window.duration_s) == (run.energy_j, run.duration_s)
    assert window.emissions_g == pytest.approx(run.emissions_g)


def test_windows_may_lie_across_each_other_and_each_is_whole() -> None:
    bench = Bench()
    bench.tracker.begin_window("a")
    bench.work(1)
    bench.tracker.begin_window("b")
    bench.work(2)
    a = bench.tracker.end_window("a")
    bench.work(4)
    b = bench.tracker.end_window("b")

    assert (a.energy_j, b.energy_j) == (30.0, 60.0)


def test_windows_of_one_name_end_from_the_inside_out() -> None:
    bench = Bench()
    bench.tracker.begin_window("step")
    bench.work(1)
    bench.tracker.begin_window("step")
    bench.work(2)
    inner, outer = bench.tracker.end_window("step"), bench.tracker.end_window("step")

    assert (inner.energy_j, outer.energy_j) == (20.0, 30.0)


def test_windows_do_not_change_the_run_or_its_tasks() -> None:
    bench = Bench()
    with bench.tracker.start_task("train"), bench.tracker.window("w"):
        bench.work(2)
    run = bench.tracker.stop()

    assert run.tasks == ("train",)
    assert run.energy_j == run.only("train").energy_j == 20.0


@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=8))
def test_consecutive_windows_add_up_to_the_outer_one(steps_ns: list[int]) -> None:
    bench = Bench(FakeMeter("cpu", counted_j=lambda seconds: seconds**2))
    outer, inner_nj = bench.tracker.window("outer"), 0
    for step_ns in steps_ns:
        with bench.tracker.window("inner") as inner:
            bench.clock.ns += step_ns
        inner_nj += round(inner.energy_j * 1e9)
    outer.end()

    assert inner_nj == pytest.approx(round(outer.energy_j * 1e9), abs=len(steps_ns))
    assert outer.duration_s == pytest.approx(sum(steps_ns) / 1e9)


def test_a_window_may_end_in_another_thread() -> None:
    bench, ended = Bench(), []
    bench.tracker.begin_window("request")
    bench.work(1)
    thread = threading.Thread(target=lambda: ended.append(bench.tracker.end_window("request")))
    thread.start()
    thread.join()

    assert [w.energy_j for w in ended] == [10.0]


def test_asyncio_tasks_end_their_own_window_of_a_shared_name() -> None:
    bench = Bench()
    turn: dict[str, asyncio.Event] = {}

    async def serve(name: str, other: str) -> float:
        bench.tracker.begin_window("request")
        bench.work(1)
        turn[other].set()
        await turn[name].wait()
        turn[name].clear()
        energy_j = bench.tracker.end_window("request").energy_j
        turn[other].set()
        return energy_j

    async def main() -> list[float]:
        turn.update(a=asyncio.Event(), b=asyncio.Event())
        return list(await asyncio.gather(serve("a", "b"), serve("b", "a")))

    assert asyncio.run(main()) == [20.0, 10.0]


def test_an_open_window_shows_what_it_used_so_far() -> None:
    bench = Bench()
    window = bench.tracker.window("step")
    bench.work(2)
    so_far = window.energy_j, window.run.state
    bench.work(1)
    window.end()

    assert so_far == (20.0, "running")
    assert (window.energy_j, window.run.state) == (30.0, "finished")


def test_a_window_that_is_left_open_ends_with_the_run() -> None:
    bench = Bench()
    window = bench.tracker.window("step")
    bench.work(2)
    bench.tracker.stop()
    bench.work(9)

    assert window.end().energy_j == 20.0
    assert window.duration_s == 2.0


def test_a_window_that_is_not_open_is_an_error_that_names_those_that_are() -> None:
    bench = Bench()
    bench.tracker.begin_window("load")

    with pytest.raises(WindowError, match=r"There is no window 'laod' to end; open are: 'load'\."):
        bench.tracker.end_window("laod")


def test_a_window_of_a_tracker_that_does_not_run_is_empty_and_no_error() -> None:
    bench = Bench()
    bench.tracker.stop()
    with bench.tracker.window("late") as window:
        bench.work(1)

    assert (window.run.entries, window.duration_s) == ((), 0.0)


def test_public_functions_use_the_measurement_that_goes_on() -> None:
    bench = Bench()
    carbonwatch.begin_window("step")
    bench.work(2)
    window = carbonwatch.end_window("step")
    bench.tracker.stop()

    assert window.energy_j == 20.0


def test_public_functions_end_a_window_where_it_began_though_another_measurement_started() -> None:
    outer = Bench()
    carbonwatch.begin_window("step")
    inner = Bench()
    outer.work(3)
    window = carbonwatch.end_window("step")
    for bench in (inner, outer):
        bench.tracker.stop()

    assert window.energy_j == 30.0


def test_a_window_without_any_measurement_says_how_to_begin_one() -> None:
    with pytest.raises(WindowError, match=r"Begin with carbonwatch\.measure\(\)"):
        carbonwatch.begin_window("step")


def test_a_measurement_has_windows() -> None:
    bench = Bench()
    measurement = Measurement(bench.tracker)
    with measurement.window("a") as a:
        bench.work(1)
    measurement.begin_window("b")
    bench.work(2)

    assert (a.energy_j, measurement.end_window("b").energy_j) == (10.0, 20.0)


def test_codecarbon_s_tracker_has_windows_and_starts_with_the_first() -> None:
    clock = Clock()
    tracker = carbonwatch.EmissionsTracker(
        meters=fake_sampler([FakeMeter("cpu", power_w=10.0)], clock), save_to_file=False, country_iso_code="FR"
    )
    tracker.begin_window("step")
    clock.advance(4)
    window = tracker.end_window("step")
    tracker.stop()

    assert window.energy_j == 40.0


# what the edges miss


def test_a_window_s_interval_holds_what_a_period_may_have_used_at_its_edges() -> None:
    bench = Bench(latched(100.0, error=(-0.05, 0.05)))
    window = bench.tracker.window("step")
    bench.work(2)
    window.end()

    assert [window.energy.value, window.energy.low, window.energy.high] == pytest.approx(
        [200.0, 177.5, 222.5]
    )  # 5 %, and 100 W for 0.125 s


def test_power_before_a_window_counts_for_its_edge() -> None:
    def counted_j(seconds: float) -> float:  # 300 W up to 1010 s, then 10 W
        latched_s = renewed_s(seconds, 0.1)
        return 300 * min(latched_s, 1010) + 10 * max(0.0, latched_s - 1010)

    bench = Bench(FakeMeter("gpu", counted_j=counted_j, period_s=0.1))
    bench.clock.advance(10)
    window = bench.tracker.window("rest")
    bench.work(10)
    window.end()

    assert window.energy.high - window.energy.value == pytest.approx(37.5)


def test_what_a_counter_did_not_show_in_so_short_a_window_is_a_gap_and_no_zero() -> None:
    bench = Bench(latched(100.0))
    window = bench.tracker.window("step")
    bench.work(0.01)
    window.end()
    start_ns = window.run.started_ns

    assert window.run.entries == ()
    assert window.run.gaps == (
        Gap("fake:gpu", start_ns, start_ns + SECOND // 100, "its count was not renewed in so short a window"),
    )


def test_a_counter_that_stood_still_for_long_counted_nothing() -> None:
    bench = Bench(latched(0.0))
    window = bench.tracker.window("step")
    bench.work(1)
    window.end()

    assert (window.energy, len(window.run.entries)) == (Figure(0.0, 0.0, 0.0), 1)


def test_a_gap_of_a_meter_inside_a_window_is_the_window_s_and_the_run_s_too() -> None:
    meter = FakeMeter("cpu", power_w=10.0)
    bench = Bench(meter)
    with bench.tracker.window("step") as window:
        meter.fail("gone")
        bench.work(2)
        meter.recover()
        bench.work(2)

    assert window.energy_j == 40.0
    assert [g.reason for g in window.run.gaps] == ["gone"]
    assert bench.tracker.run.gaps == window.run.gaps


# precise


def test_a_precise_window_is_exact_where_power_is_even() -> None:
    bench = Bench(latched(100.0))
    with bench.tracker.window("step", precise=True) as window:
        bench.work(0.05)

    assert window.duration_s == pytest.approx(0.05)
    assert window.energy_j == pytest.approx(5.0, rel=0.03)  # a look is 2 ms


def test_waiting_for_a_renewal_lies_outside_of_a_precise_window() -> None:
    bench = Bench(latched(100.0))
    began_ns = bench.clock.ns
    window = bench.tracker.window("step", precise=True)
    at_begin_ns = bench.clock.ns
    bench.work(0.05)
    window.end()

    assert 0.1 < (at_begin_ns - began_ns) / 1e9 < 0.25
    assert window.duration_s == pytest.approx(0.05)


def test_a_precise_window_s_interval_is_narrower() -> None:
    bench = Bench(latched(100.0))
    with bench.tracker.window("plain") as plain:
        bench.work(1)
    with bench.tracker.window("precise", precise=True) as precise:
        bench.work(1)

    assert precise.energy.high - precise.energy.low < (plain.energy.high - plain.energy.low) / 2


def test_a_precise_window_on_counters_of_several_periods_is_exact_for_each() -> None:
    slow, fast = latched(100.0, 0.1, id="slow"), latched(40.0, 0.02, id="fast")
    bench = Bench(slow, fast)
    with bench.tracker.window("step", precise=True) as window:
        bench.work(0.35)
    joules = {e.usage.domain.id: e.usage.machine_j for e in window.run.entries}

    assert joules == pytest.approx({"slow": 35.0, "fast": 14.0}, rel=0.02)


def test_a_precise_window_of_a_counter_that_stands_still_goes_on_without_it() -> None:
    bench = Bench(latched(0.0), FakeMeter("cpu", power_w=10.0))
    with bench.tracker.window("step", precise=True) as window:
        bench.work(1)

    assert window.run.energy("machine", "cpu").value == 10.0
    assert window.run.energy("machine", "gpu").value == 0.0


def test_a_counter_that_stops_inside_a_precise_window_takes_nothing_away() -> None:
    def counted_j(seconds: float) -> float:  # 100 W, until it stops at 1001 s
        return 100 * renewed_s(min(seconds, 1001.0), 0.1)

    bench = Bench(FakeMeter("gpu", counted_j=counted_j, period_s=0.1))
    bench.work(0.8)
    with bench.tracker.window("step", precise=True) as window:
        bench.work(2)

    assert 0 <= window.energy_j <= 20


def test_sync_waits_at_both_edges_and_not_where_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    framework = _Framework()
    monkeypatch.setitem(sys.modules, "cupy", framework)  # as a program would that imports it
    bench = Bench(sync=False)
    before = framework.waits
    with bench.tracker.window("none"):
        bench.work(1)
    without = framework.waits
    with bench.tracker.window("both", sync=True):
        bench.work(1)

    assert (before, without, framework.waits) == (0, 0, 2)


def test_runs_and_tasks_wait_for_the_gpu_at_their_edges_too(monkeypatch: pytest.MonkeyPatch) -> None:
    framework, waits = _Framework(), []
    monkeypatch.setitem(sys.modules, "cupy", framework)
    bench = Bench()
    waits.append(framework.waits)
    with bench.tracker.start_task("train"):
        waits.append(framework.waits)
    waits.append(framework.waits)
    bench.tracker.stop()
    waits.append(framework.waits)

    assert waits == [1, 2, 3, 4]


class _Framework:
    """cupy, as far as waiting goes."""

    def __init__(self) -> None:
        self.waits = 0
        self.cuda = self.runtime = self

    def deviceSynchronize(self) -> None:  # noqa: N802 - its name
        self.waits += 1


def test_a_window_is_printed_in_a_line() -> None:
    bench = Bench()
    bench.tracker.begin_window("step")
    bench.work(3)
    window = bench.tracker.end_window("step")

    assert str(window).startswith("step: ended, 3.00 s, 30.0 J (")
    assert "CO2e" in str(window)
    assert "\n" not in str(window)
