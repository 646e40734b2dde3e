"""The site of an experiment set: its files as they are, and its pages as a browser shows them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from carbonwatch import appendix
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Entry, Run
from carbonwatch.store.journal import Journal
from carbonwatch.store.query import Store
from tests import browser as browsers
from tests.browser import Watched
from tests.reports import runs

SPEC = """
title = "Distillation <b>"
description = "Two paragraphs.\\n\\nThe second."
summary = ["energy_kwh", "emissions_g", "accuracy", "accuracy_per_kwh"]
order = "-accuracy"
metrics = "metrics.json"
leaderboard = "accuracy"

[[scatter]]
x = "energy_kwh"
y = "accuracy"

[[set]]
name = "teacher"
description = "The large one."
project = "teacher"

[[set]]
name = "students"
  [[set.set]]
  name = "small"
  match = "student-s*"
  [[set.set]]
  name = "tagged"
  tag = "v2"
"""
KEPT = [name for name in runs.HOSTILE if "\udcff" not in name]  # the others no store takes


def a_run(number: int, project: str, energy_j: float, *tags: str, state: str = "finished") -> Run:
    entry = runs.entry(runs.usage(runs.GPU, energy_j))
    run = replace(runs.a_run(entry), id=f"0199{number:02d}-aa", project=project, state=state)  # type: ignore[arg-type]
    return replace(run, facts={"tags": list(tags)}, started_ns=runs.STARTED_NS + number * 10**12)


RUNS = (
    a_run(1, "teacher", 7.2e6, "v1"),
    a_run(2, "teacher", 7.6e6, "v1", state="failed"),
    a_run(3, "student-s", 3.6e6, "v2"),
    a_run(4, "student-l", 1.8e6, "v2"),
)
METRICS = {"019901-aa": {"accuracy": 0.9}, "019903": {"accuracy": 0.8}, "019904": {"accuracy": 0.7}}


def sample(run: Run, second: int) -> Entry:
    return Entry("", run.started_ns + second * 10**9, 1.0, runs.usage(runs.GPU, 100.0 + second), runs.FRANCE)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    path = str(tmp_path / "runs.db")
    with closing(Journal(path)) as journal:
        for run in RUNS:
            journal.save(run, run.entries, [sample(run, second) for second in range(20)])
        for number, name in enumerate(KEPT):
            run = replace(runs.hostile(name), project=name, id=f"h{number}: {name[:40]}")
            journal.save(run, run.entries, [])
    with Store(path) as opened:
        yield opened


def built(folder: Path, store: Store, spec: str = SPEC) -> Path:
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    (folder / "spec.toml").write_text(spec)
    appendix.build(appendix.read(str(folder / "spec.toml")), str(folder / "site"), store)
    return folder / "site"


def index(site: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((site / "data" / "index.json").read_text())
    return found


def test_the_tree_of_sets_holds_the_runs_that_fit(tmp_path: Path, store: Store) -> None:
    document = index(built(tmp_path, store))

    assert [(one["path"], one["count"]) for one in document["sets"]] == [("teacher", 2), ("students", 2)]
    assert [(one["path"], one["count"]) for one in document["sets"][1]["sets"]] == [
        ("students/small", 1),
        ("students/tagged", 2),
    ]
    assert {run["id"]: run["sets"] for run in document["runs"]} == {
        "019901-aa": ["teacher"],
        "019902-aa": ["teacher"],
        "019903-aa": ["students/small", "students/tagged", "students"],
        "019904-aa": ["students/tagged", "students"],
    }


def test_metrics_come_from_a_file_with_their_ratio_to_energy(tmp_path: Path, store: Store) -> None:
    values = {run["id"]: run["values"] for run in index(built(tmp_path, store))["runs"]}

    assert values["019903-aa"]["accuracy_per_kwh"] == pytest.approx(0.8)
    assert values["019904-aa"]["accuracy_per_kwh"] == pytest.approx(1.4)
    assert "accuracy" not in values["019902-aa"]


def test_metrics_come_from_a_function(tmp_path: Path, store: Store) -> None:
    (tmp_path / "score.py").write_text("def score(run):\n    return {'accuracy': len(run.project) / 10}\n")
    values = {
        run["id"]: run["values"]["accuracy"]
        for run in index(built(tmp_path, store, SPEC.replace('"metrics.json"', '"score.py:score"')))["runs"]
    }

    assert values["019901-aa"] == 0.7


def test_raw_data_of_every_run_is_there(tmp_path: Path, store: Store) -> None:
    site = built(tmp_path, store)
    samples = list(csv.DictReader(io.StringIO((site / "data" / "019901-aa-samples.csv").read_text())))
    table = list(csv.DictReader(io.StringIO((site / "data" / "runs.csv").read_text())))

    assert len(samples) == 20
    assert float(samples[3]["own_j"]) == 103.0
    assert [row["run"] for row in table] == [run.id for run in RUNS]
    assert json.loads((site / "data" / "019901-aa.json").read_text())["id"] == "019901-aa"


def test_without_sets_it_is_all_runs(tmp_path: Path, store: Store) -> None:
    assert len(index(built(tmp_path, store, 'title = "all"'))["runs"]) == len(RUNS) + len(KEPT)


def test_a_hostile_id_does_not_leave_the_folder(tmp_path: Path, store: Store) -> None:
    site = built(tmp_path, store, 'title = "all"')
    files = {path.relative_to(site).parts[0] for path in site.rglob("*")}

    assert files == {"index.html", "parts", "runs", "data"}
    assert {path.name for path in tmp_path.iterdir()} <= {
        "site", "spec.toml", "metrics.json", "runs.db", "runs.db-wal", "runs.db-shm",
    }  # fmt: skip
    assert all(re.fullmatch(r"[0-9A-Za-z-]+\.html", path.name) for path in (site / "runs").iterdir())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("title = 3", "title in .* is 3; it must be text"),
        ('titel = "x"', "Did you mean 'title'"),
        ("[[set]]\n", "A set in .* has no name"),
        ('[[set]]\nname = "a"\nprojct = "b"', "Did you mean 'project'"),
        ('set = "x"', "no list of tables"),
        ("=", "can't be read"),
        ('[[set]]\nname = "a"\nproject = "nobody"', "No run fits the sets"),
        ('leaderboard = "speed"', "leaderboard names 'speed', which no run has"),
        ('leaderboard = ""', "The leaderboard in .* has no metric"),
        ('leaderboard = {metric = "a", better = "least"}', 'better in .* is .least.; it must be "more" or "less"'),
        ('leaderboard = {metric = "a", beter = "less"}', "Did you mean 'better'"),
        ('metrics = "negative.json"\nleaderboard = {metric = "loss", better = "less"}', "run 019901-aa is -2: below 0"),
        ('order = "-speed"', "order names 'speed'"),
        ('metrics = "no.json"', "there are no metrics"),
        ('metrics = "no.py:f"', "is no Python file"),
    ],
)
def test_a_spec_that_makes_no_sense_says_why(tmp_path: Path, store: Store, spec: str, message: str) -> None:
    (tmp_path / "negative.json").write_text('{"019901": {"loss": -2.0}}')
    with pytest.raises(CarbonwatchError, match=message):
        built(tmp_path, store, spec)


@pytest.mark.parametrize("given", ['{"0199": {"accuracy": "high"}}', '{"0199": {"energy_kwh": 1}}', "[]"])
def test_metrics_that_are_none_are_refused(tmp_path: Path, store: Store, given: str) -> None:
    (tmp_path / "wrong.json").write_text(given)

    with pytest.raises(CarbonwatchError):
        built(tmp_path, store, 'metrics = "wrong.json"')


@pytest.mark.parametrize(
    ("code", "message"),
    [("def f(run):", "can't be run"), ("def f(run): return 1 / 0", r"fails for the run .* \(ZeroDivisionError")],
)
def test_a_function_that_breaks_is_named(tmp_path: Path, store: Store, code: str, message: str) -> None:
    (tmp_path / "own.py").write_text(code)

    with pytest.raises(CarbonwatchError, match=message):
        built(tmp_path, store, 'metrics = "own.py:f"')


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page that may ask for files alone, and that has no error at its end."""
    with browsers.watched(browser, host="") as opened:
        yield opened


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


