"""A fact with its price tag: usages become entries, entries of the same kind fold into one. Pure functions.

Joules and grams meet nowhere before: an entry keeps both factors, so a run can be priced again later.
"""

from __future__ import annotations

from collections.abc import Iterable

from carbonwatch.model import Entry, Intensity, Usage

SLOT_NS = 3600 * 1_000_000_000  # entries of one UTC hour fold together: grids publish by the hour

Key = tuple[str, str, Intensity, int]
Book = dict[Key, Entry]


def enter(
    usages: Iterable[Usage], task: str, start_ns: int, duration_s: float, intensity: Intensity, part: float = 1.0
) -> tuple[Entry, ...]:
    """Entries of one sample (`start_ns`: Unix time) for a task, or for its part where tasks ran side by side."""
    return tuple(
        Entry(task, start_ns, duration_s * part, usage if part == 1.0 else usage.times(part), intensity)
        for usage in usages
    )


def fold_into(book: Book, entries: Iterable[Entry]) -> None:
    """Adds entries to a book that holds one per task, domain, intensity and hour."""
    for entry in entries:
        key = (entry.task, entry.usage.domain.id, entry.intensity, entry.start_ns // SLOT_NS)
        former = book.get(key)
        book[key] = entry if former is None else _both(former, entry)


def fold(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The same energy in as few entries as tell it apart."""
    book: Book = {}
    fold_into(book, entries)
    return tuple(book.values())


def _both(first: Entry, second: Entry) -> Entry:
    return Entry(
        first.task,
        min(first.start_ns, second.start_ns),
        first.duration_s + second.duration_s,
        first.usage.plus(second.usage),
        first.intensity,
    )
