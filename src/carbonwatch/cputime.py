"""CPU time of the whole machine: what everybody used since boot, and how many CPUs there are.

Both the CPU model and the activity readers need it; they may not know each other, so it stands below both.
"""

from __future__ import annotations

import os
from typing import Protocol

from carbonwatch.errors import Unavailable


class MachineClock(Protocol):
    """Busy CPU time counted up since boot."""

    cpus: int
    stolen_s: float  # CPU seconds that a virtual machine waited for, as `busy_s()` saw them last

    def busy_s(self) -> float:
        """CPU seconds that somebody here used: not idle, not waiting, not stolen by other guests."""

    def busy_s_by_cpu(self) -> list[float]:
        """The same for each CPU; empty where only the sum is known."""

    def close(self) -> None:
        """Gives back what it holds open."""


class ProcStat:
    """The first line of /proc/stat, from a file that stays open. Counts have 10 ms ticks."""

    def __init__(self, path_procfs: str = "/proc") -> None:
        self._fd = os.open(os.path.join(path_procfs, "stat"), os.O_RDONLY | os.O_CLOEXEC)
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self.cpus = self._count_cpus()
        self.stolen_s = 0.0
        self._size = 256 * (self.cpus + 1)  # more than the lines of CPUs take

    def busy_s(self) -> float:
        # user nice system idle iowait irq softirq steal guest guest_nice; guest is inside user already
        ticks = os.pread(self._fd, 256, 0).partition(b"\n")[0].split(None, 9)
        self.stolen_s = int(ticks[8]) * self._tick_s if len(ticks) > 8 else 0.0  # not before Linux 2.6.11
        return self._busy_ticks(ticks) * self._tick_s

    def busy_s_by_cpu(self) -> list[float]:
        lines = os.pread(self._fd, self._size, 0).split(b"\n", self.cpus + 1)[1 : self.cpus + 1]
        return [self._busy_ticks(line.split(None, 9)) * self._tick_s for line in lines if line[:3] == b"cpu"]

    @staticmethod
    def _busy_ticks(ticks: list[bytes]) -> int:
        return int(ticks[1]) + int(ticks[2]) + int(ticks[3]) + int(ticks[6]) + int(ticks[7])

    def close(self) -> None:
        os.close(self._fd)

    def _count_cpus(self) -> int:
        size, text = 65536, b""
        while len(text) < 1 << 24:
            text = os.pread(self._fd, size, 0)
            if b"\nintr" in text or len(text) < size:
                break
            size *= 4
        return max(1, sum(line[:3] == b"cpu" and line[3:4].isdigit() for line in text.splitlines()))


class PsutilClock:
    """The same from psutil, where there is no /proc."""

    def __init__(self) -> None:
        import psutil

        self._cpu_times = psutil.cpu_times
        self.cpus = psutil.cpu_count() or 1
        self.stolen_s = 0.0

    def busy_s(self) -> float:
        times = self._cpu_times()
        self.stolen_s = float(getattr(times, "steal", 0.0))
        return self._sum(times)

    @staticmethod
    def _sum(times: object) -> float:
        parts = ("user", "nice", "system", "irq", "softirq")
        return float(sum(getattr(times, part, 0.0) for part in parts))

    def busy_s_by_cpu(self) -> list[float]:
        return [self._sum(times) for times in self._cpu_times(percpu=True)]

    def close(self) -> None:
        """Nothing is held open."""


def machine_clock(path_procfs: str = "/proc") -> MachineClock:
    """The best clock of busy CPU time here. Raises Unavailable where there is neither /proc/stat nor psutil."""
    try:
        return ProcStat(path_procfs)
    except (OSError, ValueError) as error:
        if path_procfs != "/proc":
            raise Unavailable(
                f"{path_procfs}/stat can't be read ({error}).", "Check the setting path_procfs."
            ) from error
    try:
        return PsutilClock()
    except ImportError as error:
        raise Unavailable("There is no /proc/stat here.", "pip install psutil") from error
