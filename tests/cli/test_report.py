from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from carbonwatch import plugins

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


@pytest.fixture
def ids(carbonwatch: CommandLine) -> list[str]:
    """Two runs, the latest first."""
    for project in ("first", "second"):
        carbonwatch("run", "--quiet", "--project", project, "--", "true")
    return [run["id"] for run in carbonwatch.runs()]


def test_the_last_run_is_shown(carbonwatch: CommandLine, ids: list[str]) -> None:
    answer = carbonwatch("report")

    assert answer.returncode == 0
    assert b"second: finished" in answer.stdout
    assert b"\x1b" not in answer.stdout


def test_a_run_is_found_by_the_beginning_of_its_id(carbonwatch: CommandLine, ids: list[str]) -> None:
    answer = carbonwatch("report", ids[1][:-1], "--as", "json")

    assert json.loads(answer.stdout)["id"] == ids[1]


@pytest.mark.parametrize("kind", plugins.own_names("reports"))
def test_every_report_can_be_asked_for(carbonwatch: CommandLine, ids: list[str], kind: str) -> None:
    answer = carbonwatch("report", "--as", kind)

    assert (answer.returncode, answer.stderr) == (0, b"")
    assert answer.stdout


@pytest.mark.parametrize("words", [("nothing",), ("--as", "poem"), ("--store", "none"), ("a", "b")])
def test_what_is_not_there_is_one_message(carbonwatch: CommandLine, ids: list[str], words: tuple[str, ...]) -> None:
    answer = carbonwatch("report", *words)

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)


def test_before_the_first_run_it_says_how_to_make_one(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("report")

    assert answer.returncode == 2
    assert b"carbonwatch run -- COMMAND" in answer.stderr
