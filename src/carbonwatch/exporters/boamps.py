"""A report in the BoAmps format for each run, `boamps_report_<run id>.json`.

What nothing here can know (task, algorithms, data, publisher, ...) is taken from the run's metadata: its section
`boamps`, or the whole of it, in the structure of the BoAmps schema. What is required and not there is listed under
`missing`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from carbonwatch import plugins
from carbonwatch.exporters import _files
from carbonwatch.model import Run
from carbonwatch.settings import Settings

_SECTIONS = ("header", "task", "measures", "system", "software", "infrastructure", "environment", "quality")


def export(run: Run, settings: Settings) -> None:
    """Writes the run's report; a run that is exported again replaces its own. Raises OSError."""
    text: str = plugins.load("reports", "boamps")(run, known=_context(run.facts.get("metadata")))
    _files.write_whole(os.path.join(settings.output_dir, f"boamps_report_{run.id}.json"), text.encode())


def _context(metadata: Any) -> Mapping[str, Any]:
    """What the user says of the run, of the sections that there are."""
    told = metadata.get("boamps", metadata) if isinstance(metadata, Mapping) else {}
    return {name: told[name] for name in _SECTIONS if name in told} if isinstance(told, Mapping) else {}
