"""RAPL, the energy counters of Intel and AMD processors, through the kernel's perf events.

The better way to RAPL where it is open: the kernel adds up the registers in 64 bits, so that nothing wraps; units are
exact, also the memory's, which powercap shows 0.27 % too high on servers; and the counters of a processor are read in
one system call.

## What it reads

Of the event source `power` in `/sys/bus/event_source/devices`: each package (`energy-pkg`), its memory (`energy-ram`)
where the processor counts it, and with `prefer_psys` the platform (`energy-psys`). `energy-cores`, `energy-gpu` and the
source `power_core` are inside the package and not added. One group of events per package, on the CPU that the
kernel names; scale and unit as the kernel tells them.

## What it needs

Linux on a processor of its own: virtual machines have no such source. A user needs the capability `CAP_PERFMON`, or
`kernel.perf_event_paranoid` at 0 or below, or descriptors from `sudo carbonwatch grant`. Where that is refused,
`rapl_powercap` reads the same registers, and the two are never added.

## How good it is

| counter | interval | renewed every |
|---|---|---|
| package | ±5 % | 1 ms |
| memory | ±10 % | 1 ms |
| platform (psys) | ±20 % | not published: 0.1 s is taken |

An edge of a window misses up to one such interval of power. Power supply, fans, disks and GPUs are not in it. With SGX
switched on, the processor blurs its counters, and the domain's source says so.

## When it is missing

| it says | do |
|---|---|
| is not there | nothing: `rapl_powercap` is tried next |
| this user may not open them | `sudo carbonwatch grant`, or powercap's files for a group: `carbonwatch doctor --fix` |
| the same, in a container | `docker run --cap-add PERFMON` (Docker 23 or later) |
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping

from carbonwatch import perf
from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.sensors._counter import WrappingCounter

log = logging.getLogger(__name__)

Opener = Callable[[int, int, tuple[int, ...]], list[int]]  # (type of the source, CPU, events) -> descriptors

_KINDS = {
    "energy-pkg": "package",
    "energy-ram": "dram",
    "energy-psys": "psys",
    "energy-cores": "core",
    "energy-gpu": "uncore",
}
_NO_WRAP = 1 << 64
_GROUP = 8  # perf_event_attr's read_format: how many events there are, then the value of each
_RECHECK_NS = 1_000_000_000


def detect(settings: Settings, *, open_group: Opener | None = None) -> RaplPerf:
    """A meter of the packages and their memory, or of the whole platform with the setting prefer_psys."""
    root = os.path.join(settings.path_sysfs, "bus", "event_source", "devices")
    if not os.path.exists(os.path.join(root, "power", "type")):
        raise SensorUnavailable(f"{root}/power is not there: the kernel offers no energy events.")
    from carbonwatch.sensors import _rapl

    described = _rapl.cpuinfo(settings.path_procfs)
    try:
        offered = _events(root)
    except ValueError as error:
        raise SensorUnavailable(f"{root}/power does not describe its events as the kernel does ({error}).") from error
    events, rejected = _choose(offered, settings.prefer_psys)
    if os.path.exists(os.path.join(root, "power_core", "type")):
        rejected["rapl:core (power_core)"] = "each core's part, inside the packages"
    events, mirrors = _without_mirrors(events, "GenuineIntel" not in described and bool(described))
    rejected.update(mirrors)
    events = sorted(events, key=lambda event: (event.cpu, list(_KINDS).index(event.name)))
    try:
        groups = _groups(events, open_group or _opener(settings.path_grants))
    except OSError as error:
        raise _refused(root, error, settings) from error
    if not groups:
        raise SensorUnavailable(f"None of the events of {root}/power can be counted ({_sentence(rejected)}).")
    return RaplPerf(groups, rejected, _rapl.FILTERED if _rapl.is_filtered(described) else "")


class RaplPerf:
    """The events that are counted, in groups that stay open."""

    def __init__(self, groups: list[_Group], rejected: Mapping[str, str], doubt: str = "") -> None:
        from carbonwatch.sensors import _kernel

        events = [event for group in groups for event in group.events]
        platform = next((event.id for event in events if event.kind == "psys"), None)
        self.domains = tuple(_domain(event, platform, doubt) for event in events)
        self.rejected = rejected
        self.failed: Mapping[str, str] = {}
        self._groups = groups
        self._reader = _kernel.Reader(8 * (1 + max(len(group.events) for group in groups)))
        self._checked_ns = -_RECHECK_NS

    def read(self, ns: int) -> Mapping[str, int]:
        if ns - self._checked_ns >= _RECHECK_NS:
            self._recheck(ns)
        counts: dict[str, int] = {}
        failed: dict[str, str] = {}
        seen = [self._values(group, failed) for group in self._groups]  # first all reads, close together
        for group, values in zip(self._groups, seen, strict=True):
            for event, value in zip(group.events, values, strict=False):
                if event.stillness.lasts(value, ns):
                    failed[event.id] = event.still
                    continue
                counts[event.id] = event.counter.advance(value, ns)
                if event.counter.doubt:
                    failed[event.id] = event.counter.doubt
        if failed and failed != self.failed:
            log.warning("RAPL events with a gap: %s", failed)
        self.failed = failed
        return counts

    def descriptors(self) -> dict[str, list[int]]:
        """What is open, for a process that may not open it."""
        return {group.key: group.fds for group in self._groups}

    def close(self) -> None:
        for group in self._groups:
            group.drop()
        self._groups = []

    def _values(self, group: _Group, failed: dict[str, str]) -> tuple[int, ...]:
        try:
            return group.values(self._reader.read(group.fd))
        except OSError as error:
            for event in group.events:
                failed[event.id] = f"{event.name} can't be read ({error.strerror or error})"
            return ()

    def _recheck(self, ns: int) -> None:
        self._checked_ns = ns
        for group in self._groups:
            group.renew(any(event.id in self.failed for event in group.events))


class _Event:
    """One counter of one package, as the kernel offers it."""

    __slots__ = ("config", "counter", "cpu", "id", "kind", "name", "nj_per_tick", "package", "source", "still",
                 "stillness", "unit")  # fmt: skip

    def __init__(self, source: int, name: str, config: int, cpu: int, package: str, scale: str, unit: str) -> None:
        from carbonwatch.sensors import _rapl
        from carbonwatch.sensors._counter import WrappingCounter

        self.source, self.name, self.config, self.cpu, self.unit = source, name, config, cpu, unit
        self.kind = _KINDS[name]
        self.package = package
        self.id = _rapl.domain_id(self.kind, "" if self.kind == "psys" else package)
        self.nj_per_tick = nj_per_tick(scale)
        power_w = _rapl.MAX_POWER_W.get(self.kind, 1000)
        self.counter: WrappingCounter = WrappingCounter(_NO_WRAP, max_power_w=power_w, nj_per_tick=self.nj_per_tick)
        self.stillness = _rapl.Stillness(self.kind)
        self.still = _rapl.STANDS_STILL


class _Group:
    """Events of one source on one CPU, read together."""

    def __init__(self, events: list[_Event], open_group: Opener) -> None:
        from struct import Struct

        self.events = events
        self._shape = Struct(f"={1 + len(events)}Q")
        self._open_group = open_group
        self.fds: list[int] = []
        self._open()

    @property
    def fd(self) -> int:
        """The leader's, which answers for all; -1 if it is lost."""
        return self.fds[0] if self.fds else -1

    @property
    def key(self) -> str:
        """What names it between processes of one machine."""
        first = self.events[0]
        return key(first.source, first.cpu, tuple(event.config for event in self.events))

    def values(self, answer: bytes) -> tuple[int, ...]:
        """How many events there are, then the value of each, from what the leader gave."""
        if len(answer) != self._shape.size:
            raise OSError(f"its answer has {len(answer)} bytes instead of {self._shape.size}")
        values: tuple[int, ...] = self._shape.unpack(answer)
        if values[0] != len(self.events):
            raise OSError(f"its answer is of {values[0]} events instead of {len(self.events)}")
        return values[1:]

    def renew(self, failed: bool) -> None:
        """Opens the events again if somebody closed them; they begin anew, from 0. All is well if the leader is."""
        if self.fds and not all(_is_event(fd) for fd in (self.fds if failed else self.fds[:1])):
            self.drop()
        if not self.fds:
            try:
                self._open()
            except OSError as error:
                log.debug("%s can't be opened again: %s", self.events[0].name, error)
            for event in self.events:
                event.counter.forget()

    def drop(self) -> None:
        """Closes the events, but no other file that has taken a number over."""
        fds, self.fds = self.fds, []
        for fd in fds:
            if _is_event(fd):
                os.close(fd)

    def _open(self) -> None:
        first = self.events[0]
        self.fds = self._open_group(first.source, first.cpu, tuple(event.config for event in self.events))


