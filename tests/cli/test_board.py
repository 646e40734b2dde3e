"""`carbonwatch board`, as a process that a browser would ask."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

PATIENCE_S = 60
ROWS = "timestamp,project_name,duration,emissions,energy_consumed\n2026-01-01T00:00:00,one,60,0.001,0.01\n"


@contextmanager
def started(
    carbonwatch: CommandLine, *words: str, command: str = "board"
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The board, or a command that opens it, and its address, until the end of the block."""
    with carbonwatch.start(command, "--no-browser", *words, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, b"")
            yield process, next(found[0] for line in lines if (found := re.findall(r"http://\S+", line.decode())))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)


def asked(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
        content: bytes = answer.read()
    return content


def test_it_serves_the_runs_that_are_kept_until_it_is_interrupted(carbonwatch: CommandLine) -> None:
    carbonwatch("run", "--quiet", "--project", "digits", "--", "true")
    with started(carbonwatch) as (process, address):
        page, runs = asked(address), json.loads(asked(f"{address}api/runs"))

    assert b"<title>carbonwatch board</title>" in page
    assert [run["project"] for run in runs] == ["digits"]
    assert process.returncode == 0


def test_it_serves_a_file_and_a_port_that_are_named(carbonwatch: CommandLine) -> None:
    (carbonwatch.folder / "emissions.csv").write_text(ROWS)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(carbonwatch, "--csv", "emissions.csv", "--store", "none", "--port", str(port)) as (_, address):
        runs = json.loads(asked(f"{address}api/runs"))

    assert address.startswith(f"http://127.0.0.1:{port}/")
    assert [run["project"] for run in runs] == ["one"]


def test_a_port_that_is_taken_is_one_message(carbonwatch: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = carbonwatch("board", "--no-browser", "--port", str(taken.getsockname()[1]))

    assert (answer.returncode, b"Leave --port out for a free one" in answer.stderr) == (2, True)


@pytest.mark.parametrize(
    "words", [("--port", "x"), ("--port", "99999"), ("--csv", "none.csv"), ("--csv", "."), ("--store", "none")]
)
def test_a_wrong_option_is_one_message(carbonwatch: CommandLine, words: tuple[str, ...]) -> None:
    answer = carbonwatch("board", "--no-browser", *words)

    assert (answer.returncode, answer.stderr.count(b"\n")) == (2, 1)


def test_carbonboard_is_the_same(carbonwatch: CommandLine) -> None:
    installed = Path(sys.executable).with_name("carbonboard")
    carbonwatch.words = [str(installed)]
    answer = carbonwatch("--help")

    assert (answer.returncode, answer.stdout.startswith(b"usage: carbonwatch board [options]")) == (0, True)
