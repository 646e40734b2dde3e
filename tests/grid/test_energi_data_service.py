from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import energi_data_service
from carbonwatch.model import Place, Slot
from tests.grid.conftest import HOUR_NS, MIDNIGHT_NS, MINUTE_NS, this_hour_ns

if TYPE_CHECKING:
    from tests.grid.conftest import Source

WEST = Place("DK", "DK-DK1")


def test_five_minutes_without_a_figure_are_left_out(source: Source) -> None:
    source.answer_as("/dataset/CO2Emis", "energi_data_service")
    settings = source.settings("energi_data_service", boundary="direct")
    series = energi_data_service.series(WEST, MIDNIGHT_NS, MIDNIGHT_NS + 20 * MINUTE_NS, settings)

    assert [(slot.start_ns - MIDNIGHT_NS, slot.end_ns - slot.start_ns, slot.g_per_kwh) for slot in series.slots] == [
        (0, 5 * MINUTE_NS, 60.0),
        (5 * MINUTE_NS, 5 * MINUTE_NS, 62.0),
        (15 * MINUTE_NS, 5 * MINUTE_NS, 70.0),
    ]
    assert {slot.kind for slot in series.slots} == {"measured"}


def test_one_area_is_asked_for_in_utc(source: Source) -> None:
    source.answer_as("/dataset/CO2Emis", "energi_data_service")
    settings = source.settings("energi_data_service", boundary="direct")
    energi_data_service.series(WEST, MIDNIGHT_NS + 1, MIDNIGHT_NS + 16 * MINUTE_NS, settings)

    (asked,) = source.asked
    assert asked.path == "/dataset/CO2Emis"
    assert asked.query == {
        "start": "2025-03-04T00:00",
        "end": "2025-03-04T00:20",
        "filter": '{"PriceArea": ["DK1"]}',
        "sort": "Minutes5UTC ASC",
        "timezone": "UTC",
        "limit": "0",
    }


def test_figures_of_the_other_area_are_not_used(source: Source) -> None:
    source.answer_as("/dataset/CO2Emis", "energi_data_service")
    settings = source.settings("energi_data_service", boundary="direct")

    with pytest.raises(GridUnavailable, match="no figures of that time"):
        energi_data_service.series(Place("DK", "DK-DK2"), MIDNIGHT_NS, MIDNIGHT_NS + HOUR_NS, settings)


def test_what_is_to_come_is_a_forecast_from_its_own_data_set(source: Source) -> None:
    start_ns = this_hour_ns() + 2 * HOUR_NS
    minutes = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start_ns // 10**9))
    record = {"Minutes5UTC": minutes, "PriceArea": "DK1", "CO2Emission": 33.0}
    source.answer("/dataset/CO2EmisProg", {"records": [record]})
    settings = source.settings("energi_data_service", boundary="direct")
    series = energi_data_service.series(WEST, start_ns, start_ns + HOUR_NS, settings)

    assert series.slots == (Slot(start_ns, start_ns + 5 * MINUTE_NS, 33.0, "forecast"),)


def test_denmark_alone_does_not_tell_which_grid() -> None:
    assert [energi_data_service.zone(place) for place in (Place("DK"), WEST)] == [None, "DK-DK1"]
