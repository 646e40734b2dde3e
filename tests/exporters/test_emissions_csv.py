import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.exporters import emissions_csv
from carbonwatch.exporters.emissions_csv import CODECARBON, COLUMNS, OURS, export, row, write
from carbonwatch.model import Component, Domain, Entry, Intensity, Place, Run, Usage, Work
from carbonwatch.settings import Settings

KWH = 3_600_000.0
# what CodeCarbon 3.3.2 and 2.4.1 write on top of their files
THEIR_HEADER = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,"
    "cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,country_iso_code,region,"
    "cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,"
    "longitude,latitude,ram_total_size,tracking_mode,cpu_utilization_percent,gpu_utilization_percent,"
    "ram_utilization_percent,ram_used_gb,on_cloud,pue,wue"
)
OLDER_HEADER = (
    "timestamp,project_name,run_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,cpu_energy,"
    "gpu_energy,ram_energy,energy_consumed,country_name,country_iso_code,region,cloud_provider,cloud_region,os,"
    "python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,"
    "tracking_mode,on_cloud,pue"
)
FRANCE = Intensity(50.0, 40.0, 60.0, "FR", "France", "production", "lifecycle", "a table", 2024)
FACTS = {
    "version": "1.2.3",
    "os": "Linux-6.1",
    "python_version": "3.11.7",
    "cpu_count": 8,
    "cpu_model": "Example 9000",
    "ram_total_gb": 32.0,
    "experiment_id": "e-1",
}


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def entry(domain: Domain, machine_j: float, *, idle_j: float = 0.0, own_j: float = 0.0, busy: float = 0.5) -> Entry:
    work = Work(0.25 * 400, busy * 400, 400.0)
    return Entry("", 1, 100.0, Usage(domain, machine_j, idle_j, own_j, own_j, own_j, idle_j, work), FRANCE)


CPU = Domain("rapl:package-0", "cpu", "measured", "RAPL package-0")
GPUS = [Domain(f"nvml:GPU-{n}", "gpu", "measured", "NVIDIA H100 (NVML energy counter)") for n in (1, 2)]
RAM = Domain("ram:model", "ram", "modelled", "model of 32 GB")
DISK = Domain("disk:model", "disk", "assumed", "a disk")


def a_run(*entries: Entry, **changes: Any) -> Run:
    run = Run("run-1", "digits", "machine", "finished", 1_790_000_000_000_000_000, 100.0, entries, facts=FACTS)
    return replace(run, **{"place": Place("FR"), **changes})


def metered() -> Run:
    return a_run(
        entry(CPU, 0.1 * KWH, idle_j=0.02 * KWH, own_j=0.05 * KWH),
        entry(GPUS[0], 0.2 * KWH, own_j=0.2 * KWH, busy=0.75),
        entry(GPUS[1], 0.2 * KWH, own_j=0.2 * KWH, busy=0.25),
        entry(RAM, 0.04 * KWH, idle_j=0.03 * KWH, own_j=0.01 * KWH),
        entry(DISK, 0.01 * KWH, idle_j=0.01 * KWH),
        pue=2.0,
        wue_l_per_kwh=3.0,
    )


def settings(folder: Path, **changes: Any) -> Settings:
    return Settings(output_dir=str(folder), **changes)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_the_columns_are_codecarbon_s_in_its_order_and_ours_to_the_right() -> None:
    assert ",".join(CODECARBON) == THEIR_HEADER
    assert (*CODECARBON, *OURS) == COLUMNS
    assert list(row(metered())) == list(COLUMNS)


