"""Watts that a model gives for a load, as nanojoules that count up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from carbonwatch.cputime import MachineClock, machine_clock
from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.powermodel import concentration
from carbonwatch.settings import Settings

Watts = Callable[[float, float], float]  # (load of all CPUs, how unevenly they share it)

log = logging.getLogger(__name__)

_MUCH_STOLEN = 0.05  # of the time of all CPUs
_LOOK_FOR_THEFT_S = 10.0  # over so long: in less, a tick of 10 ms that a busy host took is nothing to warn of
# CPU time has ticks of 10 ms: over less than five of them a load means little
_SHORTEST_NS = 50_000_000


class ModelMeter:
    """Joules by a model: so much for the time, so much for each CPU second, by how loaded the CPUs are.

    What a CPU second costs follows from the load between two reads; between reads that are closer than 50 ms it is
    what one busy CPU costs. Energy is a sum over reads, so that the parts of any cut add up.
    """

    def __init__(self, domain: Domain, watts: Watts, clock: MachineClock | None) -> None:
        self.domains = (domain,)
        self.rejected: Mapping[str, str] = {}
        self.failed: Mapping[str, str] = {}
        self._id = domain.id
        self._watts = watts
        self._idle_w = watts(0.0, 0.0)
        self._clock = clock
        self._cpus = clock.cpus if clock else 1
        self._one_cpu = (1.0 / self._cpus, 1.0)
        self._is_open = True
        self._last_ns: int | None = None
        self._last_busy_s = clock.busy_s() if clock else 0.0
        self._seen_ns = 0
        self._seen_s = clock.busy_s_by_cpu() if clock else []
        self._stolen_s = clock.stolen_s if clock else 0.0
        self._watched_s = 0.0  # since that was so much
        self._has_warned = False
        self._counted_nj = 0.0

    def read(self, ns: int) -> Mapping[str, int]:
        """Nanojoules since the first read, which starts from 0."""
        last_ns = self._last_ns
        try:
            busy_j = self._begin(ns) if last_ns is None else self._busy_j(ns)
        except (OSError, ValueError, IndexError) as error:
            self.failed = {self._id: f"the machine's CPU time can't be read ({error})"}
            return {}
        self.failed = {}
        # watts x nanoseconds are nanojoules
        since_ns = ns if last_ns is None else last_ns
        self._counted_nj += self._idle_w * max(0, ns - since_ns) + busy_j * 1e9
        self._last_ns = max(ns, since_ns)
        return {self._id: round(self._counted_nj)}

    def _begin(self, ns: int) -> float:
        """Work before the first read is nobody's."""
        self._seen_ns = ns
        self._busy_j(ns)
        if self._clock is not None:
            self._seen_s = self._clock.busy_s_by_cpu()
        return 0.0

    def _busy_j(self, ns: int) -> float:
        """Joules above idle power since the last read."""
        if not self._is_open:
            raise ValueError("the meter is closed")
        if self._clock is None:
            return 0.0
        busy_s = self._clock.busy_s()
        by_cpu_s = self._clock.busy_s_by_cpu() if ns - self._seen_ns >= _SHORTEST_NS else None
        # a CPU that was taken out may set the machine's count back
        step_s = max(0.0, busy_s - self._last_busy_s)
        self._last_busy_s = busy_s
        load, unevenness = self._one_cpu if by_cpu_s is None else self._load(by_cpu_s, step_s, ns)
        return step_s * self._joules_per_cpu_second(load, unevenness)

    def _load(self, by_cpu_s: list[float], step_s: float, ns: int) -> tuple[float, float]:
        """Load of all CPUs since they were seen last, and how unevenly they shared it."""
        elapsed_s = (ns - self._seen_ns) / 1e9
        self._look_for_theft(elapsed_s)
        if len(by_cpu_s) == len(self._seen_s) > 0:
            loads = [
                min(1.0, max(0.0, now - then) / elapsed_s) for now, then in zip(by_cpu_s, self._seen_s, strict=True)
            ]
        else:  # CPUs came or went
            loads = [min(1.0, step_s / elapsed_s / self._cpus)] * self._cpus
        self._seen_ns, self._seen_s = ns, by_cpu_s
        return sum(loads) / len(loads), concentration(loads)

    def _look_for_theft(self, elapsed_s: float) -> None:
        """Says once that other guests had much of the CPUs' time: their energy is not counted here."""
        self._watched_s += elapsed_s
        if self._watched_s < _LOOK_FOR_THEFT_S or self._clock is None:
            return
        before_s, self._stolen_s = self._stolen_s, self._clock.stolen_s
        share = (self._stolen_s - before_s) / (self._watched_s * self._cpus)
        self._watched_s = 0.0
        if share > _MUCH_STOLEN and not self._has_warned:
            self._has_warned = True
            log.warning(
                "%.0f %% of the time of all CPUs went to other guests (steal): their energy is not counted, and %s is "
                "worth less than it says",
                100 * share,
                self._id,
            )

    def _joules_per_cpu_second(self, load: float, unevenness: float) -> float:
        if load <= 0.0:
            load, unevenness = self._one_cpu
        return (self._watts(load, unevenness) - self._idle_w) / (load * self._cpus)

    def close(self) -> None:
        """Gives back the file of CPU time."""
        self._is_open = False
        if self._clock is not None:
            clock, self._clock = self._clock, None
            clock.close()


def busy_clock(settings: Settings) -> MachineClock:
    """A clock of everybody's CPU time that has been read once. Raises SensorUnavailable without one."""
    try:
        clock = machine_clock(settings.path_procfs)
    except Unavailable as error:
        raise SensorUnavailable(error.reason, error.remedy) from error
    try:
        clock.busy_s()
    except (OSError, ValueError, IndexError) as error:
        clock.close()
        raise SensorUnavailable(
            f"{settings.path_procfs}/stat is not a count of CPU time ({error}).", "Check the setting path_procfs."
        ) from error
    return clock
