from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import neso
from carbonwatch.model import Place, Slot
from tests.grid.conftest import HOUR_NS, MIDNIGHT_NS, MINUTE_NS

if TYPE_CHECKING:
    from tests.grid.conftest import Source

GB = Place("GB")


def half_hour(number: int) -> tuple[int, int]:
    return MIDNIGHT_NS + number * 30 * MINUTE_NS, MIDNIGHT_NS + (number + 1) * 30 * MINUTE_NS


def test_half_hours_are_what_was_and_the_forecast_where_that_is_not_known_yet(source: Source) -> None:
    source.answer_as("/intensity/", "neso")
    series = neso.series(GB, MIDNIGHT_NS, MIDNIGHT_NS + 2 * HOUR_NS, source.settings("neso", boundary="direct"))

    assert series.slots == (
        Slot(*half_hour(0), 100.0, "measured"),
        Slot(*half_hour(1), 140.0, "measured"),
        Slot(*half_hour(2), 160.0, "measured"),
        Slot(*half_hour(3), 170.0, "forecast"),
    )


def test_whole_half_hours_are_asked_for(source: Source) -> None:
    source.answer_as("/intensity/", "neso")
    start_ns = MIDNIGHT_NS + 31 * MINUTE_NS
    series = neso.series(GB, start_ns, start_ns + 10**9, source.settings("neso", boundary="direct"))

    assert [asked.path for asked in source.asked] == ["/intensity/2025-03-04T00:30Z/2025-03-04T01:00Z"]
    assert series.slots == (Slot(*half_hour(1), 140.0, "measured"),)


def test_a_long_time_is_asked_for_in_parts(source: Source) -> None:
    source.answer_as("/intensity/", "neso")
    neso.series(GB, MIDNIGHT_NS, MIDNIGHT_NS + 20 * 24 * HOUR_NS, source.settings("neso", boundary="direct"))

    assert [asked.path for asked in source.asked] == [
        "/intensity/2025-03-04T00:00Z/2025-03-17T00:00Z",
        "/intensity/2025-03-17T00:00Z/2025-03-24T00:00Z",
    ]


def test_a_question_that_it_does_not_understand_is_said_to_be_one(source: Source) -> None:
    source.answer_as("/intensity/", "neso_400")

    with pytest.raises(GridUnavailable, match=r"neso does not understand what it is asked \(400\)"):
        neso.series(GB, MIDNIGHT_NS, MIDNIGHT_NS + HOUR_NS, source.settings("neso", boundary="direct"))


def test_great_britain_is_the_island_alone() -> None:
    assert [
        neso.zone(place) for place in (GB, Place("GB", "GB-NIR"), Place("FR"), Place("GB", cloud="aws/eu-west-2"))
    ] == [
        "GB",
        None,
        None,
        "GB",
    ]
