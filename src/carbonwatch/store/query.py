"""Gives runs back from the store."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass

from carbonwatch.errors import StoreError
from carbonwatch.model import Entry, Gap, Run
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
        try:
            self._db = journal.connect(path)
            self._db.row_factory = sqlite3.Row
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path} can't be read ({error}). Choose another with CARBONWATCH_STORE.") from error
        try:
            recover.settle(self._db)
        except sqlite3.Error:
            pass  # a store that can only be read is still read

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def runs(
        self,
        *,
        project: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        limit: int = -1,
    ) -> list[Listed]:
        """Runs, latest first, of a project and between two instants (Unix time)."""
        found = self._db.execute(
            "SELECT * FROM runs WHERE (:project IS NULL OR project = :project) AND started_ns >= :since "
            "AND started_ns < :until ORDER BY started_ns DESC LIMIT :limit",
            {
                "project": project,
                "since": since_ns if since_ns is not None else 0,
                "until": until_ns if until_ns is not None else 2**62,
                "limit": limit,
            },
        )
        return [Listed(rows.to_run(row), row["energy_j"], row["emissions_g"], row["measured"]) for row in found]

    def run(self, id_: str) -> Run:
        """The run of this id, or of the only id that begins so; "last" is the latest. Raises StoreError."""
        row = self._latest() if id_ == "last" else self._by_prefix(id_)
        return rows.to_run(row, self._entries(row["id"]), self._gaps(row["id"]))

    def _latest(self) -> sqlite3.Row:
        row: sqlite3.Row | None = self._db.execute("SELECT * FROM runs ORDER BY started_ns DESC LIMIT 1").fetchone()
        if row is None:
            raise StoreError("There are no runs yet. Measure one: carbonwatch run -- COMMAND")
        return row

    def _by_prefix(self, id_: str) -> sqlite3.Row:
        found = self._db.execute(
            "SELECT * FROM runs WHERE substr(id, 1, length(:id)) = :id LIMIT 2", {"id": id_}
        ).fetchall()
        if not found or not id_:
            raise StoreError(f"There is no run {id_!r}. `carbonwatch runs` lists those that there are.")
        if len(found) > 1 and found[0]["id"] != id_:
            raise StoreError(f"More than one run begins with {id_!r}. Give more of its id.")
        row: sqlite3.Row = found[0]
        return row

    def _entries(self, id_: str) -> tuple[Entry, ...]:
        domains = {key: rows.to_domain(text) for key, text in self._db.execute("SELECT key, value FROM domains")}
        intensities = {
            key: rows.to_intensity(text) for key, text in self._db.execute("SELECT key, value FROM intensities")
        }
        found = self._db.execute("SELECT * FROM entries WHERE run = ? ORDER BY start_ns, domain", (id_,))
        return tuple(rows.to_entry(row, domains[row["domain"]], intensities[row["intensity"]]) for row in found)

    def _gaps(self, id_: str) -> tuple[Gap, ...]:
        found = self._db.execute(
            "SELECT domain, start_ns, end_ns, reason FROM gaps WHERE run = ? ORDER BY start_ns", (id_,)
        )
        return tuple(Gap(*row) for row in found)
