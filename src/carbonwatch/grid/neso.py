"""Great Britain, from the National Energy System Operator: half hours since 2017, without a key.

CO2 of generation alone (wind, solar, hydro and nuclear count 0), imports and losses in the lines included: so says
NESO's "Carbon Intensity Forecast Methodology" (May 2024). The figure of a half hour is there about 30 minutes after
it; until then, and up to two days ahead, it is a forecast. The regions have forecasts alone, and are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from carbonwatch.grid import _answers
from carbonwatch.grid._answers import Point
from carbonwatch.grid._http import get_json
from carbonwatch.model import Place, Series
from carbonwatch.settings import Settings

URL = "https://api.carbonintensity.org.uk"

_STEP_NS = 30 * _answers.MINUTE_NS
_LONGEST_NS = 13 * _answers.DAY_NS  # 14 days at most
_TIME = "%Y-%m-%dT%H:%MZ"


def zone(place: Place) -> str | None:
    """GB, for a place on the island."""
    return "GB" if _answers.zone_of(place) == "GB" else None


def series(place: Place, start_ns: int, end_ns: int, settings: Settings) -> Series:
    """Half hours of Great Britain. Raises GridUnavailable."""
    code = _answers.covered("neso", zone(place), place, "Great Britain")
    _answers.only("neso", "direct", settings)
    points: list[Point] = []
    for start, end in _answers.pieces(*_answers.whole(start_ns, end_ns, _STEP_NS), _LONGEST_NS):
        path = f"/intensity/{_answers.text_of(start, _TIME)}/{_answers.text_of(end, _TIME)}"
        points += _answers.read("neso", _points, get_json("neso", URL, path, settings))
    return Series(
        slots=_answers.slots("neso", points, start_ns, end_ns, _STEP_NS),
        zone=code,
        name="Great Britain",
        basis="consumption",
        boundary="direct",
        source="NESO Carbon Intensity API",
        license="CC BY 4.0",
    )


def _points(answer: Any) -> Iterator[Point]:
    for each in answer["data"]:
        start_ns = _answers.ns_of(each["from"])
        actual, forecast = (_answers.figure(each["intensity"].get(name)) for name in ("actual", "forecast"))
        yield (start_ns, forecast, "forecast") if actual is None else (start_ns, actual, "measured")
