"""A straight line from what is counted inside a machine to what a meter at its wall shows.

    wall = a + b * inside

a holds what draws always (fans, board, disks), b what is lost on the way (power supply). One line for a machine, with
its residual, the range that it was seen in and the hardware it belongs to; beyond the range it is not to be believed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from carbonwatch import folders, machines
from carbonwatch.errors import CarbonwatchError, SettingsError

FEWEST = 8  # readings: a line has two ends, and each needs a few to tell noise from load
LEAST_RANGE = 0.15  # of the highest power inside, from lowest to highest reading
_SANE_SLOPES = (0.2, 5.0)
_METER_ERROR = 0.01  # of a good plug
_TO_90 = 2.44  # from the middle deviation to 90 %
_OUTLIER, _NOISE = 4.0, 0.05  # times the middle deviation, and of the reading: what is within either is no outlier


class CalibrationError(CarbonwatchError):
    """Readings that no line can be drawn through."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What was counted inside and shown at the wall over the same seconds."""

    inside_w: float
    wall_w: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A machine's line, and how far it can be trusted."""

    a_w: float
    b: float
    residual: float  # middle relative deviation of the readings from the line
    from_w: float  # power inside, between which readings were taken
    to_w: float
    readings: int
    left_out: int  # readings that were far off the others
    machine: str  # fingerprint of the hardware
    made_at: str = ""  # ISO date
    domains: tuple[str, ...] = ()  # what was counted inside: the line belongs to nothing else

    def wall_w(self, inside_w: float) -> float:
        """Watts at the wall. Raises CalibrationError far outside the range that was seen."""
        if not self.covers(inside_w):
            raise CalibrationError(
                f"{inside_w:.3g} W is outside {self.from_w:.3g} to {self.to_w:.3g} W, where the wall was read, so the "
                "line says nothing there. Calibrate again with that load."
            )
        return self.a_w + self.b * inside_w

    def covers(self, inside_w: float) -> bool:
        """Whether the line was seen there, give or take a tenth."""
        margin_w = (self.to_w - self.from_w) * 0.1
        return self.from_w - margin_w <= inside_w <= self.to_w + margin_w

    @property
    def error_of_b(self) -> tuple[float, float]:
        """The 90 % interval of what grows with power inside, relative: all that is off, on what grew in the range."""
        grown_w = self.b * (self.to_w - self.from_w)
        return _interval(self.residual * (self.a_w + self.b * self.to_w) / grown_w if grown_w > 0 else 1.0)

    @property
    def error_of_a(self) -> tuple[float, float]:
        """The 90 % interval of what is drawn always, relative."""
        return _interval(self.residual * (self.a_w + self.b * self.from_w) / self.a_w if self.a_w > 0 else 1.0)

    @property
    def mark(self) -> str:
        """What every figure that it made is marked with."""
        return f"calibrated, residual {self.residual:.1%}"

    def __str__(self) -> str:
        return (
            f"wall = {self.a_w:.4g} W + {self.b:.4g} x inside, residual {self.residual:.1%}, "
            f"seen from {self.from_w:.3g} to {self.to_w:.3g} W"
        )


def _interval(middle: float) -> tuple[float, float]:
    """Both ends of a normal error whose middle deviation it is; never less than a meter's own error."""
    half = max(_METER_ERROR, middle * _TO_90)
    return -min(1.0, half), half


def fit(pairs: Iterable[Pair], machine: str = "", made_at: str = "", domains: tuple[str, ...] = ()) -> Calibration:
    """The line through readings, a few of which may be wrong. Raises CalibrationError where there is none."""
    seen = sorted(pairs, key=lambda pair: pair.inside_w)
    _check(seen)
    b = median(_slopes(seen))
    a_w = median(pair.wall_w - b * pair.inside_w for pair in seen)
    spread_w = median(abs(pair.wall_w - a_w - b * pair.inside_w) for pair in seen)
    kept = [p for p in seen if abs(p.wall_w - a_w - b * p.inside_w) <= max(_OUTLIER * spread_w, _NOISE * p.wall_w)]
    a_w, b = _least_squares(kept)
    if not _SANE_SLOPES[0] <= b <= _SANE_SLOPES[1]:
        raise CalibrationError(
            f"The wall grew by {b:.2g} W for each W inside, which no machine does: the meter shows another machine, or "
            "another time. Check which plug it is, and that clocks agree."
        )
    residual = median(abs(pair.wall_w / (a_w + b * pair.inside_w) - 1.0) for pair in kept)
    ends = kept[0].inside_w, kept[-1].inside_w
    return Calibration(a_w, b, residual, *ends, len(kept), len(seen) - len(kept), machine, made_at, domains)


