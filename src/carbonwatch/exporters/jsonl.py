"""One line of JSON a run in emissions.jsonl (the setting output_file, with that ending): the columns of emissions.csv.

Energies are kWh, emissions kg, powers W, PUE applied; null is not known. With csv_write = update a run's former line
is left out.
"""

from __future__ import annotations

import json
import os

from carbonwatch.exporters import _files, emissions_csv
from carbonwatch.model import Run
from carbonwatch.settings import Settings


def export(run: Run, settings: Settings) -> None:
    """Adds the run's line, or replaces its former one. Raises OSError."""
    path = os.path.join(settings.output_dir, os.path.splitext(settings.output_file)[0] + ".jsonl")
    line = line_of(run).encode() + b"\n"
    with _files.Locked(path) as file:
        content = file.read(0, file.size())
        kept = _without(content, run.id) if settings.csv_write == "update" else content
        end = b"" if not kept or kept.endswith(b"\n") else b"\n"  # a line that another program left torn
        if kept == content:
            file.append(end + line)
        else:
            file.replace(kept + end + line)


def line_of(run: Run) -> str:
    """The row of emissions.csv as an object of JSON in ASCII."""
    return json.dumps(emissions_csv.row(run), allow_nan=False)


def _without(content: bytes, run_id: str) -> bytes:
    mark = f'"run_id": {json.dumps(run_id)},'.encode()
    return b"".join(line for line in content.splitlines(keepends=True) if mark not in line)
