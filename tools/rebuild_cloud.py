"""Brings PUE, water and Google's own figures of the cloud regions up to date, from the Green Software Foundation.

    python -m tools.rebuild_cloud [Cloud_Region_Metadata.csv]

The table is that of its project Real-time cloud (github.com/Green-Software-Foundation/real-time-cloud), which quotes
the providers year by year; the newest year that has a figure counts. Regions that it has and we don't are told, and
added by hand: where a region is, its providers' lists say. Read the difference before you commit it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping

from carbonwatch import tables
from tools import published

URL = "https://raw.githubusercontent.com/Green-Software-Foundation/real-time-cloud/main/Cloud_Region_Metadata.csv"
PROVIDERS = {"Amazon Web Services": "aws", "Google Cloud": "gcp", "Microsoft Azure": "azure"}
SOURCES = {
    "aws": "AWS region disclosure via GSF real-time-cloud",
    "gcp": "Google data center disclosure via GSF real-time-cloud",
    "azure": "Microsoft region fact sheets via GSF real-time-cloud",
}
_PUE, _WUE = "power-usage-effectiveness", "water-usage-effectiveness"
# Google's grid is the mean of its hours, by what it used in them
_DIRECT, _CARBON_FREE = "provider-carbon-intensity-average-consumption-hourly", "provider-cfe-annual"

Row = Mapping[str, str]


def regions(theirs: Iterable[Row]) -> list[dict[str, str]]:
    """Our rows with the newest figures that they have of each."""
    by_region = _by_region(theirs)
    return [_renewed(row, by_region.get(row["cloud"], [])) for row in tables.rows("cloud_regions")]


def unknown(theirs: Iterable[Row]) -> list[str]:
    """Regions that we don't have."""
    return sorted(cloud for cloud in _by_region(theirs) if tables.row("cloud_regions", cloud) is None)


def _by_region(theirs: Iterable[Row]) -> dict[str, list[Row]]:
    """What each year says of a region, the newest first."""
    found: dict[str, list[Row]] = {}
    for row in theirs:
        provider = PROVIDERS.get(row["cloud-provider"])
        if provider:
            found.setdefault(f"{provider}/{row['cloud-region']}", []).append(row)
    return {cloud: sorted(rows, key=lambda row: row["year"], reverse=True) for cloud, rows in found.items()}


def _renewed(row: Row, years: list[Row]) -> dict[str, str]:
    provider = row["cloud"].partition("/")[0]
    new = dict(row)
    for of in _newest(years, _PUE, row["pue_year"]):
        new |= {"pue": _number(of[_PUE]), "pue_year": of["year"], "pue_source": SOURCES[provider]}
    for of in _newest(years, _WUE, row["wue_year"]):
        new |= {"wue_l_per_kwh": _number(of[_WUE]), "wue_year": of["year"]}
    for of in _newest(years, _DIRECT, row["provider_year"]) if provider == "gcp" else ():
        new |= {"provider_direct_g_per_kwh": _number(of[_DIRECT]), "provider_year": of["year"]}
        new["provider_carbon_free_share"] = _number(of[_CARBON_FREE]) if of[_CARBON_FREE] else ""
    return new


def _newest(years: list[Row], column: str, ours: str) -> Iterator[Row]:
    """The newest year with a figure, if it is newer than ours: a provider's mean of last year may be newer."""
    found = next((row for row in years if row[column]), None)
    if found is not None and found["year"] > ours:
        yield found


def _number(text: str) -> str:
    return f"{float(text):g}"


def main(where: str = URL) -> None:
    theirs = list(published.table(where))
    published.write("cloud_regions", regions(theirs))
    print(*(f"add {cloud}" for cloud in unknown(theirs)), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
