"""CPU time of a process tree, from /proc (Linux).

How a tree is counted. Each process shows its own CPU time and that of the children it has waited for
(which holds what those had waited for). The count of the tree is the sum of both over all processes that live, plus
what was used by those that are gone and that nobody was credited with:

- A child that ended and was waited for has moved into its parent's children's time. It is dropped, and the parent's
  growth stands for it: also for all that came and went between two looks.
- If the parent grew by less than the child was last seen with, nobody waited (SIGCHLD ignored, or the child had been
  orphaned). The difference is kept: it waits for a late credit until the next look, and is then kept for good.
- An orphan is known by pid and start time and is followed wherever it was re-parented to; when it ends, what it was
  last seen with is kept.

So the count never goes back and holds nothing twice, provided that a parent is read before its children: a child that
could still be read had not been waited for when its parent was. What a process used after it was last seen, if nobody
waits for it, is not known to anyone and left out.

That is so for the first tenth of a second, and for good where nothing better is allowed. From then on the kernel counts
the tree itself (`_taskclock`), also what nobody sees or waits for.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from carbonwatch.activity._taskclock import PERF, PROC, Counter, GroupCounter, Opening, TaskClock, members
from carbonwatch.cputime import MachineClock, ProcStat
from carbonwatch.errors import Unavailable
from carbonwatch.model import Work
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S

# values are named tuples here: four dataclasses take 2 ms more to import
log = logging.getLogger(__name__)

_PATIENCE_NS = 100_000_000  # shorter runs are not worth a count by the kernel
_SETTLE_S = 1.0  # it takes 20 ms, and more only where the machine stalls
_FIRST_PAUSE_NS, _LONGEST_PAUSE_NS = NS_PER_S, 16 * NS_PER_S  # between looks beside the kernel's count
_SEEN_S = 0.05  # of busy CPUs: over less, ticks of 10 ms say nothing of what was stolen
_MISSED_NS, _MISSED = 100_000_000, 0.03  # more than that, and of what it counted, is more than ticks
_WALL = 0x40000000  # waitid: children made by clone() without SIGCHLD too


class Process(NamedTuple):
    """CPU time of one process when last seen."""

    pid: int
    start: int  # tells it from a later process of the same pid
    parent: int
    own_ns: int
    children_ns: int  # of those that it waited for
    kept_ns: int = 0  # of those that are gone and it was not credited with yet

    @property
    def total_ns(self) -> int:
        return self.own_ns + self.children_ns + self.kept_ns


class Tree(NamedTuple):
    """A tree at one look: who lives, and what those used that nobody was credited with."""

    living: Mapping[int, Process]  # by pid
    gone_ns: int = 0

    @property
    def total_ns(self) -> int:
        return self.gone_ns + sum(process.total_ns for process in self.living.values())

    def then(self, seen: Mapping[int, Process]) -> Tree:
        """The tree at the next look, by the rule above."""
        owed_ns, gone_ns = self._owed(seen)
        living: dict[int, Process] = {}
        for pid, process in seen.items():
            before = _same(process, self.living)
            living[pid] = process if before is None else _settled(before, process, owed_ns.get(pid, 0))
            gone_ns += 0 if before is None else _given_up_ns(before, process)
        return Tree(living, gone_ns)

    def _owed(self, seen: Mapping[int, Process]) -> tuple[dict[int, int], int]:
        """What those used that are gone now: by the process that should have been credited with it, and by nobody's."""
        owed_ns: dict[int, int] = {}
        gone_ns = self.gone_ns
        for process in self.living.values():
            if _same(process, seen) is not None:
                continue
            heir = self._heir(process, seen)
            if heir is None:
                gone_ns += process.total_ns
            else:
                owed_ns[heir] = owed_ns.get(heir, 0) + process.total_ns
        return owed_ns, gone_ns

    def _heir(self, process: Process, seen: Mapping[int, Process]) -> int | None:
        """The nearest ancestor that lives."""
        ancestor = self.living.get(process.parent)
        for _ in self.living:
            if ancestor is None:
                return None
            if _same(ancestor, seen) is not None:
                return ancestor.pid
            ancestor = self.living.get(ancestor.parent)
        return None