def test_a_row_has_their_units_with_pue_applied(utc: None) -> None:
    values = row(metered())
    rounded = {name: round(v, 9) if isinstance(v, float) else v for name, v in values.items()}

    low, high = rounded.pop("emissions_low"), rounded.pop("emissions_high")
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert 0 < low < 0.055 < high
    assert rounded == {
        "timestamp": "2026-09-21T14:15:00",
        "project_name": "digits",
        "run_id": "run-1",
        "experiment_id": "e-1",
        "duration": 100.0,
        "emissions": 0.055,
        "emissions_rate": 0.00055,
        "cpu_power": 7200.0,
        "gpu_power": 28800.0,
        "ram_power": 2880.0,
        "cpu_energy": 0.2,
        "gpu_energy": 0.8,
        "ram_energy": 0.08,
        "energy_consumed": 1.1,
        "water_consumed": round(metered().water_l, 9),
        "country_name": "France",
        "country_iso_code": "FRA",
        "region": "France",
        "cloud_provider": "",
        "cloud_region": "",
        "os": "Linux-6.1",
        "python_version": "3.11.7",
        "codecarbon_version": "carbonwatch 1.2.3",
        "cpu_count": 8,
        "cpu_model": "Example 9000",
        "gpu_count": 2,
        "gpu_model": "2 x NVIDIA H100",
        "longitude": None,
        "latitude": None,
        "ram_total_size": 32.0,
        "tracking_mode": "machine",
        "cpu_utilization_percent": 50.0,
        "gpu_utilization_percent": 50.0,
        "ram_utilization_percent": None,
        "ram_used_gb": None,
        "on_cloud": "N",
        "pue": 2.0,
        "wue": 3.0,
        "state": "finished",
        "measured_share": round(0.5 / 0.55, 9),
        "other_energy": 0.02,
        "energy_own": 0.92,
        "energy_idle": 0.12,
        "energy_others": 0.06,
        "carbon_intensity": 50.0,
        "carbon_intensity_zone": "FR",
        "carbon_intensity_source": "a table",
        "cpu_quality": "measured",
        "gpu_quality": "measured",
        "ram_quality": "modelled",
    }


def test_energies_follow_the_scope() -> None:
    values = row(replace(metered(), scope="process"))

    assert values["tracking_mode"] == "process"
    assert values["cpu_energy"] == pytest.approx(0.1)
    assert values["energy_consumed"] == values["energy_own"] == pytest.approx(0.92)


def test_a_place_is_named_and_its_coordinates_are_not_kept() -> None:
    place = Place("US", "US-CA", "aws/us-west-1")
    values = row(replace(metered(), place=place))

    names = ("country_name", "country_iso_code", "region", "cloud_provider", "cloud_region", "on_cloud", "latitude")
    assert [values[name] for name in names] == [
        "United States",
        "USA",
        "California",
        "aws",
        "us-west-1",
        "Y",
        None,
    ]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (Place(), ["World", "WLD", "World"]),
        (Place("FR", evidence="time zone Europe/Paris"), ["France", "FRA", "France"]),
        (Place("FR", evidence="setting country"), ["France", "FRA", ""]),
        (Place("IT", "IT-SIC", evidence="setting region"), ["Italy", "ITA", "IT-SIC"]),
        (Place("BE", cloud="gcp/europe-west1", evidence="GOOGLE_CLOUD_REGION"), ["Belgium", "BEL", ""]),
    ],
)
def test_a_country_is_never_an_empty_cell_and_a_region_where_codecarbon_s_is_one(place: Place, told: list[str]) -> None:
    values = row(replace(metered(), place=place))

    assert [values[name] for name in ("country_name", "country_iso_code", "region")] == told


def test_what_is_neither_cpu_gpu_nor_memory_is_other_energy() -> None:
    others: tuple[Component, ...] = ("disk", "rest", "system")
    entries = [entry(replace(DISK, id=name, component=name), 0.1 * KWH) for name in others]
    values = row(a_run(*metered().entries[:1], *entries))

    assert values["other_energy"] == pytest.approx(0.3)
    assert values["energy_consumed"] == pytest.approx(0.4)


def test_a_machine_without_a_gpu_has_a_gpu_energy_of_0(tmp_path: Path) -> None:
    export(replace(a_run(), facts={"gpu_count": 0}, entries=metered().entries[:1]), settings(tmp_path))

    cells = read(tmp_path / "emissions.csv")[0]
    assert [cells[f"gpu_{name}"] for name in ("count", "energy", "power", "utilization_percent")] == [
        "0",
        "0.0",
        "0.0",
        "0",
    ]


def test_what_is_not_known_is_an_empty_cell_and_never_0(tmp_path: Path) -> None:
    export(a_run(place=Place()), settings(tmp_path))

    cells = read(tmp_path / "emissions.csv")[0]
    empty = [name for name in COLUMNS if cells[name] == ""]
    assert [n for n in COLUMNS if "energy" in n or "power" in n or "emissions" in n or "utilization" in n] == [
        n for n in empty if "energy" in n or "power" in n or "emissions" in n or "utilization" in n
    ]
    assert {"gpu_model", "water_consumed", "measured_share", "carbon_intensity"} < set(empty)


