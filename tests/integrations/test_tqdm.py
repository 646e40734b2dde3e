import io
from pathlib import Path

import pytest

import carbonwatch
from carbonwatch.integrations.tqdm import tqdm, trange
from tests.integrations.snippets import run, snippets

QUIET = {"store": "none", "country": "FR"}


def test_the_bar_shows_what_the_loop_has_emitted() -> None:
    screen = io.StringIO()
    bar = tqdm(range(3), desc="train", file=screen, ncols=100, carbon=QUIET)
    bar.set_postfix_str("loss 0.5")

    assert list(bar) == [0, 1, 2]
    last = screen.getvalue().split("\r")[-1]
    assert last.startswith("train: 100%")
    assert "loss 0.5, " in last
    assert "g CO2e]" in last
    assert (bar.measurement.run.project, bar.measurement.run.state) == ("train", "finished")


def test_a_bar_that_is_off_measures_nothing() -> None:
    bar = trange(3, disable=True, carbon=QUIET)

    assert list(bar) == [0, 1, 2]
    assert bar.measurement.run.started_ns == 0


def test_a_wrong_setting_stops_before_the_loop() -> None:
    with pytest.raises(carbonwatch.SettingsError):
        tqdm(range(3), carbon={"contry": "FR"})


def test_the_page_s_snippet_runs(tmp_path: Path) -> None:
    (snippet,) = snippets("tqdm")

    assert run(tmp_path, "batches, train_on = range(3), abs", snippet, "batch") == 2
