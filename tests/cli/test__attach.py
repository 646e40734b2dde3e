from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

BUSY = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.readline(), os._exit(3))).start()
print('ready', flush=True)
while True: pass
"""


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    """One that works until it is told to end."""
    words = [sys.executable, "-S", "-c", BUSY, "--token", "hunter2"]
    busy = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert busy.stdout is not None
    busy.stdout.readline()
    yield busy
    busy.kill()
    busy.communicate()


def measured(carbonwatch: CommandLine, pid: int) -> subprocess.Popen[bytes]:
    """A measurement that has gone on for long enough to see work, which is counted in hundredths of a second."""
    words = ("run", "--pid", str(pid), "--quiet", "--interval-s", "0.05", "--json", "run.json")
    measuring = carbonwatch.start(*words, stderr=subprocess.PIPE)
    deadline_s = time.monotonic() + 60
    while not any(run["duration_s"] > 0.3 for run in carbonwatch.runs()):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return measuring


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def test_a_program_that_runs_already_is_measured_to_its_end(
    carbonwatch: CommandLine, program: subprocess.Popen[bytes]
) -> None:
    measuring = measured(carbonwatch, program.pid)
    program.communicate(b"end\n")
    _, errors = measuring.communicate(timeout=60)
    run = result(carbonwatch.folder)

    assert (measuring.returncode, errors, run["state"]) == (0, b"", "finished")
    assert run["facts"]["attached_to_pid"] == program.pid
    assert run["facts"]["command"].endswith("--token ***")
    assert sum(entry["work"]["own_s"] for entry in run["entries"]) > 0


def test_ctrl_c_ends_the_measurement_and_not_the_program(
    carbonwatch: CommandLine, program: subprocess.Popen[bytes]
) -> None:
    measuring = measured(carbonwatch, program.pid)
    measuring.send_signal(signal.SIGINT)
    _, errors = measuring.communicate(timeout=60)

    assert (measuring.returncode, errors, program.poll()) == (0, b"", None)
    assert result(carbonwatch.folder)["state"] == "finished"


def test_a_process_that_is_not_there_is_an_error_before_anything_is_kept(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("run", "--pid", "4194305")

    assert (answer.returncode, answer.stdout) == (2, b"")
    assert b"There is no process 4194305" in answer.stderr
    assert carbonwatch.runs() == []


@pytest.mark.parametrize("more", [("--", "true"), ("--cgroup",), ("--when-clean", "4h")])
def test_what_makes_no_sense_with_a_program_that_runs_already_is_refused(
    more: tuple[str, ...], carbonwatch: CommandLine
) -> None:
    answer = carbonwatch("run", "--pid", str(os.getpid()), *more)

    assert answer.returncode == 2
    assert b"makes no sense with it" in answer.stderr