def key(source: int, cpu: int, configs: Iterable[int]) -> str:
    """The name of a group of events when its descriptors are handed over."""
    return f"perf:{source}:{cpu}:{','.join(map(str, configs))}"


def open_events(source: int, cpu: int, configs: tuple[int, ...]) -> list[int]:
    """Descriptors of a group of events, the leader's first. Raises OSError."""
    fds: list[int] = []
    try:
        for config in configs:
            fds.append(perf.open_event(source, config, cpu=cpu, leader=fds[0] if fds else -1, read_format=_GROUP))
    except OSError:
        for fd in fds:
            os.close(fd)
        raise
    return fds


def nj_per_tick(scale: str) -> tuple[int, int]:
    """A decimal number of joules as an exact fraction of nanojoules: 2.3283064365386962890625e-10 is 10**9 / 2**32."""
    mantissa, _, exponent = scale.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    digits, power = int(whole + decimals), int(exponent or 0) - len(decimals) + 9
    numerator, denominator = digits * 10 ** max(0, power), 10 ** max(0, -power)
    shared = math.gcd(numerator, denominator)
    if numerator <= 0:
        raise ValueError(scale)
    return numerator // shared, denominator // shared


def _opener(path_grants: str) -> Opener:
    """Opens events, or takes them from `carbonwatch grant` where this user may not."""

    def open_group(source: int, cpu: int, configs: tuple[int, ...]) -> list[int]:
        try:
            return open_events(source, cpu, configs)
        except PermissionError:
            from carbonwatch.sensors import _granted

            granted = _granted.take(path_grants, key(source, cpu, configs))
            if not granted:
                raise
            return granted

    return open_group


