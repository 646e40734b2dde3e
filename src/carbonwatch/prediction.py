"""What the whole of something will come to, from its first parts: a training from its first epochs.

Pure arithmetic on a series of numbers, joules or seconds alike. The interval is about 90 % wide and holds two doubts:
the noise from one epoch to the next, of which neighbours resemble each other, and that the rest may go at another pace
than what was seen. Both begin as a prior, because three epochs alone say little about either, and give way to what is
seen; where other programs share the machine, the pace is theirs too, and the doubt about it grows. Ends are as far
from the value as factors: twice as much is as likely as half. benchmarks/prediction.py prints how often the interval
holds the final value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from carbonwatch.model import Figure

# relative standard deviations believed before anything is seen, and how many epochs that belief weighs
_NOISE, _NOISE_WEIGHT = 0.1, 4.0
_DRIFT, _DRIFT_WEIGHT = 0.14, 8.0
_LIKENESS, _LIKENESS_WEIGHT = 0.3, 4.0  # correlation of an epoch's noise with that of the one before
_MOST_LIKENESS = 0.95
_CROWDED = 0.45  # drift where others keep all of the machine busy
_FIRST_ALONE = 0.5  # by which the rest may be cheaper, where only the first epoch, which warms up, is known
_WINDOW = 8  # the pace is that of the latest epochs: so many, or half of them if those are more


def whole(parts: Sequence[float], count: int, load: float = 0.0) -> Figure:
    """The sum of `count` parts of which the first are known, with an interval. Raises ValueError without any part.

    `load`: the share of the machine that others kept busy meanwhile.
    """
    if not parts:
        raise ValueError("nothing is known yet, so nothing can be predicted: it takes one part at least")
    spent, left = math.fsum(parts), max(0, count - len(parts))
    seen = parts[1:] if len(parts) > 1 else parts  # the first one warms up: it is spent, and says little of the others
    seen = seen[-max(_WINDOW, len(seen) // 2) :]
    seen = seen if any(seen) else parts  # too short for the meter, but for the first
    pace = math.fsum(seen) / len(seen)
    rest = left * pace
    if rest <= 0:
        return Figure(spent, spent, spent)
    error, quantile = _log_error([part / pace - 1 for part in seen], left, load)
    down = math.hypot(error, _FIRST_ALONE) if len(parts) == 1 else error
    return Figure(spent + rest, spent + rest * math.exp(-quantile * down), spent + rest * math.exp(quantile * error))


def _log_error(off: Sequence[float], left: int, load: float) -> tuple[float, float]:
    """Relative standard error of the mean of what is left, and of how many of them 90 % lie within.

    `off`: by how much each part that was seen is off their mean.
    """
    squares = math.fsum(each**2 for each in off)
    likeness = _likeness(off, squares)
    seen = _independent(len(off), likeness)
    freedom = _NOISE_WEIGHT + len(off) * (1 - 1 / seen)
    variance = (_NOISE_WEIGHT * _NOISE**2 + squares) / freedom
    noise = math.sqrt(variance * (1 / seen + 1 / _independent(left, likeness)))
    return math.hypot(noise, _drift(off, load)), _t95(freedom)


def _likeness(off: Sequence[float], squares: float) -> float:
    """Correlation of a part with the one before."""
    products = math.fsum(one * other for one, other in pairwise(off))
    believed = _LIKENESS_WEIGHT * _NOISE**2
    # a mean taken from the same parts makes them look less alike than they are
    found = (believed * _LIKENESS + products + squares / len(off)) / (believed + squares)
    return min(_MOST_LIKENESS, max(0.0, found))


def _independent(number: int, likeness: float) -> float:
    """As how many independent parts so many count that resemble each other."""
    return 1 + (number - 1) * (1 - likeness) / (1 + likeness)


def _drift(off: Sequence[float], load: float) -> float:
    """Relative standard deviation of the mean of what comes from the mean of what was seen."""
    half = len(off) // 2
    moved = (math.fsum(off[-half:]) - math.fsum(off[:half])) / half if half else 0.0
    believed = _DRIFT**2 + (_CROWDED * load) ** 2
    return math.sqrt((_DRIFT_WEIGHT * believed + len(off) * moved**2) / (_DRIFT_WEIGHT + len(off)))


def _t95(freedom: float) -> float:
    """Student's t, 95 % point, by its expansion in 1/freedom (Fisher): within 1 % from 4 on."""
    return 1.645 + 1.524 / freedom + 1.42 / freedom**2
