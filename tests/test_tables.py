import csv
import math
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import carbonwatch
from carbonwatch.tables import row, rows, rows_between, rows_like, rows_named, rows_with

DATA = Path(carbonwatch.__file__).parent / "data"
GRID = {
    "cloud_regions": 151,
    "countries": 252,
    "electricity_mix": 213,
    "equivalents": 12,
    "fuel_factors": 15,
    "line_losses": 3,
    "pue_defaults": 7,
    "subnational": 103,
    "timezones": 598,
    "us_egrid_subregions": 28,
    "zones_electricitymaps": 352,
}


ANDORRA = "tables.row('countries', 'AD')['g_per_kwh']"
TOWNS = 34_006  # a name is no key there
NAMES = [each["name"] for each in rows("town_names")]
BY_NAME = {name: list(group) for name, group in groupby(rows("town_names"), key=lambda each: each["name"])}


def key_column(table: str) -> str:
    return (DATA / f"{table}.csv").read_text(encoding="utf-8").partition(",")[0]


@pytest.mark.parametrize(("table", "count"), GRID.items())
def test_every_row_is_found_by_its_first_column(table: str, count: int) -> None:
    key = key_column(table)
    every = list(rows(table))

    assert len(every) == count
    assert [row(table, each[key]) for each in every] == every


@pytest.mark.parametrize("table", [*GRID, "towns", "town_names"])
def test_a_table_is_read_as_any_reader_of_csv_would(table: str) -> None:
    with (DATA / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))

    assert list(rows(table)) == expected


@given(st.text() | st.sampled_from(["", "FR,FRA", "AD,AND\nAE", '"', "code", "world,"]))
def test_a_key_that_is_not_there_has_no_row(key: str) -> None:
    found = row("countries", key)

    assert found is None or found["code"] == key


def test_rows_are_found_by_any_words_in_them_whatever_their_case() -> None:
    assert [each["code"] for each in rows_with("countries", "KINGDOM")] == ["GB"]
    assert len(list(rows_with("towns", ""))) == TOWNS


def band_of(line: bytes) -> int:
    return math.floor(float(line.rsplit(b",", 3)[1]))


def test_rows_are_found_between_two_places_where_a_table_is_in_order() -> None:
    found = list(rows_between("towns", band_of, 48, 49))
    every = [each for each in rows("towns") if 48 <= float(each["lat"]) < 50]

    assert found == every
    assert len(found) > 20
    assert list(rows_between("towns", band_of, 89, 95)) == []
    assert list(rows_between("towns", band_of, -95, -89)) == []


@given(st.sampled_from([*NAMES[::500], *NAMES[:3], *NAMES[-3:]]) | st.text())
def test_the_rows_of_a_name_are_all_that_begin_with_it(name: str) -> None:
    assert list(rows_named("town_names", name)) == [each for each in BY_NAME.get(name, ()) if "," not in name]


def test_a_table_of_names_is_in_the_order_of_its_bytes() -> None:
    assert sorted(NAMES, key=str.encode) == NAMES


@given(st.sampled_from(list(rows("countries"))).map(lambda each: each["name"]))
def test_rows_like_a_name_hold_the_one_of_that_name_however_it_is_written(name: str) -> None:
    for written in (name, name.upper(), f" {name.replace(' ', '-')}."):
        assert name in [each["name"] for each in rows_like("countries", written)]


def environ_with(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_DATA_HOME": str(folder)}


def read_by_another_process(folder: Path, expression: str) -> str:
    imports = (
        "from carbonwatch import tables; from carbonwatch.grid import bundled; from carbonwatch.model import Place"
    )
    code = f"{imports}; print({expression})"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ_with(folder)
    )
    return answer.stdout.strip()


def newer_tables(folder: Path, edition: str) -> None:
    tables = folder / "carbonwatch" / "tables"
    tables.mkdir(parents=True)
    text = (DATA / "countries.csv").read_text(encoding="utf-8")
    (tables / "countries.csv").write_text(text.replace("Andorra,,153.6", "Andorra,,99.5"), encoding="utf-8")
    (tables / "EDITION").write_text(edition)


def test_an_edition_in_the_user_s_folder_is_read_instead_and_says_so(tmp_path: Path) -> None:
    newer_tables(tmp_path, "2027-05-01\n")

    assert read_by_another_process(tmp_path, f"{ANDORRA}, tables.edition()") == "99.5 2027-05-01"
    assert read_by_another_process(tmp_path, "bundled.find(Place('AD')).source").endswith("; tables of 2027-05-01")


def test_what_an_edition_does_not_hold_is_read_from_ours(tmp_path: Path) -> None:
    newer_tables(tmp_path, "2027-05-01")

    assert read_by_another_process(tmp_path, "tables.row('timezones', 'Europe/Paris')['country']") == "FR"


def test_a_folder_without_an_edition_is_not_read(tmp_path: Path) -> None:
    newer_tables(tmp_path, "")

    assert read_by_another_process(tmp_path, ANDORRA) == "153.6"


OPENED = """
import os, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(os.path.basename(str(args[0]))) if event == "open" else None)
from carbonwatch.grid import bundled
from carbonwatch import location
from carbonwatch.settings import Settings
before = [name for name in opened if name.endswith(".csv")]
bundled.find(location.locate(Settings(country="FR"), {}))
print(before, sorted({name for name in opened if name.endswith(".csv")}))
"""


def test_a_table_is_read_when_it_is_needed_and_no_other(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", OPENED], capture_output=True, text=True, check=True, env=environ_with(tmp_path)
    )

    assert answer.stdout.strip() == "[] ['countries.csv', 'zones_electricitymaps.csv']"


def test_every_table_has_its_source_named() -> None:
    sources = (DATA / "SOURCES.md").read_text(encoding="utf-8")

    assert [path.name for path in sorted(DATA.glob("*.csv")) if f"`{path.name}`" not in sources] == []
