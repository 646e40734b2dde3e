"""PyTorch Lightning (`lightning` or `pytorch_lightning`): `Trainer(callbacks=[CarbonCallback("digits", budget_g=50)])`.

Each epoch's figures go to every logger of the trainer, and to `trainer.callback_metrics`, as `carbonwatch/…`; the
totals too, when the fit has ended. A spent budget sets `trainer.should_stop`; where several processes train together it
is that of all of them, and they stop at the end of an epoch.
"""

from __future__ import annotations

from typing import Any

import carbonwatch
from carbonwatch.integrations._border import Fits, missing, quietly

try:
    from lightning.pytorch import Callback
except ImportError:
    try:
        from pytorch_lightning import Callback
    except ImportError as error:
        raise missing("lightning", "lightning") from error


class CarbonCallback(Callback):  # type: ignore[misc] # its types are not looked at
    """Takes what `carbonwatch.Training` takes; `training` is that of the last `fit`."""

    def __init__(self, project: str | None = None, **options: Any) -> None:
        super().__init__()
        self._fits = Fits(project, options)

    @property
    def training(self) -> carbonwatch.Training:
        return self._fits.training

    @quietly
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        known = trainer.max_epochs is not None and trainer.max_epochs > 0
        self._fits.begin(trainer.max_epochs - trainer.current_epoch if known else None)

    @quietly
    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.world_size == 1 and self.training.step():
            trainer.should_stop = True

    @quietly
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        metrics = {f"carbonwatch/{name}": value for name, value in self.training.end_epoch().items()}
        pl_module.log_dict(metrics, rank_zero_only=True)
        stop = trainer.strategy.reduce_boolean_decision(self.training.should_stop, all=False)
        trainer.should_stop = trainer.should_stop or stop

    @quietly
    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        totals = carbonwatch.figures(self.training.stop())
        for logger in trainer.loggers:
            logger.log_metrics({f"carbonwatch/{name}": value for name, value in totals.items()}, trainer.global_step)
            logger.save()

    @quietly
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
        self.training.__exit__(type(exception), exception, None)
