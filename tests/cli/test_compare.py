from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from carbonwatch.model import State
from carbonwatch.store.journal import Journal
from tests.reports import runs

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


TESTS = ("Student's t", "Welch's t", "Mann-Whitney U", "t of ranks", "bootstrap", "permutation")


@pytest.fixture
def kept(carbonwatch: CommandLine) -> None:
    """Two projects with three runs each, and one that failed."""
    with closing(Journal(carbonwatch.environ["CARBONWATCH_STORE"])) as journal:
        for number, (project, tag, energy_j) in enumerate(
            (
                ("old", "a", 100),
                ("old", "a", 102),
                ("old", "b", 98),
                ("new", "b", 80),
                ("new", "b", 79),
                ("new", "b", 81),
            )
        ):
            put(journal, f"id{number}", project, tag, energy_j)
        put(journal, "id9", "new", "c", 1000, "failed")


def put(journal: Journal, id_: str, project: str, tag: str, energy_j: float, state: State = "finished") -> None:
    run = runs.a_run(runs.entry(runs.usage(runs.GPU, energy_j)), facts={"tags": [tag], "host": "h"})
    run = replace(run, id=id_, project=project, state=state)
    journal.save(run, run.entries, ())


@pytest.mark.usefixtures("kept")
class TestCompare:
    def test_two_projects_get_a_verdict_their_means_and_six_tests(self, carbonwatch: CommandLine) -> None:
        answer = carbonwatch("compare", "old", "new")
        text = answer.stdout.decode()

        assert (answer.returncode, answer.stderr) == (0, b"")
        assert text.startswith("new has 20.0 J (20 %) less energy than old, and chance hardly explains it")
        assert "old  3        100 J          1.15 J" in text
        assert [name for name in TESTS if name not in text] == []
        assert "- meters and models err by up to" in text

    def test_tags_and_runs_can_be_named_unmistakably(self, carbonwatch: CommandLine) -> None:
        found = json.loads(carbonwatch("compare", "tag:a", "run:id3,run:id4", "--json").stdout)

        assert [sorted(values) for values in found["values"]] == [[100.0, 102.0], [79.0, 80.0]]
        assert len(found["result"]["tests"]) == 6

    def test_single_runs_are_compared_without_a_test(self, carbonwatch: CommandLine) -> None:
        text = carbonwatch("compare", "id0", "id3", "--of", "duration").stdout.decode()

        assert text.startswith("id3 and id0 have the same mean duration.")

    def test_runs_that_failed_are_left_out_unless_asked_for(self, carbonwatch: CommandLine) -> None:
        finished, every = (
            json.loads(carbonwatch("compare", "old", "new", "--json", *words).stdout)["groups"][1]["n"]
            for words in ((), ("--all",))
        )

        assert (finished, every) == (3, 4)

    @pytest.mark.parametrize(
        "words",
        [("old", "nothing"), ("tag:old", "new"), ("project:id0", "new"), ("tag:c", "new"), ("old",), ("old", "")],
    )
    def test_what_is_not_there_is_one_message(self, carbonwatch: CommandLine, words: tuple[str, ...]) -> None:
        answer = carbonwatch("compare", *words)

        assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)
