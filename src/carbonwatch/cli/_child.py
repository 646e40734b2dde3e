"""A program run as if nobody stood between it and who started it.

It gets our standard streams, open files, environment, process group and terminal; signals sent to us are passed on to
it, and where it stops, we stop. So its caller may take us for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

# about this process itself, or not to be caught; every other one is meant for the program
_OURS = (
    *("SIGKILL", "SIGSTOP", "SIGCHLD", "SIGTTIN", "SIGTTOU", "SIGPIPE", "SIGPROF", "SIGVTALRM", "SIGXCPU", "SIGXFSZ"),
    *("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT", "SIGSYS"),
)
# what a terminal sends to everyone in its foreground, so that the program has it already
_FROM_TERMINAL = ("SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH", "SIGINFO")


def find(program: str) -> str:
    """The file of a program, as a shell finds it. Raises FileNotFoundError or PermissionError."""
    if os.path.dirname(program):
        paths = [program]
    else:
        paths = [os.path.join(folder or os.curdir, program) for folder in os.get_exec_path()]
    there = [path for path in paths if os.path.exists(path)]
    for path in there:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    if not there:
        where = "" if os.path.dirname(program) else " in PATH"
        raise FileNotFoundError(f"There is no program {program!r}{where}, so nothing was run.")
    why = "is a directory" if os.path.isdir(there[0]) else "is not executable (chmod +x)"
    raise PermissionError(f"{there[0]} {why}, so nothing was run.")


def hold_signals() -> set[Any]:
    """Keeps signals back until run() looks for them, in this thread and those it starts. Gives the former mask."""
    if not hasattr(os, "posix_spawn"):  # Windows
        return set()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would take the exit code away
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, _awaited()))


def release_signals(mask: set[Any]) -> None:
    """Undoes hold_signals()."""
    if hasattr(os, "posix_spawn"):
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def run(path: str, command: list[str], mask: set[Any], told: Callable[[int], object] = lambda _: None) -> int:
    """Runs a program to its end, with the signal mask given. Gives its exit code, or a signal's number below zero.

    `told` is called with each signal that came meanwhile. Raises OSError where it can't be started.
    """
    if not hasattr(os, "posix_spawn"):
        return _run_on_windows(command, told)
    pid = _spawn(path, command, mask)
    while True:
        number, sender = _next_signal()
        if number == signal.SIGCHLD:
            status = _ended(pid)
            if status is not None:
                return os.waitstatus_to_exitcode(status)
            continue
        told(number)
        if sender is not None and sender != pid:
            _pass_on(pid, number)


def _awaited() -> set[Any]:
    ours = {getattr(signal, name, None) for name in _OURS}
    return {number for number in signal.valid_signals() if number not in ours} | {signal.SIGCHLD}


def _spawn(path: str, command: list[str], mask: set[Any]) -> int:
    # Python ignores these two, and what is ignored would stay so in the program
    restored = [signal.SIGPIPE, signal.SIGXFSZ]
    environ = _environ()
    try:
        return os.posix_spawn(path, command, environ, setsigmask=mask, setsigdef=restored)
    except OSError as error:
        import errno

        if error.errno != errno.ENOEXEC:
            raise
    # a script without #!: shells and execvp() give it to sh
    return os.posix_spawn("/bin/sh", ["sh", path, *command[1:]], environ, setsigmask=mask, setsigdef=restored)


def _environ() -> dict[bytes, bytes]:
    """The environment that we were given: in a C locale, Python sets LC_CTYPE for itself (PEP 538)."""
    ours = dict(os.environb)
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read()
    except OSError:
        return ours
    if not given.startswith(b"LC_CTYPE=") and b"\0LC_CTYPE=" not in given:
        ours.pop(b"LC_CTYPE", None)
    return ours


def _next_signal() -> tuple[int, int | None]:
    """The next signal and who sent it; nobody, where it came from the terminal to the program as well."""
    shared = {getattr(signal, name, None) for name in _FROM_TERMINAL}
    if not hasattr(signal, "sigwaitinfo"):  # macOS does not say who sent it
        number = int(signal.sigwait(_awaited()))
        return number, None if number in shared else 0
    info = signal.sigwaitinfo(_awaited())
    from_kernel = info.si_code > 0
    return info.si_signo, None if from_kernel and info.si_signo in shared else info.si_pid


def _ended(pid: int) -> int | None:
    """The status that the program ended with; None while it lives. Stops with it where it has stopped."""
    while True:
        # of any child: where we are process 1, those of others come to us too
        child, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if child == pid and os.WIFSTOPPED(status):
            _stop_too(os.WSTOPSIG(status))
        elif child in (0, pid):
            return status if child else None


def _stop_too(number: int) -> None:
    """Gives the terminal back to a shell that waits for us, until it continues both."""
    if number == signal.SIGSTOP and not _is_foreground_job():
        return  # sent to the program alone by somebody who will continue it alone
    os.kill(os.getpid(), number)
    held = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _is_foreground_job() -> bool:
    """Whether a shell with job control started us and waits."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp() == os.getpid() != os.getsid(0)
    except OSError:
        return False
    finally:
        os.close(terminal)


def _pass_on(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:  # it has just ended, or belongs to another user (sudo)
        pass


def _run_on_windows(command: list[str], told: Callable[[int], object] = lambda _: None) -> int:
    import subprocess

    program = subprocess.Popen(command, close_fds=False)
    while True:
        try:
            return program.wait()
        except KeyboardInterrupt:  # the console has told the program too
            told(signal.SIGINT)
