"""Keras 3, on any backend: `model.fit(x, y, callbacks=[CarbonCallback("digits", budget_g=50)])`.

Each epoch's figures stand in its logs (`history.history["emissions_g"]`, CSVLogger, the progress bar, TensorBoard where
its callback comes later in the list). A spent budget sets `model.stop_training`.
"""

from __future__ import annotations

from typing import Any

import carbonwatch
from carbonwatch.integrations._border import Fits, missing, quietly

try:
    import keras
except ImportError as error:
    raise missing("keras", "keras") from error


class CarbonCallback(keras.callbacks.Callback):  # type: ignore[misc] # Keras has no types
    """Takes what `carbonwatch.Training` takes; `training` is that of the last `fit`."""

    def __init__(self, project: str | None = None, **options: Any) -> None:
        super().__init__()
        self._fits = Fits(project, options)

    @property
    def training(self) -> carbonwatch.Training:
        return self._fits.training

    @quietly
    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._fits.begin()

    @quietly
    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        if not self.training.done:  # `initial_epoch` shows here first
            self.training.epochs = self.params["epochs"] - epoch

    @quietly
    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        if self.training.step():
            self.model.stop_training = True

    @quietly
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        metrics = self.training.end_epoch()
        if logs is not None:
            logs.update(metrics)
        if self.training.should_stop:
            self.model.stop_training = True

    @quietly
    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.training.stop()
