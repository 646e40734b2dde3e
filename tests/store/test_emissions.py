"""An emissions.csv becomes runs that say the same: CodeCarbon's, and what our own exporter wrote."""

from __future__ import annotations

import csv
import datetime
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.errors import CarbonwatchError
from carbonwatch.exporters import emissions_csv
from carbonwatch.model import Run
from carbonwatch.store import emissions
from carbonwatch.store.query import Store
from tests.reports import runs as examples

# as CodeCarbon 3.3.2 writes a row
CODECARBON = {
    **dict.fromkeys(emissions_csv.CODECARBON, ""),
    "timestamp": "2026-01-02T10:00:00",
    "project_name": "digits",
    "run_id": "5b0fa12a-3dd7-45bb-9766-cc326314d9f1",
    "duration": "3600.0",
    "emissions": "0.0672",
    "cpu_energy": "0.6",
    "gpu_energy": "0.42",
    "ram_energy": "0.18",
    "energy_consumed": "1.2",
    "country_name": "France",
    "country_iso_code": "FRA",
    "codecarbon_version": "3.3.2",
    "cpu_model": "a CPU",
    "tracking_mode": "machine",
    "pue": "1.2",
}


def table(*rows: dict[str, str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, CODECARBON.keys())
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(*rows: dict[str, str]) -> list[Run]:
    return list(emissions.runs(table(*rows), "emissions.csv"))


def test_a_row_is_a_run_with_the_same_energy_and_emissions() -> None:
    [run] = read(CODECARBON)
    ended_ns = int(datetime.datetime(2026, 1, 2, 10).timestamp() * 1e9)

    assert (run.id, run.project, run.scope, run.state) == (CODECARBON["run_id"], "digits", "machine", "finished")
    assert (run.started_ns, run.duration_s) == (ended_ns - 3600 * 10**9, 3600.0)
    # the file's energies have the overhead in them
    assert run.energy_j == pytest.approx(1.2 / 1.2 * 3.6e6)
    assert run.emissions_g == pytest.approx(67.2)
    assert {c: run.energy("machine", c).value for c in run.components} == pytest.approx(
        {"cpu": 0.5 * 3.6e6, "gpu": 0.35 * 3.6e6, "ram": 0.15 * 3.6e6}
    )
    assert (run.place.country, run.facts["version"], run.facts["cpu_model"]) == ("FR", "3.3.2", "a CPU")
    assert run.notes[0].startswith("Read from emissions.csv, row 1:")


def test_a_file_that_tells_no_interval_has_a_wide_one() -> None:
    figure = read(CODECARBON)[0].emissions("machine")

    assert figure.low < 0.6 * figure.value < 1.9 * figure.value < figure.high


def test_energy_of_no_component_that_is_named_is_the_machine_s() -> None:
    [run] = read({**CODECARBON, "gpu_energy": "", "pue": ""})

    assert {c: run.energy("machine", c).value for c in run.components} == pytest.approx(
        {"cpu": 0.6 * 3.6e6, "ram": 0.18 * 3.6e6, "system": 0.42 * 3.6e6}
    )


@pytest.mark.parametrize(
    "unknown",
    [
        {"energy_consumed": ""},
        {"energy_consumed": "nan"},
        {"energy_consumed": "-1"},
        {"energy_consumed": "0"},
        {"emissions": "a lot"},
        {"emissions": "inf"},
    ],
)
def test_what_is_no_figure_is_not_known_and_not_zero(unknown: dict[str, str]) -> None:
    [run] = read({**CODECARBON, **unknown})

    assert run.entries == ()


def test_a_run_that_was_written_as_it_grew_counts_once(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    grown = {**CODECARBON, "energy_consumed": "2.4", "emissions": "0.1344"}
    rows = table(CODECARBON, grown, {**CODECARBON, "run_id": ""})
    counts = list(emissions.read(rows, path, "emissions.csv", at_once=1))

    with Store(path) as store:
        found = {listed.run.id: listed.emissions_g for listed in store.runs()}
    assert counts == [1, 2, 3, 3]
    assert found == {CODECARBON["run_id"]: pytest.approx(134.4), "row-3": pytest.approx(67.2)}


@pytest.mark.parametrize("example", examples.ALL)
def test_our_own_rows_come_back_with_their_interval(example: examples.Example, tmp_path: Path) -> None:
    run = example()
    file = tmp_path / "emissions.csv"
    emissions_csv.write(str(file), emissions_csv.COLUMNS, [emissions_csv.row(run)])
    [back] = emissions.runs(file.read_bytes(), "emissions.csv")

    assert (back.id, back.project, back.state, back.scope) == (run.id, run.project, run.state, run.scope)
    assert back.energy_j == pytest.approx(run.energy_j)
    assert back.emissions_g == pytest.approx(run.emissions_g, rel=1e-5)
    figure, former = back.emissions(back.headline), run.emissions(run.headline)
    assert (figure.low, figure.high) == pytest.approx((former.low, former.high), rel=1e-4)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"timestamp;duration;emissions\n"])
def test_another_file_is_refused_with_what_is_missing(content: bytes) -> None:
    with pytest.raises(CarbonwatchError, match=r"x\.csv is no file of runs: it has no column"):
        list(emissions.runs(content, "x.csv"))


def test_a_cell_that_no_csv_has_is_refused_in_words() -> None:
    with pytest.raises(CarbonwatchError, match="can't be read as CSV"):
        read({**CODECARBON, "project_name": "x" * 200_000})


@given(st.dictionaries(st.sampled_from(list(CODECARBON)), st.text(max_size=30) | st.floats().map(str), max_size=8))
def test_no_row_is_too_strange_to_be_shown(changes: dict[str, str]) -> None:
    for run in read({**CODECARBON, **changes}):
        assert run.energy_j >= 0
        assert run.emissions_g >= 0
        assert run.pue >= 1
        assert run.id
        assert run.project
