"""One line of JSON a run to the logger `carbonwatch.runs`, at INFO: who wants it gives that logger a handler.

The command line has one, which writes to stderr.
"""

from __future__ import annotations

import logging

from carbonwatch.exporters import jsonl
from carbonwatch.model import Run
from carbonwatch.settings import Settings


def export(run: Run, settings: Settings) -> None:  # noqa: ARG001 - nothing has to be set
    """Logs the run's row of emissions.csv."""
    logging.getLogger("carbonwatch.runs").info("%s", jsonl.line_of(run))
