"""Makes the table of towns, from GeoNames' list of the places with 15,000 people or more.

    python tools/rebuild_towns.py cities15000.txt

The file is in download.geonames.org/export/dump/cities15000.zip (CC BY 4.0). Of a town there is kept what finds its
grid: name, country, state where the tables know states, time zone where the country has several grids, coordinates
to 1 km, and people in thousands, which tell the Paris that is meant from the one in Texas. Write the day into
SOURCES.md.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from carbonwatch import tables

DATA = Path(tables.__file__).parent / "data"
COLUMNS = ("name", "country", "subdivision", "tz", "lat", "lon", "thousands")
# where GeoNames numbers what ISO 3166-2 has letters for
_NUMBERED = {
    "AU": "01=ACT 02=NSW 03=NT 04=QLD 05=SA 06=TAS 07=VIC 08=WA",
    "CA": "01=AB 02=BC 03=MB 04=NB 05=NL 07=NS 08=ON 09=PE 10=QC 11=SK 12=YT 13=NT 14=NU",
    "CN": "01=AH 02=ZJ 03=JX 04=JS 05=JL 06=QH 07=FJ 08=HL 09=HA 10=HE 11=HN 12=HB 13=XJ 14=XZ 15=GS 16=GX 18=GZ "
    "19=LN 20=NM 21=NX 22=BJ 23=SH 24=SX 25=SD 26=SN 28=TJ 29=YN 30=GD 31=HI 32=SC 33=CQ",
}
STATES = {country: dict(pair.split("=") for pair in pairs.split()) for country, pairs in _NUMBERED.items()}


def towns(lines: Iterable[str]) -> list[dict[str, str]]:
    """Rows from GeoNames' lines, in the order of their latitude: so those near a point are found at once."""
    grids = Counter(row["country"] for row in tables.rows("zones_electricitymaps"))
    fields = (line.rstrip("\n").split("\t") for line in lines)
    found = [_town(of, grids[of[8]] > 1) for of in fields if tables.row("countries", of[8])]
    return sorted(found, key=lambda row: (float(row["lat"]), float(row["lon"]), row["name"]))


def _town(of: list[str], many_grids: bool) -> dict[str, str]:
    country, part = of[8], of[10]
    code = f"{country}-{STATES.get(country, {}).get(part, part)}"
    state = code if tables.row("subnational", code) else ""
    where = (of[1].replace('"', "'"), country, state, "" if state or not many_grids else of[17])
    numbers = (f"{float(of[4]):.2f}", f"{float(of[5]):.2f}", str(round(int(of[14]) / 1000)))
    return dict(zip(COLUMNS, (*where, *numbers), strict=True))


def write(rows: Iterable[dict[str, str]]) -> None:
    with (DATA / "towns.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _lines(path: str) -> Iterator[str]:
    with Path(path).open(encoding="utf-8") as file:
        yield from file


if __name__ == "__main__":
    write(towns(_lines(sys.argv[1])))
