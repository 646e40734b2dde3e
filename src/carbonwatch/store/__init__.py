"""What is kept: one SQLite file per user, in WAL mode, that survives a kill at any instant.

journal.py writes a run while it goes on, recover.py finds those that were killed, query.py gives them back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from carbonwatch.folders import data_folder
from carbonwatch.settings import Settings


def path(settings: Settings, environ: Mapping[str, str] | None = None) -> str | None:
    """The file of this user's runs; None where the setting `store` is `none`."""
    if settings.store is not None:
        return None if settings.store.lower() == "none" else os.path.expanduser(settings.store)
    return os.path.join(data_folder(environ), "runs.db")
