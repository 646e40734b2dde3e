"""MLflow: a training's figures as metrics of the active run, `carbonwatch/…`, by epoch, and the totals at its end.

    with mlflow.start_run(), carbonwatch.Training("digits", epochs=10, log_to=[MlflowLog()]) as training: ...

Any callback of carbonwatch takes `log_to`. Totals alone: the setting `exporters=["mlflow"]`.
"""

from __future__ import annotations

from collections.abc import Mapping

import carbonwatch
from carbonwatch.integrations._border import missing

try:
    import mlflow
except ImportError as error:
    raise missing("mlflow", "mlflow") from error


class MlflowLog:
    """Logs to the run that is active, or to the one of `run_id`."""

    def __init__(self, run_id: str | None = None) -> None:
        self._run_id = run_id

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        mlflow.log_metrics(_named(metrics), step=number, run_id=self._run_id)

    def end(self, run: carbonwatch.Run) -> None:
        mlflow.log_metrics(_named(carbonwatch.totals(run)), run_id=self._run_id)


def _named(metrics: Mapping[str, float]) -> dict[str, float]:
    return {f"carbonwatch/{name}": value for name, value in metrics.items()}
