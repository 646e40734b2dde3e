"""Runs as lists: a page of them, their totals, by time and by project, of 100,000 in the blink of an eye.

All of it is answered from the index runs_listed alone; only the runs of a page are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Literal

from carbonwatch.store import rows
from carbonwatch.store.query import Listed, Store
from carbonwatch.units import NS_PER_S

Order = Literal["started", "project", "state", "duration", "energy", "emissions", "measured"]

_COLUMNS: Mapping[Order, str] = {
    "started": "started_ns",
    "project": "project",
    "state": "state",
    "duration": "duration_s",
    "energy": "energy_j",
    "emissions": "emissions_g",
    "measured": "measured",
}
ORDERS = tuple(_COLUMNS)

# without the name SQLite may take an index that lacks the totals, and read every run
_FROM = """
FROM runs INDEXED BY runs_listed WHERE (:project IS NULL OR project = :project) AND (:state IS NULL OR state = :state)
AND (:text IS NULL OR instr(words, :text)) AND (:tag IS NULL OR instr(tags, :tag))
AND started_ns >= :since_ns AND started_ns < :until_ns
"""
_SUMS = """
count(*) AS runs, total(duration_s) AS duration_s, total(energy_j) AS energy_j, total(emissions_g) AS emissions_g,
total(energy_j * measured) AS measured_j, count(*) - count(energy_j) AS unmetered
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs: of a project, in a state, with a tag, between two instants, and with these words somewhere."""

    project: str | None = None
    state: str | None = None
    tag: str | None = None
    text: str | None = None
    since_ns: int = 0
    until_ns: int = 2**62


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over runs. measured_j: of these joules a counter measured; unmetered: runs whose energy is not known."""

    runs: int
    duration_s: float
    energy_j: float
    emissions_g: float
    measured_j: float
    unmetered: int

    @property
    def are_known(self) -> bool:
        """Whether they are the sums of anything."""
        return self.runs > self.unmetered


@dataclass(frozen=True, slots=True)
class Span:
    """The totals of the runs that began in one interval."""

    start_ns: int
    totals: Totals


@dataclass(frozen=True, slots=True)
class Project:
    """The totals of a project, and when it last ran."""

    name: str
    last_ns: int
    totals: Totals


@dataclass(frozen=True, slots=True)
class Country:
    """The totals of the runs of one country."""

    code: str | None  # None: nobody knows where they ran
    totals: Totals


def page(
    store: Store, wanted: Wanted, *, order: Order = "started", down: bool = True, offset: int = 0, limit: int = 50
) -> list[Listed]:
    """Some of the runs, in an order; what is not known comes last."""
    column, way = _COLUMNS[order], "DESC" if down else "ASC"
    found = store.select(
        f"SELECT id {_FROM} ORDER BY {column} {way} NULLS LAST, started_ns DESC, id DESC LIMIT :limit OFFSET :offset",
        {**_values(wanted), "limit": limit, "offset": offset},
    )
    return [listed for row in found if (listed := store.listed(row["id"]))]


def totals(store: Store, wanted: Wanted) -> Totals:
    """The sums over all of them."""
    return Totals(*store.select(f"SELECT {_SUMS} {_FROM}", _values(wanted))[0])


def together(spans: Sequence[Span]) -> Totals:
    """The sums over several intervals."""
    columns = zip(*(astuple(span.totals) for span in spans), strict=True)
    return Totals(*map(sum, columns)) if spans else Totals(0, 0.0, 0.0, 0.0, 0.0, 0)


def by_time(store: Store, wanted: Wanted, width_s: int, offset_s: int = 0) -> list[Span]:
    """The sums of each interval in which a run began; `offset_s`: where days begin, in seconds east of UTC.

    Those of which nobody knows when are first, at 0.
    """
    undated = Span(0, totals(store, _within(wanted, 0, 1)))
    ends = bounds(store, max(1, wanted.since_ns), wanted.until_ns)
    if ends is None:
        return [undated] if undated.totals.runs else []
    width_ns, offset_ns = width_s * NS_PER_S, offset_s * NS_PER_S
    first_ns = (ends[0] + offset_ns) // width_ns * width_ns - offset_ns
    starts = range(first_ns, ends[1] + 1, width_ns)
    # a query each: grouped in one, the runs would be sorted first
    spans = (Span(ns, totals(store, _within(wanted, max(1, ns), ns + width_ns))) for ns in starts)
    return [span for span in (undated, *spans) if span.totals.runs]


def by_project(store: Store, wanted: Wanted, most: int = -1) -> list[Project]:
    """The sums of each project, the one that emits most first."""
    found = store.select(
        f"SELECT project, max(started_ns), {_SUMS} {_FROM} GROUP BY project ORDER BY emissions_g DESC LIMIT :most",
        {**_values(wanted), "most": most},
    )
    return [Project(name, last_ns, Totals(*sums)) for name, last_ns, *sums in found]


def by_country(store: Store, wanted: Wanted) -> list[Country]:
    """The sums of each country, the one that emits most first."""
    found = store.select(
        f"SELECT country, {_SUMS} {_FROM} GROUP BY country ORDER BY emissions_g DESC, runs DESC", _values(wanted)
    )
    return [Country(code, Totals(*sums)) for code, *sums in found]


def bounds(store: Store, since_ns: int = 0, until_ns: int = 2**62) -> tuple[int, int] | None:
    """When the first and the last run between two instants began; None where there is none."""
    # one by one each is a look at the index's end; both in one would read all of it
    first_ns, last_ns = (
        store.select(
            f"SELECT {end}(started_ns) FROM runs INDEXED BY runs_listed WHERE started_ns >= ? AND started_ns < ?",
            (since_ns, until_ns),
        )[0][0]
        for end in ("min", "max")
    )
    return None if first_ns is None else (first_ns, last_ns)


def projects(store: Store, most: int = -1) -> list[str]:
    """The name of every project, in order."""
    # from one to the next, in the index: DISTINCT would read all runs of each
    found = store.select(
        "WITH RECURSIVE names(name) AS (SELECT min(project) FROM runs UNION ALL SELECT (SELECT min(project) FROM runs "
        "WHERE project > names.name) FROM names WHERE name IS NOT NULL) "
        "SELECT name FROM names WHERE name IS NOT NULL LIMIT :most",
        {"most": most},
    )
    return [row["name"] for row in found]


def tags(store: Store) -> list[str]:
    """Every tag that a run has, in order."""
    found = store.select("SELECT DISTINCT tags FROM runs INDEXED BY runs_listed WHERE tags <> '[]'")
    return sorted({tag for row in found for tag in json.loads(row["tags"])})


def _within(wanted: Wanted, since_ns: int, until_ns: int) -> Wanted:
    return replace(wanted, since_ns=max(wanted.since_ns, since_ns), until_ns=min(wanted.until_ns, until_ns))


def _values(wanted: Wanted) -> dict[str, object]:
    text = wanted.text and wanted.text.strip().lower()
    # as it stands in the list of tags: no other tag holds it with its quotes
    tag = wanted.tag and rows.tags_text((wanted.tag,))[1:-1]
    return {**asdict(wanted), "text": text or None, "tag": tag or None}
