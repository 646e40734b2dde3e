"""RAPL, the energy counters of Intel and AMD processors, through the kernel's powercap files.

Folders do not say what holds what: psys > package > core, uncore; DRAM stands beside its package although its folder is
inside; MMIO zones, and per-die zones of AMD on kernels 6.10 and 6.11, show counters that are there already. What is not
counted is rejected with its reason, which `carbonwatch doctor` shows.

## What it reads

`energy_uj` of each zone below `/sys/class/powercap/intel-rapl*`, on AMD too: packages and their memory, and with
`prefer_psys` the platform. Files stay open, and all are read within a fraction of a millisecond, also beside a busy
program. Steps are added up as whole microjoules; a register that starts over loses nothing as long as it is read once
in its round (at 500 W: 131 s on AMD, 8.7 min on Intel).

## What it needs

Linux with the driver `intel_rapl_msr` (also for AMD, from 5.8 on), and the right to read the files, which are root's
alone.

## How good it is

| zone | interval | renewed every |
|---|---|---|
| package | ±5 % | 1 ms |
| dram | ±10 %; servers show 0.27 % more than they count | 1 ms |
| psys | ±20 % | not published: 0.1 s is taken |

An edge of a window misses up to one such interval of power. Power supply, fans, disks and GPUs are not in it. With SGX
switched on, the processor blurs its counters, and the domain's source says so.

## When it is missing

| it says | do |
|---|---|
| this user may not read it | `carbonwatch doctor --fix`, or once: `sudo carbonwatch grant` |
| this machine has no RAPL | on a processor of Intel or AMD: load the driver |
| hidden, as in containers | mount the host's `/sys` |
| stand still at 0 | a virtual machine: measure on the host, or let a model estimate |

A zone that goes away during a run, is set back or can't be read leaves a gap with its reason. A failed read loses
nothing: the next one steps from the last value that was seen.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Mapping
from typing import NamedTuple

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sensors import _lattice, _rapl
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.sensors._kernel import Reader

log = logging.getLogger(__name__)

_WORTH = {"cpu": _rapl.ERRORS["package"], "ram": _rapl.ERRORS["dram"]}
_NO_RANGE_NJ = 1 << 64  # no known end: a step back is then never a wrap
_MIRROR_WAIT_NS = 5_000_000  # counters move every 1 ms
_RECHECK_NS = NS_PER_S
_STALE = (errno.ENODEV, errno.ENOENT, errno.ESTALE, errno.EBADF)

_MOUNT_SYS = (
    "Start the container with the host's /sys, as in `docker run -v /sys:/host/sys:ro`, "
    "and set CARBONWATCH_PATH_SYSFS=/host/sys."
)


def detect(settings: Settings) -> RaplPowercap:
    """A meter of the packages and their memory, or of the whole platform with the setting prefer_psys."""
    root = os.path.join(settings.path_sysfs, "class", "powercap")
    zones = _zones(root, settings)
    from carbonwatch.sensors._kernel import Reader  # loads ctypes: not before there is something to read

    search = _Search(zones, settings.path_grants, Reader())
    search.open_registers()
    search.drop_mirrors()
    search.settle_psys(settings.prefer_psys)
    if not search.registers:
        raise search.unavailable(root)
    search.warn_of_missing_packages()
    doubt = _rapl.FILTERED if _rapl.is_filtered(_rapl.cpuinfo(settings.path_procfs)) else ""
    return RaplPowercap(search.registers, search.rejected, doubt)


class RaplPowercap:
    """The zones that are counted, with their files kept open."""

    def __init__(self, registers: list[_Register], rejected: Mapping[str, str], doubt: str = "") -> None:
        holds_all = next((r.id for r in registers if r.zone.kind == "psys"), None)
        self.domains = tuple(_domain(r, holds_all, doubt) for r in registers)
        self.rejected = rejected
        self.failed: Mapping[str, str] = {}
        self._registers = registers
        self._checked_ns = -_RECHECK_NS

    def read(self, ns: int) -> Mapping[str, int]:
        if ns - self._checked_ns >= _RECHECK_NS:
            self._recheck(ns)
        counts: dict[str, int] = {}
        failed: dict[str, str] = {}
        for register, seen in [(register, register.look()) for register in self._registers]:  # reads close together
            try:
                counts[register.id] = register.count(seen, ns)
            except (OSError, ValueError) as error:
                failed[register.id] = register.reason(error)
            else:
                if register.counter.doubt:
                    failed[register.id] = register.counter.doubt
        if failed and failed != self.failed:
            log.warning("RAPL zones with a gap: %s", failed)
        self.failed = failed
        return counts

    def descriptors(self) -> dict[str, list[int]]:
        """What is open, for a process that may not open it."""
        return {register.key: [register.fd] for register in self._registers}

    def close(self) -> None:
        for register in self._registers:
            register.drop()
        self._registers = []

    def _recheck(self, ns: int) -> None:
        self._checked_ns = ns
        for register in self._registers:
            register.renew()


def modulus_nj(range_uj: int) -> int:
    """Where a register starts over: its greatest value and one unit more.

    The greatest value is 2**32 - 1 units, in microjoules rounded down; drivers' units are whole nanojoules.
    """
    unit_nj = -(-range_uj * 1000 // 0xFFFF_FFFF)
    if unit_nj * 0xFFFF_FFFF // 1000 == range_uj:
        return unit_nj << 32
    return (range_uj + 1) * 1000


class _Zone(NamedTuple):
    """A folder of powercap that has a name."""

    folder: str  # "intel-rapl:0:1": numbers are hexadecimal
    path: str
    name: str  # "package-0", "dram"
    package: str  # name of the package that it is in or is: "package-0-die-1"; "" for psys

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]

    @property
    def id(self) -> str:
        number = self.package.removeprefix("package-")
        return f"rapl:{self.name}" if self.package in ("", self.name) else f"rapl:{self.name}-{number}"

    @property
    def socket(self) -> str:
        return "-".join(self.package.split("-")[:2])

    @property
    def mmio(self) -> bool:
        return self.folder.startswith("intel-rapl-mmio")


class _Register:
    """A zone's energy_uj, kept open: a read is then one system call."""

    __slots__ = ("_file", "_identity", "_lost", "_path_grants", "_reader", "_stillness", "counter", "fd", "id", "zone")

    def __init__(self, zone: _Zone, id_: str, path_grants: str, reader: Reader) -> None:
        self.zone = zone
        self.id = id_
        self.counter = WrappingCounter(_modulus_nj(zone), max_power_w=_rapl.MAX_POWER_W[zone.kind])
        self._stillness = _rapl.Stillness(zone.kind)
        self._path_grants = path_grants
        self._reader = reader
        self._file = os.path.join(zone.path, "energy_uj")
        self.fd = -1
        self._identity = (0, 0)
        self._lost = ""  # why there is no open file, or the last read failed
        self._open()

    @property
    def key(self) -> str:
        """What names it between processes of one machine."""
        return f"file:{os.path.realpath(self._file)}"

    def look(self) -> bytes | OSError:
        """What the file shows, to be understood once all files have been looked at."""
        try:
            return self._reader.pread(self.fd)
        except OSError as error:
            return error

    def value_nj(self, seen: bytes | OSError | None = None) -> int:
        """What the register shows, or showed. Raises OSError, or ValueError with the reason where that is no number."""
        seen = self.look() if seen is None else seen
        if isinstance(seen, OSError):
            raise seen
        try:
            value_uj = int(seen)
        except ValueError:
            value_uj = -1
        if value_uj < 0:
            raise ValueError(f"{self._file} shows no number")
        return value_uj * 1000

    def count(self, seen: bytes | OSError, ns: int) -> int:
        value_nj = self.value_nj(seen)
        if self._stillness.lasts(value_nj, ns):
            raise ValueError(_rapl.STANDS_STILL)
        return self.counter.advance(value_nj, ns)

    def reason(self, error: OSError | ValueError) -> str:
        """Why a read failed, as a sentence; lets go of a file that will not come back."""
        if isinstance(error, ValueError):
            return str(error)
        if self.fd >= 0:
            self._lost = f"{self._file} can't be read ({error.strerror})"
            if error.errno in _STALE:
                self.drop()
        return self._lost

    def renew(self) -> None:
        """Opens the file again if it was replaced, or went and came back."""
        if self.fd >= 0 and not self._is_current():
            self.drop()
        if self.fd < 0:
            try:
                self._open()
            except OSError as error:
                self._lost = f"{self._file} can't be opened ({error.strerror})"

    def drop(self) -> None:
        """Closes the file, unless its number was closed by somebody else and is another file's by now."""
        fd, self.fd = self.fd, -1
        try:
            if fd >= 0 and _identity(os.fstat(fd)) == self._identity:
                os.close(fd)
        except OSError:
            pass  # closed by somebody else

    def _open(self) -> None:
        self.fd = self._open_or_take()
        self._lost = ""
        self._identity = _identity(os.fstat(self.fd))

    def _open_or_take(self) -> int:
        try:
            return os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError:
            from carbonwatch.sensors import _granted

            granted = _granted.take(self._path_grants, self.key)
            if not granted:
                raise
            return granted[0]

    def _is_current(self) -> bool:
        """Whether the number is still of that file, and the file has its name: after a failure, that very one."""
        try:
            status = os.fstat(self.fd)
            named = os.stat(self._file) if self._lost else status
        except OSError as error:
            self._lost = f"{self._file} is gone ({error.strerror})"
            return False
        return _identity(named) == self._identity == _identity(status) and status.st_nlink > 0


