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
