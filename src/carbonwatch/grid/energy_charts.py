"""Countries of Europe, from Fraunhofer ISE's Energy-Charts: every 15 minutes, for years, without a key.

CO2 equivalents of what is generated. Which factors they take we could not read anywhere: that it is the life cycle is
inferred from the name, co2eq, so the band is wider than elsewhere. Measured figures come after about two hours, a
forecast fills the rest of the day. Two questions a minute are allowed. The API says CC BY 4.0; the site's notes forbid
commercial use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from carbonwatch.grid import _answers
from carbonwatch.grid._answers import Point
from carbonwatch.grid._http import get_json
from carbonwatch.model import Place, Series
from carbonwatch.settings import Settings
from carbonwatch.tables import row
from carbonwatch.units import NS_PER_S

URL = "https://api.energy-charts.info"

_STEP_NS = 15 * _answers.MINUTE_NS
_LONGEST_NS = 31 * _answers.DAY_NS
_UNSURE = (-0.2, 0.25)  # no imports, and factors that are not published with it
_TIME = "%Y-%m-%dT%H:%MZ"
_COUNTRIES = """
    AL AT BA BE BG CH CY CZ DE DK EE ES FI FR GB GE GR HR HU IE IT LT LU LV MD ME MK MT NL NO PL PT RO RS SE SI SK UA XK
"""
_THEIRS = {"GB": "uk"}


def zone(place: Place) -> str | None:
    """The country; a part of one has no figure of its own."""
    found = _answers.zone_of(place)
    return found if found in _COUNTRIES.split() else None


def series(place: Place, start_ns: int, end_ns: int, settings: Settings) -> Series:
    """Quarters of an hour, or hours, of a country. Raises GridUnavailable."""
    code = _answers.covered("energy_charts", zone(place), place, "countries of Europe, each as a whole")
    _answers.only("energy_charts", "lifecycle", settings)
    points: list[Point] = []
    # an hour at least: some countries have no finer figures
    for start, end in _answers.pieces(*_answers.whole(start_ns, end_ns, _answers.HOUR_NS), _LONGEST_NS):
        query = {
            "country": _THEIRS.get(code, code.lower()),
            "start": _answers.text_of(start, _TIME),
            "end": _answers.text_of(end, _TIME),
        }
        answer = get_json("energy_charts", URL, "/co2eq", settings, query=query)
        points += _answers.read("energy_charts", _points, answer)
    country = row("countries", code)
    return Series(
        slots=_answers.slots("energy_charts", points, start_ns, end_ns, _answers.HOUR_NS),
        zone=code,
        name=country["name"] if country else code,
        basis="production",
        boundary="lifecycle",
        source="Energy-Charts, Fraunhofer ISE",
        license="CC BY 4.0",
        error=_UNSURE,
    )


def _points(answer: Any) -> Iterator[Point]:
    for second, measured, foretold in zip(
        answer["unix_seconds"], answer["co2eq"], answer["co2eq_forecast"], strict=True
    ):
        start_ns = int(second) * NS_PER_S
        actual, forecast = _answers.figure(measured), _answers.figure(foretold)
        yield (start_ns, forecast, "forecast") if actual is None else (start_ns, actual, "measured")
