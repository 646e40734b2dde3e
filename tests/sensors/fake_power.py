"""The event source `power` of a machine, in files, made of the kernel's own software events: 1 W a CPU, for certain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SOFTWARE = 1  # the type of the kernel's software events, of which 0 is the CPU's clock in nanoseconds
CLOCK = "event=0x00"
RAPL_SCALE = "2.3283064365386962890625e-10"
ONE_WATT = "1e-9"

Events = Mapping[str, tuple[str, str]]  # name -> (number, scale)
ONE: Events = {"energy-pkg": (CLOCK, ONE_WATT), "energy-ram": (CLOCK, "5e-10")}
SERVER: Events = {"energy-pkg": ("event=0x02", RAPL_SCALE), "energy-ram": ("event=0x03", RAPL_SCALE)}
CLIENT: Events = {
    "energy-cores": ("event=0x01", RAPL_SCALE),
    "energy-pkg": ("event=0x02", RAPL_SCALE),
    "energy-gpu": ("event=0x04", RAPL_SCALE),
    "energy-psys": ("event=0x05", RAPL_SCALE),
}


def write_power(
    root: Path,
    events: Events = ONE,
    *,
    cpus: str = "0",
    places: Mapping[int, tuple[int, int]] | None = None,  # CPU -> package and die
    kind: int = SOFTWARE,
    unit: str = "Joules",
    source: str = "power",
) -> Path:
    """Writes it below a /sys of its own, which it gives."""
    folder = root / "bus" / "event_source" / "devices" / source
    (folder / "events").mkdir(parents=True, exist_ok=True)
    (folder / "type").write_text(f"{kind}\n")
    (folder / "cpumask").write_text(f"{cpus}\n")
    for name, (number, scale) in events.items():
        (folder / "events" / name).write_text(f"{number}\n")
        (folder / "events" / f"{name}.scale").write_text(f"{scale}\n")
        (folder / "events" / f"{name}.unit").write_text(f"{unit}\n")
    for cpu, (package, die) in (places or {0: (0, 0)}).items():
        topology = root / "devices" / "system" / "cpu" / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True, exist_ok=True)
        (topology / "physical_package_id").write_text(f"{package}\n")
        (topology / "die_id").write_text(f"{die}\n")
    return root
