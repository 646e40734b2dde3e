"""Meters that take their time to answer (a plug, a server's controller, a program), asked by a thread of their own.

The sampler reads what the thread has last seen, so that it never waits. Between two answers power counts as the
last one; where a meter counts energy itself, its count decides how much it was: what was added up from watts is
never further from it than one step of that counter and what it may not have shown yet.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.plugs import Shown
from carbonwatch.units import NJ_PER_J, NS_PER_S

log = logging.getLogger(__name__)

_STALE = 3.0  # intervals without an answer, after which power is not known any more


def is_closed(device: str, flags: int = os.O_RDONLY) -> bool:
    """Whether a device is there that this user may not open."""
    try:
        os.close(os.open(device, flags | os.O_CLOEXEC))
    except PermissionError:
        return True
    except OSError:  # the program that reads it says better what is wrong
        pass
    return False


class SlowMeter:
    """Domains of a slow meter, which count from its first answer on."""

    def __init__(
        self,
        domains: Iterable[Domain],
        ask: Callable[[], Mapping[str, Shown]],
        every_s: float,
        *,
        takes_s: float = 0.0,  # to answer
        clock: Callable[[], int] = time.monotonic_ns,
        thread: bool = True,  # False: somebody else calls `poll()`
    ) -> None:
        self.domains = tuple(domains)
        self.rejected: Mapping[str, str] = {}
        self.failed: Mapping[str, str] = {}
        self._ask = ask
        self._clock = clock
        self._every_s = every_s
        self._stale_ns = round(_STALE * (every_s + takes_s) * NS_PER_S)
        self._lock = threading.Lock()
        self._held = {domain.id: _Held() for domain in self.domains}
        self._answered_ns: int | None = None
        self._error = SensorUnavailable(f"{self.domains[0].source} has not answered yet.")
        self._is_quiet = False  # its silence was said
        self._asked, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="carbonwatch-slow-meter", daemon=True)
        if thread:
            self._thread.start()

    def expect(self, patience_s: float) -> SlowMeter:
        """Itself, once it has answered. Raises SensorUnavailable, and asks no more, if it does not."""
        self._asked.wait(patience_s)
        if self._answered_ns is None:
            self.close()
            raise SensorUnavailable(self._error.reason, self._error.remedy)
        return self

    def read(self, ns: int) -> Mapping[str, int]:
        with self._lock:
            why_not = self._silence(ns)
            self.failed = {domain.id: why_not for domain in self.domains} if why_not else {}
            return {} if why_not else {id_: held.count(ns) for id_, held in self._held.items()}

    def poll(self) -> None:
        """Asks once, and keeps what was answered or why nothing was."""
        try:
            answer = self._ask()
            shown = {id_: answer[id_] for id_ in self._held}
        except Unavailable as error:
            self._keep(error)
            return
        # border: the thread must outlive whatever a device answers
        except Exception as error:
            self._keep(Unavailable(f"what it answers can't be read ({error!r})."))
            return
        ns = self._clock()
        with self._lock:
            is_late = self._answered_ns is not None and ns - self._answered_ns > self._stale_ns
            for id_, held in self._held.items():
                held.take(shown[id_], ns, is_late=is_late)
            self._answered_ns = ns
            self._is_quiet = False

    def close(self) -> None:
        """Asks no more. An answer that is waited for is not worth waiting for."""
        self._end.set()

    def _silence(self, ns: int) -> str:
        if self._answered_ns is None:
            return self._error.reason
        quiet_ns = ns - self._answered_ns
        if quiet_ns <= self._stale_ns:
            return ""
        why = self._error.reason if self._is_quiet else "it does not answer in time"
        return f"no answer since its last one: {why}"

    def _keep(self, error: Unavailable) -> None:
        with self._lock:
            self._error = SensorUnavailable(error.reason, error.remedy)
            was_quiet, self._is_quiet = self._is_quiet, True
        if not was_quiet:
            log.warning("%s: %s", self.domains[0].source, error)

    def _run(self) -> None:
        while not self._end.is_set():
            self.poll()
            self._asked.set()
            self._end.wait(self._every_s)


class _Held:
    """Watts held until the next answer, as nanojoules that count up and keep to the device's own count."""

    def __init__(self) -> None:
        self._power_w = 0.0
        self._ns: int | None = None
        self._total_nj = 0
        self._first_j: float | None = None  # what the device's counter showed when nothing was counted
        self._last_j = 0.0
        self._owed_nj = 0  # counted ahead of the device: what comes next is held back for it

    def count(self, ns: int) -> int:
        """Nanojoules up to an instant; what was counted up to a later one stays."""
        if self._ns is not None and ns > self._ns:
            step_nj = round(self._power_w * (ns - self._ns))  # 1 W is 1 nJ per ns
            held_nj = min(step_nj, self._owed_nj)
            self._owed_nj -= held_nj
            self._total_nj += step_nj - held_nj
            self._ns = ns
        return self._total_nj

    def take(self, shown: Shown, ns: int, *, is_late: bool) -> None:
        """A new answer. After a long silence power is taken as the mean of both ends of it."""
        if is_late:
            self._power_w = (self._power_w + shown.power_w) / 2
        self.count(ns)
        self._ns = ns if self._ns is None else max(ns, self._ns)
        self._power_w = max(0.0, shown.power_w)
        if shown.energy_j is not None:
            self._keep_to(shown.energy_j, shown)

    def _keep_to(self, energy_j: float, shown: Shown) -> None:
        last_j, self._last_j = self._last_j, energy_j
        if self._first_j is None or energy_j < last_j:  # the first, or it was set back
            self._first_j = energy_j - (self._total_nj - self._owed_nj) / NJ_PER_J
            return
        counted_nj = round((energy_j - self._first_j) * NJ_PER_J)
        step_nj = round(shown.step_j * NJ_PER_J)
        most_nj = counted_nj + step_nj + round(self._power_w * shown.lag_s * NJ_PER_J)
        self._total_nj = max(self._total_nj, counted_nj - step_nj)
        self._owed_nj = max(0, self._total_nj - most_nj)
