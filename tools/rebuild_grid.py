"""Brings the tables of countries and grid zones up to date.

    python -m tools.rebuild_grid                              countries
    python -m tools.rebuild_grid 2026 2025 2024               and zones: the years to show, newest first
    python -m tools.rebuild_grid owid-energy-data.csv yearly_2026.json        from files

Countries are from Our World in Data's energy table (github.com/owid/energy-data, CC BY 4.0), whose power is Ember's;
zones from Electricity Maps' yearly means in CO2.js (github.com/thegreenwebfoundation/co2.js,
data/output/electricity-maps, ODbL 1.0). Read the difference before you commit it, and mend the dates in SOURCES.md, in
the zones' LICENSE.txt and in EMBER below. Assumptions stay as they are, and so do classes of quality, except that what
is more than two years old becomes C.
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
# rows that have no ISO code there
NAMES = {"world": "World", "europe": "Europe", "XK": "Kosovo"}
Latest = dict[str, tuple[float, int]]


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
    published.write("countries", countries(published.table(owid)))
    if yearly:
        years = {PurePosixPath(where).stem[-4:]: published.document(where) for where in yearly}
        published.write("zones_electricitymaps", zones(years))


if __name__ == "__main__":
    main(*sys.argv[1:])