class _Search:
    """Sorts zones into registers that are counted and others that are rejected, each with its reason."""

    def __init__(self, zones: list[_Zone], path_grants: str, reader: Reader) -> None:
        self._zones = zones
        self._path_grants = path_grants
        self._reader = reader
        self._why_not: dict[_Zone, str] = {}
        self._unreadable: dict[_Zone, OSError | None] = {}
        self._standing_still: list[_Zone] = []
        self.registers: list[_Register] = []

    @property
    def rejected(self) -> dict[str, str]:
        taken = {r.id for r in self.registers}
        rejected: dict[str, str] = {}
        for zone, reason in self._why_not.items():
            rejected[_free_id(zone, taken | rejected.keys())] = reason
        return rejected

    def open_registers(self) -> None:
        for zone in self._zones:
            if zone.kind not in _rapl.COMPONENTS:
                inside = _lattice.holds("package", zone.kind)
                self._why_not[zone] = f"inside {zone.package}" if inside else f"{zone.name!r} is no kind of zone known"
            elif zone.mmio and any(r.zone.id == zone.id for r in self.registers):
                self._why_not[zone] = f"{zone.id} once more, through memory-mapped registers"
            else:
                self._open(zone)

    def drop_mirrors(self) -> None:
        for mirror, original in _mirrors(self.registers).items():
            self._reject(mirror, f"shows the counter of {original.id} once more")

    def settle_psys(self, preferred: bool) -> None:
        """One platform domain if preferred, else none: its count already holds the packages'."""
        platforms = [r for r in self.registers if r.zone.kind == "psys"]
        packages = [r.zone.name for r in self.registers if r.zone.kind == "package"]
        for register in platforms[1:] if preferred else platforms:
            if preferred:
                self._reject(register, f"nothing says whether it adds to {platforms[0].id} or shows the same")
            else:
                contents = ", ".join(packages) or "the packages"
                self._reject(register, f"contains {contents}; counted instead of them with prefer_psys")
        if preferred and not platforms:
            log.warning("prefer_psys is set, but no psys zone can be read here: packages are counted")

    def warn_of_missing_packages(self) -> None:
        counted = {r.zone.id for r in self.registers}
        missing = [z for z in self._unreadable if z.kind == "package" and z.id not in counted]
        if missing and not any(r.zone.kind == "psys" for r in self.registers):
            log.warning(
                "%s can't be read: their energy is missing from every number of this run (%s)",
                ", ".join(zone.name for zone in missing),
                self._why_not[missing[0]],
            )

    def unavailable(self, root: str) -> SensorUnavailable:
        """Why nothing is left to count, and what to do about it."""
        for zone, error in self._unreadable.items():
            if isinstance(error, PermissionError):
                return _not_permitted(os.path.join(zone.path, "energy_uj"))
        if self._standing_still:
            return SensorUnavailable(
                f"The RAPL counters below {root} stand still at 0, as they do in virtual machines: measure on the "
                "host, or let a model estimate."
            )
        reasons = "; ".join(f"{zone.id}: {reason}" for zone, reason in self._why_not.items())
        return SensorUnavailable(f"None of the RAPL zones below {root} can be counted ({reasons}).")

    def _open(self, zone: _Zone) -> None:
        try:
            register = _Register(zone, _free_id(zone, {r.id for r in self.registers}), self._path_grants, self._reader)
        except OSError as error:
            self._note_unreadable(zone, error)
            return
        try:
            value_nj = register.value_nj()
        except (OSError, ValueError) as error:
            register.drop()
            self._note_unreadable(zone, error)
            return
        self.registers.append(register)
        if value_nj == 0:
            self._standing_still.append(zone)
            self._reject(register, "never moves: its counter stands at 0, as in virtual machines")

    def _note_unreadable(self, zone: _Zone, error: OSError | ValueError) -> None:
        self._unreadable[zone] = error if isinstance(error, OSError) else None
        why = error.strerror if isinstance(error, OSError) else "it shows no number"
        missing = f", so the energy of {zone.name} is missing" if zone.kind == "package" else ""
        self._why_not[zone] = f"{zone.path}/energy_uj can't be read ({why}){missing}"

    def _reject(self, register: _Register, reason: str) -> None:
        register.drop()
        self.registers.remove(register)
        self._why_not[register.zone] = reason


