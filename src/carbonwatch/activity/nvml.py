"""Who works on NVIDIA GPUs: SM time by process and who has a context, from the driver's library (NVML).

What is said of a board, by what NVML tells there:

- Samples of SM use by process: the tree's and everybody's are added up. A sample is the mean since the one before
  and comes up to a second late; until then, the last known use is taken to go on.
- Only the tree has compute contexts: the whole board is reserved for it, also while it does nothing.
- No samples (MIG, vGPU, old cards), and only others have contexts: theirs. Both have: nobody can tell, and
  the board is left out.
- Process numbers that mean nothing here, as in a container without the host's /proc: left out, and said once.

Contexts that nobody works with, of the tree and of others, reserve nothing: two runs would both claim what is idle.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from carbonwatch.activity.procfs import ProcTree
from carbonwatch.errors import Unavailable
from carbonwatch.model import Work
from carbonwatch.nvidia import Board, NoAnswer, Nvml, Used, choose, open_nvml
from carbonwatch.settings import Settings

log = logging.getLogger(__name__)

_LOOK_NS = 100_000_000  # samples come every 1/6 to 1 s
_SAMPLE_US = 1_500_000  # without any for so long, nobody works

Look = Callable[[Mapping[int, Any]], Mapping[int, Any]]


def follow(
    settings: Settings,
    pid: int | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    wall_ns: Callable[[], int] = time.time_ns,
) -> Following:
    """Work on every GPU that the program can see, of this process' tree or another's."""
    environ = os.environ if environ is None else environ
    look = _tree(settings, pid)
    nvml = open_nvml(settings.path_procfs, environ)
    try:
        boards = choose(nvml, settings.gpus, environ).boards
    except BaseException:
        nvml.close()
        raise
    return Following(nvml, boards, look, settings.path_procfs, wall_ns)


class Following:
    """Work on some boards."""

    def __init__(
        self, nvml: Nvml, boards: Iterable[Board], look: Look, path_procfs: str, wall_ns: Callable[[], int]
    ) -> None:
        self._nvml = nvml
        self._uses = {board.id: Use(nvml, board) for board in boards}
        self._look = look
        self._living: Mapping[int, Any] = {}
        self._path_procfs = path_procfs
        self._wall_ns = wall_ns
        self._looked_ns: int | None = None
        self._said: set[str] = set()

    def read(self, ns: int) -> Mapping[str, Work]:
        """Seconds of each board counted so far; boards of which nobody can tell are left out."""
        if self._looked_ns is None or ns - self._looked_ns >= _LOOK_NS:
            self._looked_ns = ns
            self._look_at_all(ns)
        works = {id_: use.work(ns) for id_, use in self._uses.items()}
        return {id_: work for id_, work in works.items() if work is not None}

    @property
    def facts(self) -> Mapping[str, Any]:
        """Versions of the driver, how the boards are now, and how many others were on each meanwhile, if any."""
        others = {id_: len(use.others) for id_, use in self._uses.items() if use.others}
        states = {id_: use.state(self._looked_ns or 0) for id_, use in self._uses.items()}
        found: dict[str, Any] = {**self._nvml.drivers(), "gpu_state": states}
        return {**found, "gpu_others": others} if others else found

    def settle(self) -> None:
        """Is ready from the start."""

    def close(self) -> None:
        """Gives the library back."""
        self._uses = {}
        self._nvml.close()

    def _look_at_all(self, ns: int) -> None:
        before, self._living = self._living, self._look(self._living)
        ours = before.keys() | self._living.keys()  # work of one that has ended meanwhile is its own still
        now_us = self._wall_ns() // 1000
        for id_, use in self._uses.items():
            use.look(ns, now_us, ours, self._are_foreign)
            if use.unknown and use.unknown not in self._said:
                self._said.add(use.unknown)
                log.warning("whose work %s does is not known: %s", id_, use.unknown)

    def _are_foreign(self, pids: set[int]) -> bool:
        """Whether none of these is the number of a process here."""
        if not pids or not os.path.isdir(self._path_procfs):  # Windows
            return False
        return not any(os.path.exists(os.path.join(self._path_procfs, str(pid))) for pid in pids)


class Use:
    """One board's use, counted up."""

    def __init__(self, nvml: Nvml, board: Board) -> None:
        self.unknown = ""  # why nobody can tell
        self.others: set[int] = set()  # processes that were seen on it and are not the tree's
        self._nvml = nvml
        self._uuid = board.uuid
        self._first_ns: int | None = None
        self._looked_ns = 0
        self._pids: set[int] = set()
        self._total = Work(0.0, 0.0, 0.0)
        self._sampled = _Sampled()
        self._held_s = 0.0  # by others, where there are no samples
        self._reserved_s = 0.0
        self._hold = self._reserve = False  # whether these two go on

    def work(self, ns: int) -> Work | None:
        """Seconds counted so far at an instant since the last look; None where nobody can tell."""
        if self.unknown or self._first_ns is None:
            return None
        since_s = (ns - self._looked_ns) / 1e9
        self._total = Work(
            max(self._total.own_s, self._sampled.own_s(since_s)),
            max(self._total.busy_s, self._sampled.busy_s(since_s) + self._held_s + since_s * self._hold),
            (ns - self._first_ns) / 1e9,
            max(self._total.reserved_s, self._reserved_s + since_s * self._reserve),
        )
        return self._total

    def state(self, ns: int) -> dict[str, float]:
        """How the board is now, as far as it tells."""
        return self._nvml.state(self._uuid, ns)

    def look(self, ns: int, now_us: int, ours: set[int], are_foreign: Callable[[set[int]], bool]) -> None:
        """Asks who is on the board, and counts the time since the last look by it."""
        since_s = 0.0 if self._first_ns is None else (ns - self._looked_ns) / 1e9
        self._first_ns = ns if self._first_ns is None else self._first_ns
        self._looked_ns = ns
        self._hold = self._reserve = False
        try:
            self._ask(ns, now_us, ours, are_foreign)
            self.unknown = ""
        except Unavailable as error:
            self.unknown = error.reason
        self._held_s += since_s * self._hold
        self._reserved_s += since_s * self._reserve

    def _ask(self, ns: int, now_us: int, ours: set[int], are_foreign: Callable[[set[int]], bool]) -> None:
        # who came or left since the last look counts as there all the time
        before, self._pids = self._pids, self._nvml.processes(self._uuid, ns)
        present = before | self._pids
        samples = self._samples(ns, now_us)
        workers = {sample.pid for sample in samples or ()}
        named = self._pids | workers
        if not named & (ours | before) and are_foreign(named):
            self._pids = set()
            raise Unavailable("its processes are not in this /proc, as in containers: set path_procfs to the host's")
        self.others |= (present | workers) - ours
        if samples is not None:
            self._sampled.add(samples, now_us, ours)
        elif present & ours and present - ours:
            raise Unavailable("others are on it too, and NVML does not tell who works")
        if not present | workers and self._is_busy(ns):
            raise Unavailable("it is busy, but NVML hides by whom, as in containers")
        self._reserve = bool(present) and present <= ours
        self._hold = samples is None and bool(present - ours)

    def _samples(self, ns: int, now_us: int) -> list[Used] | None:
        """What is new since the last look; None where NVML has no samples."""
        try:
            return self._nvml.used(self._uuid, ns, self._sampled.since(now_us))
        except NoAnswer:
            return None

    def _is_busy(self, ns: int) -> bool:
        if self._sampled.is_busy:
            return False  # that is the work of one who has left
        try:
            return self._nvml.busy_percent(self._uuid, ns) > 0
        except NoAnswer:
            return False


