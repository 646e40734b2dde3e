"""A control group (v2) of our own: whatever is started in it stays in it, whoever adopts it and whoever it becomes.

It is made inside the group that we are in, where that is allowed. Else systemd is asked for a scope, and we begin
anew in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from carbonwatch.activity.procfs import unified_path
from carbonwatch.errors import Unavailable
from carbonwatch.settings import Settings

IN_SCOPE = "CARBONWATCH_IN_SCOPE"  # that we have begun anew


class Group:
    """A group that we are in, and the one that we came from."""

    def __init__(self, folder: str, former: str) -> None:
        self.folder, self._former = folder, former

    def leave(self) -> None:
        """Goes back; the group ends with the last process in it."""
        try:
            _move(self._former)
            os.rmdir(self.folder)
        except OSError:  # somebody has outlived the program
            pass


def enter(settings: Settings) -> Group | None:
    """Goes into a group of our own. None where systemd has put us into one. Raises Unavailable where neither works."""
    if IN_SCOPE in os.environ:
        del os.environ[IN_SCOPE]
        return None
    try:
        return make(settings.path_sysfs, _text("/proc/self/cgroup"))
    except Unavailable as error:
        refused = error.reason
    command = scope(os.environ, os.getuid())
    if command is None or not _works(command):
        raise Unavailable(f"{refused} And systemd gives no scope.")
    os.environ[IN_SCOPE] = "1"
    return os.execvp(command[0], [*command, sys.executable, "-m", "carbonwatch", *sys.argv[1:]])


def make(path_sysfs: str, groups: str) -> Group:
    """A group inside ours, and us in it. Raises Unavailable where that is not allowed."""
    path = unified_path(groups)
    for base in ("", "unified"):
        former = os.path.join(path_sysfs, "fs", "cgroup", base, path)
        if not os.path.exists(os.path.join(former, "cgroup.procs")):
            continue
        folder = os.path.join(former, f"carbonwatch-{os.getpid()}")
        try:
            os.mkdir(folder)
        except OSError as error:
            raise Unavailable(f"No group can be made in {former} ({error.strerror}).") from error
        try:
            _move(folder)
        except OSError as error:
            os.rmdir(folder)
            raise Unavailable(f"This user may not move programs into {folder} ({error.strerror}).") from error
        return Group(folder, former)
    raise Unavailable("Control groups (v2) can't be seen from here.")


def scope(environ: Mapping[str, str], uid: int) -> list[str] | None:
    """The beginning of a command that runs another in a scope of systemd; None where there is no systemd to ask."""
    command = ["systemd-run", "--scope", "--quiet", "--collect"]
    if uid == 0:
        return [*command, "--"] if os.path.isdir("/run/systemd/system") else None
    bus = os.path.join(environ.get("XDG_RUNTIME_DIR", ""), "systemd", "private")
    return [*command, "--user", "--"] if os.path.isabs(bus) and os.path.exists(bus) else None


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run([*command, "true"], capture_output=True, timeout=5, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _move(folder: str) -> None:
    with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write(str(os.getpid()))


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