def _same(process: Process, among: Mapping[int, Process]) -> Process | None:
    other = among.get(process.pid)
    return other if other is not None and other.start == process.start else None


def _settled(before: Process, now: Process, owed_ns: int) -> Process:
    """A process that lives on; its credit pays first what was kept, then what is owed."""
    credit_ns = max(0, now.children_ns - before.children_ns)
    unpaid_ns = max(0, owed_ns - max(0, credit_ns - before.kept_ns))
    return now._replace(
        own_ns=max(before.own_ns, now.own_ns),
        children_ns=max(before.children_ns, now.children_ns),
        kept_ns=unpaid_ns,
    )


def _given_up_ns(before: Process, now: Process) -> int:
    """What was kept and no credit came for."""
    return max(0, before.kept_ns - max(0, now.children_ns - before.children_ns))


class ProcTree:
    """Who lives in a tree, from /proc/<pid>/stat and /proc/<pid>/task/<tid>/children."""

    def __init__(self, path_procfs: str, pid: int | None) -> None:
        self._folder = path_procfs
        self._tick_ns = NS_PER_S // os.sysconf("SC_CLK_TCK")
        self._is_own = pid is None
        self._waited_for_ns = 0  # at the last look
        self._pid = _own_pid(path_procfs) if pid is None else pid
        first = self._stat(self._pid)
        if first is None and pid is not None:
            raise Unavailable(f"There is no process {pid} in {path_procfs}, so nothing tells what it uses.")
        self._start = first[0].start if first else 0
        # kernels without CONFIG_PROC_CHILDREN
        self._lists_children = os.path.exists(f"{path_procfs}/{self._pid}/task/{self._pid}/children")

    def has_news(self) -> bool:
        """Whether this process has waited for a child since the last look, and has no other: a look costs little."""
        return self._is_own and _usage_ns("RUSAGE_CHILDREN") != self._waited_for_ns and not _has_children()

    def tasks(self) -> list[int]:
        """Every thread of the tree."""
        return [int(tid) for pid in self.look({}) for tid in _names(f"{self._folder}/{pid}/task")]

    def look(self, known: Mapping[int, Process]) -> Mapping[int, Process]:
        """Every process of the tree now, parents before their children."""
        try:
            return self._look(known)
        except OSError as error:  # too many open files: nobody has ended for that
            log.debug("processes can't be read, their last counts stand: %s", error)
            return known

    def _look(self, known: Mapping[int, Process]) -> dict[int, Process]:
        root = self._own() if self._is_own else self._stat(self._pid)
        if self._is_own and len(known) < 2 and not _has_children():
            return {self._pid: root[0]} if root else {}
        found: dict[int, Process] = {}
        children = self._children if self._lists_children else self._by_parent()
        if root is not None and root[0].start == self._start:
            self._add_below(root, found, children)
        for process in known.values():  # re-parented, or left out of its parent's list
            if process.pid not in found:
                seen = self._stat(process.pid)
                if seen is not None and seen[0].start == process.start:
                    self._add_below(seen, found, children)
        return found

    def _add_below(
        self, top: tuple[Process, int], found: dict[int, Process], children: Callable[[int, int], list[int]]
    ) -> None:
        queue = [top]
        found[top[0].pid] = top[0]
        for process, threads in queue:
            for pid in children(process.pid, threads):
                seen = self._stat(pid) if pid not in found else None
                if seen is not None:
                    found[pid] = seen[0]
                    queue.append(seen)

    def _own(self) -> tuple[Process, int]:
        """This process, in microseconds instead of ticks."""
        self._waited_for_ns, own_ns = _usage_ns("RUSAGE_CHILDREN"), _usage_ns("RUSAGE_SELF")
        # threads: any number but one, so that the list of them is read
        return Process(self._pid, self._start, 0, own_ns, self._waited_for_ns), 0

    def _stat(self, pid: int) -> tuple[Process, int] | None:
        """A process and its number of threads; None when it is gone. A zombie still is there."""
        text = _content(f"{self._folder}/{pid}/stat")
        # a program's name may hold blanks and brackets
        fields = text[text.rfind(b")") + 1 :].split(None, 20)
        try:
            parent, threads, start = int(fields[1]), int(fields[17]), int(fields[19])
            own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
        except (IndexError, ValueError):
            return None
        return Process(pid, start, parent, own * self._tick_ns, children * self._tick_ns), threads

    def _children(self, pid: int, threads: int) -> list[int]:
        tids = [str(pid)] if threads == 1 else _names(f"{self._folder}/{pid}/task")
        lists = (_content(f"{self._folder}/{pid}/task/{tid}/children") for tid in tids)
        return [int(child) for text in lists for child in text.split()]

    def _by_parent(self) -> Callable[[int, int], list[int]]:
        """The same from a look at every process."""
        children: dict[int, list[int]] = {}
        for name in _names(self._folder):
            seen = self._stat(int(name)) if name.isdigit() else None
            if seen is not None:
                children.setdefault(seen[0].parent, []).append(seen[0].pid)
        return lambda pid, _threads: children.get(pid, [])


