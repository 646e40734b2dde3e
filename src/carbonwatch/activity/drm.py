"""Who works on AMD's and Intel's GPUs: engine time by process, from the kernel's files (Linux).

Whoever has a card open can be asked what its engines did for him: /proc/<pid>/fdinfo/<fd>, which amdgpu, i915 and xe
show alike (Documentation/gpu/drm-usage-stats.rst). What is said of a card, by what is told there:

- Engine time of each opening (client), the tree's and everybody's, is added up; of several engines of a kind each
  counts for its part. A client that several processes have open counts once, for the one of the lowest number.
- Work through ROCm shows no engine time. The compute driver tells who has queues and, of some GPUs, how many compute
  units each keeps at a look (`_kfd`). Of others, if only the tree has queues or only others, these did what the card
  was busy with (gpu_busy_percent) beyond all engine time; if both have, nobody can tell, and the card is left out.
- Only the tree has the card open: all of it is reserved for the tree, also while it does nothing.

Without root, open files of other users can't be seen. What engines did for them is missing then, and own shares are too
large by it; `gpu_processes_seen` in the facts says so. A card of AMD's that is busy while nobody seen works is left
out.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

from carbonwatch.activity._kfd import Kfd, Queues, text, together
from carbonwatch.activity.procfs import Process, ProcTree, _same_pids
from carbonwatch.errors import Unavailable
from carbonwatch.model import Work
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S

log = logging.getLogger(__name__)

# by driver: the sensor that meters its cards, whose domains are called after it and the place on the bus
_SENSORS = {"amdgpu": "amdsmi", "i915": "intel_gpu", "xe": "intel_gpu"}
_DEVICES = "/dev/dri/"
_WALK_NS = 10 * NS_PER_S  # between looks at every process of the machine, for who has a card open
_BUSY = 0.1  # a screen that is drawn now and then takes less

Look = Callable[[Mapping[int, Process]], Mapping[int, Process]]


class Card(NamedTuple):
    """A board, by the domain that it is metered as: its GPUs on the bus, and the files that say how busy they are."""

    id: str
    buses: tuple[str, ...]
    loads: tuple[str, ...] = ()


class Client(NamedTuple):
    """One opening of a GPU, and what engines did for it so far, in time or in cycles of the GPU's clock."""

    bus: str
    number: int
    engine_s: float
    cycles: int = 0
    clock: int = 0


class Moment(NamedTuple):
    """A GPU or a board at a look."""

    used_s: Mapping[int, float]  # what engines did for each process that has it open, since the look before
    queues: Queues
    load: float | None = None  # the part of the last moments in which it worked; None: it does not tell

    @property
    def holders(self) -> Set[int]:
        """Who has it open."""
        return self.used_s.keys() | self.queues.keys()


def follow(settings: Settings, pid: int | None = None) -> Following:
    """Work on every board of these drivers, of this process' tree or another's."""
    boards = cards(settings.path_sysfs)
    if not boards:
        raise Unavailable("There is no GPU of AMD or Intel whose driver tells who works.")
    folder = settings.path_procfs if pid is None else _same_pids(settings.path_procfs)
    try:
        look = ProcTree(folder, pid).look
    except (OSError, ValueError) as error:
        raise Unavailable(f"{folder} can't be read ({error}).", "Check the setting path_procfs.") from error
    return Following(boards, Clients(folder), Kfd(settings.path_sysfs), look, folder)