def test_the_index_opens_from_the_disk_and_filters(tmp_path: Path, store: Store, watched: Watched) -> None:
    page = watched.page
    page.goto((built(tmp_path, store) / "index.html").as_uri())
    rows = page.locator('[aria-label="Runs"] tbody tr')
    status = page.get_by_role("status")

    assert page.locator("h1").inner_text() == "Distillation <b>"
    assert rows.first.locator("a").inner_text() == "teacher"
    page.get_by_label("Pattern").fill("student-*")
    assert status.inner_text() == "2 of 4 runs"
    page.get_by_label("Pattern").fill("")
    page.get_by_label("Tag").select_option("v1")
    page.get_by_label("State").select_option("failed")
    assert status.inner_text() == "1 of 4 runs"
    page.get_by_label("State").select_option("")
    page.get_by_label("Tag").select_option("")
    page.get_by_role("button", name="small").click()
    assert status.inner_text() == "1 of 4 runs"
    assert watched.faults() == []


def test_means_and_standard_errors_are_those_of_the_library(tmp_path: Path, store: Store, page: Page) -> None:
    page.goto((built(tmp_path, store) / "index.html").as_uri())
    energy = page.locator(".tile", has_text="energy, kWh").first.inner_text()
    sets = page.locator('[aria-label="Sets"] tbody tr', has_text="teacher").inner_text().split("\t")

    # 2, 2.111, 1 and 0.5 kWh
    assert "1.40" in energy
    assert "± 0.391 standard error, n = 4" in energy
    assert sets[2] == "2.06 ± 0.0556"
    # of one run nobody knows it
    assert page.locator('[aria-label="Sets"] tbody tr', has_text="small").inner_text().split("\t")[2] == "1.00"


