"""Where our code meets a framework's: nothing of ours breaks it, and a framework that is missing is named."""

from __future__ import annotations

import functools
import logging
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
        self.training.start()
        return self.training

    def __reduce__(self) -> tuple[type[Fits], tuple[str | None, dict[str, Any]]]:
        """Its copy, in a tuner or another process, measures for itself."""
        return Fits, self._given
