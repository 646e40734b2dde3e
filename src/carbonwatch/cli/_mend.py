"""Changes of the machine that let a user read its meters: shown, asked for, made as root, taken back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from carbonwatch.cli import _terminal
from carbonwatch.errors import CarbonwatchError
from carbonwatch.rights import FIXES, Fix

Run = Callable[[Sequence[str]], Any]  # gives something with a returncode


class ChangeError(CarbonwatchError):
    """A change that could not be made whole."""


def made(root: str = "") -> tuple[Fix, ...]:
    """The changes that stand in this machine's files as we wrote them."""
    return tuple(fix for fix in FIXES if fix.stands_in(_text(root + fix.path)))


def change(
    fixes: Iterable[Fix],
    *,
    undo: bool,
    yes: bool,
    ask: Callable[[str], str] = input,
    run: Run | None = None,
    environ: Mapping[str, str] = os.environ,
    root: str = "",
) -> bool:
    """Shows changes and makes them after a yes. False if there was none; raises ChangeError where one fails."""
    fixes = tuple(fixes)
    for fix in fixes:
        _terminal.say(_shown_undo(fix, root) if undo else f"{fix.purpose}:\n{fix.shell()}\n{fix.exposes}")
    if not yes and not _agreed(ask):
        _terminal.say("carbonwatch: nothing was changed.")
        return False
    for fix in fixes:
        script = fix.undo_script(root) if undo else fix.script(root)
        done = (run or _run)([*as_root(), "env", f"USER={reader(environ)}", "sh", "-c", script])
        if done.returncode:
            raise ChangeError(
                f"The change {fix.name!r} could not be made whole (a command ended with {done.returncode}), so what it "
                "is for is not read yet. See what the command said; `carbonwatch doctor --undo` takes the rest back."
            )
    return True


def reads_after_login(words: Sequence[str], run: Run | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the user reads everything in a session that begins now: groups are joined at a login."""
    user = reader(environ)
    become = ["runuser", "-u", user, "--"] if _is_root() else ["sudo", "-u", user]
    try:
        done = (run or _run_silently)([*become, sys.executable, "-m", "carbonwatch", "doctor", "--json", *words])
    except OSError:
        return False
    return bool(done.returncode == 0)


def reader(environ: Mapping[str, str]) -> str:
    """Who is to read: who called sudo, else this process's user."""
    import pwd

    return environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


def as_root() -> list[str]:
    """What goes before a command so that root runs it."""
    return [] if _is_root() else ["sudo"]


def _is_root() -> bool:
    return os.geteuid() == 0


def _shown_undo(fix: Fix, root: str) -> str:
    commands = fix.shell_undo(fix.members(_text(root + fix.path)))
    return "\n".join((f"To take back the change {fix.name!r}:", *(f"  {line}" for line in commands)))


def _agreed(ask: Callable[[str], str]) -> bool:
    _terminal.say("Change this machine? [y/N]")
    try:
        return ask("").strip().lower() in ("y", "yes")
    except EOFError:
        _terminal.say("carbonwatch: nobody answers here; --yes changes without asking.")
        return False


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _run(command: Sequence[str]) -> Any:
    import subprocess

    return subprocess.run(command, check=False)


def _run_silently(command: Sequence[str]) -> Any:
    import subprocess

    return subprocess.run(command, check=False, capture_output=True, timeout=60)
