from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.model import Domain
from carbonwatch.sensors._model import ModelMeter

SECOND = 10**9


class Clock:
    """CPU time of four CPUs that work when told to."""

    cpus = 4
    stolen_s = 0.0

    def __init__(self) -> None:
        self.by_cpu_s = [100.0] * 4
        self.closed = 0

    def busy_s(self) -> float:
        return sum(self.by_cpu_s)

    def busy_s_by_cpu(self) -> list[float]:
        return list(self.by_cpu_s)

    def work(self, *seconds: float) -> None:
        for cpu, each in enumerate(seconds):
            self.by_cpu_s[cpu] += each

    def close(self) -> None:
        self.closed += 1


def meter(clock: Clock | None, power: float = 1.0) -> ModelMeter:
    """10 W idle, 50 W at full load, by a power of the load."""
    return ModelMeter(
        Domain("cpu:model", "cpu", "modelled", "a test", idle_w=10.0), lambda load, uneven: 10 + 40 * load**power, clock
    )


def test_an_idle_machine_draws_its_idle_power() -> None:
    model = meter(Clock())

    assert [model.read(ns)["cpu:model"] for ns in (7 * SECOND, 10 * SECOND)] == [0, 30 * SECOND]


def test_a_machine_at_full_load_draws_its_full_power() -> None:
    clock = Clock()
    model = meter(clock, 0.7)
    model.read(0)
    clock.work(2, 2, 2, 2)

    assert model.read(2 * SECOND) == {"cpu:model": 100 * SECOND}


def test_work_before_the_first_read_is_nobody_s() -> None:
    clock = Clock()
    model = meter(clock)
    clock.work(1.0)

    assert model.read(5 * SECOND) == {"cpu:model": 0}


def test_a_busy_cpu_costs_more_than_an_idle_one_and_two_more_than_one() -> None:
    counts = []
    for busy in ((), (1.0,), (1.0, 1.0)):
        clock = Clock()
        model = meter(clock, 0.7)
        model.read(0)
        clock.work(*busy)
        counts.append(model.read(SECOND)["cpu:model"])

    assert counts == sorted(set(counts))


def test_how_unevenly_cpus_are_loaded_is_told_to_the_model() -> None:
    seen: list[tuple[float, float]] = []
    clock = Clock()

    def watts(load: float, uneven: float) -> float:
        seen.append((load, uneven))
        return 10.0

    model = ModelMeter(Domain("cpu:model", "cpu", "modelled", "a test"), watts, clock)
    model.read(0)
    clock.work(1.0, 1.0)
    model.read(SECOND)
    clock.work(0.5, 0.5, 0.5, 0.5)
    model.read(2 * SECOND)

    assert seen[-2:] == [(0.5, 1.0), (0.5, 0.0)]


def test_between_reads_that_are_close_a_cpu_second_costs_what_one_busy_cpu_does() -> None:
    clock = Clock()
    model = meter(clock)
    model.read(0)
    clock.work(0.01)

    assert model.read(SECOND // 100)["cpu:model"] == pytest.approx(0.1e9 + 0.01 * 10 * 1e9)


@given(st.lists(st.tuples(st.integers(-SECOND, 100 * SECOND), st.lists(st.floats(-5, 100), max_size=4)), max_size=20))
def test_the_count_never_goes_back_and_is_whole(steps: list[tuple[int, list[float]]]) -> None:
    clock = Clock()
    model = meter(clock, 0.7)
    ns, counts = 0, [model.read(0)["cpu:model"]]
    for step_ns, work_s in steps:
        ns += step_ns
        clock.work(*work_s)
        counts.append(model.read(ns)["cpu:model"])

    assert all(before <= after for before, after in pairwise(counts))
    assert all(isinstance(count, int) for count in counts)


def test_much_stolen_time_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    model = meter(clock)
    model.read(0)
    for second in range(1, 40):
        clock.stolen_s += 0.4
        model.read(second * SECOND)

    assert [record.getMessage() for record in caplog.records] == [
        "10 % of the time of all CPUs went to other guests (steal): their energy is not counted, and cpu:model is "
        "worth less than it says"
    ]


def test_a_little_stolen_time_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    model = meter(clock)
    model.read(0)
    for second in range(1, 40):
        clock.stolen_s += 0.1
        model.read(second * SECOND)

    assert caplog.records == []


def test_a_tick_in_a_short_run_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    model = meter(clock)
    model.read(0)
    clock.stolen_s += 0.5
    model.read(SECOND)

    assert caplog.records == []


def test_cpus_that_come_or_go_do_not_stop_the_count() -> None:
    clock = Clock()
    model = meter(clock)
    model.read(0)
    clock.by_cpu_s = [*clock.by_cpu_s, 1.0]

    assert model.read(SECOND)["cpu:model"] == pytest.approx(20 * SECOND)


def test_without_a_clock_power_is_a_constant() -> None:
    model = meter(None)
    model.read(0)

    assert model.read(2 * SECOND) == {"cpu:model": 20 * SECOND}


def test_close_gives_back_the_clock_once_and_a_closed_meter_fails() -> None:
    clock = Clock()
    model = meter(clock)
    model.close()
    model.close()

    assert clock.closed == 1
    assert model.read(0) == {}
    assert model.failed == {"cpu:model": "the machine's CPU time can't be read (the meter is closed)"}
