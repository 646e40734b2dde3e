"""CPU time of a process tree as the kernel counts it: by inherited perf events, or by a control group of its own.

A perf event `task-clock` that is inherited counts a task and all that it starts from then on, threads, children and
orphans, dead or alive, by the nanosecond and for a microsecond a read. It needs no right beyond that to look at
the task (`perf_event_paranoid` up to 2), but a container's seccomp profile may refuse it, and it lets go of
programs that change their user (sudo). What a hypervisor takes away while a task runs is in it, and has to be
taken off.

The first perf event of a machine makes the kernel patch itself, which takes 10 to 20 ms: it is opened on a thread.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from carbonwatch import perf
from carbonwatch.errors import Unavailable

log = logging.getLogger(__name__)

PERF, CGROUP, PROC = "perf task-clock", "cgroup cpu.stat", "/proc and getrusage"

_MOST_TASKS = 256  # each takes a file descriptor, and a microsecond a read
# of perf_event_attr
_SOFTWARE, _TASK_CLOCK = 1, 1
_INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6


class Counter(Protocol):
    """A count of CPU time that holds what has ended, too."""

    name: str

    def used_ns(self) -> int:
        """Nanoseconds counted so far, from anywhere. Raises OSError where it can't be read any more."""

    def close(self) -> None:
        """Gives back what it holds open."""


class TaskClock:
    """Inherited task clocks of some tasks (threads), added up."""

    name = PERF

    def __init__(self, tids: Iterable[int]) -> None:
        self._fds: list[int] = []
        try:
            for tid in tids:
                self._add(tid)
        except BaseException:
            self.close()
            raise
        if not self._fds:
            raise ProcessLookupError("there is no task to count")

    def _add(self, tid: int) -> None:
        if len(self._fds) >= _MOST_TASKS:
            raise OSError(f"more than {_MOST_TASKS} threads run already")
        try:
            self._fds.append(_open_event(tid))
        except ProcessLookupError:  # it has ended meanwhile
            pass

    def used_ns(self) -> int:
        return sum(int.from_bytes(os.read(fd, 8), sys.byteorder) for fd in self._fds)

    def close(self) -> None:
        fds, self._fds = self._fds, []
        for fd in fds:
            os.close(fd)


def _open_event(tid: int) -> int:
    return perf.open_event(_SOFTWARE, _TASK_CLOCK, pid=tid, flags=_INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR)


def wake() -> None:
    """Has the kernel make itself ready for perf events, on a thread, so that the first one is there at once."""
    threading.Thread(target=_wake, name="carbonwatch-perf", daemon=True).start()


def _wake() -> None:
    try:
        TaskClock([0]).close()
    except (OSError, AttributeError, ImportError) as error:
        log.debug("there are no perf events here: %s", error)


class Opening:
    """The first of some counters that can be opened, on a thread of its own."""

    def __init__(self, ways: Iterable[Callable[[], Counter]]) -> None:
        self._ways = tuple(ways)
        self._lock = threading.Lock()
        self._counter: Counter | None = None
        self._thread: threading.Thread | None = None
        self._is_open = True
        self.refusals: list[str] = []

    def begin(self) -> None:
        """Does nothing where it has begun."""
        if self._thread is None and self._ways:
            self._thread = threading.Thread(target=self._open, name="carbonwatch-perf", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # a limit is reached, or the interpreter shuts down
                log.debug("there is no thread to open a count of CPU time: %s", error)

    def wait(self, timeout_s: float) -> None:
        """Until it is open, or can't be."""
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(timeout_s)

    def counter(self) -> Counter | None:
        """The open one; None as long as there is none."""
        return self._counter

    def _open(self) -> None:
        for way in self._ways:
            try:
                self._take(way())
                return
            except (OSError, AttributeError, ImportError, Unavailable) as error:
                self.refusals.append(str(error))
                log.debug("CPU time can't be counted that way: %s", error)

    def _take(self, counter: Counter) -> None:
        with self._lock:
            if self._is_open:
                self._counter = counter
                return
        counter.close()

    def close(self) -> None:
        """Gives back what is open, now or as soon as it is."""
        with self._lock:
            self._is_open = False
            counter, self._counter = self._counter, None
        if counter is not None:
            counter.close()


class GroupCounter:
    """A control group's CPU time, where nobody but the tree is in it."""

    name = CGROUP

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def used_ns(self) -> int:
        used_s: float | None = self._clock.used_s()
        if used_s is None:
            raise OSError("the control group can't be read any more")
        return round(used_s * 1e9)

    def close(self) -> None:
        self._clock.close()


def members(folder: str) -> set[int]:
    """Processes of a control group and of the groups in it."""
    found: set[int] = set()
    for path, _, names in os.walk(folder):
        if "cgroup.procs" in names:
            with open(os.path.join(path, "cgroup.procs"), encoding="ascii") as file:
                found.update(int(line) for line in file)
    return found
