"""Some 350 grids all over the world, from Electricity Maps (API v3): hours, with a token.

Life cycle or direct, of what is used, imports included. The free plan is for non-commercial use and has the last 24
hours; `past-range` and `forecast` (of 6, 24, 48 or 72 hours) need a paid one. Without a zone, or with one that it does
not know, their service takes the caller's address for the place: so it is told not to, and the zone of the answer is
checked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from carbonwatch.grid import _answers
from carbonwatch.grid._answers import DAY_NS, HOUR_NS, Point
from carbonwatch.grid._http import NoAnswer, get_json
from carbonwatch.model import Place, Series, SlotKind
from carbonwatch.settings import Settings
from carbonwatch.tables import row

URL = "https://api.electricitymaps.com"

_LONGEST_NS = 10 * DAY_NS
_HORIZONS = (6, 24, 48, 72)  # hours that a forecast may be asked for
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def zone(place: Place) -> str | None:
    """Their name of the grid."""
    found = _answers.zone_of(place)
    return found if found and row("zones_electricitymaps", found) else None


def series(place: Place, start_ns: int, end_ns: int, settings: Settings) -> Series:
    """Hours of a grid. Raises GridUnavailable."""
    code = _answers.covered("electricity_maps", zone(place), place, "some 350 grids")
    start_ns, end_ns = _answers.whole(start_ns, end_ns, HOUR_NS)
    points = [point for answer in _asked(code, start_ns, end_ns, settings) for point in answer]
    known = row("zones_electricitymaps", code)
    return Series(
        slots=_answers.slots("electricity_maps", points, start_ns, end_ns, HOUR_NS),
        zone=code,
        name=known["name"] if known else code,
        basis="consumption",
        boundary=settings.boundary,
        source="Electricity Maps",
        license="Electricity Maps' terms of use",
    )


def _asked(code: str, start_ns: int, end_ns: int, settings: Settings) -> Iterator[list[Point]]:
    """The points of each of the endpoints that the time takes."""
    now_ns = time.time_ns()
    this_hour_ns = now_ns - now_ns % HOUR_NS
    if start_ns < this_hour_ns - 23 * HOUR_NS:
        try:
            yield from list(_past(code, start_ns, min(end_ns, this_hour_ns + HOUR_NS), settings))
        except NoAnswer:
            if end_ns <= this_hour_ns - 23 * HOUR_NS:
                raise
            # a free plan has the last day of a long run at least
            yield _read(_get("history", code, settings), "history", code, settings)
    elif start_ns < this_hour_ns:
        yield _read(_get("history", code, settings), "history", code, settings)
    if start_ns <= this_hour_ns < end_ns:
        yield _read(_get("latest", code, settings), "", code, settings)
    if end_ns > this_hour_ns + HOUR_NS:
        horizon = {"horizonHours": str(_horizon_hours(end_ns - this_hour_ns))}
        yield _read(_get("forecast", code, settings, horizon), "forecast", code, settings)


def _past(code: str, start_ns: int, end_ns: int, settings: Settings) -> Iterator[list[Point]]:
    for start, end in _answers.pieces(start_ns, end_ns, _LONGEST_NS):
        times = {"start": _answers.text_of(start, _TIME), "end": _answers.text_of(end, _TIME)}
        yield _read(_get("past-range", code, settings, times), "data", code, settings)


def _horizon_hours(ahead_ns: int) -> int:
    """The shortest of their forecasts that reaches so far, or else the longest."""
    return next((hours for hours in _HORIZONS if hours * HOUR_NS >= ahead_ns), _HORIZONS[-1])


def _get(endpoint: str, code: str, settings: Settings, times: dict[str, str] | None = None) -> Any:
    query = {"zone": code, "disableCallerLookup": "true", "emissionFactorType": settings.boundary, **(times or {})}
    return get_json(
        "electricity_maps",
        URL,
        f"/v3/carbon-intensity/{endpoint}",
        settings,
        query=query,
        headers={"auth-token": settings.electricity_maps_token or ""},
    )


def _read(answer: Any, name: str, code: str, settings: Settings) -> list[Point]:
    """The points of an answer: those under a name, or the one that it is itself."""

    def points(answer: Any) -> Iterator[Point]:
        if answer["zone"] != code:
            raise NoAnswer(
                "electricity_maps answered for another zone than it was asked for.",
                "Its figures are not used; say where this machine is: `region` takes a grid zone.",
            )
        for hour in answer[name] if name else [answer]:
            g_per_kwh = _answers.figure(hour["carbonIntensity"])
            is_right = hour.get("emissionFactorType", settings.boundary) == settings.boundary
            if is_right and hour.get("zone", code) == code:
                kind: SlotKind = "estimated" if hour.get("isEstimated") else "measured"
                yield _answers.ns_of(hour["datetime"]), g_per_kwh, "forecast" if name == "forecast" else kind

    return _answers.read("electricity_maps", points, answer)