def _groups(events: list[_Event], open_group: Opener) -> list[_Group]:
    """Events of a source and a CPU together; each for itself where the kernel takes no group."""
    groups: list[_Group] = []
    try:
        for place in dict.fromkeys((event.source, event.cpu) for event in events):
            together = [event for event in events if (event.source, event.cpu) == place]
            try:
                groups.append(_Group(together, open_group))
            except OSError:
                if len(together) == 1:
                    raise
                groups.extend(_Group([event], open_group) for event in together)
    except OSError:
        for group in groups:
            group.drop()
        raise
    return groups


def _events(root: str) -> list[_Event]:
    """All that the kernel offers, on each CPU that it names for it."""
    from carbonwatch.sensors import _rapl

    topology = os.path.join(root, "..", "..", "..", "devices", "system", "cpu")
    folder = os.path.join(root, "power")
    source, cpus = int(_text(folder, "type")), _cpus(_text(folder, "cpumask"))
    places = _rapl.places(topology, cpus)
    found: list[_Event] = []
    for name in _KINDS:
        config = _config(_text(folder, "events", name))
        scale, unit = _text(folder, "events", f"{name}.scale"), _text(folder, "events", f"{name}.unit")
        if config is not None:
            found.extend(_Event(source, name, config, cpu, places[cpu], scale, unit) for cpu in cpus)
    return found


