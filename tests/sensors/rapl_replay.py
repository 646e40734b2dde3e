"""A machine with RAPL, in files: `python tests/sensors/rapl_replay.py ROOT SECONDS`.

Builds ROOT/class/powercap with two packages, the memory of the first, its MMIO duplicate and a platform domain, and
moves their counters every millisecond until SECONDS are over. Prints `ready` once they move. How much energy each
has used is a function of CLOCK_MONOTONIC, which all processes share: `energy_j()` tells a reader the truth.
"""

from __future__ import annotations

import math
import os
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """Power that swings around a mean, and the register that counts its energy."""

    folder: str
    name: str
    mean_w: float
    swing_w: float
    period_s: float
    range_uj: int  # 2 to 7 s of its energy

    def total_j(self, at_s: float) -> float:
        """Energy used since the clock began."""
        turn = 2 * math.pi / self.period_s
        return self.mean_w * at_s - self.swing_w / turn * math.cos(turn * at_s)

    def register_uj(self, at_s: float) -> int:
        return int(self.total_j(at_s) * 1e6) % (self.range_uj + 1)


PACKAGE_0 = Source("intel-rapl:0", "package-0", 80.0, 40.0, 0.7, 300_000_000)
SOURCES = {
    "rapl:package-0": PACKAGE_0,
    "rapl:package-1": Source("intel-rapl:1", "package-1", 50.0, 25.0, 1.3, 200_000_000),
    "rapl:dram-0": Source("intel-rapl:0:0", "dram", 10.0, 3.0, 0.3, 65_000_000),
    "rapl:psys": Source("intel-rapl:2", "psys", 160.0, 50.0, 0.9, 400_000_000),
}
MMIO = Source(
    "intel-rapl-mmio:0",
    "package-0",
    PACKAGE_0.mean_w,
    PACKAGE_0.swing_w,
    PACKAGE_0.period_s,
    PACKAGE_0.range_uj,
)


def energy_j(domain: str, start_s: float, end_s: float) -> float:
    """Energy that a domain ("rapl:package-0") used between two instants of time.monotonic()."""
    source = SOURCES[domain]
    return source.total_j(end_s) - source.total_j(start_s)


def build(root: str) -> dict[int, Source]:
    """Writes the tree and gives its energy_uj files, open."""
    files = {}
    for source in (*SOURCES.values(), MMIO):
        folder = os.path.join(root, "class", "powercap", source.folder)
        os.makedirs(folder, exist_ok=True)
        for file, text in (("name", source.name), ("max_energy_range_uj", str(source.range_uj)), ("enabled", "0")):
            with open(os.path.join(folder, file), "w", encoding="ascii") as out:
                out.write(text + "\n")
        files[os.open(os.path.join(folder, "energy_uj"), os.O_RDWR | os.O_CREAT, 0o444)] = source
    move(files)
    return files


def move(files: dict[int, Source]) -> None:
    """Sets every counter to now. Same width each time, written in place: a reader sees the old or the new."""
    for fd, source in files.items():
        os.pwrite(fd, b"%19d\n" % source.register_uj(time.monotonic()), 0)


def replay(root: str, duration_s: float) -> None:
    """Moves the counters of a tree for a while."""
    _hurry()
    files = build(root)
    end_s = time.monotonic() + duration_s
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while time.monotonic() < end_s:
        move(files)
        time.sleep(0.001)


def _hurry() -> None:
    """Asks to be run on time on a busy machine; hardware would be."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, OSError):
        pass


if __name__ == "__main__":
    replay(sys.argv[1], float(sys.argv[2]))
