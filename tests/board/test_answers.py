"""What the board answers, as its pages read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from carbonwatch.board import answers
from carbonwatch.board.answers import QUESTIONS, Refused
from carbonwatch.store.query import Store
from tests.board import shown
from tests.reports import runs as examples

RUNS = len(list(shown.everything()))


@pytest.fixture(scope="module")
def opened(store: Path) -> Iterator[Store]:
    with Store(str(store)) as found:
        yield found


def test_a_line_of_the_list_has_the_run_s_figures(opened: Store) -> None:
    run, _ = shown.big()
    [line] = QUESTIONS["runs"](opened, {"text": "nightly"})

    assert line == {
        "id": shown.BIG,
        "project": "imdb",
        "tags": ("nightly", "paper"),
        "state": "finished",
        "started_s": run.started_ns / 1e9,
        "duration_s": 21_600.0,
        "command": run.facts["command"],
        "energy_j": pytest.approx(run.energy_j),
        "emissions_g": pytest.approx(run.emissions_g),
        "measured": 1.0,
    }


def test_a_run_without_a_meter_has_no_figures(opened: Store) -> None:
    [line] = QUESTIONS["runs"](opened, {"order": "measured", "down": "0", "offset": str(RUNS - 1)})

    assert (line["energy_j"], line["emissions_g"], line["measured"]) == (None, None, None)


def test_the_overview_adds_up_the_runs_that_fit(opened: Store) -> None:
    run, _ = shown.big()
    found = QUESTIONS["overview"](opened, {"project": "imdb"})
    totals, spans = found["totals"], found["spans"]

    assert totals == {
        "runs": 1,
        "duration_s": 21_600.0,
        "energy_j": pytest.approx(run.energy_j),
        "emissions_g": pytest.approx(run.emissions_g),
        "measured_j": pytest.approx(run.energy_j),
        "unmetered": 0,
    }
    assert [span["runs"] for span in spans] == [1]
    assert found["width_s"] == 86_400


@pytest.mark.parametrize(
    ("lasted_s", "width_s"),
    [
        (0, 3600),
        (4 * 86_400, 3600),
        (90 * 86_400, 86_400),
        (3000 * 86_400, 28 * 86_400),
        (3650 * 86_400, 2 * 28 * 86_400),
    ],
)
def test_bars_are_as_wide_as_leaves_few_of_them(lasted_s: int, width_s: int) -> None:
    assert answers._width_s((0, lasted_s * 10**9)) == width_s


def test_a_run_s_page_adds_up(opened: Store) -> None:
    page = QUESTIONS["run"](opened, {"id": shown.BIG})
    parts = page["parts"]
    whole = parts["machine"]["energy_j"]["value"]
    power = page["power"]

    assert sum(parts[name]["energy_j"]["value"] for name in ("own", "idle", "others")) == pytest.approx(whole)
    assert [each["path"] for each in page["tasks"]] == [
        "load", "train", "train/epoch 1", "train/epoch 2", "train/epoch 3", "evaluate",
    ]  # fmt: skip
    assert len(page["hours"]) == 6
    assert [each["component"] for each in power] == ["cpu", "gpu", "ram"]
    assert len({tuple(each["times"]) for each in power}) == 1
    assert all(low <= mean <= high for each in power for low, mean, high in zip(
        each["least_w"], each["machine_w"], each["most_w"], strict=True
    ))  # fmt: skip


def test_power_can_be_seen_closer_by(opened: Store) -> None:
    start_s = shown.big()[0].started_ns / 1e9
    words = {"id": shown.BIG, "since": str(start_s + 3600), "until": str(start_s + 7200), "points": "50"}
    power = QUESTIONS["power"](opened, words)

    assert [start_s + 3600 <= at < start_s + 7200 for at in power[0]["times"]] == [True] * 50


def test_the_same_work_elsewhere_is_in_every_country_and_cloud(opened: Store) -> None:
    page = QUESTIONS["run"](opened, {"id": shown.BIG})
    by_code = {place["code"]: place for place in page["elsewhere"]}
    france = by_code["FR"]["emissions_g"]
    run, _ = shown.big()

    assert len(by_code) == len(page["elsewhere"]) > 300
    assert by_code["gcp/europe-west1"]["is_cloud"]
    grams = run.energy_j / 3.6e6 * float(str(by_code["FR"]["g_per_kwh"])) * run.pue
    assert france["value"] == pytest.approx(grams)
    assert france["low"] < france["value"] < france["high"]


def test_places_add_up_to_the_overview(opened: Store) -> None:
    places = QUESTIONS["places"](opened, {})
    totals = QUESTIONS["overview"](opened, {})["totals"]

    assert {place["code"]: place["name"] for place in places}["FR"] == "France"
    for name in ("runs", "energy_j", "emissions_g", "unmetered"):
        assert sum(place[name] for place in places) == pytest.approx(totals[name])


def test_places_are_of_the_runs_that_fit(opened: Store) -> None:
    run, _ = shown.big()
    [place] = QUESTIONS["places"](opened, {"project": "imdb"})

    assert (place["code"], place["name"], place["runs"]) == ("FR", "France", 1)
    assert place["emissions_g"] == pytest.approx(run.emissions_g)


def test_a_run_s_page_has_what_electricity_is_made_of_at_its_place(opened: Store) -> None:
    mix = QUESTIONS["run"](opened, {"id": shown.BIG})["mix"]

    assert (mix["name"], mix["year"]) == ("France", 2023)
    assert mix["shares"][3] == {"fuel": "nuclear", "label": "nuclear", "share": pytest.approx(0.653, abs=0.001)}
    assert sum(each["share"] for each in mix["shares"]) == pytest.approx(1)


def test_what_nobody_can_tell_is_not_told(opened: Store) -> None:
    runs = QUESTIONS["runs"](opened, {"project": "digits"})
    pages = [QUESTIONS["run"](opened, {"id": run["id"]}) for run in runs]
    unmetered, unsplit = pages[0], pages[1]

    assert unmetered["energy_j"] == {"value": None, "low": None, "high": None}
    assert (unmetered["elsewhere"], unmetered["hours"]) == ([], [])
    assert unsplit["energy_j"]["value"] is None
    assert unsplit["energy_j"]["high"] > 0


def test_filters_have_what_there_is(opened: Store) -> None:
    found = QUESTIONS["choices"](opened, {})

    assert {"digits", "imdb", *shown.HOSTILE} <= set(found["projects"])
    assert {"nightly", "paper", *shown.HOSTILE} == set(found["tags"])


def test_a_report_is_its_text(opened: Store) -> None:
    found = QUESTIONS["report"](opened, {"id": shown.BIG, "name": "markdown"})

    assert found["text"].startswith("### ")


def test_a_question_without_its_words_is_refused(opened: Store) -> None:
    with pytest.raises(Refused, match="id is missing"):
        QUESTIONS["run"](opened, {})
    with pytest.raises(Refused, match="There is no order by 'size'"):
        QUESTIONS["runs"](opened, {"order": "size"})


def test_projects_are_summed(opened: Store) -> None:
    found = QUESTIONS["projects"](opened, {})

    assert found[0]["project"] == "imdb"
    assert next(each for each in found if each["project"] == "digits")["runs"] == len(examples.ALL)