def _domain(register: _Register, holds_all: str | None, doubt: str) -> Domain:
    zone = register.zone
    label = zone.name if zone.package in ("", zone.name) else f"{zone.name} of {zone.package}"
    ways = ", ".join(filter(None, ("powercap", "MMIO" if zone.mmio else "")))
    source = f"RAPL {label} ({ways}{f'; {doubt}' if doubt else ''})"
    return _rapl.domain(register.id, zone.kind, source, holds_all if register.id != holds_all else None)


def _free_id(zone: _Zone, taken: set[str]) -> str:
    return f"{zone.id} ({zone.folder})" if zone.id in taken else zone.id


def _zones(root: str, settings: Settings) -> list[_Zone]:
    """Every zone below the folder, linked or nested: packages before their children, MMIO last."""
    try:
        folders = _folders(root)
    except PermissionError as error:
        raise _not_permitted(root) from error
    except OSError as error:
        raise _no_rapl(f"{root} is not there", settings) from error
    names = {folder: name for folder, path in folders.items() if (name := _text(os.path.join(path, "name")))}
    if folders and not names:
        raise SensorUnavailable(f"{root} lists RAPL zones, but they are hidden, as in containers.", _MOUNT_SYS)
    if not names:
        raise _no_rapl(f"{root} has no RAPL zones", settings)
    order = sorted(names, key=lambda folder: ("mmio" in folder, folder.count(":"), len(folder), folder))
    return [_Zone(folder, folders[folder], names[folder], _package(folder, names)) for folder in order]


