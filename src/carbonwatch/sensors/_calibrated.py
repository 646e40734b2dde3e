"""Meters seen through a machine's line, wall = a + b x inside: each domain counts b times as much, a is one too.

So the parts add up to the wall, and each is shared as before. Beyond the power at which the wall was read the line goes
on straight, but never in silence: the domain of the rest has a gap that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from carbonwatch.calibration import Calibration
from carbonwatch.model import Domain
from carbonwatch.sensors import Meter

# of counters that move every few milliseconds, less says little about power
_WINDOW_NS = 1_000_000_000


class CalibratedMeter:
    """A meter whose counts are what they add at the wall."""

    def __init__(self, meter: Meter, line: Calibration, inside_nj: dict[str, int]) -> None:
        self.domains = tuple(_calibrated(domain, line) for domain in meter.domains)
        self.rejected = meter.rejected
        self.tick_s: float | None = getattr(meter, "tick_s", None)
        self._meter, self._line, self._inside_nj = meter, line, inside_nj

    @property
    def failed(self) -> Mapping[str, str]:
        return self._meter.failed

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the meter has to be noted."""
        return getattr(self._meter, "facts", {})

    def read(self, ns: int) -> Mapping[str, int]:
        counts = self._meter.read(ns)
        self._inside_nj.update(counts)
        return {id_: round(count * self._line.b) for id_, count in counts.items()}

    def close(self) -> None:
        self._meter.close()


class RestMeter:
    """What the wall shows for an empty machine: the line's beginning. Read after the others."""

    def __init__(self, line: Calibration, inside_nj: Mapping[str, int]) -> None:
        seen = f"{line.a_w:.4g} W + {line.b:.4g} x inside, from {line.from_w:.3g} to {line.to_w:.3g} W"
        source = (
            f"what the wall shows beside the others ({line.mark}; wall = {seen}; {line.made_at or 'day not known'})"
        )
        self.domains: tuple[Domain, ...] = (
            Domain("wall:rest", "rest", "modelled", source, error=line.error_of_a, idle_w=line.a_w),
        )
        self.rejected: Mapping[str, str] = {}
        self.failed: Mapping[str, str] = {}
        self._line, self._inside_nj = line, inside_nj
        self._first_ns: int | None = None
        self._window: tuple[int, int] | None = None  # instant and nanojoules inside, at its beginning

    def read(self, ns: int) -> Mapping[str, int]:
        if self._first_ns is None:
            self._first_ns = ns
        self._judge(ns)
        return {"wall:rest": round(self._line.a_w * max(0, ns - self._first_ns))}

    def _judge(self, ns: int) -> None:
        """Whether the line was seen at the power of the last seconds."""
        inside_nj = sum(self._inside_nj.get(id_, 0) for id_ in self._line.domains)
        if self._window is None:
            self._window = ns, inside_nj
        began_ns, before_nj = self._window
        if ns - began_ns < _WINDOW_NS:
            return
        inside_w = (inside_nj - before_nj) / (ns - began_ns)
        self._window = ns, inside_nj
        self.failed = {} if self._line.covers(inside_w) else {"wall:rest": _beyond(self._line)}

    def close(self) -> None:
        """Holds nothing open."""


def calibrated(meters: Iterable[Meter], line: Calibration) -> list[Meter]:
    """The meters, seen through the line, and the rest of the wall."""
    inside_nj: dict[str, int] = {}
    return [*(CalibratedMeter(meter, line, inside_nj) for meter in meters), RestMeter(line, inside_nj)]


def _calibrated(domain: Domain, line: Calibration) -> Domain:
    idle_w = None if domain.idle_w is None else domain.idle_w * line.b
    return replace(domain, source=f"{domain.source} ({line.mark})", error=line.error_of_b, idle_w=idle_w)


def _beyond(line: Calibration) -> str:
    return (
        f"power inside was outside {line.from_w:.3g} to {line.to_w:.3g} W, where the wall was read: figures go on "
        "along the line, and may be far off. Calibrate again with that load."
    )
