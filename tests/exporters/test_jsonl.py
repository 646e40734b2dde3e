import json
from dataclasses import replace
from pathlib import Path

from carbonwatch.exporters.jsonl import export
from carbonwatch.settings import Settings
from tests.exporters.runs import RUN


def lines(folder: Path, name: str = "emissions.jsonl") -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_each_run_is_a_line_of_the_columns(tmp_path: Path) -> None:
    for run in (RUN, replace(RUN, id="run-2")):
        export(run, Settings(output_dir=str(tmp_path), output_file="mine.csv"))

    found = lines(tmp_path, "mine.jsonl")
    assert [(line["run_id"], line["duration"], line["gpu_energy"]) for line in found] == [
        ("run-1", 10.0, None),
        ("run-2", 10.0, None),
    ]


def test_a_run_is_brought_up_to_date_where_that_is_wanted(tmp_path: Path) -> None:
    settings = Settings(output_dir=str(tmp_path), csv_write="update")
    for run in (RUN, replace(RUN, id="run-2"), replace(RUN, duration_s=20.0)):
        export(run, settings)

    assert [(line["run_id"], line["duration"]) for line in lines(tmp_path)] == [("run-2", 10.0), ("run-1", 20.0)]


def test_a_torn_line_is_not_glued_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "emissions.jsonl").write_text('{"torn": ')
    export(RUN, Settings(output_dir=str(tmp_path)))

    torn, line = (tmp_path / "emissions.jsonl").read_text().splitlines()
    assert (torn, json.loads(line)["run_id"]) == ('{"torn": ', "run-1")