def _no_rapl(why: str, settings: Settings) -> SensorUnavailable:
    described = _rapl.cpuinfo(settings.path_procfs)
    if _rapl.is_virtual(described):
        return SensorUnavailable(f"{why}: virtual machines mostly have no RAPL.")
    if not _rapl.has_rapl(described):
        return SensorUnavailable(f"{why}: RAPL is a thing of Intel's and AMD's processors.")
    if os.path.isdir(os.path.join(settings.path_sysfs, "bus", "event_source", "devices", "power")):
        return SensorUnavailable(f"{why}: the kernel offers RAPL as events alone, which rapl_perf reads.")
    from carbonwatch import rights

    return rights.Mendable(f"{why}, so this machine has no RAPL.", rights.LOAD_THE_DRIVER, _WORTH)


def _folders(root: str) -> dict[str, str]:
    """Paths of zones by folder name. The control types (intel-rapl, intel-rapl-mmio) hold zones and are none."""
    found: dict[str, str] = {}
    level = [root]
    while level:
        entries = [(name, os.path.join(path, name)) for path in level for name in _rapl_entries(path, path == root)]
        entries = [(name, path) for name, path in entries if name not in found]
        found.update(entries)
        level = [found[name] for name, _ in entries]
    return {name: path for name, path in found.items() if ":" in name}


