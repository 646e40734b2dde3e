import math
import sys

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from carbonwatch import significance
from carbonwatch.errors import CarbonwatchError, Unavailable
from carbonwatch.significance import Group, Interval

A = (10.0, 12.0, 11.0, 13.0)
B = (15.0, 17.0, 14.0, 18.0, 16.0)
NAMES = ["Student's t", "Welch's t", "Mann-Whitney U", "t of ranks", "bootstrap", "permutation"]

few = settings(max_examples=15)
numbers = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=8)


def p(first: tuple[float, ...] | list[float], second: tuple[float, ...] | list[float]) -> dict[str, float]:
    return {test.name: test.p for test in significance.compare(first, second).tests}


def test_mean_and_standard_error_by_hand() -> None:
    # squares of deviations from 11.5: 2.25 + 0.25 + 0.25 + 2.25 = 5; 5 / 3 / 4 = 0.41667
    assert significance.group(A) == Group(4, 11.5, math.sqrt(5 / 12))
    assert significance.group((7.0,)) == Group(1, 7.0, None)


def test_the_difference_by_hand() -> None:
    # errors: 5/12 and 10/4/5 = 1/2; freedom = (11/12)² / ((5/12)²/3 + (1/2)²/4) = 6.980; t(0.975) = 2.366
    found = significance.compare(A, B).difference

    assert found.value == 4.5
    assert found.high - found.value == pytest.approx(2.366 * math.sqrt(11 / 12), rel=1e-3)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_the_difference_is_scipy_s() -> None:
    theirs = stats.ttest_ind(B, A, equal_var=False).confidence_interval(0.95)
    ours = significance.compare(A, B).difference

    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_all_six_tests_are_there_and_the_first_four_are_scipy_s() -> None:
    ranks = stats.rankdata([*A, *B])
    found = p(A, B)

    assert list(found) == NAMES
    assert found["Student's t"] == pytest.approx(stats.ttest_ind(A, B).pvalue)
    assert found["Welch's t"] == pytest.approx(stats.ttest_ind(A, B, equal_var=False).pvalue)
    assert found["Mann-Whitney U"] == pytest.approx(stats.mannwhitneyu(A, B).pvalue)
    assert found["t of ranks"] == pytest.approx(stats.ttest_ind(ranks[:4], ranks[4:]).pvalue)


def test_the_permutation_test_by_hand() -> None:
    # all of B above all of A: 1 of the 126 ways is as far apart, and 1 on the other side
    assert p(A, B)["permutation"] == pytest.approx(2 / 126)
    # {1, 2} and {3, 4}: of 6 ways 2 are as far apart
    assert p((1.0, 2.0), (3.0, 4.0))["permutation"] == pytest.approx(2 / 6)


def test_mann_whitney_by_hand() -> None:
    assert p(A, B)["Mann-Whitney U"] == pytest.approx(2 / 126)


def test_the_effect_size_by_hand() -> None:
    # pooled variance (5 + 10) / 7; g = 4.5 / 1.4639 x (1 - 3 / 27) = 2.7324
    found = significance.compare(A, B).effect

    assert found is not None
    assert found.value == pytest.approx(4.5 / math.sqrt(15 / 7) * (1 - 3 / 27))
    spread = math.sqrt(9 / 20 + found.value**2 / 18)
    assert (found.value - found.low, found.high - found.value) == pytest.approx((1.959964 * spread,) * 2)


def test_the_bootstrap_agrees_with_the_t_test_where_numbers_are_normal() -> None:
    chance = numpy.random.default_rng(3)
    one, two = list(chance.normal(0, 1, 40)), list(chance.normal(0.45, 1, 40))

    assert p(one, two)["bootstrap"] == pytest.approx(p(one, two)["Welch's t"], abs=0.02)


def test_the_same_numbers_give_the_same_answer() -> None:
    assert significance.compare(A, B) == significance.compare(A, B)


def test_many_numbers_are_dealt_by_chance_and_not_in_all_ways() -> None:
    chance = numpy.random.default_rng(4)
    one, two = list(chance.normal(0, 1, 30)), list(chance.normal(1.5, 1, 30))

    assert 0 < p(one, two)["permutation"] < 0.001


def test_numbers_that_do_not_vary_are_the_same_or_are_not() -> None:
    same, other = significance.compare((5.0, 5.0), (5.0, 5.0)), significance.compare((5.0, 5.0), (6.0, 6.0))

    assert (same.is_significant, other.is_significant) == (False, True)
    assert (same.effect, other.effect) == (None, None)
    assert other.difference == Interval(1.0, 1.0, 1.0)


@few
@given(first=numbers, second=numbers)
def test_which_group_comes_first_changes_the_sign_alone(first: list[float], second: list[float]) -> None:
    there, back = significance.compare(first, second), significance.compare(second, first)
    exact = {"Student's t", "Welch's t", "Mann-Whitney U", "t of ranks", "permutation"}

    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.difference.low == pytest.approx(-back.difference.high, abs=1e-9)
    assert [test.p for test in there.tests if test.name in exact] == pytest.approx(
        [test.p for test in back.tests if test.name in exact]
    )


@few
@given(first=numbers, second=numbers)
def test_every_probability_is_one(first: list[float], second: list[float]) -> None:
    found = significance.compare(first, second)

    assert all(0 <= test.p <= 1 for test in found.tests)
    assert found.difference.low <= found.difference.value <= found.difference.high


@pytest.mark.parametrize("values", [(), (1.0, math.nan), (math.inf,)])
def test_no_number_and_no_finite_one_is_an_error(values: tuple[float, ...]) -> None:
    with pytest.raises(CarbonwatchError):
        significance.group(values)


def test_one_number_is_not_enough_for_a_test() -> None:
    with pytest.raises(CarbonwatchError, match="two numbers in each group"):
        significance.compare((1.0,), (1.0, 2.0))


def test_without_scipy_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)

    with pytest.raises(Unavailable, match=r"pip install 'carbonwatch\[stats\]'"):
        significance.compare(A, B)