class Following:
    """Work on some boards."""

    def __init__(self, boards: Iterable[Card], clients: Clients, kfd: Kfd, look: Look, path_procfs: str) -> None:
        self._boards = tuple(boards)
        self._uses = uses(self._boards, kfd)
        self._clients = clients
        self._kfd = kfd
        self._look = look
        self._living: Mapping[int, Process] = {}
        self._path_procfs = path_procfs
        self._said: set[str] = set()
        if not self._sees_all():
            log.info("only this user's processes are seen on GPUs: own shares are too large where others work there")

    @property
    def facts(self) -> Mapping[str, Any]:
        """Whose open files were seen, and how many others worked on each board meanwhile, if any."""
        others = {id_: len(use.others) for id_, use in self._uses.items() if use.others}
        found: dict[str, Any] = {"gpu_processes_seen": "all" if self._sees_all() else "this user's"}
        return {**found, "gpu_others": others} if others else found

    def read(self, ns: int) -> Mapping[str, Work]:
        """Seconds of each board counted so far; boards of which nobody can tell are left out."""
        before, self._living = self._living, self._look(self._living)
        ours = before.keys() | self._living.keys()
        seen, queues = self._clients.look(ns, self._living.keys()), self._kfd.look()
        for card in self._boards:
            use = self._uses[card.id]
            use.look(ns, moment(card, seen, queues), ours, self._are_foreign)
            if use.unknown and use.unknown not in self._said:
                self._said.add(use.unknown)
                log.warning("whose work %s does is not known: %s", card.id, use.unknown)
        return {id_: use.work for id_, use in self._uses.items() if not use.unknown}

    def settle(self) -> None:
        """Is ready from the start."""

    def close(self) -> None:
        """Holds nothing open."""

    def _sees_all(self) -> bool:
        """Whether this user may see open files of all processes, as those of the first one."""
        return bool(_listed(f"{self._path_procfs}/1/fd"))

    def _are_foreign(self, pids: Collection[int]) -> bool:
        """Whether none of these is the number of a process here."""
        return not any(os.path.exists(f"{self._path_procfs}/{pid}") for pid in pids)


class Use:
    """One board's use, counted up."""

    def __init__(self, units: int) -> None:
        self.work = Work(0.0, 0.0, 0.0)
        self.unknown = ""  # why nobody can tell
        self.used_s: Mapping[int, float] = {}  # by process, since the look before
        self.others: set[int] = set()  # processes that were seen to work on it and are not the tree's
        self._units = units  # compute units that it has
        self._ns: int | None = None
        self._before = Moment({}, {})

    def look(self, ns: int, now: Moment, ours: Set[int], are_foreign: Callable[[Set[int]], bool]) -> None:
        """Counts the time since the last look."""
        since_s = 0.0 if self._ns is None else (ns - self._ns) / 1e9
        self.used_s, self.unknown = {}, ""
        try:
            self.used_s = self._used_s(since_s, now, ours, are_foreign)
            self._count(since_s, now, ours)
        except Unavailable as error:
            self.unknown = error.reason
        self._ns, self._before = ns, now

    def _count(self, since_s: float, now: Moment, ours: Set[int]) -> None:
        # who came or left since the last look counts as there all the time
        present = self._before.holders | now.holders
        self.others |= {pid for pid, seconds in self.used_s.items() if seconds > 0} - ours
        own_s = sum(seconds for pid, seconds in self.used_s.items() if pid in ours)
        reserved_s = since_s if present and present <= ours else 0.0
        self.work = self.work.plus(Work(own_s, sum(self.used_s.values()), since_s, reserved_s))

    def _used_s(
        self, since_s: float, now: Moment, ours: Set[int], are_foreign: Callable[[Set[int]], bool]
    ) -> Mapping[int, float]:
        """Seconds of the board by process. Raises Unavailable where nobody can tell."""
        pids = self._before.queues.keys() | now.queues.keys()
        if pids and not pids & ours and are_foreign(pids):
            raise Unavailable("its processes are not in this /proc, as in containers: set path_procfs to the host's")
        if pids:
            return _added((now.used_s, self._computed_s(since_s, now, pids, ours)))
        if not any(now.used_s.values()) and min(now.load or 0.0, self._before.load or 0.0) >= _BUSY:
            raise Unavailable("it is busy, but by nobody whose open files this user may see")
        return now.used_s

    def _computed_s(self, since_s: float, now: Moment, pids: Set[int], ours: Set[int]) -> Mapping[int, float]:
        """Seconds of the board through ROCm, by process."""
        before = self._before
        kept = {pid: _mean(before.queues.get(pid, 0), now.queues.get(pid, 0)) for pid in pids}
        told = {pid: units for pid, units in kept.items() if units is not None}
        if self._units and len(told) == len(kept):
            return {pid: since_s * units / self._units for pid, units in told.items()}
        if pids & ours and pids - ours:
            raise Unavailable("others compute on it too, and the kernel does not tell who works")
        load = _mean(before.load, now.load)
        if load is not None:
            return {min(pids): max(0.0, since_s * load - sum(now.used_s.values()))}
        if any(seconds > 0 and (pid in ours) != bool(pids & ours) for pid, seconds in now.used_s.items()):
            raise Unavailable("others use its engines, and the kernel does not tell how much is computed beside that")
        return {min(pids): since_s}


