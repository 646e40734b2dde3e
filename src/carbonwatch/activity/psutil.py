"""CPU time of a process tree, from psutil: for systems without /proc (macOS, Windows).

Counted by the rule of procfs.py. These systems credit a process with its children's time late (macOS) or never
(Windows), so that what a child was last seen with is kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from carbonwatch.activity.procfs import CpuTime, Following, Process, reserve
from carbonwatch.cputime import PsutilClock
from carbonwatch.errors import Unavailable
from carbonwatch.settings import Settings


class PsutilTree:
    """Who lives in a tree, from psutil."""

    def __init__(self, pid: int | None) -> None:
        import psutil

        self._is_own = pid is None
        self._error = psutil.Error
        try:
            self._root = psutil.Process(pid)
        except psutil.Error as error:
            raise Unavailable(f"Process {pid} can't be followed ({error}).") from error
        self._known: dict[int, Any] = {}  # psutil's handles of those below

    def look(self, known: Mapping[int, Process]) -> dict[int, Process]:
        """Every process of the tree now, parents before their children."""
        root = self._own() if self._is_own else self._process(self._root, known)
        found = {} if root is None else {root.pid: root}
        handles = {handle.pid: handle for handle in self._below(self._root)}
        for handle in self._known.values():  # orphans
            if handle.pid not in handles and self._is_running(handle):
                handles.update({below.pid: below for below in (handle, *self._below(handle))})
        for handle in handles.values():
            process = self._process(handle, known)
            if process is not None:
                found[process.pid] = process
        self._known = {pid: handle for pid, handle in handles.items() if pid in found}
        return found

    def _below(self, top: Any) -> list[Any]:
        try:
            return list(top.children(recursive=True))
        except self._error:
            return []

    def _is_running(self, handle: Any) -> bool:
        try:
            return bool(handle.is_running())
        except self._error:
            return False

    def _own(self) -> Process:
        """This process, as finely as the system tells."""
        own_s, children_s = _own_times()
        return Process(self._root.pid, _start(self._root), 0, round(own_s * 1e9), round(children_s * 1e9))

    def _process(self, handle: Any, known: Mapping[int, Process]) -> Process | None:
        """A process; as last seen if it is there but can't be asked, which is so of macOS' zombies."""
        try:
            times = handle.cpu_times()
            children_s = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            own_ns, children_ns = round((times.user + times.system) * 1e9), round(children_s * 1e9)
            return Process(handle.pid, _start(handle), handle.ppid(), own_ns, children_ns)
        except self._error:
            return known.get(handle.pid) if self._is_running(handle) else None


def _start(handle: Any) -> int:
    return round(float(handle.create_time()) * 1e6)


def _own_times() -> tuple[float, float]:
    """CPU seconds of this process, and of the children that it waited for."""
    try:
        import resource
    except ImportError:  # Windows
        times = os.times()
        return times.user + times.system, times.children_user + times.children_system
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


def follow(settings: Settings, pid: int | None = None, *, environ: Mapping[str, str] | None = None) -> Following:
    """CPU time of this process and all below it, or of another one's tree. Raises Unavailable without psutil."""
    try:
        tree, clock = PsutilTree(pid), PsutilClock()
    except ImportError as error:
        raise Unavailable("psutil is not installed, so nothing tells who worked.", "pip install psutil") from error
    environ = os.environ if environ is None else environ
    kept = reserve(settings, pid, clock.cpus, environ, settings.path_procfs)
    return Following(CpuTime(tree.look), clock, kept)
