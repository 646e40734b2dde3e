"""What a counter would have shown at an instant, had it been renewed just then.

A counter is renewed every period T, and read in between it is up to T old. Here it is looked at until its next
renewal, and what it counted in that period is spread over it evenly: the count at any instant of the period is then a
point on that line (on a random load of 60 and 300 W with T = 0.1 s, the rms error of a second falls from 6.7 to 0.9 %).
To wait for a renewal takes up to T; nothing here is done unless a window asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from carbonwatch.model import Reading
from carbonwatch.units import NS_PER_S

_LOOKS = 50  # in one period
_LONGEST_LOOK_S = 0.002
_SLEPT = 4  # looks further apart than this part of a period tell no renewal's time
_PATIENCE = 2.5  # periods: a counter that was not renewed by then stands still, or is not what it says

Look = Callable[[Collection[str]], tuple[int, Mapping[str, int]]]


class Renewal(NamedTuple):
    """A counter's renewal: when, what it showed from then on, and the mean power of the period before."""

    ns: int
    count_nj: int
    power_w: float

    def at(self, ns: int) -> int:
        """The count at an instant near it: 1 W is 1 nJ per ns."""
        return self.count_nj + round(self.power_w * (ns - self.ns))


class Watch:
    """Looks at counters until each was renewed, and remembers how long their periods are."""

    def __init__(self, look: Look, nominal_s: Mapping[str, float], sleep: Callable[[float], object]) -> None:
        self._look = look  # (ids) -> the instant, and at least their counts
        self._nominal_s = {id_: period_s for id_, period_s in nominal_s.items() if period_s > 0}
        self._sleep = sleep
        self.period_ns: dict[str, int] = {}  # as measured

    def before(self) -> dict[str, Renewal]:
        """Renewals just past, the slowest counter's first; periods that are not known are measured, which takes two."""
        found: dict[str, Renewal] = {}
        for period_s in sorted(set(self._nominal_s.values()), reverse=True):
            alike = {id_: period_s for id_, each_s in self._nominal_s.items() if each_s == period_s}
            found.update(self._wait(alike))
        return found

    def after(self) -> dict[str, Renewal]:
        """The next renewal of each counter whose period is known; those that stand still are missing."""
        return self._wait({id_: self._nominal_s[id_] for id_ in self.period_ns})

    def _wait(self, periods_s: Mapping[str, float]) -> dict[str, Renewal]:
        found: dict[str, Renewal] = {}
        seen_ns: dict[str, int] = {}  # the renewal before
        waiting = dict(periods_s)
        last_ns, counts = self._look(waiting)
        until_ns = {id_: last_ns + round(_PATIENCE * each_s * NS_PER_S) for id_, each_s in waiting.items()}
        while waiting:
            self._sleep(min(min(waiting.values()) / _LOOKS, _LONGEST_LOOK_S))
            ns, now = self._look(waiting)
            for id_, period_s in list(waiting.items()):
                was_renewed = now.get(id_, counts.get(id_)) != counts.get(id_)
                if was_renewed and ns - last_ns > period_s * NS_PER_S / _SLEPT:
                    seen_ns.pop(id_, None)  # this thread did not run: it came at any time
                elif was_renewed:
                    renewal_ns, former_ns = (last_ns + ns) // 2, seen_ns.get(id_)
                    if former_ns is not None and renewal_ns - former_ns <= 2 * (ns - last_ns):
                        del waiting[id_]  # it moves at every look: power that is added up, and has no period
                        continue
                    self._measure(id_, former_ns, renewal_ns)
                    if id_ in self.period_ns:
                        found[id_] = self._renewal(id_, renewal_ns, now[id_], counts.get(id_, now[id_]))
                    seen_ns[id_] = renewal_ns
                if id_ in found or ns > until_ns[id_]:
                    del waiting[id_]
            last_ns, counts = ns, {**counts, **now}
        return found

    def _measure(self, id_: str, before_ns: int | None, ns: int) -> None:
        """Takes the time between two renewals in a row for the period; more than the nominal one it can't be."""
        if before_ns is not None and id_ not in self.period_ns:
            self.period_ns[id_] = min(ns - before_ns, round(self._nominal_s[id_] * NS_PER_S))

    def _renewal(self, id_: str, ns: int, count_nj: int, former_nj: int) -> Renewal:
        return Renewal(ns, count_nj, (count_nj - former_nj) / self.period_ns[id_])


def began(reading: Reading, found: Mapping[str, Renewal]) -> Reading:
    """A reading just after renewals, with what came since added."""
    counts = {id_: renewal.at(reading.ns) for id_, renewal in found.items() if id_ in reading.energy_nj}
    return replace(reading, energy_nj={**reading.energy_nj, **counts})


def ended(reading: Reading, found: Mapping[str, Renewal]) -> Reading:
    """A reading just before renewals, with what they showed and came before it added."""
    counts = {
        id_: min(max(renewal.at(reading.ns), reading.energy_nj[id_]), renewal.count_nj)
        for id_, renewal in found.items()
        if id_ in reading.energy_nj
    }
    return replace(reading, energy_nj={**reading.energy_nj, **counts})
