"""Where the board's runs come from."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from carbonwatch.board.sources import Sources
from carbonwatch.errors import CarbonwatchError, StoreError
from carbonwatch.store.journal import Journal
from tests.board import shown

ROWS = b"timestamp,project_name,duration,emissions,energy_consumed\n2026-01-01T00:00:00,one,60,0.001,0.01\n"


def test_the_first_is_the_user_s_store_and_the_last_file_comes_before_it(store: Path) -> None:
    with closing(Sources(str(store))) as sources:
        with sources.open("") as opened:
            assert opened.count() == len(list(shown.everything()))
        added = sources.add(ROWS, "a.csv")

        assert added == {"name": "1", "title": "a.csv"}
        assert [each["title"] for each in sources.listed()] == ["a.csv", "Your runs"]
        with sources.open("1") as opened:
            assert [listed.run.project for listed in opened.runs()] == ["one"]


def test_the_beginning_of_a_file_is_there_at_once_and_the_rest_follows() -> None:
    lines = [b"2026-01-01T00:00:0%d,one,60,0.001,0.01\n" % second for second in range(1, 7)]
    with closing(Sources(None, at_once=2)) as sources:
        sources.add(ROWS + b"".join(lines), "a.csv")
        with sources.open("1") as opened:
            assert opened.count() >= 2
        while sources.listed()[0]["reading"]:
            pass
        [file] = sources.listed()
        with sources.open("1") as opened:
            assert opened.count() == 7

    assert (file["rows"], file["failure"]) == (7, "")


def test_lines_that_are_no_runs_are_left_out_and_counted() -> None:
    with closing(Sources(None)) as sources:
        for number in (1, 2):
            sources.add(ROWS + b"2026-01-01T00:00:00,one,long,0.001,0.01\n" * number, f"{number}.csv")
        while any(file["reading"] for file in sources.listed()):
            pass
        first, second = sources.listed()
        with sources.open("2") as opened:
            assert opened.count() == 1

    told = "csv, line 3: duration is 'long', which is no number, so it is left out. Correct the line, or delete it."
    assert (first["rows"], first["failure"]) == (2, f"2 rows of 1.csv, 1 of them left out. 1.{told}")
    assert (second["rows"], second["failure"]) == (
        3,
        f"3 rows of 2.csv, 2 of them left out. The first of them: 2.{told}",
    )


def test_what_it_made_of_files_goes_with_it(tmp_path: Path) -> None:
    file = tmp_path / "emissions.csv"
    file.write_bytes(ROWS)
    sources = Sources(None, [str(file)])
    with sources.open("") as opened:
        made = Path(opened.path)
    sources.close()

    assert not made.exists()
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_holds_no_runs_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_bytes(b"a,b\n")

    with pytest.raises(CarbonwatchError, match="no file of runs"):
        Sources(None, [str(file)])


def test_its_edition_changes_when_a_run_is_written(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    run, _ = shown.running()
    with closing(Sources(path)) as sources, closing(Journal(path)) as journal:
        editions = [sources.listed()[0]["edition"]]
        for seconds in (1.0, 2.0):
            journal.begin(shown.moved(run, f"run-{seconds}", seconds))
            editions.append(sources.listed()[0]["edition"])

    assert len(set(editions)) == 3


def test_its_edition_stays_while_it_is_only_read(store: Path) -> None:
    with closing(Sources(str(store))) as sources:
        before = sources.listed()
        with sources.open("") as opened:
            opened.count()

            assert sources.listed() == before


@pytest.mark.parametrize("name", ["2", "../runs.db", "store/"])
def test_there_is_no_other(store: Path, name: str) -> None:
    with closing(Sources(str(store))) as sources, pytest.raises(StoreError, match="There is no source"):
        sources.open(name)


def test_without_any_there_is_nothing_to_open() -> None:
    with closing(Sources(None)) as sources, pytest.raises(StoreError, match="--csv"):
        sources.open("")
