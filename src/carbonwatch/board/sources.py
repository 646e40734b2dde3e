"""Where the board's runs come from: the user's store, and files of runs, each read into a store of its own."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from carbonwatch.errors import CarbonwatchError, StoreError
from carbonwatch.store import emissions
from carbonwatch.store.emissions import Taken
from carbonwatch.store.journal import Journal
from carbonwatch.store.query import Store

STORE = "store"


@dataclass(slots=True)
class _File:
    """A file of runs, and how far it has been read."""

    title: str
    taken: Taken
    reading: bool = True
    failure: str = ""

    @property
    def doubt(self) -> str:
        """Why not all of it is shown; "" where it is."""
        rows, left_out = self.taken.rows, self.taken.left_out
        if self.failure or not left_out:
            return self.failure
        first = "The first of them: " if left_out > 1 else ""
        return f"{rows:,} rows of {self.title}, {left_out:,} of them left out. {first}{self.taken.faults[0]}"


class Sources:
    """Stores by a short name. Files are read into a temporary folder, which goes when this is closed.

    The beginning of a file can be seen at once; the rest comes while it is looked at.
    """

    def __init__(self, store: str | None, files: Sequence[str] = (), *, at_once: int = emissions.AT_ONCE) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="carbonwatch-")
        self._at_once = at_once
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._files: dict[str, _File] = {}
        self._stores: dict[str, tuple[str, str]] = {} if store is None else {STORE: ("Your runs", store)}
        try:
            for file in files:
                with open(file, "rb") as opened:
                    self.add(opened.read(), os.path.basename(file))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the reading of files, and removes what was read."""
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._folder.cleanup()

    def add(self, content: bytes, title: str) -> dict[str, str]:
        """Begins to read a file of runs. Raises CarbonwatchError where it is none."""
        with self._lock:
            name = str(len(self._files) + 1)
            path = os.path.join(self._folder.name, f"{name}.db")
            progress = _kept(content, path, title, self._at_once)
            file = self._files[name] = _File(title, next(progress))
            self._stores[name] = (title, path)
            thread = threading.Thread(target=self._read, args=(file, progress), daemon=True)
            self._threads.append(thread)
        thread.start()
        return {"name": name, "title": title}

    def _read(self, file: _File, progress: Iterator[Taken]) -> None:
        try:
            for file.taken in progress:
                if self._closing.is_set():
                    break
        except CarbonwatchError as error:
            file.failure = f"{error} The rows before it are shown."
        finally:
            file.reading = False

    def listed(self) -> list[dict[str, object]]:
        """Each with what changes when it does. Files come first: they were asked for."""
        found = sorted(self._stores.items(), key=lambda each: each[0] == STORE)
        return [{"name": name, "title": title, **self._state(name, path)} for name, (title, path) in found]

    def _state(self, name: str, path: str) -> dict[str, object]:
        file = self._files.get(name)
        if file is None:
            return {"edition": _edition(path)}
        rows = file.taken.rows
        return {"edition": str(rows), "rows": rows, "reading": file.reading, "failure": file.doubt}

    def open(self, name: str) -> Store:
        """One of them; the first without a name. Raises StoreError."""
        found = self._stores.get(name or next(iter(self._stores), ""))
        if found is None:
            raise StoreError(f"There is no source of runs {name!r}. Give a file of runs with --csv, or drop one here.")
        return Store(found[1])


def _kept(content: bytes, path: str, title: str, at_once: int) -> Iterator[Taken]:
    with closing(Journal(path)) as journal:
        yield from emissions.keep(emissions.runs(io.BytesIO(content), title), journal, at_once)


def _edition(path: str) -> str:
    """SQLite writes into the file or the log beside it."""
    return " ".join(_written(f"{path}{end}") for end in ("", "-wal"))


def _written(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return ""
    # an empty log comes and goes with each reader
    return f"{found.st_mtime_ns} {found.st_size}" if found.st_size else ""
