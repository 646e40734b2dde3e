"""An emissions.csv becomes runs that say the same: CodeCarbon's of any age, and what our own exporter wrote."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.exporters import emissions_csv
from carbonwatch.model import Part, Place, Run
from carbonwatch.store import emissions
from carbonwatch.store.emissions import NoRun, Taken
from carbonwatch.store.journal import Journal
from carbonwatch.store.query import Store
from tests.codecarbon.bench import KWH, Bench
from tests.reports import runs as examples

PARTS: tuple[Part, ...] = ("own", "idle", "others", "machine")
# as CodeCarbon 3.3.2 writes a row
ROW = {
    **dict.fromkeys(emissions_csv.CODECARBON, ""),
    "timestamp": "2026-11-25T09:05:12",
    "project_name": "imdb",
    "run_id": "run-1",
    "experiment_id": "5b0fa12a-3dd7-45bb-9766-cc326314d9f1",
    "duration": "100.0",
    "emissions": "0.001",
    "cpu_energy": "0.0015",
    "gpu_energy": "0.0",
    "ram_energy": "0.0005",
    "energy_consumed": "0.002",
    "water_consumed": "0.0",
    "country_name": "France",
    "country_iso_code": "FRA",
    "os": "Linux-6.1",
    "codecarbon_version": "3.3.2",
    "cpu_count": "8",
    "cpu_model": "AMD EPYC",
    "gpu_model": "",
    "ram_total_size": "31.5",
    "tracking_mode": "machine",
    "on_cloud": "N",
    "pue": "1.0",
    "wue": "0.0",
}
# the columns of older ones, as their releases have them
OF_1_2 = """timestamp experiment_id project_name duration emissions energy_consumed country_name country_iso_code region
    on_cloud cloud_provider cloud_region"""
OF_2_1 = """timestamp project_name run_id duration emissions emissions_rate cpu_power gpu_power ram_power cpu_energy
    gpu_energy ram_energy energy_consumed country_name country_iso_code region cloud_provider cloud_region os
    python_version cpu_count cpu_model gpu_count gpu_model longitude latitude ram_total_size tracking_mode on_cloud"""


def table(*rows: Mapping[str, object], separator: str = ",", end: str = "\n") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator, lineterminator=end, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(content: bytes) -> list[Run | NoRun]:
    return list(emissions.runs(io.BytesIO(content), "results/emissions.csv"))


def run(**changes: str) -> Run:
    [found] = read(table({**ROW, **changes}))
    assert isinstance(found, Run), found
    return found


def written(*of: Run) -> bytes:
    """What our exporter makes of runs."""
    rows = [{name: emissions_csv.text(cell) for name, cell in emissions_csv.row(one).items()} for one in of]
    return table(*rows)


def test_a_row_of_codecarbon_s_is_an_assumed_run_of_the_same_figures() -> None:
    found = run()
    ended_ns = int(datetime.datetime(2026, 11, 25, 9, 5, 12).timestamp()) * 10**9

    assert (found.id, found.project, found.scope, found.state) == ("run-1", "imdb", "machine", "finished")
    assert (found.started_ns, found.duration_s) == (ended_ns - 100 * 10**9, 100.0)
    assert (found.energy_j, found.emissions_g) == pytest.approx((0.002 * KWH, 1.0))
    assert {d.component: (d.quality, d.source) for d in found.domains} == {
        "cpu": ("assumed", "emissions.csv of CodeCarbon 3.3.2"),
        "ram": ("assumed", "emissions.csv of CodeCarbon 3.3.2"),
    }
    assert (found.place, found.measured) == (Place(country="FR", evidence="emissions.csv"), 0.0)
    assert found.facts == {
        "os": "Linux-6.1",
        "cpu_model": "AMD EPYC",
        "cpu_count": 8,
        "ram_total_gb": 31.5,
        "experiment_id": "5b0fa12a-3dd7-45bb-9766-cc326314d9f1",
        "imported_from": "CodeCarbon 3.3.2",
    }
    assert found.notes == (
        "Read from emissions.csv, line 2: CodeCarbon 3.3.2 measured or guessed it, and does not say when the energy "
        "was used.",
    )
    assert not found.is_split


def test_a_file_that_tells_no_interval_has_a_wide_one() -> None:
    figure = run().emissions("machine")

    assert figure.low < 0.6 * figure.value < 1.9 * figure.value < figure.high


def test_a_row_of_codecarbon_1_has_its_total_and_its_experiment_s_id() -> None:
    [found] = read(table({name: ROW[name] for name in OF_1_2.split()}))

    assert isinstance(found, Run)
    assert found.id == ROW["experiment_id"]
    assert (found.energy_j, found.emissions_g) == pytest.approx((0.002 * KWH, 1.0))
    assert (found.components, found.facts["imported_from"]) == (("system",), "CodeCarbon")


def test_a_row_of_codecarbon_2_is_one_without_what_it_does_not_tell() -> None:
    [found] = read(table({name: ROW[name] for name in OF_2_1.split()}))

    assert isinstance(found, Run)
    assert (found.id, found.components, found.pue) == ("run-1", ("cpu", "ram"), 1.0)
    assert (found.energy_j, found.emissions_g) == pytest.approx((0.002 * KWH, 1.0))


@pytest.mark.parametrize("stamp", ["2026-11-25T09:05:12", "25.11.2026 09:05:12", "25.11.2026 09:05"])
def test_what_a_german_spreadsheet_saved_reads_the_same(stamp: str) -> None:
    cells = {name: text.replace(".", ",") if name in emissions._NUMBERS else text for name, text in ROW.items()}
    content = b"\xef\xbb\xbf" + table({**cells, "timestamp": stamp}, separator=";", end="\r\n")
    [found] = read(content)

    assert isinstance(found, Run)
    assert abs(found.started_ns - run().started_ns) < 60 * 10**9
    assert (found.id, found.energy_j, found.emissions_g) == (run().id, run().energy_j, run().emissions_g)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_words_are_read_in_the_encodings_that_spreadsheets_write(encoding: str) -> None:
    [found] = read(table({**ROW, "project_name": "Prüfung"}).decode().encode(encoding))

    assert isinstance(found, Run)
    assert found.project == "Prüfung"


def test_tasks_of_a_run_are_one_run_that_says_that_it_has_no_more() -> None:
    tasks = [
        {"task_name": "load", **ROW, "timestamp": "2026-11-25T09:01:40"},
        {"task_name": "train", **ROW, "emissions": "0.002", "timestamp": "2026-11-25T09:05:00"},
    ]
    [found] = read(table(*tasks))

    assert isinstance(found, Run)
    assert (found.id, found.tasks, found.duration_s) == ("run-1", ("load", "train"), 300.0)
    assert found.emissions_g == pytest.approx(3.0)
    assert found.only("train").emissions_g == pytest.approx(2.0)
    assert "what ran between them is not in it" in found.notes[-1]


@pytest.mark.parametrize("example", examples.ALL)
def test_our_own_rows_come_back_with_their_interval(example: examples.Example) -> None:
    before = example()
    [found] = read(written(before))

    assert isinstance(found, Run)
    assert (found.id, found.project, found.state, found.scope) == (
        before.id,
        before.project,
        before.state,
        before.scope,
    )
    assert found.energy_j == pytest.approx(before.energy_j)
    assert found.emissions_g == pytest.approx(before.emissions_g)
    figure, former = found.emissions(found.headline), before.emissions(before.headline)
    assert (figure.low, figure.high) == pytest.approx((former.low, former.high), rel=1e-6)


@pytest.mark.parametrize("mode", ["machine", "process"])
def test_our_own_rows_come_back_with_their_qualities_and_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.chdir(tmp_path)
    bench = Bench(pue=1.5, tracking_mode=mode)
    with bench.tracker:
        bench.work(100.0)
    before = bench.tracker.run
    [found] = read(Path("emissions.csv").read_bytes())

    assert isinstance(found, Run)
    assert (found.id, found.pue) == (before.id, 1.5)
    assert [found.energy(part).value for part in PARTS] == pytest.approx([before.energy(part).value for part in PARTS])
    assert {d.quality for d in found.domains} == {d.quality for d in before.domains}


@pytest.mark.parametrize("name", ["-1", "=cmd()", "'quoted'", "@ home", "it's", "'", "", 'a,b"c'])
def test_a_name_comes_back_as_it_was(name: str) -> None:
    [found] = read(written(examples.a_run(examples.entry(examples.usage(examples.GPU, 5.0)), project=name)))

    assert isinstance(found, Run)
    assert found.project == (name or "unnamed")


def test_energy_whose_interval_is_told_is_no_more_certain_than_its_quality() -> None:
    known = {"emissions_low": "0.0009", "emissions_high": "0.0014"}
    measured = run(**known, cpu_quality="measured", ram_quality="measured")
    partly = run(**known, cpu_quality="measured", ram_quality="modelled + measured")

    assert [domain.error for domain in measured.domains] == [(-0.05, 0.05)] * 2
    assert [(domain.quality, domain.error) for domain in partly.domains] == [
        ("measured", (-0.1, 0.39)),
        ("modelled", (-0.1, 0.39)),
    ]


def test_a_process_s_row_is_its_own_share() -> None:
    found = run(tracking_mode="process")

    assert found.scope == "process"
    assert found.energy("own").value == pytest.approx(0.002 * KWH)


def test_what_the_total_has_beyond_its_components_is_the_system_s() -> None:
    found = run(energy_consumed="0.004")

    assert found.energy("machine", "system").value == pytest.approx(0.002 * KWH)
    assert found.emissions_g == pytest.approx(1.0)


def test_a_row_without_an_id_has_the_same_one_each_time() -> None:
    first, again, other = (run(run_id="", duration=duration) for duration in ("100", "100", "200"))

    assert first.id == again.id != other.id


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"duration": "long"}, "duration is 'long', which is no number"),
        ({"duration": ""}, "duration is '', which is no number"),
        ({"duration": "1e25"}, "timestamp is '2026-11-25T09:05:12' and duration 1e+25 s, which can't be"),
        ({"emissions": "-1"}, "emissions is -1, which can't be"),
        ({"emissions": ""}, "emissions is '', which is no number"),
        ({"energy_consumed": "nan"}, "energy_consumed is nan, which can't be"),
        ({"cpu_energy": "inf"}, "cpu_energy is inf, which can't be"),
        ({"pue": "0.5"}, "pue is 0.5, and no machine room takes less than its machines"),
        ({"timestamp": "yesterday"}, "timestamp is 'yesterday', and no date as 2026-11-25T09:05:12 is"),
        ({"energy_consumed": "0.001"}, "its components used more than energy_consumed"),
        ({"energy_consumed": "0", "cpu_energy": "0", "ram_energy": "0"}, "it has emissions and no energy"),
        (
            {"emissions_low": "0.002", "emissions_high": "0.003"},
            "its emissions are not between emissions_low and emissions_high",
        ),
    ],
)
def test_a_row_that_can_not_be_is_told_with_its_line_and_the_others_are_taken(
    changes: dict[str, str], why: str
) -> None:
    bounds = {"emissions_low": "", "emissions_high": ""}
    good, bad, last = read(table({**ROW, **bounds}, {**ROW, **bounds, **changes}, {**ROW, **bounds}))

    assert isinstance(good, Run)
    assert isinstance(last, Run)
    assert str(bad) == f"results/emissions.csv, line 3: {why}, so it is left out. Correct the line, or delete it."


def test_a_torn_row_and_one_that_no_csv_has_are_left_out() -> None:
    content = table(ROW) + b"2026-11-25T09:05:12,im\n" + b"x" * 200_000 + b"\n" + b",".join([b"x"] * 99) + b"\n"
    _, torn, endless, long = map(str, read(content + b"\n"))

    assert "line 3: it has 2 cells, and the first line has 38, so it is left out." in torn
    assert "line 4: it is no line of a CSV file (field larger than field limit (131072)), so it is left out." in endless
    assert "line 5: it has 99 cells" in long


def test_empty_cells_beyond_the_columns_are_a_spreadsheet_s() -> None:
    [found] = read(table(ROW).rstrip(b"\n") + b",,\n")

    assert isinstance(found, Run)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"timestamp;duration;emissions\n"])
def test_another_file_is_refused_with_what_is_missing(content: bytes) -> None:
    with pytest.raises(NoRun, match=r"emissions\.csv is no file of runs: it has no column .*; choose such a file"):
        read(content)


def test_a_run_that_was_written_as_it_grew_counts_once(tmp_path: Path) -> None:
    grown = {**ROW, "duration": "200.0", "energy_consumed": "0.004", "emissions": "0.002"}
    content = table(ROW, grown, {**ROW, "duration": "50.0"}, {**ROW, "run_id": "run-2"}, {**ROW, "pue": "0"})
    with closing(Journal(str(tmp_path / "runs.db"))) as journal:
        first = list(emissions.keep(read(content), journal, at_once=1))
        second = list(emissions.keep(read(content), journal))

    with Store(str(tmp_path / "runs.db")) as store:
        found = {listed.run.id: listed.emissions_g for listed in store.runs()}
    assert found == {"run-1": pytest.approx(2.0), "run-2": pytest.approx(1.0)}
    assert [taken[:4] for taken in first] == [(1, 1, 0, 0), (2, 1, 0, 0), (3, 1, 0, 0), (4, 2, 0, 0)] + [
        (5, 2, 0, 1)
    ] * 2
    assert [taken[:4] for taken in second] == [(5, 0, 2, 1)]
    assert ["line 6: pue is 0" in str(fault) for fault in second[0].faults] == [True]


def test_what_was_in_the_store_before_stays_as_it_is(tmp_path: Path) -> None:
    with closing(Journal(str(tmp_path / "runs.db"))) as journal:
        journal.begin(examples.a_run(id="run-1", project="measured here", duration_s=1.0))
        [taken] = emissions.keep(read(table(ROW)), journal)

    with Store(str(tmp_path / "runs.db")) as store:
        assert store.run("run-1").project == "measured here"
    assert taken == Taken(rows=1, known=1)


@given(
    cpu_kwh=st.floats(1e-9, 1e3),
    ram_kwh=st.floats(0, 1e3),
    kg=st.floats(1e-9, 1e3),
    pue=st.floats(1, 3),
)
def test_no_joule_and_no_gram_is_lost(cpu_kwh: float, ram_kwh: float, kg: float, pue: float) -> None:
    total_kwh = cpu_kwh + ram_kwh
    figures = {"cpu_energy": cpu_kwh, "ram_energy": ram_kwh, "energy_consumed": total_kwh, "emissions": kg, "pue": pue}
    found = run(**{name: repr(value) for name, value in figures.items()})

    assert found.energy_j * found.pue == pytest.approx(total_kwh * KWH)
    assert found.emissions_g == pytest.approx(kg * 1000)


@given(st.dictionaries(st.sampled_from(list(ROW)), st.text(max_size=30) | st.floats().map(str), max_size=8))
def test_no_row_is_too_strange_to_be_told_of_or_kept(changes: dict[str, str]) -> None:
    found = read(table({**ROW, **changes}))
    runs = [one for one in found if isinstance(one, Run)]
    with closing(Journal(":memory:")) as journal:
        kept = journal.add(runs)

    assert (len(found), kept) == (1, runs)
    for one in runs:
        assert one.energy_j >= 0
        assert one.emissions_g >= 0
        assert one.pue >= 1
        assert one.id
        assert one.project
