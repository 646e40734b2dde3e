"""Energy of the CPUs where nothing measures it: so much for being there, so much per busy CPU second.

Linear in busy time, so that the parts of any cut add up. The two ends are 12 % and 71 % of the rated power (TDP): a
fit on SPECpower_ssj2008 and RAPL data, P = TDP x (0.12 + 0.8 x 0.74 x load), for the processor package alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from carbonwatch.cputime import MachineClock, machine_clock
from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.settings import Settings

IDLE_SHARE = 0.12  # of the rated power
FULL_SHARE = 0.12 + 0.8 * 0.74
RATED_W_PER_CPU = 3.5  # assumption: servers and laptops are rated at 2 to 3.5 W per hardware thread


class LinearModel:
    """Joules that grow with time, and with everybody's CPU time where that makes a difference."""

    def __init__(self, domain: Domain, full_w: float, clock: MachineClock | None) -> None:
        self.domains = (domain,)
        self.rejected: Mapping[str, str] = {}
        self.failed: Mapping[str, str] = {}
        self._id = domain.id
        self._idle_w = domain.idle_w or 0.0
        self._w_per_busy_cpu = (full_w - self._idle_w) / clock.cpus if clock else 0.0
        self._clock = clock
        self._is_open = True
        self._first_ns: int | None = None
        self._last_busy_s = clock.busy_s() if clock else 0.0
        self._busy_s = 0.0
        self._counted_nj = 0

    def read(self, ns: int) -> Mapping[str, int]:
        """Nanojoules since the first read, which starts from 0."""
        first_ns = self._first_ns = ns if self._first_ns is None else self._first_ns
        try:
            self._work()
        except (OSError, ValueError, IndexError) as error:
            self.failed = {self._id: f"the machine's CPU time can't be read ({error})"}
            return {}
        self.failed = {}
        # watts x nanoseconds are nanojoules
        counted_nj = round(self._idle_w * (ns - first_ns) + self._w_per_busy_cpu * self._busy_s * 1e9)
        self._counted_nj = max(self._counted_nj, counted_nj)
        return {self._id: self._counted_nj}

    def _work(self) -> None:
        if not self._is_open:
            raise ValueError("the meter is closed")
        if self._clock is None:
            return
        busy_s = self._clock.busy_s()
        # a CPU that was taken out may set the machine's count back
        self._busy_s += max(0.0, busy_s - self._last_busy_s)
        self._last_busy_s = busy_s

    def close(self) -> None:
        """Gives back the file of CPU time."""
        self._is_open = False
        if self._clock is not None:
            clock, self._clock = self._clock, None
            clock.close()


def detect(settings: Settings) -> LinearModel:
    """A model of all CPUs. Raises SensorUnavailable where nothing tells how busy they are."""
    clock = busy_clock(settings)
    full_w, idle_w = power_w(settings.cpu_w, clock.cpus)
    return LinearModel(_domain(settings, clock.cpus, full_w, idle_w), full_w, clock)


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


def power_w(cpu_w: float | None, cpus: int) -> tuple[float, float]:
    """Watts of all CPUs at full load and at none. `cpu_w` is the former, as given by the user."""
    full_w = RATED_W_PER_CPU * cpus * FULL_SHARE if cpu_w is None else cpu_w
    return full_w, full_w * IDLE_SHARE / FULL_SHARE


def _domain(settings: Settings, cpus: int, full_w: float, idle_w: float) -> Domain:
    basis = f"assumed {RATED_W_PER_CPU} W rated per CPU" if settings.cpu_w is None else "setting cpu_w"
    source = (
        f"model of {cpus} CPUs ({cpu_name(settings.path_procfs)}): {idle_w:.3g} W idle, {full_w:.3g} W at full load; "
        f"{basis}, fit on SPECpower and RAPL data"
    )
    error = (-0.5, 1.0) if settings.cpu_w is None else (-0.35, 0.5)
    return Domain("cpu:model", "cpu", "modelled", source, error=error, idle_w=idle_w)


def cpu_name(path_procfs: str) -> str:
    """What the processor calls itself, or its architecture where it does not."""
    try:
        with open(os.path.join(path_procfs, "cpuinfo"), "rb", buffering=0) as file:
            text = file.read(4096).decode(errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    return os.uname().machine if hasattr(os, "uname") else "unnamed"
