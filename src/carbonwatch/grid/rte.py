"""France, from its grid operator RTE by way of the open data service ODRE: every 15 minutes, without a key.

What the fuel emits as it is burnt, per kWh generated in France without Corsica: neither the plants' life nor imports
(rte-france.com, "éCO2mix - Les émissions de CO2 par kWh produit en France"). Figures are there after about 20 minutes;
older than some weeks they stand in a second data set, consolidated and by half hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from carbonwatch.grid import _answers
from carbonwatch.grid._answers import Point
from carbonwatch.grid._http import get_json
from carbonwatch.model import Place, Series
from carbonwatch.settings import Settings

URL = "https://odre.opendatasoft.com"

_STEP_NS = 15 * _answers.MINUTE_NS
_LONGEST_NS = _answers.DAY_NS  # 96 rows; 100 at most
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_DATASETS = {"eco2mix-national-tr": _STEP_NS, "eco2mix-national-cons-def": 2 * _STEP_NS}


def zone(place: Place) -> str | None:
    """FR, for the mainland."""
    return "FR" if _answers.zone_of(place) == "FR" else None


def series(place: Place, start_ns: int, end_ns: int, settings: Settings) -> Series:
    """Quarters of an hour of France. Raises GridUnavailable."""
    code = _answers.covered("rte", zone(place), place, "France without its islands")
    _answers.only("rte", "direct", settings)
    points: list[Point] = []
    step_ns = _STEP_NS
    for dataset, step_ns in _DATASETS.items():
        points = list(_asked(dataset, *_answers.whole(start_ns, end_ns, step_ns), settings))
        if points:
            break
    return Series(
        slots=_answers.slots("rte", points, start_ns, end_ns, step_ns),
        zone=code,
        name="France",
        basis="production",
        boundary="direct",
        source="RTE eCO2mix via ODRE",
        license="Licence Ouverte 2.0",
    )


def _asked(dataset: str, start_ns: int, end_ns: int, settings: Settings) -> Iterator[Point]:
    path = f"/api/explore/v2.1/catalog/datasets/{dataset}/records"
    for start, end in _answers.pieces(start_ns, end_ns, _LONGEST_NS):
        since, until = _answers.text_of(start, _TIME), _answers.text_of(end, _TIME)
        query = {
            "select": "date_heure,taux_co2",
            "where": f"date_heure>='{since}' and date_heure<'{until}'",
            "order_by": "date_heure",
            "limit": "100",
        }
        yield from _answers.read("rte", _points, get_json("rte", URL, path, settings, query=query))


def _points(answer: Any) -> Iterator[Point]:
    for record in answer["results"]:
        g_per_kwh = _answers.figure(record["taux_co2"])
        if g_per_kwh is not None:
            yield _answers.ns_of(record["date_heure"]), g_per_kwh, "measured"
