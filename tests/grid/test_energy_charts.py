from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import energy_charts
from carbonwatch.model import Place, Slot
from tests.grid.conftest import HOUR_NS, MIDNIGHT_NS, MINUTE_NS

if TYPE_CHECKING:
    from tests.grid.conftest import Source

DE = Place("DE")


def test_measured_quarters_come_first_then_foretold_ones_then_none(source: Source) -> None:
    source.answer_as("/co2eq", "energy_charts")
    series = energy_charts.series(DE, MIDNIGHT_NS, MIDNIGHT_NS + HOUR_NS, source.settings("energy_charts"))

    quarters = [MIDNIGHT_NS + n * 15 * MINUTE_NS for n in range(4)]
    assert series.slots == (
        Slot(quarters[0], quarters[1], 400.5, "measured"),
        Slot(quarters[1], quarters[2], 410.5, "measured"),
        Slot(quarters[2], quarters[3], 430.0, "forecast"),
    )
    assert series.name == "Germany"


def test_whole_hours_of_a_country_are_asked_for_by_their_names_for_it(source: Source) -> None:
    source.answer_as("/co2eq", "energy_charts")
    for country in ("DE", "GB"):
        settings = source.settings("energy_charts")
        energy_charts.series(Place(country), MIDNIGHT_NS + MINUTE_NS, MIDNIGHT_NS + 2 * MINUTE_NS, settings)

    times = {"start": "2025-03-04T00:00Z", "end": "2025-03-04T01:00Z"}
    assert [asked.query for asked in source.asked] == [{"country": "de", **times}, {"country": "uk", **times}]


def test_hours_may_be_all_that_a_country_has(source: Source) -> None:
    first = MIDNIGHT_NS // 10**9
    answer = {"unix_seconds": [first, first + 3600], "co2eq": [30.0, 40.0], "co2eq_forecast": [None, None]}
    source.answer("/co2eq", answer)
    series = energy_charts.series(DE, MIDNIGHT_NS, MIDNIGHT_NS + 2 * HOUR_NS, source.settings("energy_charts"))

    assert [slot.end_ns - slot.start_ns for slot in series.slots] == [HOUR_NS, HOUR_NS]


@pytest.mark.parametrize("figure", [None, float("nan"), -5.0, "400", True])
def test_what_is_no_figure_is_no_slot(source: Source, figure: object) -> None:
    answer = {"unix_seconds": [MIDNIGHT_NS // 10**9], "co2eq": [figure], "co2eq_forecast": [None]}
    source.answer("/co2eq", answer)

    with pytest.raises(GridUnavailable, match="no figures of that time, or not yet"):
        energy_charts.series(DE, MIDNIGHT_NS, MIDNIGHT_NS + HOUR_NS, source.settings("energy_charts"))


def test_lists_of_different_lengths_are_no_answer(source: Source) -> None:
    source.answer("/co2eq", {"unix_seconds": [MIDNIGHT_NS // 10**9], "co2eq": [], "co2eq_forecast": [None]})

    with pytest.raises(GridUnavailable, match="did not answer as it should"):
        energy_charts.series(DE, MIDNIGHT_NS, MIDNIGHT_NS + HOUR_NS, source.settings("energy_charts"))


def test_a_part_of_a_country_has_no_figure_of_its_own() -> None:
    assert [energy_charts.zone(place) for place in (DE, Place("IT", "IT-SIC"), Place("US"))] == ["DE", None, None]
