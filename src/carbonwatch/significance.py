"""Do two groups of numbers differ? Mean, standard error, the difference with its interval, six tests, an effect size.

Pure statistics: nothing here knows what the numbers are. The tests are those that are usual for experiments with few
repetitions (Colas, Sigaud and Oudeyer 2019, "A Hitchhiker's Guide to Statistical Comparisons of Reinforcement
Learning Algorithms"). Distributions come from SciPy; chance has a fixed seed, so that the same numbers give the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from carbonwatch.errors import CarbonwatchError, Unavailable

LEVEL = 0.95
RESAMPLES = 9999
_SEED = 1
_MOST_EXACT = 2e5  # ways to divide both groups anew; more are drawn by chance

TestName = Literal["Student's t", "Welch's t", "Mann-Whitney U", "t of ranks", "bootstrap", "permutation"]


@dataclass(frozen=True, slots=True)
class Group:
    """A group's numbers in short. The standard error is None where one number tells nothing of the spread."""

    n: int
    mean: float
    standard_error: float | None


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Test:
    """How likely a difference at least as large would be, if there were none."""

    name: TestName
    p: float


@dataclass(frozen=True, slots=True)
class Result:
    """The second group less the first."""

    first: Group
    second: Group
    difference: Interval  # of means, by Welch
    effect: Interval | None  # Hedges' g, in standard deviations; None where nothing varies
    tests: tuple[Test, ...]

    @property
    def is_significant(self) -> bool:
        """By Welch's t test, which needs neither equal spreads nor equal numbers."""
        return any(test.name == "Welch's t" and test.p < 1 - LEVEL for test in self.tests)


def group(values: Sequence[float]) -> Group:
    """Mean and standard error. Raises CarbonwatchError for none, and for what is no finite number."""
    if not values or not all(math.isfinite(value) for value in values):
        raise CarbonwatchError("A group needs a number at least, and finite ones alone.")
    n, mean = len(values), math.fsum(values) / len(values)
    return Group(n, mean, None if n < 2 else math.sqrt(_variance(values, mean) / n))


def compare(first: Sequence[float], second: Sequence[float]) -> Result:
    """Both groups side by side, and all tests. Raises CarbonwatchError for less than two numbers in one."""
    one, two = group(first), group(second)
    if one.standard_error is None or two.standard_error is None:
        raise CarbonwatchError("A test needs two numbers in each group at least: one tells nothing of the spread.")
    stats = _scipy_stats()
    return Result(
        one, two, _welch_interval(one, two, stats), _effect(first, second, stats), _tests(first, second, stats)
    )


def _tests(first: Sequence[float], second: Sequence[float], stats: Any) -> tuple[Test, ...]:
    ranks = [float(rank) for rank in stats.rankdata([*first, *second])]
    probabilities: tuple[tuple[TestName, float], ...] = (
        ("Student's t", _t_test(first, second, stats, equal_spread=True)),
        ("Welch's t", _t_test(first, second, stats, equal_spread=False)),
        ("Mann-Whitney U", float(stats.mannwhitneyu(first, second).pvalue)),
        ("t of ranks", _t_test(ranks[: len(first)], ranks[len(first) :], stats, equal_spread=True)),
        ("bootstrap", _bootstrap(first, second)),
        ("permutation", _permutation(first, second, stats)),
    )
    return tuple(Test(name, p) for name, p in probabilities)


def _t_test(first: Sequence[float], second: Sequence[float], stats: Any, *, equal_spread: bool) -> float:
    one, two = group(first), group(second)
    error, freedom = _pooled_error(first, second) if equal_spread else _welch_error(one, two)
    if error == 0:  # nothing varies: any difference is one
        return 1.0 if one.mean == two.mean else 0.0
    return min(1.0, 2 * float(stats.t.sf(abs(two.mean - one.mean) / error, freedom)))


