from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch import plugins
from carbonwatch.model import Entry
from carbonwatch.store.journal import Journal
from tests.reports import runs

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


def test_a_run_that_was_written_as_json_is_read_from_its_file(carbonwatch: CommandLine) -> None:
    words = ("--store", "none", "--exporters", "json", "--json", "run.json", "--quiet")
    carbonwatch("run", *words, "--project", "first", "--", "true")
    (exported,) = carbonwatch.folder.glob("carbonwatch-*.json")
    both = carbonwatch("report", "run.json", exported.name)
    again = carbonwatch("report", "run.json", "--as", "json")

    assert (both.returncode, both.stderr) == (0, b"")
    assert b"first: finished" in both.stdout
    assert again.stdout.decode() == (carbonwatch.folder / "run.json").read_text()
    assert carbonwatch("report", "run.json", "--as", "html").returncode == 0


def test_a_file_and_a_kept_run_are_added_up(carbonwatch: CommandLine, ids: list[str]) -> None:
    carbonwatch("run", "--quiet", "--store", "none", "--project", "second", "--json", "run.json", "--", "true")
    answer = carbonwatch("report", "run.json", ids[0])

    assert b"second: 2 runs, " in answer.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.json", "There is no file none.json."),
        ("text.json", "text.json: This is not JSON"),
        ("other.json", 'other.json: This JSON has no "carbonwatch" version'),
        ("folder.json", "folder.json can't be read"),
    ],
)
def test_a_file_without_a_run_is_one_message(carbonwatch: CommandLine, name: str, said: str) -> None:
    (carbonwatch.folder / "text.json").write_text("hello")
    (carbonwatch.folder / "other.json").write_text("{}")
    (carbonwatch.folder / "folder.json").mkdir()
    answer = carbonwatch("report", name)

    assert answer.returncode == 2
    assert answer.stderr.decode().startswith(f"carbonwatch: {said}")
    assert answer.stderr.count(b"\n") == 1


def test_a_file_has_no_power_over_time(carbonwatch: CommandLine) -> None:
    carbonwatch("run", "--quiet", "--json", "run.json", "--", "true")
    answer = carbonwatch("report", "run.json", "--plot", "power.svg")

    assert (answer.returncode, "only the store has" in answer.stderr.decode()) == (2, True)


@pytest.mark.parametrize("kind", plugins.own_names("reports"))
def test_every_report_can_be_asked_for(carbonwatch: CommandLine, ids: list[str], kind: str) -> None:
    answer = carbonwatch("report", "--as", kind.replace("_", "-"))

    assert (answer.returncode, answer.stderr) == (0, b"")
    assert answer.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("nothing",),
        ("--as", "poem"),
        ("--store", "none"),
        ("a", "b"),
        ("--project", "no one"),
        ("--project", "first", "last"),
        ("--per", "10", "runs"),
        ("--as", "sci", "--per", "ten", "runs"),
        ("--as", "sci", "--per", "0", "runs"),
        ("--as", "latex", "--with", "poem=1"),
        ("--with", "a=b"),
        ("--as", "latex", "--with", "variant"),
        ("--as", "gpai", "--with", "training_flops=many"),
        ("--social-cost", "-3"),
        ("--plot", "power.gif"),
        ("--plot", "power.svg", "--tag", "no such"),
    ],
)
def test_what_is_not_there_is_one_message(carbonwatch: CommandLine, ids: list[str], words: tuple[str, ...]) -> None:
    answer = carbonwatch("report", *words)

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)


