from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import electricity_maps
from carbonwatch.model import Place, Slot
from tests.grid.conftest import ANSWERS, HOUR_NS, MIDNIGHT_NS, SECRET, this_hour_ns

if TYPE_CHECKING:
    from tests.grid.conftest import Source

DE = Place("DE")
PAST = "/v3/carbon-intensity/past-range"
THREE_HOURS = (MIDNIGHT_NS, MIDNIGHT_NS + 3 * HOUR_NS)


def hour(start_ns: int, g_per_kwh: float | None, **more: Any) -> dict[str, Any]:
    """An hour as the service writes it."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(start_ns // 10**9))
    known = {"zone": "DE", "carbonIntensity": g_per_kwh, "datetime": text, "emissionFactorType": "lifecycle"}
    return {**known, "isEstimated": False, **more}


def paths(source: Source) -> list[str]:
    return [asked.path.rpartition("/")[2] for asked in source.asked]


def test_hours_long_past_are_measured_or_estimated(source: Source) -> None:
    source.answer_as(PAST, "electricity_maps")
    series = electricity_maps.series(DE, *THREE_HOURS, source.settings("electricity_maps"))

    hours = [MIDNIGHT_NS + n * HOUR_NS for n in range(4)]
    assert series.slots == (
        Slot(hours[0], hours[1], 100.0, "measured"),
        Slot(hours[1], hours[2], 300.0, "measured"),
        Slot(hours[2], hours[3], 200.0, "estimated"),
    )
    assert (series.zone, series.name, series.basis, series.boundary) == ("DE", "Germany", "consumption", "lifecycle")


def test_the_zone_is_asked_for_so_that_the_caller_s_address_is_not_looked_up(source: Source) -> None:
    source.answer_as(PAST, "electricity_maps")
    electricity_maps.series(DE, MIDNIGHT_NS + 1, MIDNIGHT_NS + 2, source.settings("electricity_maps"))

    (asked,) = source.asked
    assert asked.headers["Auth-Token"] == SECRET
    assert asked.query == {
        "zone": "DE",
        "disableCallerLookup": "true",
        "emissionFactorType": "lifecycle",
        "start": "2025-03-04T00:00:00Z",
        "end": "2025-03-04T01:00:00Z",
    }


def test_more_than_ten_days_are_asked_for_in_parts(source: Source) -> None:
    source.answer_as(PAST, "electricity_maps")
    settings = source.settings("electricity_maps")
    electricity_maps.series(DE, MIDNIGHT_NS, MIDNIGHT_NS + 11 * 24 * HOUR_NS, settings)

    assert [asked.query["start"] for asked in source.asked] == ["2025-03-04T00:00:00Z", "2025-03-14T00:00:00Z"]


def test_the_last_day_is_history_which_a_free_plan_has(source: Source) -> None:
    now_ns = this_hour_ns()
    source.answer("/v3/carbon-intensity/history", {"zone": "DE", "history": [hour(now_ns - 2 * HOUR_NS, 310)]})
    series = electricity_maps.series(DE, now_ns - 2 * HOUR_NS, now_ns - HOUR_NS, source.settings("electricity_maps"))

    assert paths(source) == ["history"]
    assert series.slots == (Slot(now_ns - 2 * HOUR_NS, now_ns - HOUR_NS, 310.0, "measured"),)


def test_a_free_plan_has_the_last_day_of_a_long_run(source: Source) -> None:
    now_ns = this_hour_ns()
    source.answer(PAST, {"error": "not in your plan"}, 403)
    source.answer("/v3/carbon-intensity/history", {"zone": "DE", "history": [hour(now_ns - 2 * HOUR_NS, 310)]})
    series = electricity_maps.series(DE, now_ns - 30 * HOUR_NS, now_ns, source.settings("electricity_maps"))

    assert paths(source) == ["past-range", "history"]
    assert [slot.g_per_kwh for slot in series.slots] == [310.0]


def test_the_hour_that_goes_on_is_the_latest_one(source: Source) -> None:
    now_ns = this_hour_ns()
    source.answer("/v3/carbon-intensity/latest", hour(now_ns, 302, isEstimated=True))
    series = electricity_maps.series(DE, now_ns, now_ns + 1, source.settings("electricity_maps"))

    assert paths(source) == ["latest"]
    assert series.slots == (Slot(now_ns, now_ns + HOUR_NS, 302.0, "estimated"),)


def test_hours_to_come_are_a_forecast(source: Source) -> None:
    now_ns = this_hour_ns()
    hours = [hour(now_ns + n * HOUR_NS, 100 * n) for n in (1, 2)]
    source.answer("/v3/carbon-intensity/forecast", {"zone": "DE", "forecast": hours})
    series = electricity_maps.series(DE, now_ns + HOUR_NS, now_ns + 3 * HOUR_NS, source.settings("electricity_maps"))

    assert paths(source) == ["forecast"]
    assert source.asked[0].query["horizonHours"] == "6"
    assert [(slot.g_per_kwh, slot.kind) for slot in series.slots] == [(100.0, "forecast"), (200.0, "forecast")]


def test_an_answer_for_another_zone_is_not_used(source: Source) -> None:
    answer = json.loads((ANSWERS / "electricity_maps.json").read_text())["body"]
    source.answer(PAST, {**answer, "zone": "US-CAL-CISO"})

    with pytest.raises(GridUnavailable, match="answered for another zone"):
        electricity_maps.series(DE, *THREE_HOURS, source.settings("electricity_maps"))


@pytest.mark.parametrize("other", [{"zone": "FR"}, {"emissionFactorType": "direct"}, {"carbonIntensity": None}])
def test_an_hour_of_another_zone_or_boundary_or_of_none_is_left_out(source: Source, other: dict[str, Any]) -> None:
    hours = [hour(MIDNIGHT_NS, 100, **other), hour(MIDNIGHT_NS + HOUR_NS, 300)]
    source.answer(PAST, {"zone": "DE", "data": hours})
    series = electricity_maps.series(DE, *THREE_HOURS, source.settings("electricity_maps"))

    assert [slot.g_per_kwh for slot in series.slots] == [300.0]


def test_a_wrong_token_is_refused(source: Source) -> None:
    source.answer_as(PAST, "electricity_maps_401")

    with pytest.raises(GridUnavailable) as caught:
        electricity_maps.series(DE, *THREE_HOURS, source.settings("electricity_maps"))

    assert "the token is wrong" in caught.value.reason
    assert "its setting" in caught.value.remedy


def test_a_cloud_s_region_and_a_state_have_their_zones() -> None:
    places = (Place("US", cloud="aws/us-east-1"), Place("US", "US-CA"), Place("IT", "IT-SIC"), Place("ZZ"))

    assert [electricity_maps.zone(place) for place in places] == ["US-MIDA-PJM", "US-CAL-CISO", "IT-SIC", None]
