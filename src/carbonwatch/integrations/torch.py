"""A plain PyTorch loop: a `carbonwatch.Training` whose epochs end when the device has done their work.

    with Training("digits", epochs=10, budget_g=50) as training:
        for epoch in training:
            train_one_epoch(model)

A GPU works behind the program's back: without waiting for it, an epoch's last joules are booked to the next one.
"""

from __future__ import annotations

from typing import Any

import carbonwatch
from carbonwatch.integrations._border import missing, quietly, sum_over_torch_ranks

try:
    import torch
except ImportError as error:
    raise missing("torch", "torch") from error


class Training(carbonwatch.Training):
    """`carbonwatch.Training`, waiting for the accelerator at its edges."""

    def start(self) -> None:
        _wait()
        super().start()

    def end_epoch(self) -> dict[str, float]:
        _wait()
        return super().end_epoch()

    def stop(self) -> carbonwatch.Run:
        _wait()
        return super().stop()

    def __exit__(self, *error: Any) -> None:
        _wait()
        super().__exit__(*error)


def sum_over_ranks(value: float) -> float:
    """For `Training(sum_over_ranks=…)`, where all ranks of `torch.distributed` make one: the sum over them.

    Nobody does so unasked: where rank 0 alone measures, it would wait for the others for ever.
    """
    add = sum_over_torch_ranks()
    return value if add is None else add(value)


@quietly
def _wait() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()
