"""Balancing authorities of the USA, from the Energy Information Administration (API v2): hours, with a free key.

It tells what was generated from which fuel, and each fuel has its median factor here (data/fuel_factors.csv); imports
are left out. Figures of a day are there by the next noon: good for runs that have ended. An hour is named by its end,
in UTC: as the open source of gridstatus reads this route, though another reader takes it for its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from carbonwatch.grid import _answers
from carbonwatch.grid._answers import HOUR_NS, Point
from carbonwatch.grid._http import get_json
from carbonwatch.model import Place, Series
from carbonwatch.settings import Settings
from carbonwatch.tables import row

URL = "https://api.eia.gov"

Row = tuple[int, str, float]  # when the hour begins, fuel, MWh

_LONGEST_NS = 10 * _answers.DAY_NS  # of some 15 fuels: 3600 rows, and 5000 at most
_TIME = "%Y-%m-%dT%H"
_FUELS = {
    "BAT": "battery_storage",
    "COL": "coal",
    "GEO": "geothermal",
    "NG": "gas",
    "NUC": "nuclear",
    "OIL": "oil",
    "PS": "hydro_storage",
    "SNB": "solar",
    "SUN": "solar",
    "WAT": "hydro",
    "WNB": "wind",
    "WND": "wind",
}


def zone(place: Place) -> str | None:
    """The grid zone of a balancing authority: US-CAL-CISO."""
    found = _answers.zone_of(place) or ""
    return found if found.startswith("US-") and found.count("-") == 2 and found[:5] != "US-AK" else None


def series(place: Place, start_ns: int, end_ns: int, settings: Settings) -> Series:
    """Hours of a balancing authority. Raises GridUnavailable."""
    code = _answers.covered("eia", zone(place), place, "balancing authorities of the USA")
    respondent = code.rpartition("-")[2]
    start_ns, end_ns = _answers.whole(start_ns, end_ns, HOUR_NS)
    rows: list[Row] = []
    for start, end in _answers.pieces(start_ns, end_ns, _LONGEST_NS):
        answer = _get(respondent, start, end, settings)
        rows += _answers.read("eia", lambda answer: _rows(answer, respondent), answer)
    return Series(
        slots=_answers.slots("eia", _points(rows, settings.boundary), start_ns, end_ns, HOUR_NS),
        zone=code,
        name=f"{respondent}, United States",
        basis="production",
        boundary=settings.boundary,
        source="EIA hourly fuel mix, with IPCC AR5 medians",
        license="public domain",
        error=(-0.2, 0.25),  # medians of all the world's plants, and no imports
    )


def _get(respondent: str, start_ns: int, end_ns: int, settings: Settings) -> Any:
    query = {
        "api_key": settings.eia_key or "",
        "frequency": "hourly",
        "data[0]": "value",
        "facets[respondent][]": respondent,
        # an hour has the name of its end
        "start": _answers.text_of(start_ns + HOUR_NS, _TIME),
        "end": _answers.text_of(end_ns, _TIME),
        "length": "5000",
    }
    return get_json("eia", URL, "/v2/electricity/rto/fuel-type-data/data/", settings, query=query)


def _rows(answer: Any, respondent: str) -> Iterator[Row]:
    for each in answer["response"]["data"]:
        if each["respondent"] == respondent and each["value"] is not None:
            start_ns = _answers.ns_of(f"{each['period']}:00") - HOUR_NS
            # what is stored away, or used by a plant itself, is below 0
            yield start_ns, _FUELS.get(each["fueltype"], "unknown"), max(0.0, float(each["value"]))


def _points(rows: Iterable[Row], boundary: str) -> Iterator[Point]:
    hours: dict[int, list[tuple[float, float]]] = {}
    for start_ns, fuel, energy in rows:
        factor = row("fuel_factors", fuel)
        assert factor is not None
        hours.setdefault(start_ns, []).append((energy, float(factor[f"{boundary}_median"])))
    for start_ns, parts in hours.items():
        whole = sum(energy for energy, _ in parts)
        mean = sum(energy * g_per_kwh for energy, g_per_kwh in parts) / whole if whole else None
        yield start_ns, _answers.figure(mean), "measured"
