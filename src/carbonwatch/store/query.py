"""Gives runs back from the store."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from carbonwatch.errors import StoreError
from carbonwatch.model import Entry, Gap, Run, Trace
from carbonwatch.store import journal, recover, rows


@dataclass(frozen=True, slots=True)
class Listed:
    """A run as a line of a list: its totals, without its entries."""

    run: Run
    energy_j: float
    emissions_g: float
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
        found = self._rows(
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
        return [Listed(rows.to_run(row), row["energy_j"], row["emissions_g"], row["measured"]) for row in found]

    def count(self) -> int:
        """How many runs there are."""
        return int(self._rows("SELECT count(*) FROM runs")[0][0])

    def run(self, id_: str) -> Run:
        """The run of this id, or of the only id that begins so; "last" is the latest. Raises StoreError."""
        row = self._latest() if id_ == "last" else self._by_prefix(id_)
        return rows.to_run(row, self._entries(row["id"]), self._gaps(row["id"]))

    def samples(self, id_: str, most: int | None = None) -> tuple[Trace, ...]:
        """The time series of the run with this id, by meter; `most`: merged into at most so many intervals each."""
        start_ns, end_ns = self._rows("SELECT min(start_ns), max(start_ns) FROM samples WHERE run = ?", (id_,))[0]
        if start_ns is None:
            return ()
        width_ns = 1 if most is None else (end_ns - start_ns) // most + 1
        found = self._rows(
            "SELECT domains.value, samples.* FROM (SELECT domain, min(start_ns) AS start_ns, sum(duration_s), "
            "sum(machine_j), sum(idle_j), sum(own_j) FROM samples WHERE run = :run "
            "GROUP BY domain, (start_ns - :start) / :width) AS samples JOIN domains ON key = domain "
            "ORDER BY domain, start_ns",
            {"run": id_, "start": start_ns, "width": width_ns},
        )
        by_meter: dict[str, list[sqlite3.Row]] = {}
        for row in found:
            by_meter.setdefault(row["value"], []).append(row)
        return tuple(_trace(text, each) for text, each in by_meter.items())

    def _latest(self) -> sqlite3.Row:
        found = self._rows("SELECT * FROM runs ORDER BY started_ns DESC, id DESC LIMIT 1")
        if not found:
            raise StoreError("There are no runs yet. Measure one: carbonwatch run -- COMMAND")
        return found[0]

    def _by_prefix(self, id_: str) -> sqlite3.Row:
        found = self._rows("SELECT * FROM runs WHERE substr(id, 1, length(:id)) = :id ORDER BY id LIMIT 2", {"id": id_})
        if not found or not id_:
            raise StoreError(f"There is no run {id_!r}. `carbonwatch runs` lists those that there are.")
        if len(found) > 1 and found[0]["id"] != id_:
            raise StoreError(f"More than one run begins with {id_!r}. Give more of its id.")
        return found[0]

    def _entries(self, id_: str) -> tuple[Entry, ...]:
        domains = {key: rows.to_domain(text) for key, text in self._nouns("domain", "domains", id_)}
        intensities = {key: rows.to_intensity(text) for key, text in self._nouns("intensity", "intensities", id_)}
        found = self._rows("SELECT * FROM entries WHERE run = ? ORDER BY rowid", (id_,))
        return tuple(rows.to_entry(row, domains[row["domain"]], intensities[row["intensity"]]) for row in found)

    def _nouns(self, column: str, table: str, id_: str) -> list[sqlite3.Row]:
        among = f"SELECT {column} FROM entries WHERE run = ?"
        return self._rows(f"SELECT key, value FROM {table} WHERE key IN ({among})", (id_,))

    def _gaps(self, id_: str) -> tuple[Gap, ...]:
        found = self._rows("SELECT domain, start_ns, end_ns, reason FROM gaps WHERE run = ? ORDER BY rowid", (id_,))
        return tuple(Gap(*row) for row in found)

    def _rows(self, statement: str, values: Mapping[str, object] | tuple[object, ...] = ()) -> list[sqlite3.Row]:
        try:
            return self._db.execute(statement, values).fetchall()
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> StoreError:
        return StoreError(f"{self.path} can't be read ({error}). Choose another with CARBONWATCH_STORE.")


def _trace(text: str, found: list[sqlite3.Row]) -> Trace:
    # of each row: the domain's text and key, then the trace's columns
    return Trace(rows.to_domain(text), *list(zip(*found, strict=True))[2:])


def _open(path: str) -> sqlite3.Connection:
    """A connection to a store that is there, its killed runs marked; what can only be read is read all the same."""
    try:
        db = journal.connect(path)
    except sqlite3.OperationalError:
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
