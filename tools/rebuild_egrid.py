"""Brings the US rows up to date, from EPA's eGRID: states, subregions and the country.

    python -m tools.rebuild_egrid egrid_st.csv egrid_sr.csv

Save the sheets ST and SR of EPA's workbook (epa.gov/egrid, "eGRID data file", US public domain) as CSV; EPA gives no
other form of them. In each, a row of long names stands above the row of short ones (PSTATABB, STC2ERTA; SUBRGN,
SRC2ERTA); rates are in lb/MWh. Read the difference before you commit it, and mend RELEASE below and SOURCES.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from carbonwatch import tables
from tools import published

RELEASE, YEAR = "EPA eGRID2023 rev2 (2025-06-12)", "2023"
G_PER_KWH_OF_LB_PER_MWH = 0.45359237
Rates = dict[str, float]


def lifecycle(direct_g_per_kwh: float) -> float:
    """An estimate of the life cycle from what is burnt: SOURCES.md says how it was fitted."""
    return 1.098 * direct_g_per_kwh + 18 * max(0.0, 1 - direct_g_per_kwh / 700)


def rates(lines: Iterable[list[str]], key: str, rate: str) -> Rates:
    """Direct g/kWh by state or subregion, from a sheet."""
    rows = iter(lines)
    names = next((row for row in rows if key in row and rate in row), None)
    if names is None:
        raise SystemExit(f"There is no row with the names {key} and {rate}: is it the right sheet?")
    at, of = names.index(key), names.index(rate)
    return {row[at]: float(row[of].replace(",", "")) * G_PER_KWH_OF_LB_PER_MWH for row in rows if row[of].strip()}


def renewed(table: str, found: Rates, rate: str) -> list[dict[str, str]]:
    """Our rows, those of eGRID with the new rates; what is new there has to be added by hand."""
    return [_renewed(row, found, rate) for row in tables.rows(table)]


def _renewed(row: Mapping[str, str], found: Rates, rate: str) -> dict[str, str]:
    direct = found.get(row["code"].removeprefix("US-")) if row["country"] == "US" else None
    if direct is None:
        return dict(row)
    figures = {"lifecycle_g_per_kwh": f"{lifecycle(round(direct, 1)):.1f}", "direct_g_per_kwh": f"{direct:.1f}"}
    return {**row, **figures, "year": YEAR, "source": f"{RELEASE} {rate}"}


def main(states: str, subregions: str) -> None:
    for table, path, key, rate in (
        ("subnational", states, "PSTATABB", "STC2ERTA"),
        ("us_egrid_subregions", subregions, "SUBRGN", "SRC2ERTA"),
    ):
        published.write(table, renewed(table, rates(published.sheet(path), key, rate), rate))


if __name__ == "__main__":
    main(*sys.argv[1:])
