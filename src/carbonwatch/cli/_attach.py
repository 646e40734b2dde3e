"""A program that runs already, measured until it ends or somebody has seen enough."""

from __future__ import annotations

import os
import select
from typing import Any

from carbonwatch import environment
from carbonwatch.cli import UsageError, _until
from carbonwatch.model import Run
from carbonwatch.sampler import open_sampler
from carbonwatch.settings import Settings
from carbonwatch.tracker import Tracker

_LOOK_S = 0.5


def run(pid: int, settings: Settings) -> Run:
    """Measures the tree of a process. Raises UsageError where there is none of this number."""
    if not _exists(pid):
        raise UsageError(f"There is no process {pid}, so there is nothing to measure. `ps` lists those that run.")
    sampler = open_sampler(settings, pid)
    try:
        with (
            _until.asked_to_end() as interrupted,
            Tracker(settings, meters=sampler, facts=_facts(pid)) as tracker,
        ):
            tracker.settle()
            _wait(pid, interrupted)
        return tracker.run
    finally:
        sampler.close()


def _wait(pid: int, interrupted: int) -> None:
    """Until the process has ended, or a signal came."""
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux, or an old one
        while _exists(pid) and not select.select([interrupted], [], [], _LOOK_S)[0]:
            pass
        return
    try:
        select.select([ended, interrupted], [], [])
    finally:
        os.close(ended)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return pid > 0


def _facts(pid: int) -> dict[str, Any]:
    """What is known of the program instead of us."""
    folder = f"/proc/{pid}"
    facts: dict[str, Any] = {"attached_to_pid": pid, "command": f"process {pid}"}
    try:
        with open(f"{folder}/cmdline", "rb") as file:
            words = file.read().rstrip(b"\0").decode(errors="replace").split("\0")
        facts["command"] = environment.command(words)
        facts["git_commit"] = environment.git_commit(os.readlink(f"{folder}/cwd"))
    except OSError:  # another user's, or not Linux
        pass
    return facts
