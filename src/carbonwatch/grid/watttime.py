"""What one kilowatt-hour more causes, from WattTime (API v3): every five minutes, with a user's name and password.

This is the marginal intensity. It answers what is gained by shifting or stopping a job, and no footprint is made of it:
`marginal()` gives it, and `series()` refuses. The free plan has California's north alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import _answers
from carbonwatch.grid._answers import Point
from carbonwatch.grid._http import NoAnswer, get_json
from carbonwatch.model import Place, Series
from carbonwatch.settings import Settings
from carbonwatch.tables import row

URL = "https://api.watttime.org"

_STEP_NS = 5 * _answers.MINUTE_NS
_LONGEST_NS = 30 * _answers.DAY_NS
_TIME = "%Y-%m-%dT%H:%M:%S+00:00"
_SIGNAL = "co2_moer"
_G_PER_KWH = {"lbs_co2_per_mwh": 0.45359237}  # of one unit of theirs


def zone(place: Place) -> str | None:
    """Their region of a cloud's region, or of California's grid; they tell no other without coordinates."""
    region = row("cloud_regions", place.cloud) if place.cloud else None
    if region is not None:
        return region["watttime_region"] or None
    return "CAISO_NORTH" if _answers.zone_of(place) == "US-CAL-CISO" else None


def series(place: Place, start_ns: int, end_ns: int, settings: Settings) -> Series:  # noqa: ARG001 - as every source
    """Nothing: raises GridUnavailable, since a footprint is counted by averages."""
    raise GridUnavailable(
        "watttime has marginal intensities, and a footprint is counted by averages.", "Add a source of averages."
    )


def marginal(place: Place, start_ns: int, end_ns: int, settings: Settings) -> Series:
    """What a kWh more caused, by five minutes. Raises GridUnavailable."""
    code = _answers.covered("watttime", zone(place), place, "clouds' regions and California")
    start_ns, end_ns = _answers.whole(start_ns, end_ns, _STEP_NS)
    headers = {"Authorization": f"Bearer {_login(settings)}"}
    points: list[Point] = []
    for start, end in _answers.pieces(start_ns, end_ns, _LONGEST_NS):
        query = {
            "region": code,
            "start": _answers.text_of(start, _TIME),
            "end": _answers.text_of(end, _TIME),
            "signal_type": _SIGNAL,
        }
        answer = get_json("watttime", URL, "/v3/historical", settings, query=query, headers=headers)
        points += _answers.read("watttime", lambda answer: _points(answer, code), answer)
    return Series(
        slots=_answers.slots("watttime", points, start_ns, end_ns, _STEP_NS),
        zone=code,
        name=code,
        basis="marginal",
        boundary="marginal",
        source="WattTime",
        license="WattTime's terms of use",
    )


def _login(settings: Settings) -> str:
    """A token, good for half an hour."""
    pair = f"{settings.watttime_user}:{settings.watttime_password}".encode()
    headers = {"Authorization": f"Basic {b64encode(pair).decode()}"}
    answer = get_json("watttime", URL, "/login", settings, headers=headers)
    (token,) = _answers.read("watttime", lambda answer: (str(answer["token"]),), answer)
    return str(token)


def _points(answer: Any, code: str) -> Iterator[Point]:
    meta = answer["meta"]
    if meta["region"] != code or meta["signal_type"] != _SIGNAL:
        raise NoAnswer("watttime answered for something else than it was asked for.", "Its figures are not used.")
    factor = _G_PER_KWH[meta["units"]]
    for each in answer["data"]:
        value = _answers.figure(each["value"])
        yield _answers.ns_of(each["point_time"]), None if value is None else value * factor, "measured"
