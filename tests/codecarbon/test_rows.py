import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.codecarbon import rows
from carbonwatch.codecarbon.rows import NoRun
from carbonwatch.exporters import emissions_csv
from carbonwatch.model import Part, Place, Run
from tests.codecarbon.bench import KWH, Bench

PARTS: tuple[Part, ...] = ("own", "idle", "machine")
ROW = {
    "timestamp": "2026-11-25T09:05:12",
    "project_name": "imdb",
    "run_id": "run-1",
    "duration": "100",
    "emissions": "0.001",
    "cpu_energy": "0.0015",
    "gpu_energy": "0.0",
    "ram_energy": "0.0005",
    "energy_consumed": "0.002",
    "country_name": "France",
    "country_iso_code": "FRA",
    "cpu_model": "AMD EPYC",
    "tracking_mode": "machine",
    "codecarbon_version": "3.3.2",
    "pue": "1.0",
}


def read(path: Path, *given: dict[str, Any]) -> list[Run | NoRun]:
    file = path / "emissions.csv"
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(given[0]))
        writer.writeheader()
        writer.writerows(given)
    return list(rows.runs(str(file)))


def run(path: Path, **changes: str) -> Run:
    (found,) = read(path, {**ROW, **changes})
    assert isinstance(found, Run), found
    return found


def test_a_row_of_codecarbon_s_is_an_assumed_run_of_the_same_figures(tmp_path: Path) -> None:
    found = run(tmp_path)

    assert (found.id, found.project, found.scope, found.state, found.duration_s) == (
        "run-1",
        "imdb",
        "machine",
        "finished",
        100.0,
    )
    assert (found.energy_j, found.emissions_g) == pytest.approx((0.002 * KWH, 1.0))
    assert {d.component: (d.quality, d.source) for d in found.domains} == {
        "cpu": ("assumed", "emissions.csv of CodeCarbon 3.3.2"),
        "ram": ("assumed", "emissions.csv of CodeCarbon 3.3.2"),
    }
    assert (found.place, found.measured) == (Place(country="FR", evidence="emissions.csv"), 0.0)
    assert (found.facts["cpu_model"], found.notes) == (
        "AMD EPYC",
        ("Imported from emissions.csv: CodeCarbon 3.3.2 measured or guessed it.",),
    )
    assert not found.is_split


def test_its_interval_is_wide(tmp_path: Path) -> None:
    figure = run(tmp_path).emissions("machine")

    assert figure.low < 0.6 * figure.value
    assert figure.high > 1.9 * figure.value


def test_our_own_row_comes_back_with_its_qualities_and_shares(tmp_path: Path) -> None:
    bench = Bench(pue=1.5)
    with bench.tracker:
        bench.work(100.0)
    (found,) = read(tmp_path, emissions_csv.row(bench.tracker.run))
    before = bench.tracker.run

    assert isinstance(found, Run)
    assert (found.id, found.pue) == (before.id, 1.5)
    assert found.emissions_g == pytest.approx(before.emissions_g)
    assert [found.energy(part).value for part in PARTS] == pytest.approx([before.energy(part).value for part in PARTS])
    assert {d.quality for d in found.domains} == {d.quality for d in before.domains}


def test_a_process_s_row_is_its_own_share(tmp_path: Path) -> None:
    found = run(tmp_path, tracking_mode="process")

    assert found.scope == "process"
    assert found.energy("own").value == pytest.approx(0.002 * KWH)


def test_what_the_total_has_beyond_its_components_is_the_system_s(tmp_path: Path) -> None:
    found = run(tmp_path, energy_consumed="0.004")

    assert found.energy("machine", "system").value == pytest.approx(0.002 * KWH)
    assert found.emissions_g == pytest.approx(1.0)


def test_a_row_without_an_id_has_the_same_one_each_time(tmp_path: Path) -> None:
    first, again, other = (run(tmp_path, run_id="", duration=duration) for duration in ("100", "100", "200"))

    assert first.id == again.id != other.id


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"duration": "long"}, "duration is 'long', which is no number"),
        ({"duration": ""}, "duration is '', which is no number"),
        ({"emissions": "-1"}, "emissions is -1, which can't be"),
        ({"energy_consumed": "nan"}, "energy_consumed is nan, which can't be"),
        ({"pue": "0.5"}, "pue is 0.5"),
        ({"timestamp": "yesterday"}, "yesterday"),
        ({"energy_consumed": "0.001"}, "its components used more than all of it"),
        ({"energy_consumed": "0", "cpu_energy": "0", "ram_energy": "0"}, "it has emissions and no energy"),
    ],
)
def test_a_row_that_can_not_be_is_refused_with_its_line_and_the_others_are_taken(
    tmp_path: Path, changes: dict[str, str], why: str
) -> None:
    good, bad = read(tmp_path, ROW, {**ROW, **changes})

    assert isinstance(good, Run)
    assert isinstance(bad, NoRun)
    assert "emissions.csv, line 3: " in str(bad)
    assert why in str(bad)


def test_a_torn_row_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "emissions.csv"
    file.write_text(f"{','.join(ROW)}\n{','.join(ROW.values())}\n2026-11-25T09:05:12,im\n")
    _, bad = rows.runs(str(file))

    assert str(bad).endswith("line 3: it has more or fewer cells than the first line.")


def test_a_file_without_runs_is_refused_whole(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,age\nA,1\n")

    with pytest.raises(NoRun, match="has no column 'timestamp', so it is no emissions"):
        list(rows.runs(str(tmp_path / "people.csv")))
    with pytest.raises(NoRun, match="can't be read"):
        list(rows.runs(str(tmp_path / "none.csv")))


def test_of_a_run_with_several_rows_the_longest_is_it(tmp_path: Path) -> None:
    found, refused = rows.latest(iter(read(tmp_path, {**ROW, "duration": "50"}, ROW, {**ROW, "duration": "x"})))

    assert [one.duration_s for one in found] == [100.0]
    assert len(refused) == 1


@given(
    cpu_kwh=st.floats(1e-9, 1e3),
    ram_kwh=st.floats(0, 1e3),
    kg=st.floats(1e-9, 1e3),
    pue=st.floats(1, 3),
)
def test_no_joule_and_no_gram_is_lost(
    tmp_path_factory: pytest.TempPathFactory, cpu_kwh: float, ram_kwh: float, kg: float, pue: float
) -> None:
    total_kwh = cpu_kwh + ram_kwh
    figures = {"cpu_energy": cpu_kwh, "ram_energy": ram_kwh, "energy_consumed": total_kwh, "emissions": kg, "pue": pue}
    found = run(tmp_path_factory.mktemp("csv"), **{name: repr(value) for name, value in figures.items()})

    assert found.energy_j * found.pue == pytest.approx(total_kwh * KWH, rel=0.021)
    assert found.emissions_g == pytest.approx(kg * 1000)
