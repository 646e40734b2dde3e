import math
import random

from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.sensors._power import PowerIntegral

readings = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**12)), min_size=1)


def test_the_first_reading_counts_nothing() -> None:
    assert PowerIntegral().advance(5_000_000, 10**9) == 0


def test_power_that_rises_evenly_is_counted_exactly() -> None:
    integral = PowerIntegral()
    for second in range(11):
        counted_nj = integral.advance(second * 10_000_000, second * 10**9)

    assert counted_nj == 500 * 10**9  # 0 to 100 W in 10 s


def test_nothing_is_rounded_away_between_reads() -> None:
    integral = PowerIntegral()
    for ns in range(2_001):
        counted_nj = integral.advance(1_000, ns)

    assert counted_nj == 2


def test_a_time_without_readings_is_a_straight_line() -> None:
    integral = PowerIntegral()
    integral.advance(10_000_000, 0)

    assert integral.advance(30_000_000, 60 * 10**9) == 1200 * 10**9


def test_a_mean_belongs_to_the_middle_of_its_time() -> None:
    integral = PowerIntegral(mean_ns=2 * 10**9)
    # of a power that rises by 10 W each second, the mean of two seconds is that of a second ago
    counts_nj = [integral.advance(max(0, second - 1) * 10_000_000, second * 10**9) for second in range(12)]

    assert counts_nj[11] - counts_nj[1] == (500 + 100) * 10**9  # 0 to 100 W in 10 s, and the last second as it was told


def jumping(generator: random.Random, until_s: float) -> list[tuple[float, float, int]]:
    """Power that jumps every 150 ms or so: from, to, watts."""
    steps, now_s = [(0.0, 1.0, 60)], 1.0
    while now_s < until_s:
        end_s = now_s + generator.expovariate(1 / 0.15)
        steps.append((now_s, end_s, generator.choice((60, 300))))
        now_s = end_s
    return steps


def energy_j(steps: list[tuple[float, float, int]], begin_s: float, end_s: float) -> float:
    return sum(max(0.0, min(end_s, end) - max(begin_s, begin)) * watts for begin, end, watts in steps)


def rms_error(every_s: float, mean_s: float) -> float:
    """Of windows of a second, of power that is told as a mean and read so often and at both edges."""
    generator = random.Random(1)
    squares = []
    for _ in range(200):
        steps = jumping(generator, 4.0)
        phase_s, begin_s, end_s = generator.random() * every_s, 1.5, 2.5
        reads_s = sorted([begin_s, end_s, *(1 + phase_s + n * every_s for n in range(round(1.5 / every_s)))])
        integral = PowerIntegral(round(mean_s * 1e9))
        counts_nj = {}
        for at_s in reads_s:
            told_w = energy_j(steps, at_s - mean_s, at_s) / mean_s
            counts_nj[at_s] = integral.advance(round(told_w * 1e6), round(at_s * 1e9))
        truth_j = energy_j(steps, begin_s, end_s)
        squares.append(((counts_nj[end_s] - counts_nj[begin_s]) / 1e9 / truth_j - 1) ** 2)
    return math.sqrt(sum(squares) / len(squares))


def test_twice_in_the_time_of_a_mean_is_often_enough() -> None:
    assert rms_error(0.025, 0.05) < 0.01
    assert rms_error(0.25, 0.05) > 0.1


@given(readings)
def test_it_never_goes_back(steps: list[tuple[int, int]]) -> None:
    integral = PowerIntegral()
    counts_nj, now_ns = [], 0
    for power_uw, step_ns in steps:
        now_ns += step_ns
        counts_nj.append(integral.advance(power_uw, now_ns))

    assert counts_nj == sorted(counts_nj)


@given(readings, st.integers(0, 10**9))
def test_a_look_in_between_changes_nothing_while_power_is_constant(steps: list[tuple[int, int]], power_uw: int) -> None:
    often, seldom = PowerIntegral(), PowerIntegral()
    seldom.advance(power_uw, 0)
    now_ns = 0
    often.advance(power_uw, now_ns)
    for _, step_ns in steps:
        now_ns += step_ns
        counted_nj = often.advance(power_uw, now_ns)

    assert counted_nj == seldom.advance(power_uw, now_ns)
