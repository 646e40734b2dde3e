"""Where our code meets a framework's: nothing of ours breaks it, and a framework that is missing is named."""

from __future__ import annotations

import functools
import logging
import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import carbonwatch

F = TypeVar("F", bound=Callable[..., Any])

log = logging.getLogger(__name__)


def missing(package: str, extra: str) -> ImportError:
    """What to raise where the framework is not installed."""
    return ImportError(
        f"{package} is not installed, and carbonwatch.integrations.{extra} is for its users: "
        f"pip install 'carbonwatch[{extra}]'",
        name=package,
    )


def quietly(hook: F) -> F:
    """A hook whose failure is one log line: the framework goes on, without a figure."""
    failed = False

    @functools.wraps(hook)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal failed
        try:
            return hook(*args, **kwargs)
        # border: whatever this library or a log meets, the user's training is worth more
        except Exception:
            log.log(logging.DEBUG if failed else logging.WARNING, "%s failed", hook.__qualname__, exc_info=True)
            failed = True
            return None

    return cast(F, call)


def sum_over_torch_ranks() -> Callable[[float], float] | None:
    """What adds up a number over the processes of torch.distributed; None where this one trains alone."""
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    if distributed.get_world_size() == 1:
        return None

    def add(value: float) -> float:
        values = [0.0] * distributed.get_world_size()
        distributed.all_gather_object(values, value)  # finds the device that the backend wants by itself
        return math.fsum(values)

    return add


class Fits:
    """The trainings of one callback: each `fit` is a run of its own."""

    def __init__(self, project: str | None, options: dict[str, Any]) -> None:
        self._given = project, options
        # now, so that a wrong setting fails before any data is loaded
        self.training = carbonwatch.Training(project, **options)
        self._begun = False

    def begin(self, epochs: int | None = None) -> carbonwatch.Training:
        """A training that measures from now on, of so many epochs."""
        if self._begun:
            self.training.stop()
            project, options = self._given
            self.training = carbonwatch.Training(project, **options)
        self._begun = True
        self.training.epochs = epochs or self.training.epochs
        self.training.sum_over_ranks = self.training.sum_over_ranks or sum_over_torch_ranks()
        self.training.start()
        return self.training

    def __reduce__(self) -> tuple[type[Fits], tuple[str | None, dict[str, Any]]]:
        """Its copy, in a tuner or another process, measures for itself."""
        return Fits, self._given