def _check(seen: Sequence[Pair]) -> None:
    if len(seen) < FEWEST:
        raise CalibrationError(
            f"There are {len(seen)} readings of the wall, and a line needs {FEWEST} at least: fewer can't tell load "
            "from noise. Measure longer, or read more often."
        )
    if any(not 0 < value < float("inf") for pair in seen for value in (pair.inside_w, pair.wall_w)):
        raise CalibrationError("A reading is 0 W, negative or no number, so the meter did not work. Check it.")
    low_w, high_w = seen[0].inside_w, seen[-1].inside_w
    if high_w - low_w < LEAST_RANGE * high_w:
        raise CalibrationError(
            f"Power inside was {low_w:.3g} to {high_w:.3g} W all the time, so nothing tells how the wall follows it. "
            "Let the machine idle for a while and then work."
        )


def _slopes(seen: Sequence[Pair]) -> list[float]:
    """Of pairs that are apart: two readings of one load have a slope of noise alone."""
    least_w = (seen[-1].inside_w - seen[0].inside_w) * 0.1
    return [
        (q.wall_w - p.wall_w) / (q.inside_w - p.inside_w)
        for at, p in enumerate(seen)
        for q in seen[at + 1 :]
        if q.inside_w - p.inside_w > least_w
    ]


def _least_squares(pairs: Sequence[Pair]) -> tuple[float, float]:
    count = len(pairs)
    x, y = sum(p.inside_w for p in pairs) / count, sum(p.wall_w for p in pairs) / count
    b = sum((p.inside_w - x) * (p.wall_w - y) for p in pairs) / sum((p.inside_w - x) ** 2 for p in pairs)
    return y - b * x, b


def collect(
    inside_j: Callable[[], tuple[int, float]],
    wall_w: Callable[[], float],
    wait: Callable[[], object],
    count: int,
    seen: Callable[[Pair], object] = lambda _: None,
) -> list[Pair]:
    """Readings of both, one a wait. `inside_j` gives an instant in ns and joules counted up to it.

    The wall is read at both ends of each wait, and their mean is set against the power inside between them.
    """
    pairs = []
    (ns, counted_j), before_w = inside_j(), wall_w()
    for _ in range(count):
        wait()
        (now_ns, now_j), after_w = inside_j(), wall_w()
        if now_ns > ns:
            pair = Pair((now_j - counted_j) / (now_ns - ns) * 1e9, (before_w + after_w) / 2)
            pairs.append(pair)
            seen(pair)
        ns, counted_j, before_w = now_ns, now_j, after_w
    return pairs


# --- kept beside the user's settings, one for each machine

_WHAT = "calibrations"  # what the file holds


def store_file(environ: Mapping[str, str] | None = None) -> str:
    """The file that keeps the lines of this user's machines."""
    return os.path.join(folders.settings_folder(environ), "calibration.json")


def save(calibration: Calibration, path: str) -> None:
    """Keeps a line; one of the same machine is replaced."""
    machines.put(path, _WHAT, calibration.machine, asdict(calibration))


def load(path: str, machine: str) -> Calibration | None:
    """The line of a machine; None where there is none, or where the hardware is another by now."""
    kept = machines.read(path, _WHAT).get(machine)
    return Calibration(**{**kept, "domains": tuple(kept.get("domains", ()))}) if kept else None


def wanted(path: str, machine: str) -> Calibration:
    """The line of this machine, which is asked for. Raises SettingsError where it can't be used, with the reason."""
    found = load(path, machine)
    if found is None:
        others = "; ".join(machines.read(path, _WHAT))
        kept = f" {path} holds those of other hardware: {others}." if others else ""
        raise SettingsError(
            f"calibrated is on, and no line is kept for this machine ({machine}), so the wall can't be told.{kept} "
            "Run `carbonwatch calibrate` here, or leave calibrated out."
        )
    if found.a_w < 0:
        raise SettingsError(
            f"calibrated is on, and this machine's line begins below 0 W ({found}): what is counted inside draws more "
            "than the wall when idle, so the line can't be split into parts. Calibrate with power_boundary=components, "
            "or leave calibrated out."
        )
    return found
