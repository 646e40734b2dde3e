"""Power that has to be read ten times a second and more, read by a process of its own.

A thread in the measured program would cost it a hand-over of the interpreter's lock each time, and come late whenever
the program is busy. So a fresh interpreter reads the files, adds their power up, and leaves the sums in shared memory;
the program only looks there. It is no fork of the program, knows nothing of it and is not its child: the program's
own wait() never meets it. It ends when the program has, however that ended.

This file is both: what the program imports, and what that process runs by itself, so it imports nothing of ours.
"""

from __future__ import annotations

import os
import struct
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from mmap import mmap
    from typing import Any, Protocol

    Sums = Sequence[Sequence[Sequence[str]]]

    class Poll(Protocol):
        """What starts such a process: Polled, or a test's."""

        def __call__(self, sums: Sums, every_s: float, *, mean_s: float = 0.0) -> Polled: ...


# of each sum: the instant up to which it goes, its nanojoules, the last power in microwatts, errno of the last read,
# and a check, since writer and reader do not wait for each other
_SLOT = struct.Struct("<qqqqq")
_MARK = 0x5CA1AB1E
_NOT_YET = -1
_ATTEMPTS = 100

_START_S = 5.0
_STALE_NS = 2_000_000_000  # where CPUs are busy, a process may be late by so much
_AGAIN_NS = 30_000_000_000
_LOOK_S = 1.0  # for the program


class Polled:
    """Sums of power from files that tell it in microwatts, or in factors of it; or from NVML, as "nvml:<uuid>".

    A sum is groups of these and of plain numbers: the product of the first group, less those of the others. `mean_s` is
    what each value is the mean of: it belongs to the middle of that time. A star in a path stands for a number that
    changes when a driver is loaded again. Raises OSError where the process can't be started.
    """

    def __init__(self, sums: Sums, every_s: float, *, mean_s: float = 0.0) -> None:
        self._sums, self._every_s = sums, every_s
        self._lag_ns = round(mean_s * 1e9 / 2)
        self._shown_nj = [0] * len(sums)
        self._ahead_nj: list[int | None] = [0] * len(sums)  # of the process that reads now, at its first count
        self._is_open = True
        self._begin()

    def _begin(self) -> None:
        from mmap import mmap

        memory_fd = _above_streams(_memory_fd(_SLOT.size * len(self._sums)))
        try:
            self._memory = mmap(memory_fd, _SLOT.size * len(self._sums))
            for index in range(len(self._sums)):
                _put(self._memory, index, 0, 0, 0, _NOT_YET)
            self._leash_fd = _start(self._sums, self._every_s, memory_fd)
        finally:
            os.close(memory_fd)
        self._begun_ns = time.monotonic_ns()

    def wait(self, patience_s: float = _START_S) -> bool:
        """Whether it reads everything, once it has begun; within a time. It takes some 20 ms."""
        until_s = time.monotonic() + patience_s
        while True:
            errors = {_get(self._memory, index)[3] for index in range(len(self._shown_nj))}
            if _NOT_YET not in errors:
                return errors == {0}
            if time.monotonic() > until_s:
                return False
            time.sleep(0.002)

    def count(self, index: int, ns: int) -> int:
        """Nanojoules of a sum at an instant, from the last read on a line of its power. Raises Unavailable."""
        from carbonwatch.errors import Unavailable

        at_ns, count_nj, power_uw, error = _get(self._memory, index)
        if error > 0:
            raise Unavailable(f"it can't be read ({os.strerror(error)})")
        if ns - max(at_ns, self._begun_ns) > _STALE_NS:
            self._begin_again(ns)
            raise Unavailable("the process that reads it does not answer")
        if error == _NOT_YET:
            raise Unavailable("the process that reads it has not begun")
        now_nj = count_nj + power_uw * (ns - at_ns + self._lag_ns) // 1_000_000
        ahead_nj = self._ahead_nj[index]
        if ahead_nj is None:  # the first count of another process: what it shows goes on from here
            ahead_nj = self._ahead_nj[index] = self._shown_nj[index] - now_nj
        self._shown_nj[index] = max(self._shown_nj[index], now_nj + ahead_nj)
        return self._shown_nj[index]

    def close(self) -> None:
        """Lets the process go; it ends by itself."""
        self._is_open = False
        self._let_go()

    def _begin_again(self, ns: int) -> None:
        """Another process in place of one that was ended, now and then. What was not read meanwhile is lost."""
        if not self._is_open or ns - self._begun_ns < _AGAIN_NS:
            return
        self._let_go()
        self._ahead_nj = [None] * len(self._sums)
        try:
            self._begin()
        except OSError:
            self._begun_ns = ns

    def _let_go(self) -> None:
        fd, self._leash_fd = self._leash_fd, -1
        if fd >= 0:
            os.close(fd)


