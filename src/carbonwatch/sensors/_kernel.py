"""Reads that keep Python's lock (the GIL) while they last.

`os.pread` lets go of the lock, and beside a busy thread takes 5 ms to get it back: four counters are then seen over
up to 20 ms. A call through `ctypes.PyDLL` keeps it, so that counters are read microseconds apart. That is for files
that answer at once alone.
"""

from __future__ import annotations

import ctypes
import os

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
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return self._buffer.raw[:length]
