"""What is kept: one SQLite file per user, in WAL mode, that survives a kill at any instant.

journal.py writes a run while it goes on, recover.py finds those that were killed, query.py gives them back.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from carbonwatch.settings import Settings


def path(settings: Settings, environ: Mapping[str, str] | None = None) -> str | None:
    """The file of this user's runs; None where the setting `store` is `none`."""
    if settings.store is not None:
        return None if settings.store.lower() == "none" else os.path.expanduser(settings.store)
    return os.path.join(_data_dir(os.environ if environ is None else environ), "carbonwatch", "runs.db")


def _data_dir(environ: Mapping[str, str]) -> str:
    """Where the platform keeps a user's data."""
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support")
    if sys.platform == "win32":
        return environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    return environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
