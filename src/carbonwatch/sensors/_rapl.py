"""What RAPL's counters are and how good, whichever way they are read: by perf, by powercap or from the registers."""

from __future__ import annotations

import os

from carbonwatch.model import Component, Domain

COMPONENTS: dict[str, Component] = {"package": "cpu", "dram": "ram", "psys": "system"}

# Relative errors against meters. Package: studies of Haswell and later find up to 5 % (Khan et al., "RAPL in
# Action", ACM TOMPECS 2018). DRAM: measured from Haswell-EP on, right in trend with a constant offset, worst when
# idle (Desrochers, Paradis, Weaver, "A Validation of DRAM RAPL Power Measurements", MEMSYS 2016). psys: wired as
# the vendor liked, and nobody has published a figure: wide on purpose.
ERRORS = {"package": (-0.05, 0.05), "dram": (-0.10, 0.10), "psys": (-0.20, 0.20)}

# Registers are renewed every millisecond (Linux, Documentation/hwmon/amd_energy.rst; Intel SDM 3B, 15.10). Of psys
# nothing is published, and on some servers it counts whole joules.
PERIODS_S = {"package": 0.001, "dram": 0.001, "psys": 0.1}

# More than any part draws for long; tells a register that wrapped from one that was reset.
MAX_POWER_W = {"package": 1000, "dram": 1000, "psys": 10_000}

# With SGX switched on, Intel's processors blur their counters against PLATYPUS: noise, and rarer updates.
FILTERED = "filtered_rapl: SGX is on, so short windows are blurred"

# A counter that stands for so long does not count: those of packages move every millisecond, and a busy or idle one
# has used many of its ticks meanwhile; on some servers a tick of psys is a joule. Others are of chips that say nothing.
STILL_NS = {"package": 100_000_000, "dram": 100_000_000, "psys": 5_000_000_000, "other": 5_000_000_000}
STANDS_STILL = "it has not moved since the start, so nothing is known of its energy"

PLATYPUS = (
    "The kernel keeps energy counters from users because fast readings can betray what other programs compute "
    "(PLATYPUS, CVE-2020-8694)."
)


def domain_id(kind: str, package: str) -> str:
    """The same for the same counter, whichever way it is read: "rapl:package-0", "rapl:dram-0", "rapl:psys"."""
    return f"rapl:{package}" if kind == "package" else f"rapl:{kind}-{package.removeprefix('package-')}".rstrip("-")


def domain(id_: str, kind: str, source: str, within: str | None) -> Domain:
    """A counter as a domain."""
    return Domain(
        id_, COMPONENTS[kind], "measured", source, within=within, error=ERRORS[kind], period_s=PERIODS_S[kind]
    )


def cpuinfo(path_procfs: str) -> str:
    """The beginning of /proc/cpuinfo, in which the first processor describes itself; empty if it can't be read."""
    try:
        with open(os.path.join(path_procfs, "cpuinfo"), encoding="ascii", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""


def is_virtual(described: str) -> bool:
    """Whether the processor says that a hypervisor runs below it."""
    return " hypervisor" in described


def is_filtered(described: str) -> bool:
    """Whether the processor blurs its counters."""
    return " sgx" in described


def has_rapl(described: str) -> bool:
    """Whether the processor is of a make that has these counters; a machine that says nothing may have them."""
    return not described or any(make in described for make in ("GenuineIntel", "AuthenticAMD", "HygonGenuine"))


def place(topology: str, cpu: int) -> tuple[str, str]:
    """Numbers of the package and the die that a CPU is on, as /sys/devices/system/cpu has them."""
    folder = os.path.join(topology, f"cpu{cpu}", "topology")
    return _text(folder, "physical_package_id") or "0", _text(folder, "die_id") or "0"


def places(topology: str, cpus: list[int]) -> dict[int, str]:
    """Names of the parts that these CPUs stand for, as powercap has them: "package-0", "package-0-die-1"."""
    found = {cpu: place(topology, cpu) for cpu in cpus}
    by_die = len({package for package, _ in found.values()}) < len(cpus)
    return {cpu: f"package-{package}" + (f"-die-{die}" if by_die else "") for cpu, (package, die) in found.items()}


def _text(*parts: str) -> str:
    try:
        with open(os.path.join(*parts), encoding="ascii", errors="replace") as file:
            return file.read(64).strip()
    except OSError:
        return ""


class Stillness:
    """Tells a counter that counts from one that stands still, by its first values."""

    __slots__ = ("_first", "_first_ns", "_longest_ns", "_moves")

    def __init__(self, kind: str) -> None:
        self._longest_ns = STILL_NS.get(kind, 0)
        self._first: int | None = None
        self._first_ns = 0
        self._moves = False

    def lasts(self, value: int, ns: int) -> bool:
        """Whether it has stood still from its first value on for longer than any counter does."""
        if self._moves:
            return False
        if self._first is None:
            self._first, self._first_ns = value, ns
        self._moves = value != self._first
        return not self._moves and ns - self._first_ns >= self._longest_ns
