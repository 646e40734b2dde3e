"""Fakes for tests, of this library and of what is built on it: no hardware, no waiting, no network.

clock = Clock()
sampler = fake_sampler([FakeMeter("cpu", power_w=10)], clock, FakeActivity(own=0.5, busy=1.0))
with Tracker(Settings(store="none"), meters=sampler) as tracker:
    clock.advance(3)
tracker.run.energy_j  # 15 J: half of what the busy CPUs used
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from carbonwatch.model import Component, Domain, Intensity, Quality, Work
from carbonwatch.sampler import Sampler


class Clock:
    """A monotonic clock that moves when told to. Call it for nanoseconds."""

    def __init__(self, ns: int = 0) -> None:
        self.ns = ns

    def __call__(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


class FakeMeter:
    """A meter of one domain: constant power, or any function from seconds to joules counted so far."""

    def __init__(
        self,
        component: Component = "cpu",
        *,
        power_w: float = 10.0,
        counted_j: Callable[[float], float] | None = None,
        id: str | None = None,  # noqa: A002 - the noun's own name
        quality: Quality = "measured",
        error: tuple[float, float] = (0.0, 0.0),
        idle_w: float | None = None,
        within: str | None = None,
        period_s: float = 0.0,
    ) -> None:
        source = f"a fake {component} meter"
        domain = Domain(id or f"fake:{component}", component, quality, source, within, error, idle_w, period_s)
        self.domains: tuple[Domain, ...] = (domain,)
        self.rejected: Mapping[str, str] = {}
        self.failed: Mapping[str, str] = {}
        self.closed = False
        self._counted_j = counted_j or (lambda seconds: power_w * seconds)

    def fail(self, reason: str) -> None:
        """Can't be read from now on, until `recover()`."""
        self.failed = {self.domains[0].id: reason}

    def recover(self) -> None:
        self.failed = {}

    def read(self, ns: int) -> Mapping[str, int]:
        if self.failed:
            return {}
        return {self.domains[0].id: round(self._counted_j(ns / 1e9) * 1e9)}

    def close(self) -> None:
        self.closed = True


class FakeActivity:
    """Somebody's work on the CPUs: constant shares of all cores."""

    def __init__(self, *, own: float = 0.5, busy: float = 0.5, cores: int = 2, reserved: float = 0.0) -> None:
        self.own, self.busy, self.cores, self.reserved = own, busy, cores, reserved

    def read(self, ns: int) -> Mapping[str, Work]:
        all_s = self.cores * ns / 1e9
        return {"cpu": Work(self.own * all_s, self.busy * all_s, all_s, self.reserved * ns / 1e9)}

    def close(self) -> None:
        """Nothing is held open."""


def fake_sampler(meters: Iterable[FakeMeter], clock: Clock, activity: FakeActivity | None = None) -> Sampler:
    """A sampler of fake meters on a fake clock. It has no thread: `tick()` calls who is due."""
    return Sampler(meters, (activity or FakeActivity(),), clock=clock, thread=False)


def intensity(g_per_kwh: float = 100.0, zone: str = "XX") -> Intensity:
    """A fixed grid without a band."""
    return Intensity(g_per_kwh, g_per_kwh, g_per_kwh, zone, "a fixed grid", "given", "lifecycle", "a test", 2025)