def test_energy_that_nobody_could_split_is_not_given_to_anybody() -> None:
    unsplit = Entry("", 1, 100.0, Usage(CPU, KWH, 0.0, KWH, 0.0, KWH), FRANCE)
    values = row(a_run(unsplit))

    assert [values[n] for n in ("energy_consumed", "energy_own", "energy_idle", "energy_others")] == [
        1,
        None,
        None,
        None,
    ]


def test_a_second_run_s_row_follows_the_first_under_one_header(tmp_path: Path) -> None:
    for id_ in ("a", "b"):
        export(replace(metered(), id=id_), settings(tmp_path, output_file="mine.csv"))

    assert [cells["run_id"] for cells in read(tmp_path / "mine.csv")] == ["a", "b"]
    assert os.listdir(tmp_path) == ["mine.csv"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_that_codecarbon_began_goes_on_with_its_own_columns(tmp_path: Path, end: str) -> None:
    path = tmp_path / "emissions.csv"
    before = f"{THEIR_HEADER}{end}{'x,' * THEIR_HEADER.count(',')}x{end}".encode()
    path.write_bytes(before)
    export(metered(), settings(tmp_path))

    assert path.read_bytes().startswith(before)
    assert path.read_bytes().count(end.encode()) == 3
    cells = read(path)[1]
    assert (list(cells), cells["run_id"], cells["energy_consumed"]) == (THEIR_HEADER.split(","), "run-1", "1.1")


def test_a_header_that_another_program_quoted_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.write_text("\ufeff" + ",".join(f'"{name}"' for name in CODECARBON) + "\n")
    export(metered(), settings(tmp_path))

    assert [p.name for p in tmp_path.iterdir()] == ["emissions.csv"]
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2\n",
        "timestamp,emissions\n",
        OLDER_HEADER + "\n",
        THEIR_HEADER + ",surprise\n",
        THEIR_HEADER + ",pue\n",
        "\n",
        "{",
        "\0" * 99,
        "a\rb\r",
    ],
)
def test_a_file_with_other_columns_is_kept_aside_and_a_new_one_begun(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "emissions.csv").write_bytes(content.encode())
    export(metered(), settings(tmp_path))

    assert (tmp_path / "emissions.csv.1.bak").read_bytes() == content.encode()
    assert [cells["run_id"] for cells in read(tmp_path / "emissions.csv")] == ["run-1"]
    assert [(r.levelname, "emissions.csv.1.bak" in r.getMessage()) for r in caplog.records] == [("WARNING", True)]