def _usage_ns(who: str) -> int:
    """CPU time of this process, or of the children that it has waited for."""
    import resource

    used = resource.getrusage(getattr(resource, who))
    return round((used.ru_utime + used.ru_stime) * 1e6) * 1000


def _has_children() -> bool:
    """Whether this process has any child, alive or not waited for. Waits for none and reaps none."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | _WALL)
    except ChildProcessError:
        return False
    except OSError:
        return True  # a kernel that refuses the question: look
    return True


# CPUs of a job on its node, as Slurm, Grid Engine, PBS and LSF tell them (their manuals); jobs of several nodes may
# have more in the last two, and at most all of this one
_JOB_CPUS = ("SLURM_CPUS_ON_NODE", "NSLOTS", "NCPUS", "LSB_DJOB_NUMPROC")
# a process that is gone: its folder, or what was read through it
_GONE = (FileNotFoundError, NotADirectoryError, ProcessLookupError)


def _content(path: str, size: int = 4096) -> bytes:
    """What a file of /proc holds; nothing when it is gone."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except _GONE:
        return b""
    try:
        text = os.read(fd, size)
        while text and len(text) % size == 0:  # a long list of children
            more = os.read(fd, size)
            if not more:
                break
            text += more
        return text
    except _GONE:
        return b""
    finally:
        os.close(fd)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except _GONE:
        return []


class Reservation(NamedTuple):
    """Cores kept for a container or a job, and the files that count what all of it uses."""

    cores: float
    origin: str
    usage_paths: tuple[str, ...] = ()
    whole: bool = False  # all of it is this program's, by setting


class Cgroup(NamedTuple):
    """One level of a control group: its limits, and the files that may count its CPU time."""

    name: str
    cores: float | None  # its quota
    cpus: int  # that it may run on; 0: not known
    usage_paths: tuple[str, ...]


def reserve(settings: Settings, pid: int | None, cpus: int, environ: Mapping[str, str], procfs: str) -> Reservation:
    """What is kept for a process: by setting, by quota, by CPU mask, by the job, or nothing."""
    if settings.reserved_cores is not None:
        return Reservation(settings.reserved_cores, "setting reserved_cores", whole=True)
    text = _text(procfs, "self" if pid is None else str(pid), "cgroup")
    levels = tuple(cgroups(text, os.path.join(settings.path_sysfs, "fs", "cgroup")))
    return (
        _by_quota(levels, cpus) or _by_mask(levels, cpus, _mask(pid)) or _by_job(cpus, environ) or Reservation(0.0, "")
    )


