"""Gives runs back from the store."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carbonwatch.errors import StoreError
from carbonwatch.model import Domain, Entry, Gap, Run, Trace
from carbonwatch.store import journal, recover, rows

_OF_METER = "FROM samples WHERE run = :run AND domain = :domain AND start_ns >= :since AND start_ns < :until"
_MERGED = (
    "sum(duration_s), sum(machine_j), sum(idle_j), sum(own_j), min(machine_j / duration_s), max(machine_j / duration_s)"
)
_SLOT = "(start_ns - :first) / :width * :width + :first AS slot"


@dataclass(frozen=True, slots=True)
class Listed:
    """A run as a line of a list: its totals, without its entries. None is not known."""

    run: Run
    energy_j: float | None
    emissions_g: float | None
    measured: float | None


class Store:
    """The reading end of a store. Runs that were killed are found when it is opened."""

    def __init__(self, path: str) -> None:
        if not os.path.exists(path):
            raise StoreError(f"There are no runs yet: {path} does not exist. Measure one: carbonwatch run -- COMMAND")
        self.path = path
        try:
            self._db = _open(path)
        except (sqlite3.Error, OSError) as error:
            raise self._unreadable(error) from error
        self._db.row_factory = sqlite3.Row

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def runs(
        self,
        *,
        project: str | None = None,
        tag: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = -1,
    ) -> list[Listed]:
        """Runs, latest first, of a project, with a tag and between two instants (Unix time)."""
        found = self.select(
            "SELECT * FROM runs WHERE (:project IS NULL OR project = :project) AND (:tag IS NULL OR EXISTS "
            "(SELECT 1 FROM json_each(facts, '$.tags') WHERE value = :tag)) AND started_ns >= :since "
            "AND started_ns < :until ORDER BY started_ns DESC LIMIT :limit",
            {
                "project": project,
                "tag": tag,
                "since": since_ns if since_ns is not None else 0,
                "until": until_ns if until_ns is not None else 2**62,
                "limit": limit,
            },
        )
        return [_listed(row) for row in found]

    def count(self) -> int:
        """How many runs there are."""
        return int(self.select("SELECT count(*) FROM runs")[0][0])

    def listed(self, id_: str) -> Listed | None:
        """The run with this very id; None where it is gone."""
        found = self.select("SELECT * FROM runs WHERE id = ?", (id_,))
        return _listed(found[0]) if found else None

    def run(self, id_: str) -> Run:
        """The run of this id, or of the only id that begins so; "last" is the latest. Raises StoreError."""
        row = self._latest() if id_ == "last" else self._by_prefix(id_)
        return rows.to_run(row, self._entries(row["id"]), self._gaps(row["id"]))

    def samples(
        self, id_: str, most: int | None = None, *, since_ns: int = 0, until_ns: int = 2**62
    ) -> tuple[Trace, ...]:
        """The time series of the run with this id, by meter, of intervals that begin between two instants.

        `most`: merged into at most so many intervals each; how far the power went in one of them is kept.
        """
        span = {"run": id_, "since": since_ns, "until": until_ns}
        meters = [{**span, "domain": domain} for domain in self._meters(id_)]
        ends = [
            self.select(f"SELECT {end}(start_ns) {_OF_METER}", meter)[0][0]
            for meter in meters
            for end in ("min", "max")
        ]
        known = [ns for ns in ends if ns is not None]
        if most is not None and known:
            # the same intervals for all meters, so that they can be added up
            width_ns = (max(known) - min(known)) // most + 1
            slots = range(min(known), max(known) + 1, width_ns)
            return tuple(trace for meter in meters if (trace := self._merged(meter, slots)).start_ns)
        return tuple(trace for meter in meters if (trace := self._trace(meter)).start_ns)

    def _meters(self, id_: str) -> list[int]:
        # from one to the next: DISTINCT would read all the samples
        found = self.select(
            "WITH RECURSIVE meters(domain) AS (SELECT min(domain) FROM samples WHERE run = :run UNION ALL SELECT "
            "(SELECT min(domain) FROM samples WHERE run = :run AND domain > meters.domain) FROM meters "
            "WHERE domain IS NOT NULL) SELECT domain FROM meters WHERE domain IS NOT NULL",
            {"run": id_},
        )
        return [row["domain"] for row in found]

    def _trace(self, meter: Mapping[str, Any]) -> Trace:
        columns = "start_ns, duration_s, machine_j, idle_j, own_j"
        found = self.select(f"SELECT {columns} {_OF_METER} ORDER BY start_ns", meter)
        return Trace(self._domain(meter), *(_columns(found) or ((),) * 5))

    def _merged(self, meter: Mapping[str, Any], slots: range) -> Trace:
        if self._has_fewer(meter, len(slots)):
            grid = {**meter, "first": slots.start, "width": slots.step}
            found = self.select(f"SELECT {_SLOT}, {_MERGED} {_OF_METER} GROUP BY slot", grid)
        else:
            spans = ({**meter, "since": ns, "until": min(ns + slots.step, meter["until"])} for ns in slots)
            # a query each: grouped in one, they would be sorted first, which takes twice as long
            merged = f"SELECT :since, {_MERGED} {_OF_METER}"
            found = [row for span in spans for row in self.select(merged, span) if row[1]]
        return Trace(self._domain(meter), *(_columns(found) or ((),) * 5))

    def _has_fewer(self, meter: Mapping[str, Any], most: int) -> bool:
        [(count,)] = self.select(f"SELECT count(*) FROM (SELECT 1 {_OF_METER} LIMIT :most)", {**meter, "most": most})
        return bool(count < most)

    def _domain(self, meter: Mapping[str, Any]) -> Domain:
        [(text,)] = self.select("SELECT value FROM domains WHERE key = :domain", meter)
        return rows.to_domain(text)

    def _latest(self) -> sqlite3.Row:
        found = self.select("SELECT * FROM runs ORDER BY started_ns DESC, id DESC LIMIT 1")
        if not found:
            raise StoreError("There are no runs yet. Measure one: carbonwatch run -- COMMAND")
        return found[0]

    def _by_prefix(self, id_: str) -> sqlite3.Row:
        found = self.select(
            "SELECT * FROM runs WHERE id >= :id AND id < :id || char(0x10ffff) AND substr(id, 1, length(:id)) = :id "
            "ORDER BY id LIMIT 2",
            {"id": id_},
        )
        if not found or not id_:
            raise StoreError(f"There is no run {id_!r}. `carbonwatch runs` lists those that there are.")
        if len(found) > 1 and found[0]["id"] != id_:
            raise StoreError(f"More than one run begins with {id_!r}. Give more of its id.")
        return found[0]

    def _entries(self, id_: str) -> tuple[Entry, ...]:
        domains = {key: rows.to_domain(text) for key, text in self._nouns("domain", "domains", id_)}
        intensities = {key: rows.to_intensity(text) for key, text in self._nouns("intensity", "intensities", id_)}
        found = self.select("SELECT * FROM entries WHERE run = ? ORDER BY rowid", (id_,))
        return tuple(rows.to_entry(row, domains[row["domain"]], intensities[row["intensity"]]) for row in found)

    def _nouns(self, column: str, table: str, id_: str) -> list[sqlite3.Row]:
        among = f"SELECT {column} FROM entries WHERE run = ?"
        return self.select(f"SELECT key, value FROM {table} WHERE key IN ({among})", (id_,))

    def _gaps(self, id_: str) -> tuple[Gap, ...]:
        found = self.select("SELECT domain, start_ns, end_ns, reason FROM gaps WHERE run = ? ORDER BY rowid", (id_,))
        return tuple(Gap(*row) for row in found)

    def select(self, statement: str, values: Mapping[str, object] | tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """What the store answers to a query. Raises StoreError."""
        try:
            return self._db.execute(statement, values).fetchall()
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> StoreError:
        if isinstance(error, sqlite3.Error) and journal.is_busy(error):
            return StoreError(f"{self.path} can't be read: another program holds it. Try again when that is done.")
        return StoreError(f"{self.path} can't be read ({error}). Choose another with CARBONWATCH_STORE.")


def _listed(row: sqlite3.Row) -> Listed:
    return Listed(rows.to_run(row), row["energy_j"], row["emissions_g"], row["measured"])


def _columns(found: list[sqlite3.Row]) -> list[tuple[Any, ...]]:
    return list(zip(*found, strict=True))


def _open(path: str) -> sqlite3.Connection:
    """A connection to a store that is there, its killed runs marked; what can only be read is read all the same."""
    try:
        db = journal.connect(path)
    except sqlite3.OperationalError as error:
        if journal.is_busy(error):  # read without its lock, it might be half of two states
            raise
        # nothing can be written beside it, as WAL mode needs: it is read as it lies there
        db = sqlite3.connect(f"file:{_quoted(os.path.abspath(path))}?immutable=1", uri=True)
    try:
        recover.settle(db)
    except sqlite3.OperationalError:
        pass  # read-only, or busy for long: they are marked another time
    except BaseException:
        db.close()
        raise
    return db


def _quoted(path: str) -> str:
    for sign in "%?#":
        path = path.replace(sign, f"%{ord(sign):02x}")
    return path
