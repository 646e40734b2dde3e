"""Every process of the machine: what it used of the CPUs and of GPUs, whose it is and what holds it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from carbonwatch.activity import apple, drm
from carbonwatch.activity._containers import Names, group_of
from carbonwatch.activity._kfd import Kfd
from carbonwatch.activity.procfs import _content, _names
from carbonwatch.errors import Unavailable
from carbonwatch.nvidia import Board, NoAnswer, Nvml
from carbonwatch.settings import Settings


class Key(NamedTuple):
    """A process: its number, and when it began, as numbers are used again."""

    pid: int
    start: int


class Seen(NamedTuple):
    """A process at one look."""

    cpu_s: float
    name: str
    user: str = ""
    group: str = ""  # its container or service
    parent: int = 0
    children_s: float = 0.0  # of those that it waited for


class Everybody(Protocol):
    """All processes, look after look."""

    def look(self) -> dict[Key, Seen]:
        """Who is there now."""


class ByProc:
    """From /proc; what does not change is read once. `told` makes a line of a command's words."""

    def __init__(self, path_procfs: str = "/proc", told: Callable[[Sequence[str]], str] = " ".join) -> None:
        self._folder = path_procfs
        self._told = told
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._known: dict[tuple[Key, bytes], tuple[str, str, str]] = {}
        self._users: dict[int, str] = {}
        self._names = Names(os.path.dirname(os.path.abspath(path_procfs)))  # files of the machine whose /proc it is

    def look(self) -> dict[Key, Seen]:
        found: dict[Key, Seen] = {}
        known: dict[tuple[Key, bytes], tuple[str, str, str]] = {}
        for pid in _names(self._folder):
            if not pid.isdigit():
                continue
            text = _content(f"{self._folder}/{pid}/stat", 1024)
            begin, end = text.find(b"("), text.rfind(b")")
            fields = text[end + 1 :].split(None, 20)
            if len(fields) < 21:  # it has just ended
                continue
            key, short = Key(int(pid), int(fields[19])), text[begin + 1 : end]
            about = self._known.get((key, short)) or self._about(pid, short)
            known[key, short] = about
            own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
            found[key] = Seen(own * self._tick_s, *about, int(fields[1]), children * self._tick_s)
        self._known = known
        return found

    def _about(self, pid: str, short: bytes) -> tuple[str, str, str]:
        words = _content(f"{self._folder}/{pid}/cmdline").rstrip(b"\0").decode(errors="replace")
        name = self._told(words.split("\0")) if words else f"[{short.decode(errors='replace')}]"
        try:
            uid = os.stat(f"{self._folder}/{pid}").st_uid
        except OSError:
            uid = -1
        group = group_of(_content(f"{self._folder}/{pid}/cgroup").decode(errors="replace"))
        return name, self._user(uid), self._names.of(group)

    def _user(self, uid: int) -> str:
        if uid not in self._users:
            import pwd

            try:
                self._users[uid] = pwd.getpwuid(uid).pw_name
            except KeyError:
                self._users[uid] = "?" if uid < 0 else str(uid)
        return self._users[uid]


