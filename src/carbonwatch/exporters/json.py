"""One file a run, `carbonwatch-<run id>.json`: the report `json`, kept."""

from __future__ import annotations

import os

from carbonwatch import plugins
from carbonwatch.exporters import _files
from carbonwatch.model import Run
from carbonwatch.settings import Settings


def export(run: Run, settings: Settings) -> None:
    """Writes the run's file; a run that is exported again replaces its own."""
    text: str = plugins.load("reports", "json")(run)
    path = os.path.join(settings.output_dir, f"carbonwatch-{run.id}.json")
    _files.write_whole(path, text.encode(errors="replace"))
