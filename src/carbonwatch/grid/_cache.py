"""Keeps what the sources answered, in the user's cache directory: one SQLite file for all processes.

A measured slot of the past is kept for ever, an estimated one for a day, the current one until five minutes into the
next. It also remembers who did not answer, so that a source that is down is left alone, each time for longer.
The file is worth no more than a few questions: where it is damaged it is dropped, and where it can't be written the
sources are asked again.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any, TypeVar

from carbonwatch.model import Series, Slot
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S

T = TypeVar("T")

_NAME = "grid-1.db"
_WAIT_S = 0.5  # for other processes
_FOR_EVER = 2**62
_DAY_NS = 86_400 * NS_PER_S
_GRACE_NS = 300 * NS_PER_S
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 30, 3600

_TABLES = """
CREATE TABLE IF NOT EXISTS series (key TEXT PRIMARY KEY, about TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS slots (
  key TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, g_per_kwh REAL NOT NULL, kind TEXT NOT NULL,
  until_ns INTEGER NOT NULL, PRIMARY KEY (key, start_ns)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (source TEXT PRIMARY KEY, times INTEGER NOT NULL, until_ns INTEGER NOT NULL);
"""


def folder(settings: Settings, environ: Mapping[str, str] | None = None) -> str:
    """Where the platform keeps a user's caches, unless the setting says otherwise."""
    if settings.cache_dir is not None:
        return os.path.expanduser(settings.cache_dir)
    environ = os.environ if environ is None else environ
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "carbonwatch")
    if sys.platform == "win32":
        local = environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
        return os.path.join(local, "carbonwatch", "Cache")
    return os.path.join(environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "carbonwatch")


class Cache:
    """The answers of all sources. No call raises."""

    def __init__(self, path: str) -> None:
        self.path = os.path.join(path, _NAME)

    def find(self, key: str, start_ns: int, end_ns: int, now_ns: int, *, whole: bool = True) -> Series | None:
        """What is known of that time; None where that is nothing, or not the whole."""

        def look(db: sqlite3.Connection) -> Series | None:
            about = db.execute("SELECT about FROM series WHERE key = ?", (key,)).fetchone()
            found = db.execute(
                "SELECT start_ns, end_ns, g_per_kwh, kind FROM slots "
                "WHERE key = ? AND end_ns > ? AND start_ns < ? AND until_ns > ? ORDER BY start_ns",
                (key, start_ns, end_ns, now_ns),
            ).fetchall()
            slots = tuple(Slot(*row) for row in found)
            enough = _is_whole(slots, start_ns, end_ns) if whole else bool(slots)
            return _series(about[0], slots) if about and enough else None

        return self._do(look, None)

    def keep(self, key: str, series: Series, now_ns: int) -> None:
        """Keeps what a source has answered; what was only foretold is not kept."""
        about = json.dumps(asdict(replace(series, slots=())))
        rows = [
            (key, slot.start_ns, slot.end_ns, slot.g_per_kwh, slot.kind, _until_ns(slot, now_ns))
            for slot in series.slots
            if slot.kind != "forecast"
        ]

        def write(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO series VALUES (?, ?)", (key, about))
            db.executemany("INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?)", rows)
            db.execute("DELETE FROM slots WHERE until_ns < ?", (now_ns,))

        self._do(write, None)

    def may_ask(self, source: str, now_ns: int) -> bool:
        """False while a source that did not answer, or had no more, is left alone."""

        def look(db: sqlite3.Connection) -> bool:
            found = db.execute("SELECT until_ns FROM failures WHERE source = ?", (source,)).fetchone()
            return found is None or int(found[0]) <= now_ns

        return self._do(look, True)

    def failed(self, source: str, now_ns: int) -> None:
        """It did not answer: 30 seconds of peace for it, twice as long each time, at most an hour."""

        def write(db: sqlite3.Connection) -> None:
            found = db.execute("SELECT times FROM failures WHERE source = ?", (source,)).fetchone()
            times = found[0] if found else 0
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(times, 10))
            row = (source, times + 1, now_ns + pause_s * NS_PER_S)
            db.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", row)

        self._do(write, None)

    def rest(self, key: str, now_ns: int) -> None:
        """It had not all of it: programs that end every second need not ask for the rest every second."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", (key, 0, now_ns + _GRACE_NS))

        self._do(write, None)

    def answered(self, source: str) -> None:
        """It answers again."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM failures WHERE source = ?", (source,))

        self._do(write, None)

    def _do(self, act: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        try:
            return self._transaction(act)
        except (sqlite3.OperationalError, OSError):  # busy, full, read-only: it is only a cache
            return otherwise
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError):
            self._drop()
            return otherwise

    def _transaction(self, act: Callable[[sqlite3.Connection], T]) -> T:
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)
        try:
            if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'failures'").fetchone()[0]:
                db.executescript(_TABLES)
            db.execute("BEGIN IMMEDIATE")
            found = act(db)
            db.execute("COMMIT")
            return found
        finally:
            db.close()

    def _drop(self) -> None:
        for path in (self.path, f"{self.path}-journal"):
            try:
                os.remove(path)
            except OSError:
                pass


def _until_ns(slot: Slot, now_ns: int) -> int:
    if slot.end_ns > now_ns:
        return slot.end_ns + _GRACE_NS
    return _FOR_EVER if slot.kind == "measured" else now_ns + _DAY_NS


def _is_whole(slots: tuple[Slot, ...], start_ns: int, end_ns: int) -> bool:
    reaches = bool(slots) and slots[0].start_ns <= start_ns and slots[-1].end_ns >= end_ns
    return reaches and all(slot.end_ns == following.start_ns for slot, following in pairwise(slots))


def _series(about: str, slots: tuple[Slot, ...]) -> Series:
    values: dict[str, Any] = json.loads(about)
    return Series(**{**values, "slots": slots, "error": tuple(values["error"])})
