"""Several gauges as one meter: what sensors of many files, boards or channels have in common."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from carbonwatch.errors import Unavailable
from carbonwatch.model import Domain
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.sensors._power import PowerIntegral
from carbonwatch.units import NS_PER_S

log = logging.getLogger(__name__)

_RETRY_NS = NS_PER_S


class Gauge(Protocol):
    """One domain's count."""

    domain: Domain

    @property
    def doubt(self) -> str:
        """What is wrong with the last count; empty if nothing is."""

    def count(self, ns: int) -> int:
        """Nanojoules counted so far. Raises Unavailable with the reason."""

    def close(self) -> None:
        """Gives back what it holds open."""


class GaugeMeter:
    """The gauges that are counted, each by itself: one that fails leaves the others counting."""

    def __init__(
        self,
        gauges: Iterable[Gauge],
        rejected: Mapping[str, str],
        close: Callable[[], object] | None = None,
        *,
        tick_s: float | None = None,
        facts: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.tick_s = tick_s  # how often power should be read, if oftener than samples are taken
        self._facts = facts
        self._gauges = list(gauges)
        self._close = close  # gives back what the gauges share
        self.domains = tuple(gauge.domain for gauge in self._gauges)
        self.rejected = rejected
        self.failed: Mapping[str, str] = {}

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a run is to note of what is metered."""
        return self._facts()

    def read(self, ns: int) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        failed: dict[str, str] = {}
        for gauge in self._gauges:
            try:
                counts[gauge.domain.id] = gauge.count(ns)
            except Unavailable as error:
                failed[gauge.domain.id] = error.reason
            else:
                if gauge.doubt:
                    failed[gauge.domain.id] = gauge.doubt
        if failed and failed != self.failed:
            log.warning("meters with a gap: %s", failed)
        self.failed = failed
        return counts

    def close(self) -> None:
        gauges, self._gauges = self._gauges, []
        for gauge in gauges:
            gauge.close()
        close, self._close = self._close, None
        if close is not None:
            close()


class Counted:
    """A domain whose hardware counts: `ask()` gives its ticks, or raises Unavailable."""

    def __init__(self, domain: Domain, ask: Callable[[], int], counter: WrappingCounter) -> None:
        self.domain = domain
        self._ask = ask
        self._counter = counter

    @property
    def doubt(self) -> str:
        return self._counter.doubt

    def count(self, ns: int) -> int:
        return self._counter.advance(self._ask(), ns)

    def close(self) -> None:
        """What is asked is not its own."""


class NumberFile:
    """A file of /sys with one number in it, kept open; one that went away is looked for again every second."""

    def __init__(self, path: str, find: Callable[[], str] | None = None) -> None:
        self.path = path
        self._find = find  # where it is now: numbers in paths change when a driver is loaded again
        self._tried_ns = self._checked_ns = 0
        self._lost = ""
        self._fd = -1
        self._open()

    def number(self, ns: int) -> int:
        """What is in it now. Raises Unavailable."""
        if not 0 <= ns - self._checked_ns < _RETRY_NS:
            self._check(ns)
        if self._fd < 0:
            self._renew(ns)
        try:
            return int(os.pread(self._fd, 32, 0))
        except ValueError as error:
            raise Unavailable(f"{self.path} shows no number") from error
        except OSError as error:
            self._lost = f"{self.path} can't be read ({error.strerror})"
            self._tried_ns = ns
            self.close()
            raise Unavailable(self._lost) from error

    def close(self) -> None:
        self._check(0)
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        self._identity = _identity(self._fd)

    def _check(self, ns: int) -> None:
        """Lets go of a number that somebody else has closed and that is another file's by now."""
        self._checked_ns = ns
        if self._fd >= 0 and _identity(self._fd) != self._identity:
            self._fd = -1
            self._tried_ns = ns - _RETRY_NS

    def _renew(self, ns: int) -> None:
        if 0 <= ns - self._tried_ns < _RETRY_NS:
            raise Unavailable(self._lost)
        self._tried_ns = ns
        self.path = self._find() if self._find else self.path
        try:
            self._open()
        except OSError as error:
            self._lost = f"{self.path} can't be opened ({error.strerror})"
            raise Unavailable(self._lost) from error


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:  # closed by somebody else
        return None
    return status.st_dev, status.st_ino


class PowerFile:
    """A domain whose power, in microwatts, is in a file."""

    doubt = ""

    def __init__(self, domain: Domain, file: NumberFile) -> None:
        self.domain = domain
        self._file = file
        self._integral = PowerIntegral()

    def count(self, ns: int) -> int:
        return self._integral.advance(max(0, self._file.number(ns)), ns)

    def close(self) -> None:
        self._file.close()


def text(path: str) -> str:
    """The beginning of a file; empty if it can't be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return (file.read(256) or b"").decode(errors="replace").strip("\0 \n")
    except OSError:
        return ""


def listed(folder: str) -> list[str]:
    """What is in a folder, sorted; nothing if it can't be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
