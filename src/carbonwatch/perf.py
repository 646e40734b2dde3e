"""Linux' perf events: the one system call, for energy counters (`sensors`) and for CPU time (`activity`) alike."""

from __future__ import annotations

import os
import sys

# perf_event_open(2): its number by machine (the kernel's syscall tables), and where fields of perf_event_attr are
_NUMBERS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "loongarch64": 241, "ppc64le": 319, "s390x": 331}
_SIZE = 128
_READ_FORMAT, _FLAGS = 32, 40
_CLOEXEC = 8


def open_event(
    kind: int, config: int, *, pid: int = -1, cpu: int = -1, leader: int = -1, read_format: int = 0, flags: int = 0
) -> int:
    """A descriptor of an event, of a task or of all on a CPU, alone or in the group of another one. Raises OSError."""
    import ctypes
    import struct

    number = _NUMBERS.get(os.uname().machine) if sys.platform == "linux" else None
    if number is None:
        raise OSError("the number of perf_event_open is not known on this machine")
    attributes = bytearray(_SIZE)
    struct.pack_into("=IIQ", attributes, 0, kind, _SIZE, config)
    struct.pack_into("=Q", attributes, _READ_FORMAT, read_format)
    struct.pack_into("=Q", attributes, _FLAGS, flags)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    words = (ctypes.c_long(word) for word in (pid, cpu, leader, _CLOEXEC))
    fd = int(syscall(ctypes.c_long(number), (ctypes.c_char * _SIZE).from_buffer(attributes), *words))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd
