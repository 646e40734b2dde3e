"""What a calibration shows while it goes on: loads that are done and to come, the last reading, the line so far.

Drawn in place on a terminal; elsewhere a line for each load and reading.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from carbonwatch.calibration import CalibrationError, Pair, fit
from carbonwatch.cli import _terminal
from carbonwatch.units import human_duration

_BAR = 20
_SHOWN = 40  # readings in the row of bars
_BARS = "▁▂▃▄▅▆▇█"


class View:
    """Where a calibration stands. `begin()` a load, `seen()` each reading, `end()`."""

    def __init__(
        self, loads: Sequence[float], readings: int, every_s: float, settle_s: float, stream: TextIO | None = None
    ) -> None:
        self._loads, self._readings, self._every_s, self._settle_s = loads, readings, every_s, settle_s
        self._pairs: list[list[Pair]] = []
        self._stream = sys.stderr if stream is None else stream
        self._is_live = _terminal.is_terminal(self._stream)
        self._drawn = 0  # lines

    def begin(self) -> None:
        """The next load: it settles first."""
        self._pairs.append([])
        if self._is_live:
            self._draw()
        else:
            print(f"load {self._loads[len(self._pairs) - 1]:.0%}", file=self._stream, flush=True)

    def seen(self, pair: Pair) -> None:
        self._pairs[-1].append(pair)
        if self._is_live:
            self._draw()
        else:
            print(f"  {_shown(pair)}", file=self._stream, flush=True)

    def end(self) -> None:
        """Leaves the table as it is, and the line below it free."""
        self._drawn = 0

    def left_s(self) -> float:
        """Seconds to go, if every reading comes at once."""
        to_come = len(self._loads) - len(self._pairs)
        here = self._readings - len(self._pairs[-1]) if self._pairs else 0
        settling_s = self._settle_s * (to_come + (0 if not self._pairs or self._pairs[-1] else 1))
        return settling_s + self._every_s * (max(0, here) + to_come * self._readings)

    def lines(self, width: int, colour: bool) -> list[str]:
        """The table, as wide as it may be."""
        every = [pair for pairs in self._pairs for pair in pairs]
        shown = [f"Calibrating, about {human_duration(round(self.left_s()))} left; Ctrl-C ends", ""]
        shown += [self._row(at, load) for at, load in enumerate(self._loads)]
        shown += ["", f"wall {_sparks([pair.wall_w for pair in every])}".rstrip(), _line_so_far(every)]
        codes = {0: _terminal.BOLD, len(self._pairs) + 1: _terminal.GREEN, len(shown) - 1: _terminal.DIM}
        cut = (_terminal.cut(line, width).rstrip() for line in shown)
        return [_terminal.painted(line, codes.get(at, ""), colour) for at, line in enumerate(cut)]

    def _row(self, at: int, load: float) -> str:
        name = f"{load:>6.0%}"
        if at >= len(self._pairs):
            return f"{name}  {'·' * _BAR}"
        pairs = self._pairs[at]
        done = min(_BAR, round(_BAR * len(pairs) / self._readings))
        last = _shown(_mean(pairs)) if pairs else "settling"
        return f"{name}  {'█' * done}{'░' * (_BAR - done)}  {last}"

    def _draw(self) -> None:
        lines = self.lines(_terminal.width(self._stream) or 80, _terminal.colour(self._stream))
        back = f"\r\x1b[{self._drawn}A\x1b[J" if self._drawn else ""
        print(back + "\n".join(lines), file=self._stream, flush=True)
        self._drawn = len(lines)


def _mean(pairs: Sequence[Pair]) -> Pair:
    return Pair(sum(p.inside_w for p in pairs) / len(pairs), sum(p.wall_w for p in pairs) / len(pairs))


def _shown(pair: Pair) -> str:
    return f"inside {pair.inside_w:8.4g} W   wall {pair.wall_w:8.4g} W"


def _sparks(watts: Sequence[float]) -> str:
    """The last readings of the wall as bars, from nothing to the highest."""
    last = watts[-_SHOWN:]
    highest_w = max(last, default=0.0)
    if highest_w <= 0:
        return ""
    steps = (min(len(_BARS) - 1, int(each / highest_w * len(_BARS))) for each in last)
    return f"{''.join(_BARS[max(0, step)] for step in steps)}  up to {highest_w:.4g} W"


def _line_so_far(pairs: Sequence[Pair]) -> str:
    try:
        return f"so far: {fit(pairs)}"
    except CalibrationError:
        return "so far: too few readings, or too much alike, for a line"
