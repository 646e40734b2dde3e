"""Let one program of a user read the energy counters, once.

Run as root; changes nothing on the machine. Opens the counters that are closed
to users, waits until a program of the user begins to measure, hands the open
descriptors to it and ends: nothing runs as root while it measures, and when the
program ends the right is gone. The program needs no change; it asks by itself.

That program may read the counters a thousand times a second, which can tell
some of what others compute (PLATYPUS, CVE-2020-8694).

Examples:
  sudo carbonwatch grant && carbonwatch run -- python train.py
  carbonwatch grant --user ada --wait 600             as root, for somebody
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from carbonwatch import plugins
from carbonwatch.cli import _options, _terminal
from carbonwatch.errors import CarbonwatchError, SensorUnavailable
from carbonwatch.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

_SETTINGS = ("prefer_psys", "path_sysfs", "path_procfs", "path_grants")
_COUNTERS = ("rapl_perf", "rapl_powercap")  # of the same registers: the first that opens is enough
_WAIT_S = 60.0


class Lendable(Protocol):
    """A meter that stays readable for whoever holds its descriptors."""

    def descriptors(self) -> dict[str, list[int]]:
        """What is open, by a name that is the same in every process."""


class GrantError(CarbonwatchError):
    """What keeps the counters from being handed over."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", metavar="NAME", help="Whose program. Default: who called sudo.")
    parser.add_argument(
        "--wait", type=float, default=_WAIT_S, metavar="SECONDS", help="Give up after so long. Default: 60"
    )
    parser.add_argument(
        "--foreground", action="store_true", help="Stay until it is done. Otherwise the waiting happens beside."
    )
    _options.add_settings(parser, _SETTINGS)


def main(args: argparse.Namespace) -> int:
    if not hasattr(os, "fork"):
        raise GrantError("Counters are handed over on Linux alone; here sensors need no more rights than a user has.")
    uid = receiver(args.user, os.environ)
    chosen = _options.chosen(args)
    counters = opened(chosen).descriptors()
    with _waiting_at(chosen.path_grants, uid) as line:
        if not args.foreground and not _goes_on_beside():
            _terminal.say(f"carbonwatch: {_what(counters)} for the next program of user {uid}, for {args.wait:.0f} s")
            return 0
        given = hand_over(line, uid, counters, args.wait)
        _remove(chosen.path_grants, uid)
    return 0 if given else 1


def receiver(name: str | None, environ: Mapping[str, str]) -> int:
    """The number of the user who is to read."""
    import pwd

    wanted = name or environ.get("SUDO_UID") or environ.get("PKEXEC_UID")
    if wanted is None:
        raise GrantError("It is not known whose program is to read the counters. Say so: --user NAME.")
    try:
        return int(wanted) if wanted.isdecimal() else pwd.getpwnam(wanted).pw_uid
    except KeyError as error:
        raise GrantError(f"There is no user {wanted!r} here, so nobody can be given the counters.") from error


def opened(chosen: Settings) -> Lendable:
    """The meter to lend: its files are open."""
    reasons = []
    for name in _COUNTERS:
        try:
            meter: Lendable = plugins.load("sensors", name)(chosen)
            return meter
        except SensorUnavailable as error:
            reasons.append(error.reason)
    who = "" if os.geteuid() == 0 else " Only root may open them: sudo carbonwatch grant."
    raise GrantError(f"There are no counters to hand over. {' '.join(reasons)}{who}")


def hand_over(
    line: socket.socket,
    uid: int,
    counters: Mapping[str, list[int]],
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Gives descriptors to the first process of the user that asks. False if none did in time."""
    import json
    import socket

    deadline_s = clock() + wait_s
    names = json.dumps({name: len(fds) for name, fds in counters.items()}).encode()
    while (left_s := deadline_s - clock()) > 0:
        line.settimeout(left_s)
        try:
            process, _ = line.accept()
        except TimeoutError:
            break
        with process:
            if _user_of(process) == uid:
                socket.send_fds(process, [names], [fd for fds in counters.values() for fd in fds])
                return True
    return False


def _waiting_at(folder: str, uid: int) -> socket.socket:
    """A socket that this user alone can reach."""
    import socket

    from carbonwatch.sensors import _granted

    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path = _granted.address(folder, uid)
    try:
        os.makedirs(folder, 0o755, exist_ok=True)
        _remove(folder, uid)
        mask = os.umask(0o177)
        try:
            line.bind(path)
        finally:
            os.umask(mask)
        os.chown(path, uid, -1)
        line.listen(4)
    except OSError as error:
        line.close()
        raise GrantError(
            f"Nothing can wait at {path} ({error.strerror}), so nobody would be given anything."
        ) from error
    return line


def _goes_on_beside() -> bool:
    """True in a process of its own that no terminal or pipe waits for; False in the one that was called."""
    if os.fork():
        return False
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    return True


def _user_of(process: socket.socket) -> int:
    import socket
    import struct

    _, uid, _ = struct.unpack("3i", process.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def _remove(folder: str, uid: int) -> None:
    from carbonwatch.sensors import _granted

    try:
        os.unlink(_granted.address(folder, uid))
    except FileNotFoundError:
        pass


def _what(counters: Mapping[str, list[int]]) -> str:
    number = sum(map(len, counters.values()))
    return f"{number} counter{'s' if number != 1 else ''}"