def started(sums: Sums, every_s: float, mean_s: float, poll: Poll = Polled) -> Polled | None:
    """A process that reads all of these. None, and why in the log, where there can be none."""
    import logging

    try:
        polled = poll(sums, every_s, mean_s=mean_s)
    except (OSError, ImportError) as error:  # not every Python has mmap
        why = f"no process can be started for it: {error}"
    else:
        if polled.wait():
            return polled
        polled.close()
        why = "a process of its own can't read it"
    logging.getLogger("carbonwatch.sensors").warning("power is read less often than it changes, since %s", why)
    return None


def _memory_fd(size: int) -> int:
    """Memory that two processes can share and no other finds."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("carbonwatch")
    else:
        import tempfile

        fd, path = tempfile.mkstemp()
        os.unlink(path)
    os.ftruncate(fd, size)
    return fd


def _start(sums: Sums, every_s: float, memory_fd: int, environ: Mapping[str, str] | None = None) -> int:
    """Starts the process. It lives as long as the descriptor that this gives is open in the program."""
    import json

    environ = os.environ if environ is None else environ  # libraries are found where the program finds them

    if not _is_interpreter(sys.executable) or not hasattr(os, "posix_spawn"):
        raise OSError("there is no interpreter to start")
    asked = json.dumps({"sums": sums, "every_s": every_s, "parent": os.getpid()})
    # -I -S: without the program's packages, in 10 ms
    words = [sys.executable, "-I", "-S", os.path.abspath(__file__), asked]
    read_fd, leash_fd = os.pipe()
    read_fd = _above_streams(read_fd)
    actions = [
        (os.POSIX_SPAWN_DUP2, read_fd, 0),
        (os.POSIX_SPAWN_DUP2, memory_fd, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    try:
        # in a group of its own: Ctrl-C is for the program
        pid = os.posix_spawn(sys.executable, words, environ, file_actions=actions, setpgroup=0, setsigmask=[])
    except OSError:
        os.close(leash_fd)
        raise
    finally:
        os.close(read_fd)
    try:
        os.waitpid(pid, 0)  # it has left a child, which is nobody's
    except ChildProcessError:  # the program lets the system do that
        pass
    return leash_fd


def _is_interpreter(executable: str | None) -> bool:
    """Whether it runs a file: a program that has Python inside would begin itself once more."""
    return os.path.basename(executable or "").lower().startswith(("python", "pypy"))


def _above_streams(fd: int) -> int:
    """The descriptor, moved if it is a standard stream's, which the program has closed."""
    if fd > 2:
        return fd
    import fcntl

    moved: int = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return moved


def _put(memory: mmap, index: int, ns: int, count_nj: int, power_uw: int, error: int) -> None:
    _SLOT.pack_into(memory, index * _SLOT.size, ns, count_nj, power_uw, error, _check(ns, count_nj, power_uw, error))


def _get(memory: mmap, index: int) -> tuple[int, int, int, int]:
    """One slot; again, if it was being written."""
    for _ in range(_ATTEMPTS):
        ns, count_nj, power_uw, error, check = _SLOT.unpack_from(memory, index * _SLOT.size)
        if check == _check(ns, count_nj, power_uw, error):
            return ns, count_nj, power_uw, error
    return 0, 0, 0, _NOT_YET


def _check(*values: int) -> int:
    check = _MARK
    for value in values:
        check = (check * 31 + value) & 0x7FFFFFFFFFFFFFFF
    return check


# what the process does


