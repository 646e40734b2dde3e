"""Brings the tables of countries and grid zones up to date.

    python -m tools.rebuild_grid                              countries, and what their electricity is made of
    python -m tools.rebuild_grid 2026 2025 2024               and zones: the years to show, newest first
    python -m tools.rebuild_grid owid-energy-data.csv yearly_2026.json        from files

Countries are from Our World in Data's energy table (github.com/owid/energy-data, CC BY 4.0), whose power is Ember's;
zones from Electricity Maps' yearly means in CO2.js (github.com/thegreenwebfoundation/co2.js,
data/output/electricity-maps, ODbL 1.0). Read the difference before you commit it, and mend the dates in SOURCES.md, in
the zones' LICENSE.txt, and in EMBER and EDITION below. Assumptions stay as they are, and so do classes of quality,
except that what is more than two years old becomes C.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from carbonwatch import tables
from tools import published

OWID = "https://raw.githubusercontent.com/owid/energy-data/master/owid-energy-data.csv"
ZONES = (
    "https://raw.githubusercontent.com/thegreenwebfoundation/co2.js/main/data/output/electricity-maps/yearly_{}.json"
)
EMBER = "Ember Yearly Electricity Data 2026-04-21 via Our World in Data"
EDITION = "2026-04-27"  # of Our World in Data's table: the last day of its changelog
# rows that have no ISO code there
NAMES = {"world": "World", "europe": "Europe", "XK": "Kosovo"}
Latest = dict[str, tuple[float, int]]

# our columns of fuels, and theirs
FUELS = {
    "coal_twh": "coal_electricity",
    "oil_twh": "oil_electricity",
    "gas_twh": "gas_electricity",
    "nuclear_twh": "nuclear_electricity",
    "hydro_twh": "hydro_electricity",
    "wind_twh": "wind_electricity",
    "solar_twh": "solar_electricity",
    "bioenergy_twh": "biofuel_electricity",
    "other_renewable_twh": "other_renewable_exc_biofuel_electricity",
}
_MOST_YEARS = 10  # an older mix says nothing of today's
_ROUNDING_TWH = 0.05  # nine fuels to two places may be that far from their sum


def countries(owid: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Our rows with the newest figures; a neighbour's figure follows the neighbour's."""
    latest = _latest(owid)
    newest = max(year for _, year in latest.values())
    own = {row["code"]: _renewed(row, latest, newest) for row in tables.rows("countries")}
    return [_as_neighbour(row, own) for row in own.values()]


def _latest(owid: Iterable[Mapping[str, str]]) -> Latest:
    """Alpha-3 code or name -> g/kWh and year."""
    found: Latest = {}
    for row in owid:
        key, year = row["iso_code"] or row["country"], int(row["year"])
        if row["carbon_intensity_elec"] and year >= found.get(key, (0.0, 0))[1]:
            found[key] = found[row["country"]] = (float(row["carbon_intensity_elec"]), year)
    return found


def _renewed(row: Mapping[str, str], latest: Latest, newest: int) -> dict[str, str]:
    figure = latest.get(NAMES.get(row["code"], row["iso3"]))
    if figure is None or not row["source"].startswith("Ember"):
        return dict(row)
    g_per_kwh, year = figure
    new = {**row, "g_per_kwh": f"{round(g_per_kwh, 2)}", "year": str(year), "source": EMBER}
    return new if year >= newest - 2 or row["quality"] not in "AB" else {**new, "quality": "C", "uncertainty_pct": "40"}


def _as_neighbour(row: dict[str, str], own: Mapping[str, dict[str, str]]) -> dict[str, str]:
    proxy = re.match(r"proxy: (\w\w) ", row["source"])
    if proxy is None:
        return row
    other = own[proxy[1]]
    source = f"proxy: {proxy[1]} ({other['source']})"
    return {**row, "g_per_kwh": other["g_per_kwh"], "year": other["year"], "source": source}


def mixes(owid: Iterable[Mapping[str, str]], edition: str) -> list[dict[str, str]]:
    """What each country's electricity was made of in the last year of which every fuel is known."""
    latest: dict[str, Mapping[str, str]] = {}
    for row in owid:
        key = row["iso_code"] or row["country"]
        if _is_whole(row) and int(row["year"]) >= int(latest.get(key, row)["year"]):
            latest[key] = row
    newest = max(int(row["year"]) for row in latest.values())
    codes = {NAMES.get(row["code"], row["iso3"]): row["code"] for row in tables.rows("countries")}
    return [
        {
            "code": codes[key],
            "year": row["year"],
            **{ours: f"{float(row[theirs]):.5g}" for ours, theirs in FUELS.items()},
            "edition": edition,
        }
        for key, row in sorted(latest.items(), key=lambda each: codes.get(each[0], ""))
        if key in codes and int(row["year"]) > newest - _MOST_YEARS
    ]


def _is_whole(row: Mapping[str, str]) -> bool:
    """Whether every fuel has a figure, and they make up all that was generated."""
    texts = [row[theirs] for theirs in FUELS.values()]
    if not all(texts) or not row["electricity_generation"]:
        return False
    fuels_twh, whole_twh = sum(map(float, texts)), float(row["electricity_generation"])
    return whole_twh > 0 and abs(fuels_twh - whole_twh) <= _ROUNDING_TWH


def zones(years: Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]) -> list[dict[str, str]]:
    """Our zones with each year's means, and the shares of the first year. What is new has to be added by hand."""
    newest = next(iter(years))
    found = []
    for row in tables.rows("zones_electricitymaps"):
        zone = years[newest][row["zone"]]
        means = {f"g_per_kwh_{year}": str(of[row["zone"]]["carbonIntensity"]["value"]) for year, of in years.items()}
        shares = {
            f"carbon_free_pct_{newest}": str(zone["carbonFreeEnergy"]["value"]),
            f"renewable_pct_{newest}": str(zone["renewableEnergy"]["value"]),
        }
        found.append({**{column: row[column] for column in ("zone", "country", "name")}, **means, **shares})
    return found


def main(*words: str) -> None:
    owid = next((word for word in words if word.endswith(".csv")), OWID)
    yearly = [ZONES.format(word) if word.isdigit() else word for word in words if word != owid]
    rows = list(published.table(owid))
    published.write("countries", countries(rows))
    published.write("electricity_mix", mixes(rows, EDITION))
    if yearly:
        years = {PurePosixPath(where).stem[-4:]: published.document(where) for where in yearly}
        published.write("zones_electricitymaps", zones(years))


if __name__ == "__main__":
    main(*sys.argv[1:])