def uses(boards: Iterable[Card], kfd: Kfd) -> dict[str, Use]:
    """The use of each board, from now on."""
    return {card.id: Use(sum(kfd.units.get(bus, 0) for bus in card.buses)) for card in boards}


class Clients:
    """Openings of GPUs by all processes that can be seen, look after look."""

    def __init__(self, path_procfs: str) -> None:
        self._folder = path_procfs
        self._ns: int | None = None
        self._walked_ns: int | None = None
        self._others: list[int] = []  # who had a GPU open when all were looked at
        self._known: dict[tuple[str, int], Client] = {}
        self._clocks: dict[str, tuple[int, int]] = {}  # of each GPU: an instant, and what it showed then

    def look(self, ns: int, ours: Collection[int]) -> dict[str, dict[int, float]]:
        """Who has each GPU open, and what engines did for him since the look before; others as of some seconds ago."""
        if self._walked_ns is None or ns - self._walked_ns >= _WALK_NS:
            self._walked_ns = ns
            self._walk()
        used_s: dict[str, dict[int, float]] = {}
        owners: dict[tuple[str, int], tuple[int, Client]] = {}
        for pid in sorted({*ours, *self._others}):
            for found in self._of(pid):
                used_s.setdefault(found.bus, {}).setdefault(pid, 0.0)
                owners.setdefault((found.bus, found.number), (pid, found))
        tick_s = self._ticks_s(ns, [found for _, found in owners.values()])
        for key, (pid, found) in owners.items():
            used_s[found.bus][pid] += self._grown_s(ns, key, found, tick_s.get(found.bus, 0.0))
        if self._walked_ns == ns:  # those that nobody has open any more can be forgotten
            self._known = {key: self._known[key] for key in owners}
        self._ns = ns
        return used_s

    def _grown_s(self, ns: int, key: tuple[str, int], now: Client, tick_s: float) -> float:
        """What engines did for a client since the last look."""
        before = self._known.get(key)
        if before is None:  # it was not there then, and can have used no more than the time since
            self._known[key] = now
            since_s = 0.0 if self._ns is None else (ns - self._ns) / 1e9
            return min(since_s, now.engine_s + now.cycles * tick_s)
        # drivers may tell less for a while, until they have caught up
        engine_s, cycles = max(before.engine_s, now.engine_s), max(before.cycles, now.cycles)
        self._known[key] = now._replace(engine_s=engine_s, cycles=cycles)
        return engine_s - before.engine_s + (cycles - before.cycles) * tick_s

    def _ticks_s(self, ns: int, clients: list[Client]) -> dict[str, float]:
        """How long a cycle of each GPU's clock takes, by how far it went; nothing where that is not known."""
        found = {}
        for bus in {each.bus for each in clients}:
            clock = max(each.clock for each in clients if each.bus == bus)
            if clock == 0:
                continue
            before_ns, before = self._clocks.get(bus, (ns, clock))
            self._clocks[bus] = ns, clock
            found[bus] = (ns - before_ns) / 1e9 / (clock - before) if clock > before else 0.0
        return found

    def _walk(self) -> None:
        """Looks at every process for who has a GPU open."""
        pids = (int(name) for name in _listed(self._folder) if name.isdecimal())
        self._others = [pid for pid in pids if self._opened(pid)]

    def _of(self, pid: int) -> Iterator[Client]:
        for name in self._opened(pid):
            found = client(text(f"{self._folder}/{pid}/fdinfo/{name}"))
            if found is not None:
                yield found

    def _opened(self, pid: int) -> list[str]:
        """Numbers of a process' open files that are GPUs, as far as they can be seen."""
        folder = f"{self._folder}/{pid}/fd"
        return [name for name in _listed(folder) if _is_gpu(f"{folder}/{name}")]


