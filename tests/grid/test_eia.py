from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import eia
from carbonwatch.model import Place, Slot
from tests.grid.conftest import HOUR_NS, MIDNIGHT_NS, SECRET

if TYPE_CHECKING:
    from tests.grid.conftest import Source

CALIFORNIA = Place("US", "US-CAL-CISO")
PATH = "/v2/electricity/rto/fuel-type-data/data/"
TWO_HOURS = (MIDNIGHT_NS, MIDNIGHT_NS + 2 * HOUR_NS)


def test_an_hour_is_its_fuels_by_their_factors_and_has_the_name_of_its_end(source: Source) -> None:
    source.answer_as(PATH, "eia")
    series = eia.series(CALIFORNIA, *TWO_HOURS, source.settings("eia"))

    # gas 490, solar 45, hydro 24; a battery that is loaded generates nothing
    assert series.slots == (
        Slot(MIDNIGHT_NS, MIDNIGHT_NS + HOUR_NS, (9000 * 490 + 1000 * 45) / 10_000),
        Slot(MIDNIGHT_NS + HOUR_NS, MIDNIGHT_NS + 2 * HOUR_NS, (4000 * 490 + 4000 * 24) / 8000),
    )


def test_direct_emissions_have_their_own_factors(source: Source) -> None:
    source.answer_as(PATH, "eia")
    series = eia.series(CALIFORNIA, *TWO_HOURS, source.settings("eia", boundary="direct"))

    assert [slot.g_per_kwh for slot in series.slots] == [0.9 * 370, 0.5 * 370]
    assert series.boundary == "direct"


def test_one_balancing_authority_is_asked_for(source: Source) -> None:
    source.answer_as(PATH, "eia")
    eia.series(CALIFORNIA, *TWO_HOURS, source.settings("eia"))

    (asked,) = source.asked
    assert asked.query == {
        "api_key": SECRET,
        "frequency": "hourly",
        "data[0]": "value",
        "facets[respondent][]": "CISO",
        "start": "2025-03-04T01",
        "end": "2025-03-04T02",
        "length": "5000",
    }


def test_figures_of_another_authority_are_not_used(source: Source) -> None:
    source.answer_as(PATH, "eia")

    with pytest.raises(GridUnavailable, match="no figures"):
        eia.series(Place("US", "US-NY-NYIS"), *TWO_HOURS, source.settings("eia"))


@pytest.mark.parametrize("value", [None, "-5", "0"])
def test_an_hour_in_which_nothing_was_generated_has_no_figure(source: Source, value: str | None) -> None:
    row = {"period": "2025-03-04T01", "respondent": "CISO", "fueltype": "NG", "value": value}
    source.answer(PATH, {"response": {"data": [row]}})

    with pytest.raises(GridUnavailable, match="no figures"):
        eia.series(CALIFORNIA, *TWO_HOURS, source.settings("eia"))


def test_a_fuel_that_is_not_known_counts_as_mixed_thermal(source: Source) -> None:
    row = {"period": "2025-03-04T01", "respondent": "CISO", "fueltype": "NEW", "value": "5"}
    source.answer(PATH, {"response": {"data": [row]}})

    assert eia.series(CALIFORNIA, *TWO_HOURS, source.settings("eia")).slots[0].g_per_kwh == 700


def test_a_state_or_a_cloud_s_region_has_the_authority_of_its_grid() -> None:
    places = (Place("US", "US-CA"), Place("US", cloud="aws/us-east-1"), Place("US"), Place("US", "US-HI"))

    assert [eia.zone(place) for place in places] == ["US-CAL-CISO", "US-MIDA-PJM", None, None]
