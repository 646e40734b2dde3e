"""What the whole of something will come to, from its first parts: a training from its first epochs.

Pure arithmetic on a series of numbers, joules or seconds alike. The interval is about 90 % wide and holds two doubts:
the noise from one epoch to the next, and that the rest may go at another pace than what was seen. Both begin as a
prior, because three epochs alone say little about either, and give way to what is seen. benchmarks/prediction.py
prints how often the interval holds the final value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from carbonwatch.model import Figure

# relative standard deviations believed before anything is seen, and how many epochs that belief weighs
_NOISE, _NOISE_WEIGHT = 0.1, 3.0
_DRIFT, _DRIFT_WEIGHT = 0.14, 4.0
_FIRST_ALONE = 0.4  # of the rest's mean, where only the first epoch, which warms up, is known
_WINDOW = 8  # the pace is that of the latest epochs: so many, or half of them if those are more
# Student's t, 95 % point, for 3, 4, … degrees of freedom
_T95 = (2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)
_T95_BEYOND = 1.80


def whole(parts: Sequence[float], count: int) -> Figure:
    """The sum of `count` parts of which the first are known, with an interval. Raises ValueError without any part."""
    if not parts:
        raise ValueError("nothing is known yet, so nothing can be predicted: it takes one part at least")
    spent, left = math.fsum(parts), max(0, count - len(parts))
    seen = parts[1:] if len(parts) > 1 else parts  # the first one warms up: it is spent, and says little of the others
    seen = seen[-max(_WINDOW, len(seen) // 2) :]
    pace = math.fsum(seen) / len(seen)
    value = spent + left * pace
    if left == 0 or pace <= 0:
        return Figure(value, value, value)
    doubt = left * pace * _relative_error(parts, seen, pace, left)
    return Figure(value, max(spent, value - doubt), value + doubt)


def _relative_error(parts: Sequence[float], seen: Sequence[float], pace: float, left: int) -> float:
    """Half the interval of what is left, relative to it."""
    number = len(seen)
    noise = _noise(seen, pace) * math.sqrt(1 / left + 1 / number)
    drift = _drift(seen, pace) * left / (left + number)
    first = _FIRST_ALONE if len(parts) == 1 else 0.0
    return _t95(number - 1) * math.hypot(noise, drift, first)


def _noise(seen: Sequence[float], pace: float) -> float:
    """Relative standard deviation of one part."""
    squares = math.fsum((part / pace - 1) ** 2 for part in seen)
    return math.sqrt((_NOISE_WEIGHT * _NOISE**2 + squares) / (_NOISE_WEIGHT + len(seen) - 1))


def _drift(seen: Sequence[float], pace: float) -> float:
    """Relative standard deviation of the mean of what comes from the mean of what was seen."""
    half = len(seen) // 2
    moved = (math.fsum(seen[-half:]) - math.fsum(seen[:half])) / half / pace if half else 0.0
    weight = len(seen)
    return math.sqrt((_DRIFT_WEIGHT * _DRIFT**2 + weight * moved**2) / (_DRIFT_WEIGHT + weight))


def _t95(more: int) -> float:
    """Student's t for the prior's three degrees of freedom and those of what was seen."""
    return _T95[more] if more < len(_T95) else _T95_BEYOND
