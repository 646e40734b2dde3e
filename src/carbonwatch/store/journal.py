"""Writes a run while it goes on. What a call has acknowledged survives `kill -9` at any later instant.

One transaction per flush: the run's row with its totals, its entries as they now stand, the samples that came.
Writing the same again changes nothing, so a flush of which nobody knows whether it arrived is simply repeated.
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
from collections.abc import Container, Iterable, Mapping
from dataclasses import astuple
from typing import Any

from carbonwatch import ledger
from carbonwatch.errors import StoreError
from carbonwatch.model import Domain, Entry, Intensity, Run
from carbonwatch.store import rows

log = logging.getLogger(__name__)

WAIT_S = 2.0  # for other writers, where it is the last chance
# the time series is thinned as it grows old: (older than, kept by intervals of), in seconds
THINNING = ((3600, 60), (86400, 3600))
_THIN_EVERY_S = 600  # of a run

_journals: weakref.WeakSet[Journal] = weakref.WeakSet()
_lock = threading.RLock()  # held across a fork, so that no child inherits a half-done write


class StoreBusy(StoreError):
    """Another program was writing all the while; the same call may succeed later."""


class Journal:
    """The writing end of a store, for one process."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._keys: dict[object, int] = {}
        self._writing = False
        self._next: list[rows.Change] = []
        with _lock:
            _journals.add(self)

    def begin(self, run: Run, wait_s: float = WAIT_S) -> None:
        """Notes that a run has begun. Raises StoreError where that can't be written."""
        self._write(lambda db: self._insert_run(db, run), wait_s)

    def save(self, run: Run, entries: Iterable[Entry], samples: Iterable[Entry], wait_s: float = WAIT_S) -> None:
        """Puts the entries of the run that changed since the last call, and adds samples. Raises StoreError.

        An entry replaces the former one of its task, domain, intensity and hour.
        """

        def write(db: sqlite3.Connection) -> None:
            former_s = self._put_run(db, run)
            # the run's row is gone or never came: so are its entries
            self._put_entries(db, run.id, run.entries if former_s is None else entries)
            self._put_samples(db, run.id, samples)
            self._put_gaps(db, run)
            if (former_s or 0.0) // _THIN_EVERY_S < run.duration_s // _THIN_EVERY_S:
                thin(db, run.id, run.started_ns + int(run.duration_s * 1e9))

        self._write(write, wait_s)

    def add(self, runs: Iterable[Run], wait_s: float = WAIT_S, *, grown: Container[str] = ()) -> list[Run]:
        """Keeps runs that ended elsewhere, all or none, and gives those that it wrote. Raises StoreError.

        What is there already stays as it is; of the ids in `grown` a longer state takes the former one's place.
        """
        here = rows.of_process()
        written: list[Run] = []

        def write(db: sqlite3.Connection) -> None:
            # in the order of the table: anywhere in it, each would touch pages that are no longer in memory
            for run in sorted(runs, key=lambda run: run.id):
                former = db.execute("SELECT duration_s FROM runs WHERE id = ?", (run.id,)).fetchone()
                if former is not None:
                    if run.id not in grown or former[0] > run.duration_s:
                        continue
                    db.execute("DELETE FROM entries WHERE run = ?", (run.id,))
                self._insert_run(db, run, here)
                self._put_entries(db, run.id, run.entries)
                self._put_gaps(db, run)
                written.append(run)

        self._write(write, wait_s)
        return written

    def reprice(self, run: Run, wait_s: float = WAIT_S) -> None:
        """Writes all entries of a run that has ended anew: at other prices they are other rows. Raises StoreError."""

        def write(db: sqlite3.Connection) -> None:
            self._put_run(db, run)
            db.execute("DELETE FROM entries WHERE run = ?", (run.id,))
            self._put_entries(db, run.id, run.entries)

        self._write(write, wait_s)

    def close(self) -> None:
        """Gives the file back; the next call opens it again."""
        with _lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _write(self, change: rows.Change, wait_s: float) -> None:
        with _lock:
            if self._writing:  # a signal handler came in the middle of a write: its own has to follow
                self._next.append(change)
                return
            self._writing = True
            try:
                self._commit(change, wait_s)
            finally:
                self._writing = False
                self._write_next(wait_s)

    def _write_next(self, wait_s: float) -> None:
        while self._next:
            try:
                self._write(self._next.pop(0), wait_s)
            except StoreError as error:
                log.error("what a signal handler saved is lost: %s", error)

    def _commit(self, change: rows.Change, wait_s: float) -> None:
        done = False
        try:
            with self._open(wait_s) as db:
                db.execute("BEGIN IMMEDIATE")
                change(db)
            done = True
        except sqlite3.OperationalError as error:
            kind = StoreBusy if is_busy(error) else StoreError
            raise kind(f"{self.path} can't be written ({error})") from error
        # ValueError and OverflowError: what SQLite can't hold, as text that is no Unicode
        except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
            raise StoreError(f"{self.path} can't be written ({error})") from error
        finally:
            if not done:
                self._keys.clear()  # those of a rolled-back transaction do not exist

    def _open(self, wait_s: float) -> sqlite3.Connection:
        """The connection; a new one where there was none, or where the file was deleted or replaced."""
        if self._connection is not None and _identity(self.path) != self._file:
            self.close()
        if self._connection is None:
            self._keys.clear()
            self._connection = connect(self.path, wait_s)
            self._file = _identity(self.path)
        else:
            self._connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
        return self._connection

    def _put_run(self, db: sqlite3.Connection, run: Run) -> float | None:
        """Writes the run's row and gives the duration that it had; None where there was none."""
        former = db.execute("SELECT duration_s FROM runs WHERE id = ?", (run.id,)).fetchone()
        if former is None:
            self._insert_run(db, run)
            return None
        values = rows.of_run(run)
        changes = ", ".join(f"{name} = :{name}" for name in values if name != "id")
        db.execute(f"UPDATE runs SET {changes} WHERE id = :id", values)
        return float(former[0])

    def _insert_run(self, db: sqlite3.Connection, run: Run, process: Mapping[str, Any] | None = None) -> None:
        values = {**rows.of_run(run), **(process or rows.of_process())}
        columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        db.execute(f"INSERT OR REPLACE INTO runs ({columns}) VALUES ({marks})", values)

    def _put_entries(self, db: sqlite3.Connection, run_id: str, entries: Iterable[Entry]) -> None:
        for entry in ledger.fold(entries):
            domain, intensity = self._key(db, entry.usage.domain), self._key(db, entry.intensity)
            db.execute(rows.PUT_ENTRY, rows.of_entry(run_id, entry, domain, intensity))

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
    with _lock:
        if path not in _shared:
            _shared[path] = Journal(path)
        return _shared[path]