def test_a_row_that_another_program_tore_does_not_spoil_ours(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.write_text(THEIR_HEADER + "\n2026-01-01T00:00:00,digi")
    export(metered(), settings(tmp_path))

    lines = path.read_text().split("\n")
    assert (lines[1], lines[2].split(",")[1:3], lines[3:]) == ("2026-01-01T00:00:00,digi", ["digits", "run-1"], [""])


def test_a_header_without_its_end_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.write_text(THEIR_HEADER)
    export(metered(), settings(tmp_path))

    assert [cells["run_id"] for cells in read(path)] == ["run-1"]


def test_update_replaces_the_run_s_own_rows_and_leaves_every_other_byte(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    others = [f'2026-01-01T00:00:00,"a, ""b"" run-1",{n},,1.0' + "," * (len(COLUMNS) - 5) for n in ("x", "run-10")]
    export(replace(metered(), state="running"), settings(tmp_path))
    with path.open("a", newline="") as file:
        file.write("\r\n".join(others))  # not ours: other line ends, and none at the last
    export(metered(), settings(tmp_path, csv_write="update"))

    header, first, second, ours = path.read_bytes().splitlines(keepends=True)
    assert header == (",".join(COLUMNS) + "\n").encode()
    assert (first, second) == (others[0].encode() + b"\r\n", others[1].encode() + b"\n")
    assert [(cells["run_id"], cells["state"]) for cells in read(path)][2:] == [("run-1", "finished")]
    assert ours.endswith(b"\n")


def test_append_adds_a_row_for_each_state_of_a_run(tmp_path: Path) -> None:
    for state in ("running", "finished"):
        export(replace(metered(), state=state), settings(tmp_path))

    assert [cells["state"] for cells in read(tmp_path / "emissions.csv")] == ["running", "finished"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r@", " =", "\n-"])
def test_a_cell_is_no_formula_whoever_chose_its_words(tmp_path: Path, start: str) -> None:
    export(replace(metered(), project=f"{start}cmd|' /C calc'!A0"), settings(tmp_path))

    cell = read(tmp_path / "emissions.csv")[0]["project_name"]
    assert cell.startswith("'")
    assert cell.lstrip("' ") == f"{start.strip()}cmd|' /C calc'!A0"


def test_a_number_stays_a_number_with_its_sign() -> None:
    assert [emissions_csv.text(v) for v in (-1.5, 2, 1e-9, float("nan"), float("inf"), None)] == [
        "-1.5",
        "2",
        "1e-09",
        "",
        "",
        "",
    ]


@given(st.text(), st.text())
def test_any_words_make_one_row_that_reads_back(
    tmp_path_factory: pytest.TempPathFactory, project: str, cpu: str
) -> None:
    folder = tmp_path_factory.mktemp("words")
    export(a_run(entry(CPU, KWH), project=project, facts={**FACTS, "cpu_model": cpu}), settings(folder))

    assert (folder / "emissions.csv").read_bytes().count(b"\n") == 2
    (cells,) = read(folder / "emissions.csv")
    assert cells["run_id"] == "run-1"
    assert len(cells["cpu_model"]) - len(cpu) in (0, 1)


WRITER = """
import sys
from dataclasses import replace
from carbonwatch.exporters.emissions_csv import export
from carbonwatch.model import Run
from carbonwatch.settings import Settings
settings = Settings(output_dir=sys.argv[1], csv_write=sys.argv[3])
sys.stdin.read(1)  # all at once
for n in range(10):
    export(Run(f"{sys.argv[2]}-{n}", "p" * 3000, "machine", "finished", 1, 1.0), settings)
"""


@pytest.mark.parametrize("begun", ["", "a,b\n1,2\n"])
def test_fifty_processes_lose_no_row_and_tear_none(tmp_path: Path, begun: str) -> None:
    if begun:  # each finds the foreign file, and one sets it aside
        (tmp_path / "emissions.csv").write_text(begun)
    modes = [("append", "update")[n % 10 == 0] for n in range(50)]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(n), mode], stdin=subprocess.PIPE)
        for n, mode in enumerate(modes)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()

    assert [writer.wait() for writer in writers] == [0] * 50
    rows = read(tmp_path / "emissions.csv")
    assert sorted(cells["run_id"] for cells in rows) == sorted(f"{n}-{m}" for n in range(50) for m in range(10))
    assert {(len(cells), cells["project_name"]) for cells in rows} == {(len(COLUMNS), "p" * 3000)}
    assert sorted(os.listdir(tmp_path)) == ["emissions.csv", *(["emissions.csv.1.bak"] if begun else [])]


def test_a_full_disk_is_an_error_and_the_rows_before_it_are_whole(tmp_path: Path) -> None:
    code = """
import resource
from carbonwatch.exporters.emissions_csv import write
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # holds for root too
"""
    answer = subprocess.run(
        [sys.executable, "-c", code + WRITER, str(tmp_path), "0", "append"], input=b"", capture_output=True
    )

    assert b"OSError: [Errno 27] File too large" in answer.stderr
    assert [cells["run_id"] for cells in read(tmp_path / "emissions.csv")] == [f"0-{n}" for n in range(6)]


def test_a_directory_that_may_not_be_written_is_an_error() -> None:
    code = """
import os, sys
from carbonwatch.exporters.emissions_csv import export
from carbonwatch.model import Run
from carbonwatch.settings import Settings
if os.getuid() == 0:  # whom no mode stops
    os.setuid(65534)
export(Run("a", "p", "machine", "finished", 1, 1.0), Settings(output_dir=sys.argv[1]))
"""
    folder = tempfile.mkdtemp()  # where any user may look, unlike tmp_path
    os.chmod(folder, 0o555)
    answer = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)

    assert f"PermissionError: [Errno 13] Permission denied: '{os.path.realpath(folder)}/emissions.csv'" in answer.stderr
    assert os.listdir(folder) == []
    os.rmdir(folder)


def test_appending_takes_as_long_in_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    export(metered(), settings(tmp_path))
    with path.open("ab") as file:
        file.truncate(2 << 30)  # two GB of nothing
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    began_s = time.perf_counter()
    export(metered(), settings(tmp_path))

    assert time.perf_counter() - began_s < 0.05


def test_other_columns_may_be_written_beside_a_run_s(tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    columns = ("task_name", "timestamp", "project_name", "duration", "emissions")
    write(str(path), columns, [{"task_name": "load", "duration": 1.5}, {"task_name": "fit", "emissions": 2.0}])

    assert path.read_text() == "task_name,timestamp,project_name,duration,emissions\nload,,,1.5,\nfit,,,,2.0\n"