def test_before_the_first_run_it_says_how_to_make_one(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("report")

    assert answer.returncode == 2
    assert b"carbonwatch run -- COMMAND" in answer.stderr


def test_a_project_is_added_up(carbonwatch: CommandLine, ids: list[str]) -> None:
    carbonwatch("run", "--quiet", "--project", "first", "--", "false")
    answer = carbonwatch("report", "--project", "first")

    assert b"first: 2 runs, " in answer.stdout
    assert b"Of 2 runs 1 failed: what they used is in the figures." in answer.stdout


def test_runs_with_a_tag_are_added_up(carbonwatch: CommandLine) -> None:
    for tags in ("a", "a,b", "b"):
        carbonwatch("run", "--quiet", "--tags", tags, "--", "true")

    assert b"default: 2 runs, " in carbonwatch("report", "--tag", "b").stdout


def test_a_spreadsheet_has_lines_of_each_run_under_one_header(carbonwatch: CommandLine, ids: list[str]) -> None:
    lines = carbonwatch("report", *ids, "--as", "csv").stdout.decode().splitlines()

    assert lines[0].startswith("run,project,")
    assert {line.split(",")[0] for line in lines[1:]} == set(ids)


def test_what_a_report_wants_to_know_can_be_given(carbonwatch: CommandLine, ids: list[str]) -> None:
    card = carbonwatch("report", "--as", "model-card", "--with", "training_type=fine-tuning").stdout
    score = carbonwatch("report", "--as", "sci", "--per", "1000", "requests", "--with", "resource_share=0.5").stdout

    assert b'training_type: "fine-tuning"' in card
    assert b"for each of 1000 requests" in score
    assert b"50 % of the machine" in score


def test_the_social_cost_is_shown_where_it_is_asked_for(carbonwatch: CommandLine, ids: list[str]) -> None:
    published, given = (carbonwatch("report", "--social-cost", *value).stdout for value in ((), ("185",)))

    assert b"Ricke et al. 2018" in published
    assert "at 417 (177–805) US$ per t CO2" in " ".join(published.decode().split())
    assert b"at 185 US$ per t CO2" in given


def test_several_runs_are_one_page(carbonwatch: CommandLine, ids: list[str]) -> None:
    page = carbonwatch("report", *ids, "--as", "html").stdout.decode()

    assert page.startswith("<!doctype html>")
    assert all(id_ in page for id_ in ids)


def test_power_over_time_is_drawn_into_a_file(carbonwatch: CommandLine, tmp_path: Path) -> None:
    sampled(carbonwatch)
    for name in ("power.svg", "power.png"):
        answer = carbonwatch("report", "--plot", name)
        assert (answer.returncode, answer.stdout) == (0, b"")

    assert (tmp_path / "power.svg").read_text().startswith("<svg ")
    assert (tmp_path / "power.png").read_bytes().startswith(b"\x89PNG")


def test_power_over_time_stands_in_the_summary(carbonwatch: CommandLine) -> None:
    sampled(carbonwatch)
    carbonwatch.environ["PYTHONIOENCODING"] = "utf-8"
    with_bars = carbonwatch("report").stdout.decode()
    carbonwatch.environ["PYTHONIOENCODING"] = "ascii"
    without = carbonwatch("report").stdout.decode()

    assert any(set(line[:50]) <= set("▁▂▃▄▅▆▇█ ") and "█" in line for line in with_bars.splitlines())
    assert "?" * 10 not in without


def sampled(carbonwatch: CommandLine) -> None:
    """A run of ten seconds with its samples, put into the store."""
    run = replace(runs.on_a_server(), duration_s=10.0)
    samples = [
        Entry("", run.started_ns + second * 10**9, 1.0, runs.usage(runs.GPU, 10.0 * second), runs.FRANCE)
        for second in range(10)
    ]
    with closing(Journal(carbonwatch.environ["CARBONWATCH_STORE"])) as journal:
        journal.save(run, run.entries, samples)


def test_of_runs_of_both_scopes_one_is_chosen(carbonwatch: CommandLine) -> None:
    for scope in ("process", "machine", "machine"):
        carbonwatch("run", "--quiet", "--scope", scope, "--", "true")
    refused, chosen = (carbonwatch("report", "--project", "default", *words) for words in ((), ("--scope", "machine")))

    assert b"--scope process, or --scope machine" in refused.stderr
    assert b"default: 2 runs, " in chosen.stdout
