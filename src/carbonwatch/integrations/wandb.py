"""Weights & Biases: a training's figures in the run's history, `carbonwatch/…`, and the totals in its summary.

    with wandb.init(project="digits"), carbonwatch.Training("digits", epochs=10, log_to=[WandbLog()]) as training: ...

Any callback of carbonwatch takes `log_to`. Totals alone: the setting `exporters=["wandb"]`. Works offline.
"""

from __future__ import annotations

from collections.abc import Mapping

import carbonwatch
from carbonwatch.integrations._border import missing

try:
    import wandb
except ImportError as error:
    raise missing("wandb", "wandb") from error


class WandbLog:
    """Logs to the run that is active."""

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        # an axis of its own: wandb's step may not go back, and belongs to the user
        wandb.log({"carbonwatch/epoch": number, **_named(metrics)})

    def end(self, run: carbonwatch.Run) -> None:
        if wandb.run is not None:
            wandb.run.summary.update(_named(carbonwatch.figures(run)))


def _named(metrics: Mapping[str, float]) -> dict[str, float]:
    return {f"carbonwatch/{name}": value for name, value in metrics.items()}
