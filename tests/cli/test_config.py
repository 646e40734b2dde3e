from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.codecarbon.hosted import sign_in

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine
    from tests.codecarbon.hosted import Hosted

PATIENCE_S = 60.0


@pytest.fixture
def file(carbonwatch: CommandLine, there: Hosted) -> Path:
    """The user's config file; he is signed in."""
    sign_in(there, carbonwatch.folder)
    return carbonwatch.folder / "home" / ".codecarbon.config"


def answered(carbonwatch: CommandLine, *answers: str) -> tuple[int, str]:
    """`config` at a terminal where somebody answers."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*carbonwatch.words, "config"], stdin=theirs, stderr=theirs, cwd=carbonwatch.folder, env=carbonwatch.environ
    )
    os.close(theirs)
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(PATIENCE_S), said.decode()


def test_what_there_is_alone_is_chosen_without_a_question(carbonwatch: CommandLine, there: Hosted, file: Path) -> None:
    answer = carbonwatch("config")
    (key,) = there.keys

    assert (answer.returncode, answer.stdout) == (0, b"")
    assert file.read_text().splitlines() == [
        "[codecarbon]",
        f"api_endpoint = {there.address}",
        "organization_id = org-1",
        "project_id = project-1",
        "experiment_id = experiment-1",
        f"api_key = {key}",
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    assert key not in answer.stderr.decode()


def test_what_goes_before_the_file_is_told(carbonwatch: CommandLine, there: Hosted, file: Path) -> None:
    carbonwatch.environ["CODECARBON_EXPERIMENT_ID"] = "other"
    answer = carbonwatch("config")

    assert "But experiment_id is set in CODECARBON_EXPERIMENT_ID too, which goes before it." in answer.stderr.decode()


def test_a_key_that_is_there_is_kept(carbonwatch: CommandLine, there: Hosted, file: Path) -> None:
    for _ in range(2):
        carbonwatch("config")

    assert len(there.keys) == 1
    assert next(iter(there.keys)) in file.read_text()


def test_what_is_named_and_not_there_is_made_if_that_is_wanted(
    carbonwatch: CommandLine, there: Hosted, file: Path
) -> None:
    words = ("config", "--organization", "Lab", "--project", "weekly", "--experiment", "h100")
    refused, made = carbonwatch(*words), carbonwatch(*words, "--new")

    assert (refused.returncode, refused.stderr.decode()) == (
        2,
        "carbonwatch: You have no project 'weekly'. To make it: --new. There are: nightly\n",
    )
    assert made.returncode == 0
    assert [each["name"] for each in there.projects] == ["nightly", "weekly"]
    assert f"experiment_id = {there.experiments[-1]['id']}" in file.read_text()


def test_where_nobody_can_be_asked_it_is_said_what_to_say(carbonwatch: CommandLine, there: Hosted, file: Path) -> None:
    there.projects.append({"id": "project-2", "name": "nightly", "organization_id": "org-1"})
    unsaid, twice = carbonwatch("config"), carbonwatch("config", "--project", "nightly")

    assert (unsaid.returncode, twice.returncode) == (2, 2)
    assert "Say it: --project nightly, nightly" in unsaid.stderr.decode()
    assert "Give the id of the one: project-1, project-2" in twice.stderr.decode()
    assert carbonwatch("config", "--project", "project-2", "--experiment", "x", "--new").returncode == 0
    assert not file.read_text().count("project-1")


def test_at_a_terminal_it_is_asked_for_by_number_or_name(carbonwatch: CommandLine, there: Hosted, file: Path) -> None:
    code, said = answered(carbonwatch, "1", "7", "", "weekly", "first")

    assert code == 0
    assert "Which project?\r\n  1  nightly\r\n" in said
    assert [each["name"] for each in there.projects] == ["nightly", "weekly"]
    assert [each["name"] for each in there.experiments] == ["a100", "first"]
    assert f"experiment_id = {there.experiments[-1]['id']}" in file.read_text()


def test_who_answers_no_more_writes_nothing(carbonwatch: CommandLine, there: Hosted, file: Path) -> None:
    code, said = answered(carbonwatch, "1", "\x04")

    assert (code, file.exists()) == (2, False)
    assert "Nothing was chosen, so nothing is written." in said


def test_what_can_not_be_written_is_said_before_anything_is_made(
    carbonwatch: CommandLine, there: Hosted, file: Path
) -> None:
    answers = [carbonwatch("config", "--file", "no/x"), carbonwatch("get-token", "p", "--save", "--file", "no/x")]

    assert [answer.returncode for answer in answers] == [2, 2]
    assert [b"no/x can't be written" in answer.stderr for answer in answers] == [True, True]
    assert (there.sent, there.keys) == ([], {})


def test_a_key_beside_a_repository_is_warned_of(carbonwatch: CommandLine, there: Hosted, file: Path) -> None:
    (carbonwatch.folder / ".git").mkdir()
    answer = carbonwatch("config", "--file", ".codecarbon.config")

    assert "It holds a key: keep it out of git" in answer.stderr.decode()
    assert (carbonwatch.folder / ".codecarbon.config").exists()


def test_what_is_set_is_shown_with_where_and_without_keys(carbonwatch: CommandLine, there: Hosted, file: Path) -> None:
    file.write_text("[codecarbon]\napi_key = secret\nproject_id = 7\npue = 1.5\n")
    carbonwatch.environ["CODECARBON_PUE"] = "1.2"
    before = len(there.asked)
    answer = carbonwatch("config", "--show")

    assert answer.stdout.decode().splitlines() == [
        f"api_endpoint = {there.address}  (CODECARBON_API_ENDPOINT)",
        f"api_key = ***  ({file})",
        f"project_id = 7  ({file})",
        "pue = 1.2  (CODECARBON_PUE)",
    ]
    assert len(there.asked) == before


def test_nothing_that_is_set_is_said_so(carbonwatch: CommandLine, there: Hosted) -> None:
    del carbonwatch.environ["CODECARBON_API_ENDPOINT"]
    answer = carbonwatch("config", "--show")

    assert (answer.returncode, answer.stdout) == (0, b"")
    assert "There is no .codecarbon.config" in answer.stderr.decode()
