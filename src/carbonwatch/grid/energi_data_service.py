"""Denmark's two grids, west (DK1) and east (DK2), from Energinet: every five minutes, for years, without a key.

What the plants emit for the electricity that is used, exchange with the neighbours included; of a plant that also
heats, the heat has its share (125 % method). What is to come is a data set of its own, for nine hours at least. So say
energidataservice.dk's pages of `CO2Emis` and `CO2EmisProg`, which do not mention the life cycle: so it is taken as
direct. Of old times both areas have one figure, all of Denmark's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from carbonwatch.grid import _answers
from carbonwatch.grid._answers import Point
from carbonwatch.grid._http import get_json
from carbonwatch.model import Place, Series, SlotKind
from carbonwatch.settings import Settings

URL = "https://api.energidataservice.dk"

_STEP_NS = 5 * _answers.MINUTE_NS
_LONGEST_NS = 31 * _answers.DAY_NS
_TIME = "%Y-%m-%dT%H:%M"
_NAMES = {"DK-DK1": "Western Denmark", "DK-DK2": "Eastern Denmark"}


def zone(place: Place) -> str | None:
    """DK-DK1 or DK-DK2; the country alone does not tell."""
    found = _answers.zone_of(place)
    return found if found in _NAMES else None


def series(place: Place, start_ns: int, end_ns: int, settings: Settings) -> Series:
    """Five minutes at a time of one of the grids. Raises GridUnavailable."""
    code = _answers.covered("energi_data_service", zone(place), place, "Denmark's grids DK-DK1 and DK-DK2")
    _answers.only("energi_data_service", "direct", settings)
    start_ns, end_ns = _answers.whole(start_ns, end_ns, _STEP_NS)
    future_ns = max(start_ns, _answers.whole(0, time.time_ns(), _STEP_NS)[1])
    points = [
        *_asked(code, "CO2Emis", "measured", start_ns, min(end_ns, future_ns), settings),
        *_asked(code, "CO2EmisProg", "forecast", future_ns, end_ns, settings),
    ]
    return Series(
        slots=_answers.slots("energi_data_service", points, start_ns, end_ns, _STEP_NS),
        zone=code,
        name=f"{_NAMES[code]} ({code[3:]})",
        basis="consumption",
        boundary="direct",
        source="Energinet, Energi Data Service",
        license="CC BY 4.0",
    )


def _asked(code: str, dataset: str, kind: SlotKind, start_ns: int, end_ns: int, settings: Settings) -> Iterator[Point]:
    area = code[3:]

    def points(answer: Any) -> Iterator[Point]:
        for record in answer["records"]:
            if record["PriceArea"] == area:
                yield _answers.ns_of(record["Minutes5UTC"]), _answers.figure(record["CO2Emission"]), kind

    for start, end in _answers.pieces(start_ns, end_ns, _LONGEST_NS):
        query = {
            "start": _answers.text_of(start, _TIME),
            "end": _answers.text_of(end, _TIME),
            "filter": json.dumps({"PriceArea": [area]}),
            "sort": "Minutes5UTC ASC",
            "timezone": "UTC",
            "limit": "0",  # all
        }
        answer = get_json("energi_data_service", URL, f"/dataset/{dataset}", settings, query=query)
        yield from _answers.read("energi_data_service", points, answer)
