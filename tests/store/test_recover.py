"""A run whose process is gone was killed; one that may still go on is left alone."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from carbonwatch.model import Run
from carbonwatch.store import rows
from carbonwatch.store.journal import Journal, connect
from carbonwatch.store.recover import SILENT_NS, settle

START_NS = 1_790_000_000 * 10**9
NOW_NS = START_NS + 10 * 10**9


def run(state: str = "running") -> Run:
    return Run("a-run", "tests", "process", state, START_NS, 5.0)  # type: ignore[arg-type]  # one of its words


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(str(path))) as opened:
        yield opened


def keep(path: Path, db: sqlite3.Connection, state: str = "running", **process: object) -> None:
    """A run in the store, as another process than this would have written it."""
    with closing(Journal(str(path))) as journal:
        journal.begin(run(state))
    for name, value in process.items():
        db.execute(f"UPDATE runs SET {name} = ?", (value,))


def states(db: sqlite3.Connection) -> list[str]:
    return [state for (state,) in db.execute("SELECT state FROM runs")]


def pid_of_the_dead() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_run_of_a_process_that_lives_goes_on(path: Path, db: sqlite3.Connection) -> None:
    keep(path, db)

    assert settle(db, NOW_NS) == []
    assert states(db) == ["running"]


def test_a_run_of_a_process_that_is_gone_was_killed(path: Path, db: sqlite3.Connection) -> None:
    keep(path, db, pid=pid_of_the_dead())

    assert settle(db, NOW_NS) == ["a-run"]
    assert states(db) == ["killed"]
    assert settle(db, NOW_NS) == []


@pytest.mark.parametrize("state", ["finished", "failed", "killed"])
def test_a_run_that_has_ended_stays_as_it_is(path: Path, db: sqlite3.Connection, state: str) -> None:
    keep(path, db, state, pid=pid_of_the_dead())

    assert settle(db, NOW_NS) == []
    assert states(db) == [state]


def test_another_process_of_the_same_pid_is_not_the_run_s(path: Path, db: sqlite3.Connection) -> None:
    keep(path, db, pid_started="1")

    assert settle(db, NOW_NS) == ["a-run"]


def test_a_run_from_before_the_machine_was_started_again_was_killed(path: Path, db: sqlite3.Connection) -> None:
    keep(path, db, boot_id="of-the-former-boot")

    assert settle(db, NOW_NS) == ["a-run"]


def test_a_zombie_runs_nothing(path: Path, db: sqlite3.Connection) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    keep(path, db, pid=child.pid, pid_started=rows.pid_started(child.pid))
    before = settle(db, NOW_NS)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert before == []
    assert settle(db, NOW_NS) == ["a-run"]
    child.communicate()


def test_a_run_of_another_host_is_left_for_a_day_of_silence(path: Path, db: sqlite3.Connection) -> None:
    keep(path, db, host="another", pid=pid_of_the_dead())
    flushed_ns = START_NS + 5 * 10**9

    assert settle(db, flushed_ns + SILENT_NS) == []
    assert settle(db, flushed_ns + SILENT_NS + 1) == ["a-run"]


def test_a_run_that_was_given_up_too_early_comes_back_with_its_next_flush(path: Path, db: sqlite3.Connection) -> None:
    keep(path, db, host="another")
    settle(db, START_NS + 2 * SILENT_NS)
    with closing(Journal(str(path))) as journal:
        journal.save(run(), (), ())

    assert states(db) == ["running"]
    assert db.execute("SELECT host FROM runs").fetchone() == ("another",)
