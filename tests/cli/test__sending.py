from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from carbonwatch.units import J_PER_KWH

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine
    from tests.codecarbon.hosted import Hosted

LIMIT_S = 60.0


@pytest.fixture
def chosen(carbonwatch: CommandLine, there: Hosted) -> Hosted:
    """The server, with a key and an experiment in the user's config file."""
    there.keys["pt-1"] = "project-1"
    file = carbonwatch.folder / "home" / ".codecarbon.config"
    file.write_text("[codecarbon]\napi_key = pt-1\nexperiment_id = experiment-1\nproject_name = nightly\n")
    return there


def test_a_program_s_run_is_sent_when_it_has_ended(carbonwatch: CommandLine, chosen: Hosted) -> None:
    answer = carbonwatch("run", "--api", "--", sys.executable, "-c", "print(7)")
    (runs, run), (emissions, figures) = chosen.sent

    assert (answer.returncode, answer.stdout) == (0, b"7\n")
    assert (runs, run["experiment_id"], emissions, figures["run_id"]) == (
        "/runs",
        "experiment-1",
        "/emissions",
        "run-1",
    )
    assert figures["energy_consumed"] > 0


def test_the_machine_is_sent_while_it_is_watched_too(carbonwatch: CommandLine, chosen: Hosted) -> None:
    with carbonwatch.start("monitor", "--api-every", "1", "--interval-s", "0.5") as process:
        was_sent = chosen.emissions.acquire(timeout=LIMIT_S)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT_S)
    sent_kwh = [value["energy_consumed"] for path, value in chosen.sent if path == "/emissions"]
    (kept,) = carbonwatch.runs()

    assert (was_sent, process.returncode, len(sent_kwh) >= 2) == (True, 0, True)
    assert sum(sent_kwh) == pytest.approx(kept["energy_j"] / J_PER_KWH)


def test_without_a_key_nothing_is_run(carbonwatch: CommandLine, there: Hosted) -> None:
    answer = carbonwatch("run", "--api", "--", sys.executable, "-c", "print(7)")

    assert (answer.returncode, answer.stdout) == (2, b"")
    assert "`carbonwatch config` gets one" in answer.stderr.decode()


def test_a_server_that_refuses_takes_nothing_away_from_the_run(carbonwatch: CommandLine, chosen: Hosted) -> None:
    chosen.keys.clear()
    answer = carbonwatch("run", "--api", "--", sys.executable, "-c", "exit(3)")

    assert answer.returncode == 3
    assert "refused it (403)" in answer.stderr.decode()
    assert [run["project"] for run in carbonwatch.runs()] == ["nightly"]


def test_nothing_is_sent_unless_it_is_asked_for(carbonwatch: CommandLine, chosen: Hosted) -> None:
    carbonwatch("run", "--", sys.executable, "-c", "print(7)")

    assert chosen.asked == []


@pytest.mark.parametrize("every", ["0", "x", "nan", "-1"])
def test_a_time_that_is_none_is_an_error(carbonwatch: CommandLine, every: str) -> None:
    answer = carbonwatch("monitor", f"--api-every={every}")

    assert (answer.returncode, answer.stderr.decode().count("\n")) == (2, 1)