def _pooled_error(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Standard error of the difference and its degrees of freedom, where both vary alike."""
    n, m = len(first), len(second)
    return math.sqrt(_pooled_variance(first, second) * (1 / n + 1 / m)), n + m - 2


def _welch_error(one: Group, two: Group) -> tuple[float, float]:
    """Standard error of the difference and its degrees of freedom, whether or not both vary alike."""
    first, second = (one.standard_error or 0.0) ** 2, (two.standard_error or 0.0) ** 2
    if first + second == 0:
        return 0.0, 1.0
    freedom = (first + second) ** 2 / (first**2 / (one.n - 1) + second**2 / (two.n - 1))
    return math.sqrt(first + second), freedom


def _bootstrap(first: Sequence[float], second: Sequence[float]) -> float:
    """Welch's t of groups drawn again from themselves, moved to one mean (Efron and Tibshirani 1993, 16.2)."""
    import numpy

    chance = numpy.random.default_rng(_SEED)
    one, two = numpy.asarray(first, float), numpy.asarray(second, float)
    common = numpy.concatenate((one, two)).mean()
    drawn = [chance.choice(values - values.mean() + common, (RESAMPLES, len(values))) for values in (one, two)]
    found = numpy.abs(_welch_t(drawn[0], drawn[1], axis=1))
    seen = abs(float(_welch_t(one, two, axis=0)))
    return float((1 + numpy.count_nonzero(found >= seen * (1 - 1e-12))) / (1 + RESAMPLES))


def _welch_t(one: Any, two: Any, axis: int) -> Any:
    """Welch's t; where nothing varies 0 for no difference, and infinite for one."""
    import numpy

    apart = two.mean(axis=axis) - one.mean(axis=axis)
    spread = numpy.sqrt(one.var(axis=axis, ddof=1) / one.shape[axis] + two.var(axis=axis, ddof=1) / two.shape[axis])
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return numpy.where(spread > 0, apart / spread, numpy.where(apart == 0, 0.0, math.inf * numpy.sign(apart)))


def _permutation(first: Sequence[float], second: Sequence[float], stats: Any) -> float:
    """Of the difference of means, when the numbers are dealt to both groups anew: all ways, or some by chance."""

    def apart(one: Any, two: Any, axis: int) -> Any:
        return two.mean(axis=axis) - one.mean(axis=axis)

    ways = math.comb(len(first) + len(second), len(first))
    resamples = math.inf if ways <= _MOST_EXACT else RESAMPLES
    import numpy

    data = (numpy.asarray(first, float), numpy.asarray(second, float))
    found = stats.permutation_test(
        data, apart, vectorized=True, n_resamples=resamples, rng=numpy.random.default_rng(_SEED), batch=2000
    )
    return float(found.pvalue)


def _welch_interval(one: Group, two: Group, stats: Any) -> Interval:
    """The difference of means, and where the true one lies 19 times in 20."""
    value = two.mean - one.mean
    error, freedom = _welch_error(one, two)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Interval(value, value - reach, value + reach)


def _effect(first: Sequence[float], second: Sequence[float], stats: Any) -> Interval | None:
    """Hedges' g with its large-sample interval (Hedges and Olkin 1985)."""
    n, m = len(first), len(second)
    freedom = n + m - 2
    one, two = group(first), group(second)
    pooled = math.sqrt(_pooled_variance(first, second))
    if pooled == 0:
        return None
    g = (two.mean - one.mean) / pooled * (1 - 3 / (4 * freedom - 1))
    reach = float(stats.norm.ppf((1 + LEVEL) / 2)) * math.sqrt((n + m) / (n * m) + g**2 / (2 * (n + m)))
    return Interval(g, g - reach, g + reach)


def _pooled_variance(first: Sequence[float], second: Sequence[float]) -> float:
    squares = ((len(values) - 1) * _variance(values, group(values).mean) for values in (first, second))
    return sum(squares) / (len(first) + len(second) - 2)


def _variance(values: Sequence[float], mean: float) -> float:
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError as error:
        raise Unavailable(
            "The tests of significance are SciPy's, which is not installed.", "pip install 'carbonwatch[stats]'"
        ) from error
    return stats
