"""A fact with its price tag: usages become entries, entries of the same kind fold into one. Pure functions.

Joules and grams meet nowhere before: an entry keeps both factors, so a run can be priced again later.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from carbonwatch.model import Entry, Gap, Intensity, Run, Series, Slot, Usage
from carbonwatch.units import J_PER_KWH

SLOT_NS = 3600 * 1_000_000_000  # entries of one UTC hour fold together: grids publish by the hour

# of an entry's time must have its slots: the last sample of an hour may end a moment after it
_ENOUGH = 0.99

# gaps of one meter: one that comes and goes leaves no more, however long the run
_MOST_GAPS = 32

Key = tuple[str, str, Intensity, int]
Book = dict[Key, Entry]
Prices = dict[tuple[str, str, int], Intensity]  # task, domain and hour -> its price


def enter(
    usages: Iterable[Usage], task: str, start_ns: int, duration_s: float, intensity: Intensity, part: float = 1.0
) -> tuple[Entry, ...]:
    """Entries of one sample (`start_ns`: Unix time) for a task, or for its part where tasks ran side by side."""
    return tuple(
        Entry(task, start_ns, duration_s * part, usage if part == 1.0 else usage.times(part), intensity)
        for usage in usages
    )


def fold_into(book: Book, entries: Iterable[Entry]) -> Book:
    """Adds entries to a book that holds one per task, domain, intensity and hour; gives those that changed."""
    changed: Book = {}
    for entry in entries:
        key = (entry.task, entry.usage.domain.id, entry.intensity, entry.start_ns // SLOT_NS)
        former = book.get(key)
        book[key] = changed[key] = entry if former is None else _both(former, entry)
    return changed


def fold(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The same energy in as few entries as tell it apart."""
    book: Book = {}
    fold_into(book, entries)
    return tuple(book.values())


def add_gap(gaps: list[Gap], new: Gap) -> None:
    """Adds a gap to those of a run; one that only goes on makes the one before it longer.

    Where a meter has too many, the two that lie closest become one, with the time between them and the longer one's
    reason: it is never made to look better than it was.
    """
    of_it = [gap for gap in gaps if gap.domain_id == new.domain_id]
    last = of_it[-1] if of_it else None
    if last is not None and last.start_ns <= new.start_ns <= last.end_ns and last.reason == new.reason:
        gaps[gaps.index(last)] = replace(last, end_ns=max(last.end_ns, new.end_ns))
        return
    gaps.append(new)
    if len(of_it) == _MOST_GAPS:
        _join_closest([*of_it, new], gaps)


def _join_closest(of_it: list[Gap], gaps: list[Gap]) -> None:
    first, second = min(pairwise(of_it), key=lambda pair: pair[1].start_ns - pair[0].end_ns)
    longer = max(first, second, key=lambda gap: gap.end_ns - gap.start_ns)
    gaps[gaps.index(first)] = replace(longer, start_ns=first.start_ns, end_ns=max(first.end_ns, second.end_ns))
    gaps.remove(second)


def reprice(run: Run, *known: Series) -> Run:
    """The run with each entry at the mean of its own slots, from the first series that knows all of them.

    Joules stay as they are. What no series knows keeps its price, and so does what the user priced by hand.
    Within an entry power is taken as even: what was used when in its hour is not kept.
    """
    priced = [(series, [slot.start_ns for slot in series.slots]) for series in known]
    return replace(run, entries=tuple(_repriced(entry, priced) for entry in run.entries))


def prices(run: Run) -> Prices:
    """What each task, domain and hour of a run is priced at."""
    return {_of_hour(entry): entry.intensity for entry in run.entries}


def at(known: Prices, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries of a part of that run, each at the price that the whole has for it."""
    return tuple(replace(entry, intensity=known.get(_of_hour(entry), entry.intensity)) for entry in entries)


def across(known: Prices, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries of a window over that run, each at the price that any of its tasks has for the domain and hour."""
    of_hour = {(domain, hour): intensity for (_, domain, hour), intensity in known.items()}
    return tuple(replace(e, intensity=of_hour.get(_of_hour(e)[1:], e.intensity)) for e in entries)


def is_by_hand(intensity: Intensity) -> bool:
    """Whether the user gave it: such a price stays."""
    return intensity.basis in ("given", "mix")


def end_ns(entry: Entry) -> int:
    """When an entry ends (Unix time). One of a task that ran several times in its hour is taken as one piece."""
    return entry.start_ns + max(1, round(entry.duration_s * 1e9))


def mean(slots: Iterable[Slot], start_ns: int, end_ns: int) -> float | None:
    """g/kWh over a time, each slot by its share of it; None where too much of it has no slot."""
    shares = [(min(end_ns, slot.end_ns) - max(start_ns, slot.start_ns), slot.g_per_kwh) for slot in slots]
    known_ns = sum(share for share, _ in shares if share > 0)
    if known_ns < _ENOUGH * (end_ns - start_ns):
        return None
    return sum(share * g_per_kwh for share, g_per_kwh in shares if share > 0) / known_ns


def _repriced(entry: Entry, known: list[tuple[Series, list[int]]]) -> Entry:
    for series, starts in known:
        worse = series.period == "year" and entry.intensity.period == "hour"
        slots = [] if worse or is_by_hand(entry.intensity) else _slots_of(entry, series, starts)
        g_per_kwh = mean(slots, entry.start_ns, end_ns(entry))
        if g_per_kwh is not None:
            year = time.gmtime(entry.start_ns // 1_000_000_000).tm_year
            estimated = any(slot.kind != "measured" for slot in slots)
            return replace(entry, intensity=series.intensity(g_per_kwh, year, estimated=estimated))
    return entry


def _slots_of(entry: Entry, series: Series, starts: list[int]) -> list[Slot]:
    """The slots that the entry lies in, but for what was only foretold."""
    first, last = bisect_right(starts, entry.start_ns) - 1, bisect_right(starts, end_ns(entry) - 1)
    slots = series.slots[max(0, first) : last]
    return [slot for slot in slots if slot.end_ns > entry.start_ns and slot.kind != "forecast"]


def _of_hour(entry: Entry) -> tuple[str, str, int]:
    return entry.task, entry.usage.domain.id, entry.start_ns // SLOT_NS


def _both(first: Entry, second: Entry) -> Entry:
    return Entry(
        first.task,
        min(first.start_ns, second.start_ns),
        first.duration_s + second.duration_s,
        first.usage.plus(second.usage),
        first.intensity,
    )


def figures(run: Run) -> dict[str, float]:
    """A run's headline as plain numbers by name, for logs that know no intervals; what is not known is not in it."""
    found = {"duration_s": run.duration_s}
    if not run.entries:
        return found
    energy, emissions = run.energy(run.headline), run.emissions(run.headline)
    found |= {
        "energy_kwh": energy.value / J_PER_KWH,
        "energy_low_kwh": energy.low / J_PER_KWH,
        "energy_high_kwh": energy.high / J_PER_KWH,
        "emissions_g": emissions.value,
        "emissions_low_g": emissions.low,
        "emissions_high_g": emissions.high,
    }
    if run.measured is not None:
        found["measured_share"] = run.measured
    return {name: value for name, value in found.items() if math.isfinite(value)}
