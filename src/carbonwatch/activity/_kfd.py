"""Who computes on AMD's GPUs through ROCm, from the kernel's compute driver (amdkfd, /sys/class/kfd/kfd).

The GPU schedules such queues itself, so that no engine time of theirs shows in fdinfo. Here everybody may see, of every
process of the machine, which GPUs it has queues on and, of some GPUs (GFX9, which MI50 to MI300 are), how many
compute units it keeps at this moment. Numbers of processes are the host's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_LONGEST = 16384

Queues = Mapping[int, int | None]  # by process: compute units that it keeps; None where the GPU does not tell


class Kfd:
    """The GPUs of a machine that ROCm can use, and who has queues on them."""

    def __init__(self, path_sysfs: str) -> None:
        self._folder = os.path.join(path_sysfs, "class", "kfd", "kfd")
        # by the driver's number of a GPU; partitions of one have numbers of their own
        self._bus_of: dict[str, str] = {}
        self.units: dict[str, int] = {}  # compute units by place on the bus
        for node in _names(os.path.join(self._folder, "topology", "nodes")):
            self._add(os.path.join(self._folder, "topology", "nodes", node))

    def look(self) -> dict[str, dict[int, int | None]]:
        """Who has queues now, by place on the bus."""
        found: dict[str, dict[int, int | None]] = {}
        for pid in _names(os.path.join(self._folder, "proc")) if self._bus_of else ():
            for number in self._bus_of.keys() & self._gpus(pid):
                queues = found.setdefault(self._bus_of[number], {})
                queues[int(pid)] = together(queues.get(int(pid), 0), self._kept(pid, number))
        return found

    def _add(self, node: str) -> None:
        number, told = text(os.path.join(node, "gpu_id")), _properties(os.path.join(node, "properties"))
        if number in ("", "0"):  # a CPU
            return
        place = told.get("location_id", 0)
        # partitions have their number among the bits of the function (Linux 6.6) or above all others
        bus = f"{told.get('domain', 0):04x}:{place >> 8 & 0xFF:02x}:{place >> 3 & 0x1F:02x}.0"
        self._bus_of[number] = bus
        self.units[bus] = self.units.get(bus, 0) + told.get("simd_count", 0) // (told.get("simd_per_cu", 0) or 1)

    def _gpus(self, pid: str) -> set[str]:
        queues = os.path.join(self._folder, "proc", pid, "queues")
        return {text(os.path.join(queues, queue, "gpuid")) for queue in _names(queues)}

    def _kept(self, pid: str, number: str) -> int | None:
        units = text(os.path.join(self._folder, "proc", pid, f"stats_{number}", "cu_occupancy"))
        return int(units) if units.isdecimal() else None


def together(units: int | None, more: int | None) -> int | None:
    """Compute units of both; not known where one is not."""
    return None if units is None or more is None else units + more


def _properties(path: str) -> dict[str, int]:
    words = (line.split() for line in text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in words if len(pair) == 2 and pair[1].isdecimal()}


def text(path: str) -> str:
    """What a file of the kernel's holds; nothing if it can't be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return (file.read(_LONGEST) or b"").decode(errors="replace").strip()
    except OSError:
        return ""


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.isdecimal()]
    except OSError:
        return []
