"""A machine's /proc and /sys with GPUs of AMD and Intel, as amdgpu, i915, xe and amdkfd show who works on them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from carbonwatch.settings import Settings

AMD, TWIN, ARC, FLEX = "0000:29:00.0", "0000:2c:00.0", "0000:03:00.0", "0000:4d:00.0"
DRIVERS = {AMD: "amdgpu", TWIN: "amdgpu", ARC: "xe", FLEX: "i915"}
OURS = os.getpid()
CLOCK_HZ = 19_200_000  # of xe's timestamps
BOOTED = 1_000_000_000

FDINFO = "pos:\t0\nflags:\t02100002\nmnt_id:\t26\nino:\t685\n"


@dataclass
class Opening:
    """A client of a card: the share of its time that each engine works for it."""

    bus: str
    number: int
    shares: dict[str, float]
    used_s: dict[str, float] = field(default_factory=dict)
    fds: list[tuple[int, int]] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        for engine, share in self.shares.items():
            self.used_s[engine] = self.used_s.get(engine, 0.0) + seconds * share


class Tree:
    """The files of one machine, rewritten as its time goes on."""

    def __init__(self, root: Path) -> None:
        self.proc, self.sys = root / "proc", root / "sys"
        self.ns = 0
        self.capacities: dict[str, int] = {}  # engines of a kind
        self.openings: dict[tuple[str, int], Opening] = {}
        self.process(OURS)
        self.process(1)
        self.file(1, 0, "/dev/null")
        (self.proc / "self").symlink_to(str(OURS))
        (self.proc / "stat").write_text("cpu  0 0 0 0 0 0 0 0\n")

    @property
    def settings(self) -> Settings:
        return Settings(path_procfs=str(self.proc), path_sysfs=str(self.sys), store="none", g_per_kwh=100.0)

    def board(self, bus: str) -> Path:
        device = self.sys / "bus" / "pci" / "drivers" / DRIVERS[bus] / bus
        device.mkdir(parents=True, exist_ok=True)
        return device

    def process(self, pid: int, parent: int = 0) -> None:
        for folder in ("fd", "fdinfo", f"task/{pid}"):
            (self.proc / str(pid) / folder).mkdir(parents=True)
        fields = " ".join(["S", str(parent), *["0"] * 15, "1", "0", str(pid + 77), *["0"] * 20])
        (self.proc / str(pid) / "stat").write_text(f"{pid} (a program) {fields}\n")
        (self.proc / str(pid) / "task" / str(pid) / "children").write_text("")
        if parent:
            children = self.proc / str(parent) / "task" / str(parent) / "children"
            children.write_text(f"{children.read_text()}{pid} ")

    def end(self, pid: int) -> None:
        shutil.rmtree(self.proc / str(pid))
        for opening in self.openings.values():
            opening.fds = [at for at in opening.fds if at[0] != pid]
        for children in self.proc.glob("*/task/*/children"):
            children.write_text("".join(f"{each} " for each in children.read_text().split() if each != str(pid)))

    def file(self, pid: int, fd: int, path: str) -> None:
        (self.proc / str(pid) / "fd" / str(fd)).symlink_to(path)
        (self.proc / str(pid) / "fdinfo" / str(fd)).write_text(FDINFO)

    def open(self, pid: int, bus: str, number: int = 1, fd: int = 5, **shares: float) -> None:
        """A process opens a card, or holds what was opened already."""
        opening = self.openings.setdefault((bus, number), Opening(bus, number, shares))
        opening.fds.append((pid, fd))
        self.file(pid, fd, "/dev/dri/renderD128")
        self.write(opening)

    def work(self, bus: str, number: int = 1, **shares: float) -> None:
        self.openings[bus, number].shares = shares

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)
        for opening in self.openings.values():
            opening.advance(seconds)
            self.write(opening)

    def write(self, opening: Opening) -> None:
        text = self.told(opening)
        for pid, fd in opening.fds:
            (self.proc / str(pid) / "fdinfo" / str(fd)).write_text(text)

    def told(self, opening: Opening) -> str:
        driver, of_cards = DRIVERS[opening.bus], f"drm-client-id:\t{opening.number}\ndrm-pdev:\t{opening.bus}\n"
        lines = [f"{FDINFO}drm-driver:\t{driver}\n{of_cards}drm-total-vram0:\t23992 KiB\ndrm-resident-vram0:\t0\n"]
        for engine in opening.shares | opening.used_s:
            seconds = opening.used_s.get(engine, 0.0)
            if driver == "xe":
                lines.append(f"drm-cycles-{engine}:\t{round(seconds * CLOCK_HZ)}\n")
                lines.append(f"drm-total-cycles-{engine}:\t{BOOTED + self.ns * CLOCK_HZ // 10**9}\n")
            else:
                lines.append(f"drm-engine-{engine}:\t{round(seconds * 1e9)} ns\n")
            if engine in self.capacities:
                lines.append(f"drm-engine-capacity-{engine}:\t{self.capacities[engine]}\n")
        return "".join(lines)

    def tell_load(self, bus: str, percent: int) -> None:
        (self.board(bus) / "gpu_busy_percent").write_text(f"{percent}\n")

    @property
    def kfd(self) -> Path:
        return self.sys / "class" / "kfd" / "kfd"

    def node(self, gpu_id: int, bus: str, units: int, partition: int = 0) -> None:
        """A GPU that ROCm can use, or a part of one."""
        node = self.kfd / "topology" / "nodes" / str(gpu_id)
        node.mkdir(parents=True)
        (node / "gpu_id").write_text(f"{gpu_id}\n")
        domain, place, rest = bus.split(":")
        location = int(place, 16) << 8 | int(rest[:2], 16) << 3 | partition << 28
        (node / "properties").write_text(
            f"cpu_cores_count 0\nsimd_count {4 * units}\nsimd_per_cu 4\nlocation_id {location}\n"
            f"domain {int(domain, 16)}\n"
        )

    def queue(self, pid: int, gpu_id: int, units: int | None) -> None:
        """A process computes through ROCm; `units` are those that it keeps now, if the GPU tells them."""
        process = self.kfd / "proc" / str(pid)
        (process / "queues" / "0").mkdir(parents=True, exist_ok=True)
        (process / "queues" / "0" / "gpuid").write_text(str(gpu_id))
        (process / f"stats_{gpu_id}").mkdir(exist_ok=True)
        if units is not None:
            (process / f"stats_{gpu_id}" / "cu_occupancy").write_text(f"{units}\n")
