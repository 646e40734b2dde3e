"""Files that many processes write at a time: locked while one of them writes, and whole afterwards whatever happens.

The lock is the file's own (no second file is left behind), and the system takes it back from a process that dies.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time

log = logging.getLogger(__name__)

WAIT_S = 10.0  # for other writers, who take a millisecond each; a program must not hang for ever at its end
_UNLOCKABLE = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
# where Windows locks, which lets nobody read what is locked: far beyond any file's end
_LOCKED_BYTE = 1 << 40


class Locked:
    """A file as a context manager: made if it is not there, and this process's alone inside the block."""

    def __init__(self, path: str, wait_s: float = WAIT_S) -> None:
        self.path = os.path.realpath(path)  # what a link points to is written, the link stays
        self._wait_s = wait_s
        self._fd = -1

    def __enter__(self) -> Locked:
        deadline_s = time.monotonic() + self._wait_s
        while True:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            try:
                self._lock(deadline_s)
                if self._is_in_place():
                    return self
            except BaseException:
                os.close(self._fd)
                raise
            # while this process waited, another one replaced the file
            self._release()
            self._check(deadline_s)

    def __exit__(self, *_: object) -> None:
        self._release()

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, start: int, length: int) -> bytes:
        """At most so many bytes from there; fewer at the file's end."""
        os.lseek(self._fd, start, os.SEEK_SET)
        found = b""
        while len(found) < length and (more := os.read(self._fd, length - len(found))):
            found += more
        return found

    def append(self, data: bytes) -> None:
        """Adds all of it, or, where there is no room for it, nothing. Raises OSError."""
        size = os.lseek(self._fd, 0, os.SEEK_END)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        finally:
            if rest:  # the disk is full: half a row would spoil the next one
                self._cut(size)

    def replace(self, data: bytes) -> None:
        """Makes this the file's content; who reads it meanwhile sees the former or the new one. Raises OSError."""
        if sys.platform == "win32":  # which replaces no file that is open
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.ftruncate(self._fd, 0)
            self.append(data)
        else:
            write_whole(self.path, data, mode=os.fstat(self._fd).st_mode & 0o777)

    def set_aside(self) -> str:
        """Gives the file another name, `<name>.<number>.bak`, and gives that. The block must end then."""
        number = 1
        while os.path.lexists(f"{self.path}.{number}.bak"):
            number += 1
        os.rename(self.path, f"{self.path}.{number}.bak")
        return f"{self.path}.{number}.bak"

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError:  # why it could not be written says more
            pass

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _lock(self, deadline_s: float) -> None:
        pause_s = 0.0005
        while True:
            try:
                return _lock(self._fd)
            except OSError as error:
                if error.errno in _UNLOCKABLE:
                    log.warning("%s can't be locked here (%s): rows of other processes may get lost", self.path, error)
                    return None
                if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                    raise
            self._check(deadline_s)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.02)

    def _check(self, deadline_s: float) -> None:
        if time.monotonic() > deadline_s:
            raise TimeoutError(errno.ETIMEDOUT, f"others have held it locked for {self._wait_s:g} s", self.path)

    def _release(self) -> None:
        # by name, and not by closing alone: a child forked meanwhile has the descriptor too, and would keep the lock
        try:
            _unlock(self._fd)
        except OSError:
            pass
        os.close(self._fd)


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    def _unlock(fd: int) -> None:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(fd: int) -> None:
        # on NFS the kernel makes it a lock that other machines see
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


def write_whole(path: str, data: bytes, mode: int | None = None) -> None:
    """Writes a file by way of another name, so that it is there whole or not at all. Raises OSError."""
    draft = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with open(draft, "wb") as file:
            file.write(data)
        if mode is not None:
            os.chmod(draft, mode)
        os.replace(draft, path)
    except BaseException:
        try:
            os.unlink(draft)
        except OSError:
            pass
        raise