def _by_quota(levels: tuple[Cgroup, ...], cpus: int) -> Reservation | None:
    """The tightest limit; of equal ones the outermost, which holds whoever else shares it."""
    limits = [(level.cores, -i) for i, level in enumerate(levels) if level.cores is not None and level.cores < cpus]
    if not limits:
        return None
    cores, i = min(limits)
    return Reservation(cores, levels[-i].name, levels[-i].usage_paths)


def _by_mask(levels: tuple[Cgroup, ...], cpus: int, mask: int) -> Reservation | None:
    """The CPUs that the process may run on. Who shares them is told by the outermost group of the same CPUs."""
    if not 0 < mask < cpus:
        return None
    usage_paths = next((level.usage_paths for level in reversed(levels) if level.cpus == mask), ())
    return Reservation(float(mask), "cpuset or affinity mask", usage_paths)


def _by_job(cpus: int, environ: Mapping[str, str]) -> Reservation | None:
    """The job's CPUs on this node. A task's own group is not the job's, so the machine's busy time stands for it."""
    for name in _JOB_CPUS:
        given = environ.get(name, "")
        if given.isdigit() and int(given) > 0:
            return Reservation(float(min(int(given), cpus)), name)
    return None


def cgroups(text: str, folder: str) -> Iterator[Cgroup]:
    """Levels of a process's control groups, its own first, from /proc/<pid>/cgroup. Paths need not exist."""
    for line in text.splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        for part in _upwards(path):
            if not controllers:
                yield from (_unified(os.path.join(folder, base, part)) for base in ("", "unified"))
            elif "cpu" in controllers.split(","):
                yield from (_legacy(folder, base, part) for base in dict.fromkeys((controllers, "cpu")))


def _upwards(path: str) -> Iterator[str]:
    """A path and its parents; the last is the mount itself, which in a container is the container's own group."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    for length in range(len(parts), -1, -1):
        yield "/".join(parts[:length])


def _unified(folder: str) -> Cgroup:
    quota, _, period = _text(folder, "cpu.max").partition(" ")
    cpus = _count(_text(folder, "cpuset.cpus.effective"))
    return Cgroup("cgroup cpu.max", _cores(quota, period), cpus, (os.path.join(folder, "cpu.stat"),))


def _legacy(folder: str, base: str, part: str) -> Cgroup:
    quota, period = (_text(folder, base, part, f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    cpus = _count(_text(folder, "cpuset", part, "cpuset.effective_cpus"))
    usage_paths = tuple(os.path.join(folder, name, part, "cpuacct.usage") for name in (base, "cpuacct"))
    return Cgroup("cgroup cpu.cfs_quota_us", _cores(quota, period), cpus, usage_paths)


def _text(*parts: str) -> str:
    """What a small file holds; nothing where it can't be read."""
    try:
        return _content(os.path.join(*parts)).decode(errors="replace").strip()
    except OSError:
        return ""


def _count(cpus: str) -> int:
    """How many CPUs a list like 0-3,8 names; 0 for none and for what is no such list."""
    try:
        ends = [span.partition("-") for span in cpus.split(",") if span]
        return sum(int(last or first) - int(first) + 1 for first, _, last in ends)
    except ValueError:
        return 0


def _cores(quota: str, period: str) -> float | None:
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return None
    return cores if cores > 0 else None


def _mask(pid: int | None) -> int:
    """CPUs that the process may run on; 0 when that can't be asked."""
    try:
        return len(os.sched_getaffinity(pid or 0))
    except (AttributeError, OSError):
        return 0


