"""What holds a process, from its control group: a container, a virtual machine or a service, by its name.

Names are in files that container programs keep for themselves. No daemon is asked; where a file is closed to this user,
or there is none, a container is known by the first digits of its id.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_LARGEST = 1 << 24  # bytes of a list of containers
_HEX = frozenset("0123456789abcdef")
# the beginning of a control group's name -> what runs such containers
_RUNTIMES = {"docker": "docker", "libpod": "podman", "cri-containerd": "pod", "crio": "pod"}


class Group(NamedTuple):
    """A container, a virtual machine or a service."""

    kind: str  # "docker", "podman", "pod", "lxc", "nspawn", "machine"; "" for a service
    id: str  # of 64 digits where it is no name already
    uid: int | None = None  # of the user that it belongs to, where it runs without root


def group_of(text: str) -> Group | None:
    """What holds a process, from /proc/<pid>/cgroup; None where nothing does."""
    paths = [line.split(":", 2)[-1].split("/") for line in text.splitlines()]
    held = (found for parts in paths for at in reversed(range(len(parts))) if (found := _container(parts, at)))
    return next(held, None) or next((Group("", name) for parts in paths for name in _services(parts)), None)


class Names:
    """Groups as people call them. `root` goes before the paths of files, `home` is a user's folder."""

    def __init__(self, root: str = "/", home: Callable[[int], tuple[str, str]] | None = None) -> None:
        self._root = root
        self._home = home or _name_and_home
        self._known: dict[Group, str] = {}

    def of(self, group: Group | None) -> str:
        """Such as "docker web", of a user "docker ada/web"; "docker 0123456789ab" where nothing tells the name."""
        if group is None or not group.kind:
            return group.id if group else ""
        if group in self._known:
            return self._known[group]
        name = self._named(group)
        if name:
            self._known[group] = f"{group.kind} {name}"
        return self._known.get(group, f"{group.kind} {group.id[:12] if _is_id(group.id) else group.id}")

    def _named(self, group: Group) -> str:
        """Its name, with its user's; empty if nothing tells it."""
        if not _is_id(group.id):
            return ""
        if group.kind == "pod":
            return self._of_kubernetes(group.id)
        user, home = self._home(group.uid) if group.uid is not None else ("", "")
        name = (self._of_podman if group.kind == "podman" else self._of_docker)(group.id, home)
        return f"{user}/{name}" if name and user else name

    def _of_docker(self, id_: str, home: str) -> str:
        folder = f"{home}/.local/share/docker" if home else "var/lib/docker"
        told = _json(self._path(folder, "containers", id_, "config.v2.json"))
        return str(told.get("Name", "")).removeprefix("/") if isinstance(told, dict) else ""

    def _of_podman(self, id_: str, home: str) -> str:
        """From its storage: what is removed at its end is in a list of its own."""
        storage = f"{home}/.local/share/containers/storage" if home else "var/lib/containers/storage"
        for folder in (name for name in _listed(self._path(storage)) if name.endswith("-containers")):
            for file in ("containers.json", "volatile-containers.json"):
                listed = _json(self._path(storage, folder, file))
                for each in listed if isinstance(listed, list) else ():
                    if isinstance(each, dict) and each.get("id") == id_ and isinstance(each.get("names"), list):
                        return str(next(iter(each["names"]), ""))
        return ""

    def _of_kubernetes(self, id_: str) -> str:
        """From the name of its log: <pod>_<namespace>_<container>-<id>.log."""
        end = f"-{id_}.log"
        log = next((name for name in _listed(self._path("var/log/containers")) if name.endswith(end)), "")
        pod, _, rest = log.removesuffix(end).partition("_")
        namespace, _, container = rest.partition("_")
        return f"{namespace}/{pod} {container}" if container else ""

    def _path(self, *parts: str) -> str:
        return os.path.join(self._root, *(part.lstrip("/") for part in parts))


def _container(parts: list[str], at: int) -> Group | None:
    """What a control group of this name is made for, with those that it is in."""
    word = parts[at].removesuffix(".scope")
    for begin, kind in (("lxc.payload.", "lxc"), ("systemd-nspawn@", "nspawn"), ("machine-", "machine")):
        if word.startswith(begin) and (kind != "machine" or parts[at] != word):
            return Group(kind, word.removeprefix(begin).removesuffix(".service").replace("\\x2d", "-"))
    if at and parts[at - 1] == "lxc":
        return Group("lxc", word)
    begin, _, rest = word.rpartition("-")
    id_ = rest if begin in _RUNTIMES else word
    if not _is_id(id_):
        return None
    in_pod = any("kubepods" in part for part in parts)
    return Group("pod" if in_pod else _RUNTIMES.get(begin, "docker"), id_, _user(parts))


def _user(parts: list[str]) -> int | None:
    """Of the user whose slice it is in."""
    numbers = (part[5:-6] for part in parts if part.startswith("user-") and part.endswith(".slice"))
    return next((int(number) for number in numbers if number.isdecimal()), None)


def _services(parts: list[str]) -> Iterator[str]:
    for part in reversed(parts):
        if part.endswith(".service") and not part.startswith("user@"):
            yield part.removesuffix(".service")


def _is_id(word: str) -> bool:
    return len(word) == 64 and set(word) <= _HEX


def _name_and_home(uid: int) -> tuple[str, str]:
    import pwd

    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return str(uid), f"/home/{uid}"
    return entry.pw_name, entry.pw_dir


def _json(path: str) -> Any:
    """What is in a file; None if it can't be read. Root may read what a user has put there, so anything may be."""
    import json
    import stat

    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would be waited for
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            return json.load(file) if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST else None
    except (OSError, ValueError, RecursionError):
        return None


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