def _poll() -> None:
    import json
    import mmap
    import select

    if os.fork():  # of this fresh interpreter, which then ends: what goes on is nobody's child
        os._exit(0)
    asked = json.loads(sys.argv[1])
    nvml = _Nvml()
    sums = [_Sum(groups, nvml) for groups in asked["sums"]]
    memory = mmap.mmap(1, _SLOT.size * len(sums))
    beat_s = looked_s = time.monotonic()
    while True:
        for index, each in enumerate(sums):
            _put(memory, index, *each.read(time.monotonic_ns()))
        now_s = time.monotonic()
        # beats that were slept through are left out
        beat_s += asked["every_s"] * (1 + (now_s - beat_s) // asked["every_s"])
        if select.select([0], [], [], max(0.0, beat_s - now_s))[0]:
            return  # the program has closed its end, or has ended
        if now_s - looked_s >= _LOOK_S:
            looked_s = now_s
            if not _lives(asked["parent"]):  # a fork of it may have kept that end open
                return


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class _Sum:
    """Power of files, added up by straight lines between reads."""

    def __init__(self, groups: Sequence[Sequence[str]], nvml: _Nvml | None = None) -> None:
        self._fds: dict[str, int] = {}
        self._groups = groups
        self._nvml = nvml or _Nvml()
        self._at_ns = 0
        self._last_uw: int | None = None
        self._twice_fj = 0  # 1 µW is 1 fJ per ns

    def read(self, ns: int) -> tuple[int, int, int, int]:
        """What goes into its slot."""
        error = 0
        try:
            power_uw = self._power_uw()
        except (OSError, ValueError) as why:
            error = getattr(why, "errno", None) or 5  # EIO
        else:
            if self._last_uw is not None:
                self._twice_fj += (self._last_uw + power_uw) * (ns - self._at_ns)
            self._at_ns, self._last_uw = ns, power_uw
        return self._at_ns, self._twice_fj // 2_000_000, self._last_uw or 0, error

    def _power_uw(self) -> int:
        whole_uw, *parts_uw = (self._product(group) for group in self._groups)
        return max(0, whole_uw - sum(parts_uw))  # parts of another moment may be more than the whole

    def _product(self, group: Sequence[str]) -> int:
        product = 1
        for path in group:
            product *= self._number(path)
        return product

    def _number(self, path: str) -> int:
        if path.isdecimal():
            return int(path)
        if path.startswith("nvml:"):
            return self._nvml.power_uw(path.removeprefix("nvml:"))
        fd = self._fds.get(path)
        if fd is None:
            fd = self._fds[path] = os.open(_found(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.pread(fd, 32, 0))
        except OSError:
            os.close(self._fds.pop(path))
            raise


def _found(path: str) -> str:
    """The path with what now stands where it has a star. Raises OSError."""
    before, star, after = path.partition("*")
    folder, _, stem = before.rpartition("/")
    names = (name for name in sorted(os.listdir(folder)) if name.startswith(stem)) if star else iter(())
    return next((f"{folder}/{name}{after}" for name in names), path)


class _Nvml:
    """Power of NVIDIA's boards, from their library. Whatever goes wrong, it is opened anew a second later."""

    def __init__(self) -> None:
        self._library: Any = None
        self._handles: dict[str, Any] = {}
        self._failed_s = -_LOOK_S

    def power_uw(self, uuid: str) -> int:
        """Raises OSError."""
        import ctypes

        if time.monotonic() - self._failed_s < _LOOK_S:
            raise OSError(5, "NVML")
        try:
            self._open(uuid)
            power_mw = ctypes.c_uint()
            self._do("nvmlDeviceGetPowerUsage", self._handles[uuid], ctypes.byref(power_mw))
        except OSError:
            self._failed_s = time.monotonic()
            self._close()
            raise
        return power_mw.value * 1000

    def _open(self, uuid: str) -> None:
        import ctypes

        if self._library is None:
            library = ctypes.CDLL("libnvidia-ml.so.1")
            if library.nvmlInit_v2():
                raise OSError(5, "NVML")
            self._library = library
        if uuid not in self._handles:
            handle = ctypes.c_void_p()
            self._do("nvmlDeviceGetHandleByUUID", uuid.encode(), ctypes.byref(handle))
            self._handles[uuid] = handle

    def _do(self, function: str, *arguments: object) -> None:
        if getattr(self._library, function)(*arguments):
            raise OSError(5, "NVML")

    def _close(self) -> None:
        self._handles.clear()
        if self._library is not None:
            self._library.nvmlShutdown()
            self._library = None


if __name__ == "__main__":
    _poll()
