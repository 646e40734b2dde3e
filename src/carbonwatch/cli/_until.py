"""Waiting, until a signal asks to end."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def asked_to_end() -> Iterator[int]:
    """A file descriptor that can be read once a signal has asked us to end; signals do nothing else meanwhile."""
    reader, writer = socket.socketpair()  # Windows can't wait for pipes
    writer.setblocking(False)
    former_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    former = {number: signal.signal(number, lambda *_: None) for number in _numbers()}
    try:
        yield reader.fileno()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former_fd)
        reader.close()
        writer.close()


def _numbers() -> list[Any]:
    named = (getattr(signal, name, None) for name in _ENDING)  # Windows has no SIGHUP
    return [number for number in named if number is not None and signal.getsignal(number) is not signal.SIG_IGN]
