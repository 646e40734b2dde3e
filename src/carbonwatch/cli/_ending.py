"""How a process ends: by a signal, as a shell sees it, or with the code that a shell would make of it."""

from __future__ import annotations

import os
import signal

SIGINT = int(signal.SIGINT)
CODE_OF_PIPE = 128 + 13  # what a shell makes of a program that wrote where nobody reads any more


def die_of(number: int) -> int:
    """Ends this process by a signal. Gives the code for it where that is not possible (Windows, process 1)."""
    try:
        _leave_no_core()
        signal.signal(number, signal.SIG_DFL)
    except (OSError, ValueError):  # SIGKILL needs no leave
        pass
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    return 128 + number


def _leave_no_core() -> None:
    """The program's own core is the one that somebody may want."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