class GroupClock:
    """CPU time of a control group, from the first of some files that can be read. The file stays open."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._fd: int | None = None
        for path in paths:
            try:
                self._fd = os.open(path, os.O_RDONLY)
            except OSError:
                continue
            if self.used_s() is not None:
                return
            self.close()

    def used_s(self) -> float | None:
        """Seconds counted so far; None when nothing tells."""
        if self._fd is None:
            return None
        try:
            words = os.pread(self._fd, 256, 0).split()
            if len(words) == 1:
                return int(words[0]) / 1e9  # cpuacct.usage
            return int(words[words.index(b"usage_usec") + 1]) / 1e6
        except (OSError, ValueError, IndexError):
            return None

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


class Share:
    """The part of a reservation that is this tree's.

    Several runs in one container share it by the CPU time that they use, so that together they claim it once.
    """

    def __init__(self, reservation: Reservation) -> None:
        self._reservation = reservation
        self._group = GroupClock(reservation.usage_paths)
        self._used_s = self._group.used_s()
        self._share = 1.0  # stays while nobody works

    def grown_s(self, duration_s: float, own_s: float, busy_s: float) -> tuple[float, float]:
        """Core seconds kept for the tree over an interval in which it used `own_s`, and everybody `busy_s`.

        And those kept for the others of the reservation, who left them idle.
        """
        kept_s = self._reservation.cores * duration_s
        if kept_s <= 0 or self._reservation.whole:
            return kept_s, 0.0
        used_s = min(self._since_last_s(busy_s), kept_s)
        if own_s > 0:
            self._share = min(1.0, own_s / used_s) if used_s > 0 else 1.0
        elif used_s > 0:
            self._share = 0.0
        own_kept_s = kept_s * self._share
        return own_kept_s, max(0.0, kept_s - own_kept_s - max(0.0, used_s - own_s))

    def _since_last_s(self, busy_s: float) -> float:
        before_s, now_s = self._used_s, self._group.used_s()
        self._used_s = now_s
        return busy_s if before_s is None or now_s is None else max(0.0, now_s - before_s)

    def close(self) -> None:
        self._group.close()


class CpuTime:
    """CPU time of a tree: as looked at in /proc, and from when it can as the kernel counts it.

    The looks go on beside the kernel's count, seldom: if they find more than it, it has let go of somebody (a program
    that changed its user), and the tree is looked at each time again.
    """

    def __init__(
        self,
        look: Callable[[Mapping[int, Process]], Mapping[int, Process]],
        has_news: Callable[[], bool] = lambda: False,
        opening: Opening | None = None,
    ) -> None:
        self.tree = Tree({})
        self._look, self._has_news, self._opening = look, has_news, opening
        self._counter: Counter | None = None
        self._used_ns = self._counter_ns = self._handed_over_ns = 0
        self._first_ns: int | None = None
        self._next_ns = self._pause_ns = 0

    @property
    def name(self) -> str:
        """What counts it now."""
        return PROC if self._counter is None else self._counter.name

    def used_ns(self, ns: int, share: float = 1.0) -> int:
        """CPU time counted so far; it never goes back. `share`: the part of the time that a hypervisor left."""
        if self._counter is None:
            self._used_ns = max(self._used_ns, self._walked_ns())
            self._hand_over(ns)
        else:
            self._used_ns = max(self._used_ns, self._counted_ns(self._counter, ns, share))
        return self._used_ns

    def settle(self, timeout_s: float = _SETTLE_S) -> None:
        """Waits until the kernel counts, or can't."""
        if self._opening is not None:
            self._opening.begin()
            self._opening.wait(timeout_s)

    def _walked_ns(self) -> int:
        self.tree = self.tree.then(self._look(self.tree.living))
        return self.tree.total_ns

    def _hand_over(self, ns: int) -> None:
        """Lets the kernel count on from what was seen so far."""
        if self._opening is None:
            return
        self._first_ns = ns if self._first_ns is None else self._first_ns
        # the main thread's reads are often the last ones of a program
        if ns - self._first_ns >= _PATIENCE_NS and threading.current_thread() is not threading.main_thread():
            self._opening.begin()
        counter = self._opening.counter()
        if counter is None:
            return
        try:
            self._counter_ns = counter.used_ns()
        except OSError as error:
            self._give_up(str(error))
            return
        self._counter, self._handed_over_ns = counter, self._used_ns
        self._pause_ns = _FIRST_PAUSE_NS
        self._next_ns = ns + self._pause_ns

    def _counted_ns(self, counter: Counter, ns: int, share: float) -> int:
        try:
            before_ns, self._counter_ns = self._counter_ns, counter.used_ns()
        except OSError as error:
            self._give_up(str(error))
            return self._walked_ns()
        # a task clock runs on while a hypervisor lets others run
        share = share if counter.name == PERF else 1.0
        counted_ns = self._used_ns + round((self._counter_ns - before_ns) * share)
        if ns < self._next_ns and not self._has_news():
            return counted_ns
        if ns >= self._next_ns:
            self._pause_ns = min(2 * self._pause_ns, _LONGEST_PAUSE_NS)
            self._next_ns = ns + self._pause_ns
        walked_ns = self._walked_ns()
        if walked_ns - counted_ns > max(_MISSED_NS, _MISSED * (counted_ns - self._handed_over_ns)):
            self._give_up(f"{walked_ns / 1e9:.3f} s were used and {counted_ns / 1e9:.3f} s counted")
        # and stands still while tasks are switched and made: some hundredths where children live for 1 ms
        return max(walked_ns, counted_ns)

    def _give_up(self, why: str) -> None:
        log.info("%s does not count all of the program, /proc does from now on: %s", self.name, why)
        self._counter = None
        self.close()

    def close(self) -> None:
        """Gives back what the kernel counts with."""
        if self._opening is not None:
            opening, self._opening = self._opening, None
            opening.close()