def _choose(events: list[_Event], prefer_psys: bool) -> tuple[list[_Event], dict[str, str]]:
    """The events to count, and why not the others."""
    from carbonwatch.sensors import _lattice

    joules = [event for event in events if event.unit == "Joules"]
    rejected = {event.id: f"its unit is {event.unit!r}, not Joules" for event in events if event not in joules}
    wanted = ("package", "dram", "psys") if prefer_psys else ("package", "dram")
    present = {event.kind for event in joules}
    for event in joules:
        outer = _lattice.holder(event.kind, present & set(wanted))
        if event.kind == "psys" and not prefer_psys:
            rejected[event.id] = "contains the packages; counted instead of them with prefer_psys"
        elif event.kind not in wanted:
            rejected[event.id] = f"inside {event.package}" if outer else f"no {event.package} is counted beside it"
    return _first_psys([event for event in joules if event.kind in wanted]), rejected


def _first_psys(events: list[_Event]) -> list[_Event]:
    """There is one platform, whatever the number of packages that show it."""
    first = next((event for event in events if event.kind == "psys"), None)
    return [event for event in events if event.kind != "psys" or event is first]


def _without_mirrors(events: list[_Event], per_socket: bool) -> tuple[list[_Event], dict[str, str]]:
    """Each register once: AMD has one a socket, which some kernels (6.10, 6.11) show again for every die."""
    if not per_socket:
        return events, {}
    kept: dict[tuple[str, str], _Event] = {}
    mirrors: dict[str, str] = {}
    for event in events:
        socket = "-".join(event.package.split("-")[:2])
        original = kept.setdefault((event.kind, socket), event)
        if original is not event:
            mirrors[event.id] = f"shows the counter of {original.id} once more"
    return list(kept.values()), mirrors


def _cpus(text: str) -> list[int]:
    """Numbers of a list as the kernel writes it: "0,18" or "0-3"."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            numbers.extend(range(int(first), int(last or first) + 1))
    return numbers


def _config(text: str) -> int | None:
    """The number of an event, as in "event=0x02"; None where there is no such event."""
    number = text.partition("event=")[2].partition(",")[0]
    return int(number, 16) if number else None


def _domain(event: _Event, platform: str | None, doubt: str) -> Domain:
    from carbonwatch.sensors import _rapl

    label = event.package if event.kind == "package" else event.kind
    label = f"{label} of {event.package}" if event.kind == "dram" else label
    source = f"RAPL {label} (perf{f'; {doubt}' if doubt else ''})"
    return _rapl.domain(event.id, event.kind, source, platform if event.id != platform else None)


def _refused(root: str, error: OSError, settings: Settings) -> SensorUnavailable:
    """Why the events can't be opened; without a remedy where powercap's files may do."""
    if not isinstance(error, PermissionError):
        return SensorUnavailable(f"The energy events of {root}/power can't be opened ({error.strerror or error}).")
    from carbonwatch import rights
    from carbonwatch.sensors import _rapl

    reason = f"The energy events of {root}/power are there, but this user may not open them. {_rapl.PLATYPUS}"
    if os.path.isdir(os.path.join(settings.path_sysfs, "class", "powercap")):
        return rights.SensorRefused(f"{reason} rapl_powercap may read the same registers.")
    return rights.SensorRefused(reason, rights.PERF_FOR_ALL, {"cpu": _rapl.ERRORS["package"]})


def _is_event(fd: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:[perf_event]"
    except OSError:
        return not os.path.exists("/proc/self/fd") and fd >= 0


def _sentence(rejected: Mapping[str, str]) -> str:
    return "; ".join(f"{id_}: {why}" for id_, why in rejected.items()) or "it lists none"


def _text(*parts: str) -> str:
    """What a small file holds; empty if it can't be read."""
    try:
        with open(os.path.join(*parts), encoding="ascii", errors="replace") as file:
            return file.read(256).strip()
    except OSError:
        return ""