def _rapl_entries(path: str, must_exist: bool) -> list[str]:
    try:
        return [name for name in os.listdir(path) if name.startswith("intel-rapl")]
    except OSError:
        if must_exist:
            raise
        return []


def _package(folder: str, names: Mapping[str, str]) -> str:
    """Name of the package that a zone is or is in."""
    while folder in names:
        if names[folder].startswith("package"):
            return names[folder]
        folder = folder.rpartition(":")[0]
    return ""


def _mirrors(registers: list[_Register]) -> dict[_Register, _Register]:
    """Registers that show another one's counter, by value: the same twice, the second time after a step.

    Only zones of one socket are compared, so that two sockets are never taken for one.
    """
    suspects: dict[_Register, _Register] = {}
    for position, register in enumerate(registers):
        for earlier in registers[:position]:
            if earlier not in suspects and _one_place(earlier, register) and _equal_now(earlier, register):
                suspects[register] = earlier
                break
    deadline_ns = time.monotonic_ns() + _MIRROR_WAIT_NS
    for original in dict.fromkeys(suspects.values()):
        _await_step(original, deadline_ns)
    return {mirror: original for mirror, original in suspects.items() if _equal_now(original, mirror)}


def _one_place(one: _Register, other: _Register) -> bool:
    return one.zone.kind == other.zone.kind and one.zone.socket == other.zone.socket != ""


def _equal_now(one: _Register, other: _Register) -> bool:
    """Whether both show the same, with no step in between."""
    for _ in range(5):
        before, value, after = _peek(one), _peek(other), _peek(one)
        if before == after:
            return before is not None and value == before
    return False


def _await_step(register: _Register, deadline_ns: int) -> None:
    first = _peek(register)
    while time.monotonic_ns() < deadline_ns and _peek(register) == first:
        time.sleep(0.0002)


def _peek(register: _Register) -> int | None:
    try:
        return register.value_nj()
    except (OSError, ValueError):
        return None


def _not_permitted(path: str) -> SensorUnavailable:
    from carbonwatch import rights

    reason = f"{path} is there, but this user may not read it. {_rapl.PLATYPUS}"
    return rights.SensorRefused(reason, rights.POWERCAP_FOR_A_GROUP, _WORTH)


def _modulus_nj(zone: _Zone) -> int:
    text = _text(os.path.join(zone.path, "max_energy_range_uj"))
    return modulus_nj(int(text)) if text.isdigit() and int(text) else _NO_RANGE_NJ


def _text(path: str, size: int = 64) -> str:
    """The beginning of a file; empty if it can't be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(size).strip()
    except OSError:
        return ""


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
