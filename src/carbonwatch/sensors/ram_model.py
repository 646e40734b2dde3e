"""Energy of the memory where nothing measures it: watts per GB, more of them while the CPUs work.

0.17 W per GB idle and 0.20 more at full load, as for DDR4; hosts measured with RAPL are between 0.1 and 0.6. How busy
the CPUs are stands in for memory traffic, which nothing counts here: an assumption. A GB is 2**30 bytes.
"""

from __future__ import annotations

import os

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sensors.cpu_model import LinearModel, busy_clock
from carbonwatch.settings import Settings

IDLE_W_PER_GB = 0.17
BUSY_W_PER_GB = 0.20  # on top, with all CPUs busy

_BYTES_PER_GB = 1 << 30


def detect(settings: Settings) -> LinearModel:
    """A model of all memory. Raises SensorUnavailable where its size or the CPUs' work is not known."""
    if settings.ram_w is not None:
        return LinearModel(_domain("setting ram_w: a constant", settings.ram_w, (-0.35, 0.5)), settings.ram_w, None)
    size_gb = total_bytes(settings.path_procfs) / _BYTES_PER_GB
    idle_w, full_w = size_gb * IDLE_W_PER_GB, size_gb * (IDLE_W_PER_GB + BUSY_W_PER_GB)
    source = (
        f"model of {size_gb:.3g} GB as DDR4: {idle_w:.3g} W idle, {full_w:.3g} W with all CPUs busy "
        "(their load stands in for memory traffic)"
    )
    return LinearModel(_domain(source, idle_w, (-0.45, 1.2)), full_w, busy_clock(settings))


def _domain(source: str, idle_w: float, error: tuple[float, float]) -> Domain:
    return Domain("ram:model", "ram", "modelled", source, error=error, idle_w=idle_w)


def total_bytes(path_procfs: str) -> int:
    """The machine's memory, as the system sees it. Raises SensorUnavailable where nothing tells."""
    size = _from_meminfo(path_procfs) or (_from_system() if path_procfs == "/proc" else 0)
    if size > 0:
        return size
    raise SensorUnavailable(
        "Nothing tells how much memory there is, so what it draws is not known.", "Give its power: ram_w."
    )


def _from_meminfo(path_procfs: str) -> int:
    try:
        with open(os.path.join(path_procfs, "meminfo"), "rb", buffering=0) as file:
            words = file.read(256).split()
        return int(words[words.index(b"MemTotal:") + 1]) * 1024
    except (OSError, ValueError, IndexError):
        return 0


def _from_system() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        pass
    try:
        import psutil
    except ImportError:
        return 0
    return int(psutil.virtual_memory().total)
