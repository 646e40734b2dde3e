import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given

from carbonwatch.model import Run
from carbonwatch.reports.csv import COLUMNS, render
from tests.reports import runs


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_line_for_each_task_component_and_quality_adds_up_to_the_run() -> None:
    run = runs.on_a_server()
    lines = table(render(run))

    assert [(line["component"], line["quality"]) for line in lines] == [(c, "measured") for c in ("cpu", "gpu", "ram")]
    assert [float(line["own_kwh"]) for line in lines] == pytest.approx([0.0065, 0.0189, 0.0008])
    assert sum(float(line["emissions_g"]) for line in lines) == pytest.approx(run.emissions_g)


def test_what_is_not_known_is_empty() -> None:
    (cpu, _), (nothing,) = table(render(runs.not_split())), table(render(runs.not_metered()))

    assert (cpu["own_kwh"], cpu["energy_kwh"], cpu["emissions_g"]) == ("", "", "")
    assert float(cpu["machine_kwh"]) == pytest.approx(0.0052)
    assert {name for name, value in nothing.items() if value} == {
        "run", "project", "state", "started", "duration_s", "place", "pue",
    }  # fmt: skip


@pytest.mark.parametrize("name", [*runs.HOSTILE, "@SUM(A1)", "+1", "-1", "\t=1", "  =1", "\r@x"])
def test_no_cell_is_a_formula_and_no_name_makes_a_line(name: str) -> None:
    text = render(runs.hostile(name))
    cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]

    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert text.count("\n") == 3


@runs.patient
@given(run=runs.runs())
def test_every_line_has_all_columns(run: Run) -> None:
    lines = list(csv.reader(io.StringIO(render(run))))

    assert {len(line) for line in lines} == {len(COLUMNS)}
    assert len(render(run, header=False).splitlines()) == len(lines) - 1


def test_tags_stand_in_one_cell() -> None:
    assert table(render(replace(runs.a_run(), facts={"tags": ["a", "b"]})))[0]["tags"] == "a b"
