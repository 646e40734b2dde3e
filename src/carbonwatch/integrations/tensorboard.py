"""TensorBoard: a training's figures as scalars of an event file, `carbonwatch/…`, by epoch.

    with carbonwatch.Training("digits", epochs=10, log_to=[TensorBoardLog("runs/1")]) as training: ...

It takes a folder, or the `SummaryWriter` that the program has already (PyTorch's, or tensorboardX's).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import carbonwatch
from carbonwatch.integrations._border import missing

try:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
except ImportError as error:
    raise missing("tensorboard", "tensorboard") from error


class TensorBoardLog:
    """Writes to a folder's event file, or to a writer with `add_scalar()`."""

    def __init__(self, to: Any) -> None:
        self._own = None if hasattr(to, "add_scalar") else EventFileWriter(str(to))
        self._theirs = to
        self._epochs = 0

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        self._epochs = number
        self._write(metrics, number)

    def end(self, run: carbonwatch.Run) -> None:
        self._write(carbonwatch.figures(run), self._epochs)
        if self._own is not None:
            self._own.close()

    def _write(self, metrics: Mapping[str, float], step: int) -> None:
        for name, value in metrics.items():
            if self._own is None:
                self._theirs.add_scalar(f"carbonwatch/{name}", value, step)
            else:
                scalar = Summary.Value(tag=f"carbonwatch/{name}", simple_value=value)
                self._own.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=[scalar])))