class _Sampled:
    """SM seconds from samples: those that are known, and the last known use for the time since."""

    def __init__(self) -> None:
        self._since_us: int | None = None  # up to when it is known
        self._now_us = 0
        self._own_s = self._busy_s = 0.0
        self._own_rate = self._busy_rate = 0.0

    @property
    def is_busy(self) -> bool:
        return self._busy_rate > 0

    def since(self, now_us: int) -> int:
        """The instant to ask from; the first time that is now. A wall clock that was set back does not matter."""
        if self._since_us is None or self._since_us > now_us:
            self._since_us = self._now_us = now_us
        return self._since_us

    def own_s(self, since_s: float) -> float:
        """Of the tree, at so many seconds after the last look."""
        return self._own_s + self._own_rate * self._ahead_s(since_s)

    def busy_s(self, since_s: float) -> float:
        """Of everybody."""
        return self._busy_s + self._busy_rate * self._ahead_s(since_s)

    def add(self, samples: list[Used], now_us: int, ours: set[int]) -> None:
        """Takes what is new in; `samples` are those after `since()`."""
        since_us = self.since(now_us)
        self._now_us = now_us
        if samples:
            newest_us = samples[-1].until_us
            own_s, busy_s = _sm_seconds(samples, since_us, ours), _sm_seconds(samples, since_us, None)
            known_s = (newest_us - since_us) / 1e6
            self._own_s += own_s
            self._busy_s += busy_s
            self._own_rate, self._busy_rate = own_s / known_s, busy_s / known_s
            self._since_us = newest_us
        elif now_us - since_us >= _SAMPLE_US:
            self._own_rate = self._busy_rate = 0.0
            self._since_us = now_us - _SAMPLE_US  # one that is late still counts

    def _ahead_s(self, since_s: float) -> float:
        return (self._now_us - (self._since_us or self._now_us)) / 1e6 + since_s


def _sm_seconds(samples: list[Used], since_us: int, ours: set[int] | None) -> float:
    """What some processes used; each sample holds for the time since the process's one before."""
    last_us: dict[int, int] = {}
    used_us = 0.0
    for sample in samples:
        if ours is None or sample.pid in ours:
            used_us += sample.sm_percent / 100 * (sample.until_us - last_us.get(sample.pid, since_us))
            last_us[sample.pid] = sample.until_us
    return used_us / 1e6


def _tree(settings: Settings, pid: int | None) -> Look:
    """Who lives in the tree, by process number; NVML's numbers are the host's, as path_procfs may be."""
    try:
        return ProcTree(settings.path_procfs if pid is None else "/proc", pid).look
    except (OSError, AttributeError, ValueError):  # AttributeError: Windows
        from carbonwatch.activity.psutil import PsutilTree

        return PsutilTree(pid).look
