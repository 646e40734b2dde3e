"""A run's totals as metrics of MLflow's active run, `carbonwatch/…`, or of a run of its own where none is active.

Its place, quality and id go with it as tags. Epoch by epoch: integrations/mlflow.py.
"""

from __future__ import annotations

from typing import Any

from carbonwatch.errors import SettingsError
from carbonwatch.ledger import totals
from carbonwatch.model import Run
from carbonwatch.settings import Settings


def check(settings: Settings) -> None:  # noqa: ARG001 - it takes what every exporter's does
    """Raises SettingsError where MLflow is missing."""
    _mlflow()


def export(run: Run, settings: Settings) -> None:  # noqa: ARG001
    """Logs the run as it stands; what was logged of it before is followed by the newer value."""
    mlflow = _mlflow()
    active = mlflow.active_run()
    run_id = (active or _own_run(mlflow, run)).info.run_id
    mlflow.log_metrics({f"carbonwatch/{name}": value for name, value in totals(run).items()}, run_id=run_id)
    client = mlflow.MlflowClient()
    for name, value in (("run_id", run.id), ("project", run.project), ("zone", _zones(run))):
        client.set_tag(run_id, f"carbonwatch.{name}", value)
    if active is None and run.state != "running":
        client.set_terminated(run_id, "FAILED" if run.state == "failed" else "FINISHED")


def _own_run(mlflow: Any, run: Run) -> Any:
    """The run that MLflow has of this one already, or a new one."""
    client = mlflow.MlflowClient()
    experiment_id = mlflow.tracking.fluent._get_experiment_id()
    known = client.search_runs([experiment_id], f"tags.`carbonwatch.run_id` = '{run.id}'", max_results=1)
    return (
        known[0]
        if known
        else client.create_run(experiment_id, start_time=run.started_ns // 1_000_000, run_name=run.project)
    )


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
