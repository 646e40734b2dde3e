"""CodeCarbon's scheduler, for programs that use it for work of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class PeriodicScheduler:
    """Calls a function every `interval` seconds, on a thread of its own that ends with the program."""

    def __init__(self, function: Callable[..., Any], interval: float, *args: Any, **kwargs: Any) -> None:
        self.interval = interval
        self._call: Callable[[], Any] = lambda: function(*args, **kwargs)
        self._ended: threading.Event | None = None

    @property
    def _stopped(self) -> bool:
        return self._ended is None

    def start(self) -> None:
        """Begins to call it, if it has not begun."""
        if self._ended is None:
            self._ended = threading.Event()
            threading.Thread(target=self._go_on, args=(self._ended,), daemon=True).start()

    def stop(self) -> None:
        """Calls it no more."""
        if self._ended is not None:
            self._ended.set()
            self._ended = None

    def _go_on(self, ended: threading.Event) -> None:
        while not ended.wait(self.interval):
            self._call()
