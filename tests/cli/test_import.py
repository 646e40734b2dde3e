from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.store.test_emissions import ROW

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def write(path: Path, *rows: dict[str, str]) -> str:
    lines = [",".join(ROW), *(",".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_runs_of_a_file_are_kept_once(carbonwatch: CommandLine) -> None:
    file = write(carbonwatch.folder / "emissions.csv", ROW, {**ROW, "run_id": "run-2"})
    first, second = carbonwatch("import", file), carbonwatch("import", file)

    assert (first.returncode, first.stdout.decode()) == (0, f"{file}: 2 runs imported\n")
    assert second.stdout.decode() == f"{file}: 0 runs imported, 2 were there already\n"
    assert sorted((run["id"], run["project"], run["state"], run["measured"]) for run in carbonwatch.runs()) == [
        ("run-1", "imdb", "finished", 0.0),
        ("run-2", "imdb", "finished", 0.0),
    ]


def test_a_project_may_be_given(carbonwatch: CommandLine) -> None:
    carbonwatch("import", write(carbonwatch.folder / "emissions.csv", ROW), "--project", "old")

    assert [run["project"] for run in carbonwatch.runs()] == ["old"]


def test_rows_that_can_not_be_are_told_and_the_exit_code_says_so(carbonwatch: CommandLine) -> None:
    bad = [{**ROW, "run_id": f"run-{number}", "pue": "0"} for number in range(2, 9)]
    answer = carbonwatch("import", write(carbonwatch.folder / "emissions.csv", ROW, *bad))

    assert answer.returncode == 1
    assert answer.stdout.decode().count("not taken: ") == 5
    assert "and 2 more rows not taken" in answer.stdout.decode()
    assert len(carbonwatch.runs()) == 1


def test_many_rows_are_kept_however_they_lie_in_the_file(carbonwatch: CommandLine) -> None:
    rows = [{**ROW, "run_id": f"run-{number}"} for number in range(3000)]
    answer = carbonwatch("import", write(carbonwatch.folder / "emissions.csv", *rows, rows[0]))

    assert answer.stdout.decode().endswith(": 3,000 runs imported\n")


def test_a_file_that_is_none_is_said_to_be_so(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("import", "nowhere.csv")

    assert (answer.returncode, answer.stdout) == (2, b"")
    assert b"nowhere.csv can't be read" in answer.stderr


def test_without_a_store_nothing_is_imported(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("import", "emissions.csv", "--store", "none")

    assert answer.returncode == 2
    assert b"The store is turned off" in answer.stderr