def test_the_leaderboard_has_the_most_for_a_kilowatt_hour_first(tmp_path: Path, store: Store, page: Page) -> None:
    page.goto((built(tmp_path, store) / "index.html").as_uri())
    rows = page.locator('[aria-label="Leaderboard"] tbody tr').all_inner_texts()

    assert [row.split("\t")[1] for row in rows] == ["student-l", "student-s", "teacher"]


def test_where_less_is_better_the_least_of_metric_times_energy_is_first(
    tmp_path: Path, store: Store, watched: Watched
) -> None:
    page = watched.page
    (tmp_path / "losses.json").write_text(
        '{"019901": {"loss": 0.25}, "019902": {"loss": 0.0}, "019903": {"loss": 0.6}, "019904": {"loss": 2.0}}'
    )
    spec = 'metrics = "losses.json"\nsummary = ["loss_times_kwh"]\n[leaderboard]\nmetric = "loss"\nbetter = "less"\n'
    site = built(tmp_path, store, spec)
    page.goto((site / "index.html").as_uri())
    rows = [row.split("\t") for row in page.locator('[aria-label="Leaderboard"] tbody tr').all_inner_texts()]

    # of 2.11, 2, 1 and 0.5 kWh
    assert [(row[1], row[3], row[5]) for row in rows] == [
        ("teacher", "0", "0"),
        ("teacher", "0.250", "0.500"),
        ("student-s", "0.600", "0.600"),
        ("student-l", "2.00", "1.00"),
    ]
    assert "The least loss times energy first" in page.inner_text("section[aria-labelledby=leaderboard] .note")
    assert page.locator("th", has_text="loss × kWh").count() == 2
    assert watched.faults() == []


def test_an_own_variable_can_be_ranked_by_too(tmp_path: Path, store: Store) -> None:
    document = index(built(tmp_path, store, '[leaderboard]\nmetric = "duration_h"\nbetter = "less"\n'))
    values = document["runs"][0]["values"]

    assert document["leaderboard"] == {"metric": "duration_h", "better": "less", "key": "duration_h_times_kwh"}
    assert values["duration_h_times_kwh"] == pytest.approx(values["duration_h"] * values["energy_kwh"])


def test_a_point_and_a_row_lead_to_the_run_s_page_with_a_chart_of_each_meter(
    tmp_path: Path, store: Store, watched: Watched
) -> None:
    page = watched.page
    page.goto((built(tmp_path, store) / "index.html").as_uri())
    assert page.locator(".scatter a").count() == 3
    page.locator('[aria-label="Runs"] tbody a').first.click()
    page.wait_for_selector("canvas")

    assert page.locator("h1").inner_text() == "teacher"
    assert page.locator("canvas").count() == 2  # all together, and the one meter
    with page.expect_download() as download:
        page.get_by_role("link", name="Its samples over time as CSV").click()
    assert download.value.suggested_filename == "019901-aa-samples.csv"
    assert watched.faults() == []
    page.get_by_role("link", name="All runs", exact=True).click()
    assert page.locator("h1").inner_text() == "Distillation <b>"


def test_hostile_names_are_text_on_every_page(tmp_path: Path, store: Store, page: Page) -> None:
    site = built(tmp_path, store, 'title = "<img src=x onerror=alert(1)>"')
    for path in (site / "index.html", *(site / "runs").iterdir()):
        page.goto(path.as_uri())
        page.wait_for_selector("h1")
        assert page.locator("#page script, #page img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_pages_fit_any_width(tmp_path: Path, store: Store, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto((built(tmp_path, store) / "index.html").as_uri())
    page.wait_for_selector("h1")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
