"""Writes a run while it goes on. What a call has acknowledged survives `kill -9` at any later instant.

One transaction per flush: the run's row with its totals, the entries added to what is there, the samples.
The connection is closed before a fork, since SQLite's may not be carried over one, and opened again when needed.
"""

from __future__ import annotations

import atexit
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable
from dataclasses import astuple

from carbonwatch.errors import StoreError
from carbonwatch.model import Domain, Entry, Intensity, Run
from carbonwatch.store import rows

log = logging.getLogger(__name__)

WAIT_S = 2.0  # for other writers; a flush that fails is repeated with the next
# the time series is thinned as it grows old: (older than, kept by intervals of), in seconds
THINNING = ((3600, 60), (86400, 3600))
_THIN_EVERY = 600  # flushes

_journals: weakref.WeakSet[Journal] = weakref.WeakSet()
_lock = threading.RLock()  # held across a fork, so that no child inherits a half-done write


class Journal:
    """The writing end of a store, for one process."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._keys: dict[object, int] = {}
        self._flushes = 0
        _journals.add(self)

    def begin(self, run: Run) -> None:
        """Notes that a run has begun. Raises StoreError where that can't be written."""
        self._write(lambda db: self._put_run(db, run, new=True))

    def save(self, run: Run, entries: Iterable[Entry], samples: Iterable[Entry]) -> None:
        """Adds the entries and samples since the last call to the run as it stands. Raises StoreError if it can't."""
        self._flushes += 1

        def write(db: sqlite3.Connection) -> None:
            self._put_run(db, run, new=False)
            self._put_entries(db, run.id, entries)
            self._put_samples(db, run.id, samples)
            self._put_gaps(db, run)
            if self._flushes % _THIN_EVERY == 0:
                thin(db, run.id, run.started_ns + int(run.duration_s * 1e9))

        self._write(write)

    def close(self) -> None:
        """Gives the file back; the next call opens it again."""
        with _lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _write(self, change: rows.Change) -> None:
        with _lock:
            try:
                if self._connection is None:
                    self._connection = connect(self.path)
                    self._keys.clear()
                with self._connection as db:
                    db.execute("BEGIN IMMEDIATE")
                    change(db)
            except (sqlite3.Error, OSError) as error:
                self._keys.clear()  # those of a rolled-back transaction do not exist
                raise StoreError(f"{self.path} can't be written ({error})") from error

    def _put_run(self, db: sqlite3.Connection, run: Run, *, new: bool) -> None:
        values = rows.of_run(run)
        if new:
            values.update(rows.of_process())
            columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
            db.execute(f"INSERT OR REPLACE INTO runs ({columns}) VALUES ({marks})", values)
            return
        changes = ", ".join(f"{name} = :{name}" for name in values if name != "id")
        done = db.execute(f"UPDATE runs SET {changes} WHERE id = :id", values)
        if done.rowcount == 0:  # it could not be noted at the start
            self._put_run(db, run, new=True)

    def _put_entries(self, db: sqlite3.Connection, run_id: str, entries: Iterable[Entry]) -> None:
        for entry in entries:
            domain, intensity = self._key(db, entry.usage.domain), self._key(db, entry.intensity)
            db.execute(rows.ADD_ENTRY, rows.of_entry(run_id, entry, domain, intensity))

    def _put_gaps(self, db: sqlite3.Connection, run: Run) -> None:
        if run.gaps:  # a gap that goes on has grown since it was written
            db.execute("DELETE FROM gaps WHERE run = ?", (run.id,))
            db.executemany("INSERT INTO gaps VALUES (?, ?, ?, ?, ?)", ((run.id, *astuple(gap)) for gap in run.gaps))

    def _put_samples(self, db: sqlite3.Connection, run_id: str, samples: Iterable[Entry]) -> None:
        for sample in samples:
            use = sample.usage
            db.execute(
                "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    run_id,
                    self._key(db, use.domain),
                    sample.start_ns,
                    sample.duration_s,
                    use.machine_j,
                    use.idle_j,
                    use.own_j,
                ),
            )

    def _key(self, db: sqlite3.Connection, noun: Domain | Intensity) -> int:
        """The row of a domain or an intensity, made if it is new."""
        key = self._keys.get(noun)
        if key is None:
            table = "domains" if isinstance(noun, Domain) else "intensities"
            text = rows.to_text(noun)
            db.execute(f"INSERT OR IGNORE INTO {table} (value) VALUES (?)", (text,))
            found = db.execute(f"SELECT key FROM {table} WHERE value = ?", (text,)).fetchone()
            key = self._keys[noun] = int(found[0])
        return key


_shared: dict[str, Journal] = {}


def share(path: str) -> Journal:
    """The journal of this process for a file: opening SQLite's for every run would cost more than writing."""
    path = os.path.abspath(path)
    return _shared.setdefault(path, Journal(path))


def connect(path: str) -> sqlite3.Connection:
    """A connection to the store, made if it is not there. Raises sqlite3.Error or OSError."""
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    # autocommit mode: transactions are begun and ended by hand
    db = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA synchronous = NORMAL")
        _make_tables(db)
    except BaseException:
        db.close()
        raise
    return db


def _make_tables(db: sqlite3.Connection) -> None:
    """Makes a new file's tables; many processes may try at once, and SQLite does not wait when it turns WAL on."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == rows.VERSION:
                return
            if version > rows.VERSION:
                raise sqlite3.DatabaseError(f"a newer carbonwatch wrote it: version {version} of its tables")
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(f"BEGIN IMMEDIATE; {rows.schema()} PRAGMA user_version = {rows.VERSION}; COMMIT;")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def thin(db: sqlite3.Connection, run_id: str, now_ns: int) -> None:
    """Merges old samples of a run into longer ones, so that a month of it stays small. No joule is lost."""
    for age_s, width_s in THINNING:
        before_ns, width_ns = now_ns - age_s * 10**9, width_s * 10**9
        before_ns -= before_ns % width_ns
        old = (run_id, before_ns, width_s * 0.9)
        merged = db.execute(
            "SELECT run, domain, min(start_ns), sum(duration_s), sum(machine_j), sum(idle_j), sum(own_j) FROM samples "
            f"WHERE run = ? AND start_ns < ? AND duration_s < ? GROUP BY domain, start_ns / {width_ns}",
            old,
        ).fetchall()
        db.execute("DELETE FROM samples WHERE run = ? AND start_ns < ? AND duration_s < ?", old)
        db.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)", merged)


@atexit.register
def _close_all() -> None:
    for journal in _journals:
        journal.close()


def _before_fork() -> None:
    _lock.acquire()
    for journal in _journals:
        journal.close()


def _after_fork() -> None:
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
