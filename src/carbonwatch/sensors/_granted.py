"""Descriptors of counters that `carbonwatch grant` opened as root and hands to one process of this user.

They come over a socket in a folder that root alone writes to (SCM_RIGHTS): a counter that is open can be read by
whoever holds it, whatever the mode of its file. Nothing runs as root while they are read.
"""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)

MOST = 250  # descriptors in one message: the kernel takes 253
SIZE = 1 << 16
PATIENCE_S = 5.0

_received: dict[str, dict[str, list[int]]] = {}  # by socket: nobody hands over twice


def address(folder: str, uid: int) -> str:
    """Where `grant` waits for a user's process."""
    return os.path.join(folder, f"{uid}.sock")


def take(folder: str, key: str) -> list[int]:
    """Descriptors of a counter, for the caller to close; none if nobody grants it."""
    if not hasattr(os, "geteuid"):
        return []
    path = address(folder, os.geteuid())
    if path not in _received and os.path.exists(path):
        try:
            _received[path] = _receive(path)
        except (OSError, ValueError, EOFError) as error:
            log.warning("nothing could be taken from %s: %s", path, error)
    return [os.dup(fd) for fd in _received.get(path, {}).get(key, ())]


def _receive(path: str) -> dict[str, list[int]]:
    import json
    import socket
    import struct

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.settimeout(PATIENCE_S)
        line.connect(path)
        _, uid, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in (0, os.geteuid()):
            raise PermissionError(f"a process of user {uid} waits there, not root's")
        text, fds, _, _ = socket.recv_fds(line, SIZE, MOST)
    for fd in fds:
        os.set_inheritable(fd, False)
    if not text:
        raise EOFError("it was given to another process already")
    taken = iter(fds)
    return {key: [next(taken) for _ in range(count)] for key, count in json.loads(text).items()}