class ByPsutil:
    """From psutil, where there is no /proc."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil

    def look(self) -> dict[Key, Seen]:
        found: dict[Key, Seen] = {}
        for process in self._psutil.process_iter(["pid", "name", "cpu_times", "username", "create_time"]):
            about: dict[str, Any] = process.info
            times = about["cpu_times"]
            if times is not None:
                key = Key(about["pid"], round((about["create_time"] or 0.0) * 1e6))
                user = (about["username"] or "?").rpartition("\\")[2]
                found[key] = Seen(times.user + times.system, about["name"] or "?", user)
        return found


def everybody(path_procfs: str, told: Callable[[Sequence[str]], str]) -> Everybody:
    """All processes. Raises Unavailable where there is neither /proc nor psutil."""
    if os.path.exists(os.path.join(path_procfs, "stat")):
        return ByProc(path_procfs, told)
    try:
        return ByPsutil()
    except ImportError as error:
        raise Unavailable("There is no /proc here, so nothing tells who works.", "pip install psutil") from error


class OnCards(Protocol):
    """Who used which board, look after look."""

    def look(self, ns: int, now_us: int, /) -> dict[str, dict[int, float]]:
        """Seconds since the last look by board and process number; a board that one alone has open is its own."""

    def close(self) -> None:
        """Gives back what it holds open."""


class Cards:
    """Who used which board of NVIDIA's since the last look, in seconds of its multiprocessors."""

    def __init__(self, nvml: Nvml, boards: list[Board]) -> None:
        self._nvml = nvml
        self._boards = boards
        self._since_us: dict[str, int] = {}

    def look(self, ns: int, now_us: int) -> dict[str, dict[int, float]]:
        """By board and process number; a board that one alone has open is its own, also while it rests."""
        return {board.id: self._of(board, ns, now_us) for board in self._boards}

    def _of(self, board: Board, ns: int, now_us: int) -> dict[int, float]:
        since_us = self._since_us.setdefault(board.uuid, now_us)
        try:
            samples = self._nvml.used(board.uuid, ns, since_us)
        except (NoAnswer, Unavailable):
            samples = []
        used: dict[int, float] = {}
        last_us: dict[int, int] = {}
        for sample in samples:
            seconds = (sample.until_us - last_us.get(sample.pid, since_us)) / 1e6 * sample.sm_percent / 100
            used[sample.pid] = used.get(sample.pid, 0.0) + seconds
            last_us[sample.pid] = sample.until_us
        if samples:
            self._since_us[board.uuid] = samples[-1].until_us
        return _working(used) or self._holder(board, ns)

    def _holder(self, board: Board, ns: int) -> dict[int, float]:
        try:
            holders = self._nvml.processes(board.uuid, ns)
        except (NoAnswer, Unavailable):
            return {}
        return _alone(holders)

    def close(self) -> None:
        """Gives the library back."""
        self._nvml.close()


class Engines:
    """Who used which board of AMD's or Intel's since the last look, in seconds of an engine or of the board."""

    def __init__(self, settings: Settings) -> None:
        self._boards = drm.cards(settings.path_sysfs)
        self._clients = drm.Clients(settings.path_procfs)
        self._kfd = Kfd(settings.path_sysfs)
        self._uses = drm.uses(self._boards, self._kfd)

    def look(self, ns: int, _now_us: int, /) -> dict[str, dict[int, float]]:
        """By board and process number; a board that one alone has open is its own, also while it rests."""
        seen, queues = self._clients.look(ns, ()), self._kfd.look()
        return {card.id: self._of(self._uses[card.id], ns, drm.moment(card, seen, queues)) for card in self._boards}

    def _of(self, use: drm.Use, ns: int, now: drm.Moment) -> dict[int, float]:
        one = set(sorted(now.queues)[:1])  # where only one can have computed, it did
        use.look(ns, now, one, lambda _: False)
        return _working(use.used_s) or _alone(now.holders)

    def close(self) -> None:
        """Holds nothing open."""


class MacCards:
    """Who used the GPU of Apple's processor since the last look, in seconds of it. Raises Unavailable."""

    def __init__(self, load: Callable[[], tuple[Any, Any]] | None = None) -> None:
        self._clients = apple.open_clients(load)

    def look(self, ns: int, _now_us: int, /) -> dict[str, dict[int, float]]:
        """By process number."""
        return {apple.GPU: _working(self._clients.look(ns))}

    def close(self) -> None:
        """Gives back what the registry holds."""
        self._clients.close()


def _working(used_s: Mapping[int, float]) -> dict[int, float]:
    """Those who used anything of a board."""
    return {pid: seconds for pid, seconds in used_s.items() if seconds > 0}


def _alone(holders: Collection[int]) -> dict[int, float]:
    """All of a board for the one that has it open; nothing for several, of whom nobody worked."""
    return dict.fromkeys(holders, 1.0) if len(holders) == 1 else {}
