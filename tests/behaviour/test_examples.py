"""The examples that train something small, as a reader would run them."""

import sys
from pathlib import Path

import pytest

from tests.integrations.snippets import output

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "options", "shown"),
    [
        ("keras_digits", ("--epochs", "4"), "4 epochs"),
        ("transformers_tiny", ("--epochs", "1"), "g CO2e"),
        ("diffusers_tiny", ("--epochs", "1"), "epoch 1: loss"),
        ("sklearn_search", (), "200 trees"),
    ],
)
def test_an_example_runs_and_says_what_it_emitted(
    tmp_path: Path, name: str, options: tuple[str, ...], shown: str
) -> None:
    text = output([sys.executable, str(EXAMPLES / f"{name}.py"), *options], tmp_path, KERAS_BACKEND="torch")

    assert shown in text
    assert "CO2e" in text
