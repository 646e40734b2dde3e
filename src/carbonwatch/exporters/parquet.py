"""One Parquet file a run, `carbonwatch-<run id>.parquet`: a row for each entry, for who reads many with one glob.

Columns: run_id, project, state, task, component, quality, source, start (UTC), duration_s, machine_j, idle_j, own_j,
own_low_j, own_high_j, g_per_kwh, zone, intensity_source, pue. Joules are without PUE.
"""

from __future__ import annotations

import io
import os
from typing import Any

from carbonwatch.errors import SettingsError
from carbonwatch.exporters import _files
from carbonwatch.model import Entry, Run
from carbonwatch.settings import Settings

_USAGE = ("machine_j", "idle_j", "own_j", "own_low_j", "own_high_j")


def check(settings: Settings) -> None:  # noqa: ARG001 - it takes what every exporter's does
    """Raises SettingsError where pyarrow is missing."""
    _arrow()


def export(run: Run, settings: Settings) -> None:
    """Writes the run's file; a run that is exported again replaces its own. Raises OSError."""
    arrow = _arrow()
    from pyarrow import parquet

    texts = ("run_id", "project", "state", "task", "component", "quality", "source")
    types = [(name, arrow.string()) for name in texts]
    types += [("start", arrow.timestamp("ns", "UTC"))]
    types += [(name, arrow.float64()) for name in ("duration_s", *_USAGE, "g_per_kwh")]
    types += [("zone", arrow.string()), ("intensity_source", arrow.string()), ("pue", arrow.float64())]
    table = arrow.Table.from_pylist([_row(run, entry) for entry in run.entries], schema=arrow.schema(types))
    content = io.BytesIO()
    parquet.write_table(table, content)
    _files.write_whole(os.path.join(settings.output_dir, f"carbonwatch-{run.id}.parquet"), content.getvalue())


def _row(run: Run, entry: Entry) -> dict[str, Any]:
    domain, intensity = entry.usage.domain, entry.intensity
    return {
        "run_id": run.id,
        "project": run.project,
        "state": run.state,
        "task": entry.task,
        "component": domain.component,
        "quality": domain.quality,
        "source": domain.source,
        "start": entry.start_ns,
        "duration_s": entry.duration_s,
        **{name: getattr(entry.usage, name) for name in _USAGE},
        "g_per_kwh": intensity.g_per_kwh,
        "zone": intensity.zone,
        "intensity_source": intensity.source,
        "pue": run.pue,
    }


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise SettingsError(
            "exporters has 'parquet', and pyarrow is not installed: pip install 'carbonwatch[parquet]'"
        ) from None
    return pyarrow