def client(told: str) -> Client | None:
    """An open file by its fdinfo; None where it is none of these drivers', or does not tell."""
    pairs = (line.partition(":") for line in told.splitlines() if line.startswith("drm-"))
    values = {key[4:]: value.split()[0] for key, _, value in pairs if value.strip()}
    if values.get("driver") not in _SENSORS:
        return None
    try:
        clock = max((int(value) for key, value in values.items() if key.startswith("total-cycles-")), default=0)
        engine_ns, cycles = (_by_engine(values, kind) for kind in ("engine-", "cycles-"))
        return Client(values["pdev"], int(values["client-id"]), engine_ns / 1e9, cycles, clock)
    except (KeyError, ValueError, ZeroDivisionError):
        return None


def cards(path_sysfs: str) -> list[Card]:
    """Boards of these drivers, each one's in the order of the bus; graphics inside a processor are metered with it."""
    found: dict[str, Card] = {}
    board = ""
    for driver in _SENSORS:
        folder = os.path.join(path_sysfs, "bus", "pci", "drivers", driver)
        for bus in sorted(_listed(folder)):
            device = os.path.join(folder, bus)
            if ":" not in bus or _is_inside(device):
                continue
            # the second half of a board with two processors (MI200) tells no power: the first one's counts for both
            board = board if driver == "amdgpu" and board and _is_half(device) else f"{_SENSORS[driver]}:{bus}"
            before = found.get(board, Card(board, ()))
            load = os.path.join(device, "gpu_busy_percent")
            loads = (*before.loads, load) if os.path.exists(load) else before.loads
            found[board] = Card(board, (*before.buses, bus), loads)
    return list(found.values())


def moment(card: Card, seen: Mapping[str, Mapping[int, float]], queues: Mapping[str, Queues]) -> Moment:
    """A board now, with all of its GPUs."""
    queued: dict[int, int | None] = {}
    for each in (queues.get(bus, {}) for bus in card.buses):
        for pid, units in each.items():
            queued[pid] = together(queued.get(pid, 0), units)
    percents = [int(told) for path in card.loads if (told := text(path)).isdecimal()]
    load = sum(percents) / 100 if percents else None
    return Moment(_added(seen.get(bus, {}) for bus in card.buses), queued, load)


def _is_inside(device: str) -> bool:
    """Whether it is a part of the processor: of Intel's always at this place; of AMD's with a voltage of its own."""
    return os.path.basename(device) == "0000:00:02.0" or "vddnb" in _hwmon(device, "in1_label")


def _is_half(device: str) -> bool:
    return _hwmon(device, "power1_average") == ["0"]


def _hwmon(device: str, name: str) -> list[str]:
    folder = os.path.join(device, "hwmon")
    return [text(os.path.join(folder, chip, name)) for chip in _listed(folder)]


def _by_engine(values: Mapping[str, str], kind: str) -> int:
    """What all engines did; one of several of a kind is that part of it."""
    capacity = "engine-capacity-"
    names = (key.removeprefix(kind) for key in values if key.startswith(kind) and not key.startswith(capacity))
    return sum(int(values[kind + name]) // int(values.get(capacity + name, "1")) for name in names)


def _added(parts_s: Iterable[Mapping[int, float]]) -> dict[int, float]:
    found: dict[int, float] = {}
    for part_s in parts_s:
        for pid, seconds in part_s.items():
            found[pid] = found.get(pid, 0.0) + seconds
    return found


def _mean(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else (before + now) / 2


def _is_gpu(link: str) -> bool:
    try:
        return os.readlink(link).startswith(_DEVICES)
    except OSError:
        return False


def _listed(folder: str) -> list[str]:
    """What is in a folder; nothing where it is gone, or may not be seen."""
    try:
        return os.listdir(folder)
    except OSError:
        return []
