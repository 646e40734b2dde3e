"""Where the board's runs come from: the user's store, and files of runs, each read into a store of its own."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections.abc import Sequence

from carbonwatch.errors import StoreError
from carbonwatch.store import emissions
from carbonwatch.store.query import Store


class Sources:
    """Stores by a short name. Files are read into a temporary folder, which goes when this is closed."""

    def __init__(self, store: str | None, files: Sequence[str] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="carbonwatch-")
        self._lock = threading.Lock()
        self._stores: dict[str, tuple[str, str]] = {} if store is None else {"store": ("Your runs", store)}
        try:
            for file in files:
                with open(file, "rb") as opened:
                    self.add(opened.read(), os.path.basename(file))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._folder.cleanup()

    def add(self, content: bytes, title: str) -> dict[str, object]:
        """Reads a file of runs. Raises CarbonwatchError where it is none."""
        with self._lock:
            name = str(len(self._stores))
            path = os.path.join(self._folder.name, f"{name}.db")
            count = emissions.read(content, path, title)
            self._stores[name] = (title, path)
        return {"name": name, "title": title, "runs": count}

    def listed(self) -> list[dict[str, str]]:
        """Each with what changes when it does. The last that was added comes first: it was asked for."""
        found = sorted(self._stores.items(), key=lambda each: each[0] == "store")
        return [{"name": name, "title": title, "edition": _edition(path)} for name, (title, path) in found]

    def open(self, name: str) -> Store:
        """One of them; the first without a name. Raises StoreError."""
        found = self._stores.get(name or next(iter(self._stores), ""))
        if found is None:
            raise StoreError(f"There is no source of runs {name!r}. Give a file of runs with --csv, or drop one here.")
        return Store(found[1])


def _edition(path: str) -> str:
    """SQLite writes into the file or the log beside it."""
    return " ".join(_state(f"{path}{end}") for end in ("", "-wal"))


def _state(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_mtime_ns} {found.st_size}" if stat.S_ISREG(found.st_mode) else ""
