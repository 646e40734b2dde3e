from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.units import NS_PER_S

AMD_NJ = 15258 << 32  # 65.5 kJ, the smallest register known


def counted(counter: WrappingCounter, values: list[tuple[int, int]]) -> list[int]:
    return [counter.advance(value, ns) for value, ns in values]


def test_the_first_value_is_where_counting_starts() -> None:
    counter = WrappingCounter(AMD_NJ, max_power_w=1000)

    assert counted(counter, [(5000, 0), (5000, 1), (7500, 2)]) == [0, 0, 2500]


def test_a_wrap_is_counted_exactly() -> None:
    counter = WrappingCounter(AMD_NJ, max_power_w=1000)

    assert counted(counter, [(AMD_NJ - 1000, 0), (1999, NS_PER_S)]) == [0, 2999]
    assert (counter.resets, counter.doubt) == (0, "")


def test_a_step_back_that_no_power_could_make_is_a_reset() -> None:
    counter = WrappingCounter(AMD_NJ, max_power_w=1000)

    counts = counted(counter, [(10_000, 0), (30_000, 1), (500, NS_PER_S), (800, 2 * NS_PER_S)])

    assert counts == [0, 20_000, 20_000, 20_300]
    assert counter.resets == 1


def test_a_reset_is_told_with_its_step_and_not_after_it() -> None:
    counter = WrappingCounter(AMD_NJ, max_power_w=1000)
    doubts = []
    for second, value in enumerate((10_000, 500, 800)):
        counter.advance(value, second * NS_PER_S)
        doubts.append(counter.doubt)

    assert doubts == ["", "its register was set back: this step is not counted", ""]


def test_a_step_forward_that_no_power_could_make_is_not_counted() -> None:
    counter = WrappingCounter(AMD_NJ, max_power_w=1000)

    counts = counted(counter, [(0, 0), (50_000 * 10**9, NS_PER_S), (50_001 * 10**9, 2 * NS_PER_S)])

    assert counts == [0, 0, 10**9]
    assert counter.resets == 1


def test_a_long_time_unread_is_counted_and_told() -> None:
    counter = WrappingCounter(AMD_NJ, max_power_w=1000)

    counts = counted(counter, [(0, 0), (4000, 300 * NS_PER_S)])

    assert counts == [0, 4000]
    assert counter.doubt == "not read for 300 s, in which its register may have wrapped unseen"


def test_time_that_stands_still_or_goes_back_harms_nothing() -> None:
    counter = WrappingCounter(AMD_NJ, max_power_w=1000)

    assert counted(counter, [(0, 10**9), (1000, 10**9), (2000, 0)]) == [0, 1000, 2000]


def test_a_register_moved_beyond_its_end_counts_up() -> None:
    counter = WrappingCounter(1000, max_power_w=1000)

    assert counted(counter, [(2500, 0), (100, 1)]) == [0, 600]


increments = st.lists(st.integers(0, AMD_NJ // 100), max_size=30)


@given(start=st.integers(0, AMD_NJ - 1), steps=increments, failing=st.sets(st.integers(0, 30)))
def test_wraps_and_failed_reads_lose_nothing(start: int, steps: list[int], failing: set[int]) -> None:
    counter = WrappingCounter(AMD_NJ, max_power_w=1000)
    true = 0
    assert counter.advance(start, 0) == 0
    for n, step in enumerate(steps, 1):
        true += step
        if n in failing and n < len(steps):
            continue
        count = counter.advance((start + true) % AMD_NJ, n * NS_PER_S)

        assert count == true
    assert counter.resets == 0


@given(start=st.integers(0, 2**32 - 1), steps=st.lists(st.integers(0, 2**20), max_size=30))
def test_windows_add_up_to_the_whole_in_any_unit(start: int, steps: list[int]) -> None:
    counter = WrappingCounter(2**32, max_power_w=10_000, nj_per_tick=(10**9, 2**14))
    value = start
    counts = [counter.advance(value, 0)]
    for n, step in enumerate(steps, 1):
        value = (value + step) % 2**32
        counts.append(counter.advance(value, n * NS_PER_S))

    assert counts[-1] == sum(steps) * 10**9 // 2**14
    assert sum(after - before for before, after in itertools.pairwise(counts)) == counts[-1]


@given(st.lists(st.tuples(st.integers(0, 2**50), st.integers(0, 2**50)), max_size=30), st.integers(1, 2**48))
def test_whatever_a_register_shows_the_count_never_goes_back(values: list[tuple[int, int]], modulus: int) -> None:
    counts = counted(WrappingCounter(modulus, max_power_w=1000), values)

    assert counts == sorted(counts)


def test_a_register_that_begins_anew_is_a_doubt_once_and_takes_nothing_away() -> None:
    counter = WrappingCounter(1 << 64, max_power_w=1000)
    counted(counter, [(100, 0), (900, 1)])
    counter.forget()

    assert (counter.advance(5, 2), counter.doubt != "") == (800, True)
    assert (counter.advance(25, 3), counter.doubt) == (820, "")