def connect(path: str, wait_s: float = WAIT_S) -> sqlite3.Connection:
    """A connection to the store, made if it is not there. Raises sqlite3.Error or OSError."""
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    # autocommit mode: transactions are begun and ended by hand
    db = sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA synchronous = NORMAL")
        _make_tables(db, wait_s)
    except BaseException:
        db.close()
        raise
    return db


def _make_tables(db: sqlite3.Connection, wait_s: float) -> None:
    """Makes a new file's tables; many processes may try at once, and SQLite does not wait when it turns WAL on."""
    deadline = time.monotonic() + wait_s
    while _version(db) < rows.VERSION:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            version = _version(db)
            if version == 1:
                _add_lists(db)
            if version in (1, 2):
                _mend(db)
            if version < rows.VERSION:
                for statement in rows.schema().split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {rows.APPLICATION}")
                db.execute(f"PRAGMA user_version = {rows.VERSION}")
            db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _add_lists(db: sqlite3.Connection) -> None:
    """What version 1 lacks: the columns that runs are found by in lists."""
    db.execute("ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'")
    db.execute("ALTER TABLE runs ADD COLUMN words TEXT NOT NULL DEFAULT ''")
    db.execute("DROP INDEX runs_by_start")
    reading = db.cursor()
    reading.row_factory = sqlite3.Row
    found = [rows.of_list(run) | {"id": run.id} for run in map(rows.to_run, reading.execute("SELECT * FROM runs"))]
    db.executemany("UPDATE runs SET tags = :tags, words = :words WHERE id = :id", found)


def _mend(db: sqlite3.Connection) -> None:
    """What versions 1 and 2 had otherwise: fewer columns, and 0 J where nothing is known."""
    db.execute("DROP INDEX IF EXISTS runs_listed")
    db.execute("ALTER TABLE runs ADD COLUMN country TEXT")
    db.execute("UPDATE runs SET country = json_extract(place, '$.country') WHERE json_valid(place)")
    columns = [row[1] for row in db.execute("PRAGMA table_info(entries)")]
    if columns and columns[-1] != "others_reserved_s":
        db.execute("ALTER TABLE entries RENAME TO former_entries")
        for statement in rows.schema().split(";\n"):
            db.execute(statement)
        db.execute("INSERT INTO entries SELECT *, NULL FROM former_entries")
        db.execute("DROP TABLE former_entries")
    if columns:
        db.execute(
            "UPDATE runs SET energy_j = NULL, emissions_g = NULL, measured = NULL WHERE id NOT IN "
            "(SELECT run FROM entries) OR scope <> 'machine' AND id IN "
            "(SELECT run FROM entries WHERE own_s IS NULL AND own_low_j <> own_high_j)"
        )


def _version(db: sqlite3.Connection) -> int:
    """Of the tables of a store of ours; 0 for a new file. Raises sqlite3.DatabaseError for what we can't read."""
    application, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if application != rows.APPLICATION:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError("another program's database")
        return 0
    if version > rows.VERSION:
        raise sqlite3.DatabaseError(f"a newer carbonwatch wrote it: version {version} of its tables")
    return int(version)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another program holds the store, which may change."""
    # the low byte is the kind: 261 is a busy recovery, 517 a busy snapshot
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from another of the same name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
    for journal in list(_journals):
        journal.close()


def _before_fork() -> None:
    _lock.acquire()
    for journal in list(_journals):
        journal.close()


def _after_fork() -> None:
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
