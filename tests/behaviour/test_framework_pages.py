"""Snippets of the pages that belong to no framework, run as they stand there."""

from pathlib import Path

import pytest

from tests.integrations.digits import EPOCHS
from tests.integrations.snippets import run, snippets

PREDICTION = "predict-and-budget.md"


@pytest.mark.parametrize(
    ("title", "page"),
    [
        ("Your own", "frameworks.md"),
        ("A budget", PREDICTION),
        ("A budget for several processes", PREDICTION),
        ("Ask before the rest", PREDICTION),
        ("Each epoch's forecast", PREDICTION),
    ],
)
def test_a_snippet_runs_as_it_stands_on_its_page(tmp_path: Path, title: str, page: str) -> None:
    (snippet,) = snippets(title, page)

    assert run(tmp_path, EPOCHS, snippet, "training.measurement.run.project") == "digits"
