"""Hugging Face's Trainer: `Trainer(..., callbacks=[CarbonCallback("sst2", budget_g=50)])`.

Each line of its log, in `state.log_history` and trainer_state.json, has the figures so far; so has `train()`'s result.
A spent budget sets `control.should_training_stop`; where several processes train together it is that of all of them.

Their own CodeCarbonCallback works too, on this library, after `carbonwatch.install_as_codecarbon()`.
"""

from __future__ import annotations

import math
from typing import Any

import carbonwatch
from carbonwatch.integrations._border import Fits, missing, quietly

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise missing("transformers", "transformers") from error


class CarbonCallback(TrainerCallback):  # type: ignore[misc] # its types are not looked at
    """Takes what `carbonwatch.Training` takes; `training` is that of the last `train()`."""

    def __init__(self, project: str | None = None, **options: Any) -> None:
        self._fits = Fits(project, options)
        self._metrics: dict[str, float] = {}

    @property
    def training(self) -> carbonwatch.Training:
        return self._fits.training

    @quietly
    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._metrics = {}
        # the last epoch may be a part of one, where `max_steps` ends it
        self._fits.begin(math.ceil(state.num_train_epochs - (state.epoch or 0)))

    @quietly
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._stop_if_spent(args, control, self.training.step())

    @quietly
    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._metrics = self.training.end_epoch()
        self._stop_if_spent(args, control, self.training.should_stop)

    @quietly
    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:  # noqa: ARG002
        known = carbonwatch.figures(self.training.run)
        metrics = self._metrics | {name: known[name] for name in ("energy_kwh", "emissions_g") if name in known}
        for line in (logs, state.log_history[-1] if state.log_history else None):
            if line is not None:
                line.update(metrics)

    @quietly
    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self.training.stop()

    def _stop_if_spent(self, args: Any, control: Any, spent: bool) -> None:
        # one that stopped alone would leave the others waiting
        if spent and (args.world_size == 1 or self.training.sum_over_ranks is not None):
            control.should_training_stop = True