class Following:
    """Work on the CPUs: a tree's, and the machine's."""

    def __init__(self, time: CpuTime, clock: MachineClock, kept: Reservation) -> None:
        self._time = time
        self._name = time.name
        self._clock = clock
        self._kept = kept
        self._share = Share(kept)
        self._first_ns: int | None = None
        self._stolen_s = clock.stolen_s
        self._last = Work(0.0, 0.0, 0.0)
        self._is_open = True

    @property
    def facts(self) -> Mapping[str, Any]:
        """How the tree's CPU time is counted, and which cores are kept for it."""
        found: dict[str, Any] = {"cpu_time_by": self._name, "reserved_cores": self._kept.cores}
        return {**found, "reserved_by": self._kept.origin} if self._kept.origin else found

    def settle(self) -> None:
        """Waits a little until the kernel counts, so that nothing of a program that starts now is missed."""
        self._time.settle()

    def read(self, ns: int) -> Mapping[str, Work]:
        """CPU seconds counted so far; capacity and reservation from the first read on."""
        if not self._is_open:
            return {"cpu": self._last}
        busy_s = self._busy_s()
        own_s = self._time.used_ns(ns, self._awake(busy_s - self._last.busy_s)) / 1e9
        self._name = self._time.name
        if self._first_ns is None:
            self._first_ns = ns
            self._last = Work(own_s, busy_s, 0.0)
        before = self._last
        capacity_s = max(before.capacity_s, (ns - self._first_ns) / 1e9 * self._clock.cpus)
        duration_s = (capacity_s - before.capacity_s) / self._clock.cpus
        kept_s, others_s = self._share.grown_s(duration_s, own_s - before.own_s, busy_s - before.busy_s)
        reserved_s, others_reserved_s = before.reserved_s + kept_s, before.others_reserved_s + others_s
        self._last = Work(own_s, busy_s, capacity_s, reserved_s, others_reserved_s)
        return {"cpu": self._last}

    def _awake(self, busy_s: float) -> float:
        """The part of the CPUs' time that a hypervisor left them, of what they wanted since the last read."""
        stolen_s, self._stolen_s = self._clock.stolen_s - self._stolen_s, self._clock.stolen_s
        return busy_s / (busy_s + stolen_s) if stolen_s > 0 and busy_s >= _SEEN_S else 1.0

    def _busy_s(self) -> float:
        try:
            return max(self._last.busy_s, self._clock.busy_s())
        except (OSError, ValueError, IndexError) as error:
            log.debug("the machine's CPU time can't be read, its last count stands: %s", error)
            return self._last.busy_s

    def close(self) -> None:
        """Gives back the files held open; the last count stays."""
        if self._is_open:
            self._is_open = False
            self._clock.close()
            self._share.close()
            self._time.close()


