from __future__ import annotations

import datetime
import json
import subprocess
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.cli import UsageError, _terminal, runs
from carbonwatch.model import Run, State
from carbonwatch.store.journal import Journal
from carbonwatch.store.query import Listed

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

NOW = datetime.datetime(2026, 11, 25, 12, 0, tzinfo=datetime.UTC).astimezone()
HOUR_NS = 3600 * 10**9


def listed(
    id_: str = "019abcde-f012-7000-8000-0123456789ab",
    project: str = "default",
    state: State = "finished",
    started: datetime.datetime = NOW,
    energy_j: float | None = 11.1,
) -> Listed:
    run = Run(id_, project, "process", state, int(started.timestamp() * 1e9), 245.0)
    return Listed(run, energy_j, energy_j and energy_j / 100, 0.94 if energy_j else None)


def test_a_list_has_a_line_a_run() -> None:
    known = [listed(), listed(state="killed", energy_j=0.0), listed(energy_j=None)]
    text = runs.listing(known, NOW, None, False)
    when = NOW.strftime("%d %b %H:%M")

    assert text.split("\n") == [
        "started       run       project  state       duration   energy     CO2e  meas.",
        f"{when}  019abcde  default  finished  4 min 05 s   11.1 J   111 mg   94 %",
        f"{when}  019abcde  default  killed    4 min 05 s      0 J      0 g      –",
        f"{when}  019abcde  default  finished  4 min 05 s  unknown  unknown      –",
    ]


def test_planned_work_is_not_listed_as_finished() -> None:
    found = listed()
    planned = replace(found, run=replace(found.run, facts={"estimate": True}))

    assert " planned " in runs.listing([planned], NOW, None, False).split("\n")[1]


@given(
    project=st.text("abc漢\u0301\x1b\n ", min_size=1, max_size=60), energy_j=st.floats(0, 1e12), count=st.integers(1, 3)
)
def test_a_list_fits_into_80_columns(project: str, energy_j: float, count: int) -> None:
    ids = [f"019abcde-f012-7000-8000-{number:012x}" for number in range(count)]
    found = [listed(id_[:14], project, "finished", NOW, energy_j) for id_ in ids]
    lines = runs.listing(found, NOW, 80, False).split("\n")

    assert [line for line in lines if _terminal.columns(line) > 80] == []
    assert len({_terminal.columns(line) for line in lines}) == 1


def test_a_pipe_gets_names_in_full() -> None:
    assert "p" * 200 in runs.listing([listed(project="p" * 200)], NOW, None, False)


def test_colour_marks_what_did_not_end_well() -> None:
    text = runs.listing([listed(state="failed"), listed()], NOW, 80, True)

    assert "\x1b[31mfailed    \x1b[0m" in text
    assert text.count("\x1b[") == 4


def test_ids_are_as_long_as_tells_them_apart() -> None:
    assert runs.short_ids(["019abcde-f012", "019abcde-f013", "019abc00-0000"]) == [
        "019abcde-f012",
        "019abcde-f013",
        "019abc00-0000",
    ]
    assert runs.short_ids(["019abcde-f012", "019abc00-0000"]) == ["019abcde", "019abc00"]
    assert runs.short_ids([]) == []


def test_a_day_goes_from_its_midnight_to_the_next() -> None:
    start_ns, end_ns = runs.span("2026-11-01", NOW)

    assert datetime.datetime.fromtimestamp(start_ns / 1e9).isoformat() == "2026-11-01T00:00:00"
    assert datetime.datetime.fromtimestamp(end_ns / 1e9).isoformat() == "2026-11-02T00:00:00"
    assert runs.span("today", NOW)[0] <= NOW.timestamp() * 1e9 < runs.span("today", NOW)[1]
    assert runs.span("yesterday", NOW)[1] == runs.span("today", NOW)[0]


@pytest.mark.parametrize(("age", "hours"), [("90min", 1.5), ("12h", 12), ("7d", 168), ("2w", 336)])
def test_an_age_is_an_instant(age: str, hours: float) -> None:
    instant_ns = int(NOW.timestamp() * 1e9 - hours * HOUR_NS)

    assert runs.span(age, NOW) == (instant_ns, instant_ns)


def test_an_age_before_all_time_is_all_time() -> None:
    assert runs.span("999999999999w", NOW) == (0, 0)


@pytest.mark.parametrize(
    "text", ["", "tomorow", "7", "d", "-7d", "2026-13-01", "1.5h", "²d", "01/11/2026", "9999-12-31", "0001-01-01"]
)
def test_what_is_no_date_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="is no date"):
        runs.span(text, NOW)


def test_runs_are_listed_latest_first_and_filtered(carbonwatch: CommandLine) -> None:
    for project in ("a", "b", "a"):
        carbonwatch("run", "--quiet", "--project", project, "--", "true")
    lines = carbonwatch("runs").stdout.decode().splitlines()

    assert [line.split()[4] for line in lines[1:]] == ["a", "b", "a"]
    assert len(carbonwatch("runs", "--project", "a").stdout.splitlines()) == 3
    assert len(carbonwatch("runs", "--limit", "1").stdout.splitlines()) == 2
    assert len(carbonwatch("runs", "--since", "1h", "--until", "today").stdout.splitlines()) == 4
    assert json.loads(carbonwatch("runs", "--json", "--until", "1h").stdout) == []


def test_where_no_run_fits_it_says_so(carbonwatch: CommandLine) -> None:
    carbonwatch("run", "--quiet", "--", "true")
    answer = carbonwatch("runs", "--project", "other")

    assert (answer.returncode, answer.stdout) == (0, b"")
    assert answer.stderr.startswith(b"No run fits.")


def test_where_there_are_no_runs_it_says_how_to_get_one(carbonwatch: CommandLine) -> None:
    with closing(Journal(carbonwatch.environ["CARBONWATCH_STORE"])) as journal:
        journal.add([])
    answer = carbonwatch("runs")

    assert (answer.returncode, answer.stdout) == (0, b"")
    assert answer.stderr == b"There are no runs yet. Measure one: carbonwatch run -- COMMAND\n"


def test_json_has_all_that_is_known_of_a_run(carbonwatch: CommandLine) -> None:
    carbonwatch("run", "--quiet", "--project", "p", "--", "true")
    [run] = carbonwatch.runs()

    assert (run["project"], run["scope"], run["state"], run["measured"]) == ("p", "process", "finished", 0.0)
    assert datetime.datetime.fromisoformat(run["started"]).tzinfo is not None
    assert run["facts"]["command"] == "true"


@pytest.mark.parametrize(
    "words", [("--since", "soon"), ("--limit", "0"), ("--store", "none"), ("--store", "nowhere.db")]
)
def test_a_wrong_option_is_one_message(carbonwatch: CommandLine, words: tuple[str, ...]) -> None:
    answer = carbonwatch("runs", *words)

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)


def test_a_reader_that_has_seen_enough_is_no_error(carbonwatch: CommandLine) -> None:
    carbonwatch("run", "--quiet", "--", "true")
    with carbonwatch.start("runs", "--json", stderr=subprocess.PIPE) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        said = listing.stderr.read()

    assert (listing.returncode, said) == (141, b"")
