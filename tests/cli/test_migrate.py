from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


@pytest.fixture
def project(carbonwatch: CommandLine) -> Path:
    folder = carbonwatch.folder / "project"
    folder.mkdir()
    (folder / "train.py").write_text("from codecarbon import EmissionsTracker\n")
    (folder / "requirements.txt").write_text("codecarbon==3.3.2\n")
    (folder / ".codecarbon.config").write_text("[codecarbon]\nproject_name = p\n")
    return folder


def test_the_change_is_shown_and_nothing_is_written(carbonwatch: CommandLine, project: Path) -> None:
    answer = carbonwatch("migrate", str(project))

    assert answer.returncode == 1
    assert answer.stdout.decode().splitlines()[-2:] == [
        "-from codecarbon import EmissionsTracker",
        "+from carbonwatch import EmissionsTracker",
    ]
    assert answer.stderr.decode() == "2 files would change: `carbonwatch migrate --write` does it.\n"
    assert (project / "train.py").read_text() == "from codecarbon import EmissionsTracker\n"


def test_it_is_made_once(carbonwatch: CommandLine, project: Path) -> None:
    first, second = (carbonwatch("migrate", str(project), "--write") for _ in range(2))

    assert (first.returncode, first.stderr.decode()) == (0, "Changed 2 files.\n")
    assert (second.returncode, second.stdout, second.stderr.decode()) == (0, b"", "Nothing here has to change.\n")
    assert (project / "train.py").read_text() == "from carbonwatch import EmissionsTracker\n"
    assert (project / "requirements.txt").read_text() == "carbonwatch\n"


def test_what_is_left_to_a_person_is_listed(carbonwatch: CommandLine, project: Path) -> None:
    (project / "train.py").write_text("from codecarbon.core.cpu import TDP\n")
    answer = carbonwatch("migrate", str(project), "--write")

    assert answer.returncode == 1
    assert f"by hand: {project}/train.py, line 1: from codecarbon.core.cpu import TDP" in answer.stdout.decode()


def test_a_path_that_is_not_there_is_an_error(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("migrate", "nowhere")

    assert (answer.returncode, answer.stderr) == (
        2,
        b"carbonwatch: There is no nowhere, so nothing could be changed there.\n",
    )


def test_calls_in_scripts_are_changed_and_those_that_can_not_be_known_are_listed(
    carbonwatch: CommandLine, project: Path
) -> None:
    script = project / "job.sh"
    script.write_text("codecarbon monitor --no-api -- make\ncodecarbon monitor $OPTIONS\n")
    first, second = (carbonwatch("migrate", str(script), "--write") for _ in range(2))

    assert script.read_text() == "carbonwatch run --exporters emissions_csv -- make\ncodecarbon monitor $OPTIONS\n"
    assert (first.returncode, first.stderr.decode()) == (1, "Changed 1 file. 1 to change by hand: see above.\n")
    assert second.stdout.decode() == f"by hand: {script}, line 2: codecarbon monitor $OPTIONS\n"
