"""RAPL, the energy counters of Intel and AMD processors, from the processor's registers themselves.

Read only where it is asked for by name, `--sensors rapl_msr,...`: the right to read registers is a right to far more
than energy. It is for machines whose kernel has neither energy events nor powercap zones.

## What it reads

`/dev/cpu/N/msr` of one CPU a package, on Intel a die: the unit (0x606, on AMD 0xC0010299), the package (0x611, on AMD
0xC001029B), and on Intel's servers the memory (0x619), whose unit is fixed there. Counters have 32 bits and start over,
after 131 s at 500 W on AMD.

## What it needs

Linux with the driver `msr` (`sudo modprobe msr`), root, and the capability `CAP_SYS_RAWIO`.

## How good it is

| counter | interval | renewed every |
|---|---|---|
| package | ±5 % | 1 ms |
| memory | ±10 % | 1 ms |

An edge of a window misses up to one such interval of power. Power supply, fans, disks and GPUs are not in it.

## When it is missing

| it says | do |
|---|---|
| is not there | `sudo modprobe msr` |
| this user may not read it | use `rapl_perf` or `rapl_powercap`, for which a user needs less |
| stands at 0 | a virtual machine: measure on the host, or let a model estimate |
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from carbonwatch.errors import SensorUnavailable
from carbonwatch.sensors import _rapl
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.settings import Settings

log = logging.getLogger(__name__)

# Intel SDM 4 and the kernel's msr-index.h: unit, then counters by kind
_INTEL = (0x606, {"package": 0x611, "dram": 0x619})
_AMD = (0xC001_0299, {"package": 0xC001_029B})
_BITS = 0xFFFF_FFFF
# Servers whose memory counts in 2**-16 J whatever the unit says (Linux, arch/x86/events/rapl.c): Haswell, Broadwell,
# Skylake, Ice Lake, Sapphire and Emerald Rapids, Knights Landing and Mill. Others' memory is not read here: a
# unit taken wrongly is wrong by 4.
_DRAM_BY_16 = {0x3F, 0x4F, 0x56, 0x55, 0x6A, 0x6C, 0x8F, 0xCF, 0x57, 0x85}
_DRAM_SHIFT = 16


def detect(settings: Settings, *, devices: str = "/dev/cpu") -> RaplMsr:
    """A meter of the packages, and of the memory where its unit is known."""
    described = _rapl.cpuinfo(settings.path_procfs)
    if not os.path.isdir(devices):
        raise SensorUnavailable(f"{devices} is not there.", "Load the driver: sudo modprobe msr")
    unit, registers = _INTEL if "GenuineIntel" in described else _AMD
    if not _rapl.has_rapl(described) or not described:
        raise SensorUnavailable("Only processors of Intel and AMD have RAPL's registers.")
    counters: list[_Register] = []
    for package, cpu in _packages(settings.path_sysfs, registers is _INTEL[1]).items():
        counters.extend(_opened(os.path.join(devices, str(cpu), "msr"), package, unit, registers, described))
    counting = [counter for counter in counters if counter.value()]
    rejected = {c.id: "never moves: its counter stands at 0, as in virtual machines" for c in counters if not c.value()}
    for counter in counters:
        if counter not in counting:
            counter.close()
    if not counting:
        raise SensorUnavailable(f"None of the registers below {devices} can be counted: each stands at 0.")
    return RaplMsr(counting, rejected)


class RaplMsr:
    """The registers that are counted, with their files kept open."""

    def __init__(self, registers: list[_Register], rejected: Mapping[str, str]) -> None:
        self.domains = tuple(
            _rapl.domain(r.id, r.kind, f"RAPL {r.id.removeprefix('rapl:')} (MSR 0x{r.address:X})", None)
            for r in registers
        )
        self.rejected = rejected
        self.failed: Mapping[str, str] = {}
        self._registers = registers

    def read(self, ns: int) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        failed: dict[str, str] = {}
        for register in self._registers:
            try:
                counts[register.id] = register.counter.advance(register.value(), ns)
            except OSError as error:
                failed[register.id] = f"MSR 0x{register.address:X} can't be read ({error.strerror or error})"
            else:
                if register.counter.doubt:
                    failed[register.id] = register.counter.doubt
        if failed and failed != self.failed:
            log.warning("RAPL registers with a gap: %s", failed)
        self.failed = failed
        return counts

    def close(self) -> None:
        registers, self._registers = self._registers, []
        for register in registers:
            register.close()


class _Register:
    """A counter of one package, with a descriptor of its own."""

    __slots__ = ("_fd", "address", "counter", "id", "kind")

    def __init__(self, path: str, package: str, kind: str, address: int, shift: int) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.kind, self.address = kind, address
        self.id = _rapl.domain_id(kind, package)
        power_w = _rapl.MAX_POWER_W[kind]
        self.counter = WrappingCounter(_BITS + 1, max_power_w=power_w, nj_per_tick=(10**9, 1 << shift))

    def value(self) -> int:
        """Ticks that the register shows. Raises OSError."""
        return read_register(self._fd, self.address) & _BITS

    def close(self) -> None:
        os.close(self._fd)


def read_register(fd: int, address: int) -> int:
    """A register's 64 bits. Raises OSError."""
    answer = os.pread(fd, 8, address)
    if len(answer) != 8:
        raise OSError(f"it gave {len(answer)} bytes instead of 8")
    return int.from_bytes(answer, "little")


def _opened(path: str, package: str, unit: int, registers: Mapping[str, int], described: str) -> list[_Register]:
    """A package's counters, open. Raises SensorUnavailable with what keeps them closed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            shift = read_register(fd, unit) >> 8 & 0x1F
        finally:
            os.close(fd)
        shifts = {"package": shift, "dram": _DRAM_SHIFT}
        wanted = [kind for kind in registers if kind != "dram" or _model(described) in _DRAM_BY_16]
        return [_Register(path, package, kind, registers[kind], shifts[kind]) for kind in wanted]
    except PermissionError as error:
        from carbonwatch import rights

        raise rights.SensorRefused(
            f"{path} is there, but this user may not read it. {_rapl.PLATYPUS}",
            worth={"cpu": _rapl.ERRORS["package"]},
            remedy="Leave rapl_msr out: rapl_perf and rapl_powercap need less (`carbonwatch doctor --fix`).",
        ) from error
    except OSError as error:
        raise SensorUnavailable(f"{path} can't be read ({error.strerror or error}).") from error


def _packages(path_sysfs: str, by_die: bool) -> dict[str, int]:
    """One CPU of each part that has registers of its own: a die on Intel, a package on AMD."""
    root = os.path.join(path_sysfs, "devices", "system", "cpu")
    try:
        cpus = sorted(int(name[3:]) for name in os.listdir(root) if name.startswith("cpu") and name[3:].isdigit())
    except OSError:
        cpus = []
    first: dict[tuple[str, str], int] = {}
    for cpu in cpus or [0]:
        package, die = _rapl.place(root, cpu)
        first.setdefault((package, die if by_die else ""), cpu)
    return {name: cpu for cpu, name in _rapl.places(root, list(first.values())).items()}


def _model(described: str) -> int:
    """The model's number within family 6: "model : 85"."""
    for line in described.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model" and value.strip().isdigit():
            return int(value)
    return -1
