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
        self._epochs = 0

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        self._epochs = number
        self._log(metrics)

    def end(self, run: carbonwatch.Run) -> None:
        self._log(carbonwatch.figures(run))

    def _log(self, metrics: Mapping[str, float]) -> None:
        named = {f"carbonwatch/{name}": value for name, value in metrics.items()}
        # the totals too: of two steps MLflow shows the later one's value
        mlflow.log_metrics(named, step=self._epochs, run_id=self._run_id)
