"""Real programs for these tests: each is code after the prelude below, in a process and a session of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from carbonwatch.model import Run
from carbonwatch.store.query import Store

PRELUDE = """\
import os, signal, sys, threading, time, warnings

warnings.simplefilter("ignore", DeprecationWarning)  # of forks where threads run: some do it on purpose

from carbonwatch.settings import resolve
from carbonwatch.tracker import Tracker

def say(*words):
    print(*words, flush=True)

def wait():
    sys.stdin.readline()

class Telling(Tracker):
    ticks = 0

    def _on_tick(self, reading):  # says what a tick has acknowledged
        super()._on_tick(reading)
        run = self._as_run()
        say("tick", run.duration_s, run.energy_j)

def tracker(kind=Tracker, **options):
    return kind(resolve({"country": "FR", "interval_s": 0.05, **options}))

"""


@dataclass
class Ended:
    """What a program left."""

    status: int
    said: str
    errors: str
    runs: list[Run]

    @property
    def run(self) -> Run:
        (run,) = self.runs
        return run


class Program:
    """A program that runs, with its own store at `path`."""

    def __init__(self, code: str, folder: Path, *, prelude: str = PRELUDE, **environ: str) -> None:
        self.path = folder / "runs.db"
        script = folder / "program.py"
        script.write_text(prelude + code)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("CARBONWATCH_", "CODECARBON_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", script],
            cwd=folder,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**inherited, "CARBONWATCH_STORE": str(self.path), **environ},
            start_new_session=True,
        )

    def hear(self) -> str:
        """The next line that it says."""
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def tell(self) -> None:
        """Lets it go on."""
        assert self.process.stdin
        self.process.stdin.write("go on\n")
        self.process.stdin.flush()

    def end(self) -> Ended:
        """What it leaves when it has ended, and nothing of it is left alive."""
        try:
            said, errors = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # faulthandler then tells where it hangs
            said, errors = self.process.communicate()
            raise AssertionError(f"it did not end:\n{errors}") from None
        deadline_s = time.monotonic() + 10  # multiprocessing's own processes end a little later
        while self._session() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert self._session() == [], "it left a process behind"
        # a host that is busy takes time from this machine, and the models say so: no matter of the program's
        errors = "".join(line for line in errors.splitlines(keepends=True) if "other guests (steal)" not in line)
        return Ended(self.process.returncode, said, errors, self.runs())

    def runs(self) -> list[Run]:
        if not self.path.is_file():
            return []
        with Store(str(self.path)) as store:
            return [store.run(listed.run.id) for listed in store.runs()]

    def _session(self) -> list[int]:
        listed = (int(name) for name in os.listdir("/proc") if name.isdigit())
        return [pid for pid in listed if _session_of(pid) == self.process.pid]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def run(code: str, folder: Path, *, prelude: str = PRELUDE, **environ: str) -> Ended:
    """A program from its beginning to its end."""
    return Program(code, folder, prelude=prelude, **environ).end()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[bool]:
    """A real file system of its own in a folder; False where this user may not mount one."""
    tool = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = tool is not None and subprocess.run([tool, *options], capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