def follow(settings: Settings, pid: int | None = None, *, environ: Mapping[str, str] | None = None) -> Following:
    """CPU time of this process and all below it, or of another one's tree. Raises Unavailable without /proc."""
    try:
        procfs = settings.path_procfs if pid is None else _same_pids(settings.path_procfs)
        tree = ProcTree(procfs, pid)
        clock = _machine(settings.path_procfs)
    except (OSError, AttributeError, ValueError, IndexError) as error:  # AttributeError: Windows
        raise Unavailable(
            f"{settings.path_procfs}/stat can't be read ({error}).", "Check the setting path_procfs."
        ) from error
    kept = reserve(settings, pid, clock.cpus, os.environ if environ is None else environ, procfs)
    return Following(CpuTime(tree.look, tree.has_news, Opening(_ways(settings, pid, procfs))), clock, kept)


def _ways(settings: Settings, pid: int | None, procfs: str) -> tuple[Callable[[], Counter], ...]:
    """How the kernel may count a tree, the best first, by the setting; the tree's numbers have to be ours."""
    here = "/proc" if pid is None else procfs
    if not os.path.lexists(os.path.join(here, "self")):
        return ()
    perf, group = lambda: _perf(here, pid), lambda: _own_group(settings.path_sysfs, here, pid)
    return {"auto": (perf, group), "perf": (perf,), "cgroup": (group, perf), "proc": ()}[settings.cpu_time]


def _perf(procfs: str, pid: int | None) -> Counter:
    return TaskClock(ProcTree(procfs, pid).tasks())


def _own_group(path_sysfs: str, procfs: str, pid: int | None) -> Counter:
    """The tree's control group (v2), where nobody else is in it."""
    path = unified_path(_text(procfs, "self" if pid is None else str(pid), "cgroup"))
    living = ProcTree(procfs, pid).look({}).keys()
    for base in ("", "unified"):
        folder = os.path.join(path_sysfs, "fs", "cgroup", base, path)
        clock = GroupClock((os.path.join(folder, "cpu.stat"),))
        if clock.used_s() is None:
            continue
        strangers = members(folder) - living
        if not strangers:
            return GroupCounter(clock)
        clock.close()
        raise Unavailable(f"{len(strangers)} other processes are in the control group /{path}.")
    raise Unavailable("There is no control group (v2) that counts CPU time here.")


def unified_path(text: str) -> str:
    """A process's control group of version 2, from /proc/<pid>/cgroup."""
    for line in text.splitlines():
        if line.startswith("0::"):
            path = line[3:].strip("/")
            if ".." not in path.split("/"):
                return path
    raise Unavailable("There is no control group (v2) that can be seen from here.")


def _machine(path_procfs: str) -> ProcStat:
    """The machine's clock, read once so that it fails here and not later."""
    clock = ProcStat(path_procfs)
    try:
        clock.busy_s()
    except (OSError, ValueError, IndexError):
        clock.close()
        raise
    return clock


def _same_pids(path_procfs: str) -> str:
    """Where processes have the numbers that this one knows: a host's /proc counts them its own way."""
    return path_procfs if _own_pid(path_procfs) == os.getpid() else "/proc"


def _own_pid(path_procfs: str) -> int:
    """This process' number in a /proc, which may be a host's."""
    try:
        return int(os.readlink(os.path.join(path_procfs, "self")))
    except (OSError, ValueError):
        return os.getpid()
