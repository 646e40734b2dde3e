"""Parts of a measurement that may lie across each other: what each used in all, between two readings.

Tasks share out what a run used and add up to it. Windows only look: any number may be open at a time, and each is all
that was counted from its begin to its end. Nothing of them is kept, and the run does not change by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace

from carbonwatch import ledger
from carbonwatch.model import Domain, Entry, Figure, Gap, Intensity, Reading, Run, Sample, Usage
from carbonwatch.sampler import cut
from carbonwatch.units import human_duration

# An edge may miss what one period used, and a quarter more where power there was not the mean: then 97 in 100 windows
# of a second hold the truth, on a random load of 60 and 300 W and a counter of 0.1 s. Between renewals it is a third.
_MISSED, _MISSED_PRECISELY = 1.25, 1 / 3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    Split = Callable[[Sample, tuple[Domain, ...]], tuple[Usage, ...]]

    class Source(Protocol):
        """Where a window's readings come from, and what makes a run of them: a tracker."""

        def begin(self, window: Window) -> None: ...
        def end(self, window: Window) -> None: ...
        def run_of(self, window: Window) -> Run: ...


class Window:
    """A named part of a measurement. It begins when it is made, and ends with `end()` or its `with` block."""

    def __init__(self, source: Source, name: str, *, precise: bool, sync: bool) -> None:
        self.name, self.precise, self.sync = name, precise, sync
        self.first: Reading | None = None  # None where nothing ran that it could be a part of
        self.last: Reading | None = None
        self.before_w: Mapping[str, float] = {}  # mean power of each domain for a while before it began
        self.aligned: frozenset[str] = frozenset()  # domains that were read on renewals
        self._source = source
        source.begin(self)
        _inside.set((*_open(), self))

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def __str__(self) -> str:
        run = self.run
        state = "open" if self.is_open else "ended"
        return f"{self.name}: {state}, {human_duration(run.duration_s)}, {run.used}"

    def end(self) -> Window:
        """Ends it and gives it back. One that has ended stays as it is."""
        if self.is_open:
            self._source.end(self)
        _inside.set(tuple(window for window in _open() if window is not self))
        return self

    @property
    def is_open(self) -> bool:
        return self.first is not None and self.last is None

    @property
    def run(self) -> Run:
        """All that is known of it, as a run: entries, quality, gaps. Up to now while it is open."""
        return self._source.run_of(self)

    @property
    def duration_s(self) -> float:
        return self.run.duration_s

    @property
    def energy(self) -> Figure:
        """The headline's joules, with their interval."""
        run = self.run
        return run.energy(run.headline)

    @property
    def energy_j(self) -> float:
        return self.energy.value

    @property
    def emissions_g(self) -> float:
        """Grams of CO2e."""
        return self.run.emissions_g


# windows that the running context is inside of, outermost first; across await, and in threads that copy the context
_inside: ContextVar[tuple[Window, ...]] = ContextVar("carbonwatch_windows", default=())


def _open() -> tuple[Window, ...]:
    return tuple(window for window in _inside.get() if window.is_open)


def latest(name: str, among: list[Window]) -> Window | None:
    """The window of that name that began last: of this context if there is one, else of any."""
    named = [window for window in among if window.name == name]
    here = [window for window in _open() if window in named]
    return next(reversed(here or named), None)


def mean_w(sample: Sample, domains: tuple[Domain, ...]) -> dict[str, float]:
    """Mean power of those domains that were renewed at least twice in a sample."""
    return {
        d.id: sample.energy_j[d.id] / sample.duration_s
        for d in domains
        if d.id in sample.energy_j and sample.duration_s >= 2 * d.period_s > 0
    }


def entries(
    window: Window, last: Reading, domains: tuple[Domain, ...], split: Split, start_ns: int, intensity: Intensity
) -> tuple[tuple[Entry, ...], tuple[Gap, ...]]:
    """What a window used up to a reading, and what can't be told of it; `split` says whose it was.

    `start_ns` is Unix time.
    """
    if window.first is None:
        return (), ()
    sample = cut(window.first, last)
    # an edge that was found between renewals may lie after another that was not, by a little
    sample = replace(sample, energy_j={id_: max(0.0, energy_j) for id_, energy_j in sample.energy_j.items()})
    told = tuple(_with_edges(domain, window, sample) for domain in domains if not _is_too_short(domain, window, sample))
    gaps = [
        Gap(d.id, sample.start_ns, sample.end_ns, "its count was not renewed in so short a window")
        for d in domains
        if _is_too_short(d, window, sample)
    ]
    found = ledger.enter(split(sample, told), window.name, start_ns, sample.duration_s, intensity)
    return found, (*sample.gaps, *gaps)


def _is_too_short(domain: Domain, window: Window, sample: Sample) -> bool:
    """Whether nothing was counted for want of time: that is not known, and no zero."""
    if domain.id in window.aligned or sample.energy_j.get(domain.id) != 0:
        return False
    return sample.duration_s < 2 * domain.period_s


def _with_edges(domain: Domain, window: Window, sample: Sample) -> Domain:
    """A domain whose error has in it what the edges of just this window may miss."""
    energy_j = sample.energy_j.get(domain.id, 0.0)
    if domain.period_s <= 0 or energy_j <= 0 or sample.duration_s <= 0:
        return domain
    mean = energy_j / sample.duration_s
    factor = _MISSED_PRECISELY if domain.id in window.aligned else _MISSED
    missed = factor * domain.period_s * max(mean, window.before_w.get(domain.id, 0.0)) / energy_j
    low, high = domain.error
    return replace(domain, error=(max(-1.0, low - missed), high + missed), period_s=0.0)
