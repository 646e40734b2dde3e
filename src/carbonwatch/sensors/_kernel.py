"""System calls that Python does not have, or that must keep its lock (the GIL) while they last.

`os.pread` lets go of the lock, and beside a busy thread takes 5 ms to get it back: four counters are then seen over
up to 20 ms. A call through `ctypes.PyDLL` keeps it, so that counters are read microseconds apart. That is for files
that answer at once alone.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

# perf_event_open(2): its number on each machine, and fields of perf_event_attr
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
_ATTRIBUTES_SIZE = 128
_GROUP = 8  # read_format: how many events there are, then the value of each
_CLOEXEC = 8
_ANY_PROCESS = -1

_SIZE = 64  # of a counter's text


class Reader:
    """Reads files that are open, whole and at once, with Python's lock kept. Not for two threads at a time."""

    def __init__(self, size: int = _SIZE) -> None:
        library = ctypes.PyDLL(None, use_errno=True)
        self._buffer = ctypes.create_string_buffer(size)
        self._size = ctypes.c_size_t(size)
        self._start = ctypes.c_int64(0)
        self._pread, self._read = library.pread, library.read
        self._pread.restype = self._read.restype = ctypes.c_ssize_t

    def pread(self, fd: int) -> bytes:
        """What a file holds, from its beginning. Raises OSError."""
        return self._taken(self._pread(fd, self._buffer, self._size, self._start))

    def read(self, fd: int) -> bytes:
        """What a file that has no positions gives now. Raises OSError."""
        return self._taken(self._read(fd, self._buffer, self._size))

    def _taken(self, length: int) -> bytes:
        if length < 0:
            raise_errno()
        return self._buffer.raw[:length]


def raise_errno() -> None:
    """The last call's error as OSError or what derives from it."""
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code))


def open_event(kind: int, config: int, cpu: int, leader: int = -1) -> int:
    """A descriptor of a system-wide perf event on a CPU, alone or in the group of another one. Raises OSError."""
    number = _PERF_EVENT_OPEN.get(os.uname().machine)
    if number is None or sys.platform != "linux":
        raise OSError(f"the number of perf_event_open is not known on {os.uname().machine}")
    attributes = bytearray(_ATTRIBUTES_SIZE)
    struct.pack_into("=IIQ", attributes, 0, kind, _ATTRIBUTES_SIZE, config)
    struct.pack_into("=Q", attributes, 32, _GROUP)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    words = (ctypes.c_long(word) for word in (_ANY_PROCESS, cpu, leader, _CLOEXEC))
    fd = int(syscall(ctypes.c_long(number), (ctypes.c_char * _ATTRIBUTES_SIZE).from_buffer(attributes), *words))
    if fd < 0:
        raise_errno()
    return fd
