"""A run's totals as metrics of MLflow's active run, `carbonwatch/…`, or of a run of its own where none is active.

Its place, quality and id go with it as tags. Epoch by epoch: integrations/mlflow.py.
"""

from __future__ import annotations

from typing import Any

from carbonwatch.errors import SettingsError
from carbonwatch.ledger import figures
from carbonwatch.model import Run
from carbonwatch.settings import Settings


def check(settings: Settings) -> None:  # noqa: ARG001 - it takes what every exporter's does
    """Raises SettingsError where MLflow is missing."""
    _mlflow()


def export(run: Run, settings: Settings) -> None:  # noqa: ARG001
    """Logs the run as it stands; what was logged of it before is followed by the newer value."""
    mlflow = _mlflow()
    if mlflow.active_run() is not None:
        _log(mlflow, run)
        return
    _begin_own(mlflow, run)
    _log(mlflow, run)
    mlflow.end_run({"running": "RUNNING", "finished": "FINISHED"}.get(run.state, "FAILED"))


def _log(mlflow: Any, run: Run) -> None:
    mlflow.log_metrics({f"carbonwatch/{name}": value for name, value in figures(run).items()})
    known = {"run_id": run.id, "project": run.project, "zone": _zones(run)}
    mlflow.set_tags({f"carbonwatch.{name}": value for name, value in known.items()})


def _begin_own(mlflow: Any, run: Run) -> None:
    """Goes on with the run that MLflow has of this one already, or begins one."""
    mine = f"tags.`carbonwatch.run_id` = '{run.id}'"
    known = mlflow.search_runs(filter_string=mine, max_results=1, output_format="list")
    mlflow.start_run(run_id=known[0].info.run_id if known else None, run_name=run.project)


def _zones(run: Run) -> str:
    return ", ".join(intensity.zone for intensity in run.intensities) or "unknown"


def _mlflow() -> Any:
    try:
        import mlflow
    except ImportError:
        raise SettingsError(
            "exporters has 'mlflow', and MLflow is not installed: pip install 'carbonwatch[mlflow]'"
        ) from None
    return mlflow
