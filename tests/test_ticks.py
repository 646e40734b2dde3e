"""A count between two renewals, from looks at a counter on a clock that moves when told to."""

import math
import random
from collections.abc import Callable, Collection, Mapping

import pytest

from carbonwatch.model import Reading
from carbonwatch.testing import Clock
from carbonwatch.ticks import Renewal, Watch, began, ended

SECOND = 10**9


class Counters:
    """Counters of even power, each with its period and phase."""

    def __init__(self, clock: Clock, power_w: float, **periods_s: float) -> None:
        self.clock, self.power_w, self.periods_s = clock, power_w, periods_s
        self.looks = 0

    def look(self, ids: Collection[str]) -> tuple[int, Mapping[str, int]]:
        self.looks += 1
        return self.clock.ns, {id_: self.count_nj(id_) for id_ in ids}

    def count_nj(self, id_: str) -> int:
        period_ns = round(self.periods_s[id_] * SECOND)
        return round(self.clock.ns // period_ns * period_ns * self.power_w)


def test_a_renewal_is_seen_when_it_comes_with_its_period_and_power() -> None:
    clock = Clock(30_000_000)
    counters = Counters(clock, 100.0, gpu=0.1)
    watch = Watch(counters.look, {"gpu": 0.1}, clock.advance)

    (renewal,) = watch.before().values()

    assert renewal.ns == pytest.approx(200_000_000, abs=1_000_001)
    assert renewal.count_nj == 20 * SECOND
    assert renewal.power_w == pytest.approx(100.0, rel=0.02)
    assert watch.period_ns["gpu"] == pytest.approx(100_000_000, abs=2_000_001)


def test_a_period_shorter_than_the_nominal_one_is_measured_once() -> None:
    clock = Clock()
    counters = Counters(clock, 100.0, gpu=0.02)
    watch = Watch(counters.look, {"gpu": 0.1}, clock.advance)

    watch.before()
    first_ns = clock.ns
    (renewal,) = watch.before().values()

    assert watch.period_ns["gpu"] == pytest.approx(20_000_000, abs=2_000_001)
    assert renewal.power_w == pytest.approx(100.0, rel=0.1)
    assert clock.ns - first_ns <= 22_000_000


def test_a_counter_that_stands_still_is_waited_for_two_and_a_half_periods() -> None:
    clock = Clock()
    counters = Counters(clock, 0.0, gpu=0.1)

    found = Watch(counters.look, {"gpu": 0.1}, clock.advance).before()

    assert found == {}
    assert clock.ns == pytest.approx(250_000_000, abs=2_000_001)


def test_the_slowest_is_waited_for_first_so_that_all_are_fresh() -> None:
    clock = Clock(7_000_000)
    counters = Counters(clock, 100.0, fast=0.001, slow=0.1)

    found = Watch(counters.look, {"fast": 0.001, "slow": 0.1}, clock.advance).before()

    assert all(clock.ns - renewal.ns < 5_000_000 for renewal in found.values())
    assert found.keys() == {"fast", "slow"}


def test_power_that_is_added_up_has_no_renewals_and_is_not_waited_for() -> None:
    clock = Clock()
    counters = Counters(clock, 100.0, gpu=1e-6)
    watch = Watch(counters.look, {"gpu": 0.1}, clock.advance)

    assert (watch.before(), watch.after()) == ({}, {})
    assert clock.ns <= 10_000_000


def test_what_is_not_a_counter_is_not_looked_at() -> None:
    clock = Clock()
    counters = Counters(clock, 100.0)

    assert Watch(counters.look, {"model": 0.0}, clock.advance).before() == {}


def test_a_renewal_that_came_while_the_machine_slept_is_not_believed() -> None:
    clock = Clock()
    counters = Counters(clock, 100.0, gpu=0.1)
    naps_s: list[float] = []
    watch = Watch(counters.look, {"gpu": 0.1}, lambda s: clock.advance(naps_s.pop() if naps_s else s))
    watch.before()
    naps_s.append(0.3)

    assert watch.after() == {}


def test_a_reading_before_a_renewal_gets_its_part_of_the_period_and_never_more_than_was_counted() -> None:
    renewal = {"gpu": Renewal(1000, 500, 2.0)}

    at = [ended(Reading(ns, {"gpu": 300}, {}), renewal).energy_nj["gpu"] for ns in (850, 950, 1000)]

    assert at == [300, 400, 500]


def test_a_reading_after_a_renewal_gets_what_came_since() -> None:
    reading = began(Reading(1010, {"gpu": 500, "cpu": 7}, {}), {"gpu": Renewal(1000, 500, 2.0)})

    assert reading.energy_nj == {"gpu": 520, "cpu": 7}


class Telegraph:
    """A load that jumps between two powers at random, and the counter of it."""

    def __init__(self, chance: random.Random, period_s: float) -> None:
        self.chance, self.period_s = chance, period_s
        self.at_s, self.energy_j, self.power_w = [0.0], [0.0], [300.0]

    def energy(self, seconds: float) -> float:
        while self.at_s[-1] <= seconds:
            lasted_s = self.chance.expovariate(1 / 0.15)
            self.at_s.append(self.at_s[-1] + lasted_s)
            self.energy_j.append(self.energy_j[-1] + lasted_s * self.power_w[-1])
            self.power_w.append(360.0 - self.power_w[-1])
        index = next(i for i in range(len(self.at_s) - 1, -1, -1) if self.at_s[i] <= seconds)
        return self.energy_j[index] + (seconds - self.at_s[index]) * self.power_w[index]

    def look(self, clock: Clock) -> Callable[[Collection[str]], tuple[int, Mapping[str, int]]]:
        return lambda _: (clock.ns, {"gpu": self.count_nj(clock.ns)})

    def count_nj(self, ns: int) -> int:
        return round(self.energy(ns // round(self.period_s * SECOND) * self.period_s) * SECOND)


def test_a_second_of_a_random_load_is_off_by_less_than_two_hundredths() -> None:
    chance = random.Random(4)
    naive, precise = [], []
    for _ in range(300):
        clock, load = Clock(round(chance.random() * SECOND)), Telegraph(chance, 0.1)
        watch = Watch(load.look(clock), {"gpu": 0.1}, clock.advance)
        found = watch.before()
        first = Reading(clock.ns, {"gpu": load.count_nj(clock.ns)}, {})
        clock.advance(chance.uniform(1.0, 1.1))
        last = Reading(clock.ns, {"gpu": load.count_nj(clock.ns)}, {})
        after = ended(last, watch.after()).energy_nj["gpu"] - began(first, found).energy_nj["gpu"]
        truth = load.energy(last.ns / SECOND) - load.energy(first.ns / SECOND)
        naive.append((last.energy_nj["gpu"] - first.energy_nj["gpu"]) / SECOND / truth - 1)
        precise.append(after / SECOND / truth - 1)

    assert _rms(precise) < 0.02
    assert _rms(precise) < _rms(naive) / 2


def _rms(errors: list[float]) -> float:
    return math.sqrt(sum(error**2 for error in errors) / len(errors))
