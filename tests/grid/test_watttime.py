from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import watttime
from carbonwatch.model import Place, Slot
from tests.grid.conftest import MIDNIGHT_NS, MINUTE_NS, SECRET

if TYPE_CHECKING:
    from tests.grid.conftest import Source

CALIFORNIA = Place("US", "US-CA")
TEN_MINUTES = (MIDNIGHT_NS, MIDNIGHT_NS + 10 * MINUTE_NS)


@pytest.fixture
def service(source: Source) -> Source:
    source.answer_as("/login", "watttime_login")
    source.answer_as("/v3/historical", "watttime")
    return source


def test_marginal_figures_are_pounds_per_mwh_as_grams_per_kwh(service: Source) -> None:
    series = watttime.marginal(CALIFORNIA, *TEN_MINUTES, service.settings("watttime"))

    middle = MIDNIGHT_NS + 5 * MINUTE_NS
    assert series.slots == (
        Slot(MIDNIGHT_NS, middle, 453.59237),
        Slot(middle, MIDNIGHT_NS + 10 * MINUTE_NS, 900 * 0.45359237),
    )
    assert (series.zone, series.boundary) == ("CAISO_NORTH", "marginal")


def test_the_password_is_given_for_a_token_and_the_token_for_figures(service: Source) -> None:
    watttime.marginal(CALIFORNIA, *TEN_MINUTES, service.settings("watttime"))

    login, figures = service.asked
    assert login.headers["Authorization"] == f"Basic {b64encode(f'somebody:{SECRET}'.encode()).decode()}"
    assert figures.headers["Authorization"] == "Bearer a-bearer-token"
    assert figures.query == {
        "region": "CAISO_NORTH",
        "start": "2025-03-04T00:00:00+00:00",
        "end": "2025-03-04T00:10:00+00:00",
        "signal_type": "co2_moer",
    }


@pytest.mark.parametrize("other", [{"region": "PJM_DC"}, {"signal_type": "health_damage"}, {"units": "furlongs"}])
def test_figures_of_something_else_are_not_used(service: Source, other: dict[str, str]) -> None:
    meta = {"region": "CAISO_NORTH", "signal_type": "co2_moer", "units": "lbs_co2_per_mwh", **other}
    service.answer("/v3/historical", {"data": [], "meta": meta})

    with pytest.raises(GridUnavailable):
        watttime.marginal(CALIFORNIA, *TEN_MINUTES, service.settings("watttime"))


@pytest.mark.parametrize("path", ["/login", "/v3/historical"])
def test_a_service_that_refuses_is_unavailable(service: Source, path: str) -> None:
    service.answer(path, {}, 401)

    with pytest.raises(GridUnavailable, match=r"watttime refused \(401\)"):
        watttime.marginal(CALIFORNIA, *TEN_MINUTES, service.settings("watttime"))


def test_no_footprint_is_made_of_it(service: Source) -> None:
    with pytest.raises(GridUnavailable, match="a footprint is counted by averages"):
        watttime.series(CALIFORNIA, *TEN_MINUTES, service.settings("watttime"))

    assert service.asked == []


def test_a_cloud_s_region_has_their_name_and_a_country_has_none() -> None:
    places = (CALIFORNIA, Place("ZA", cloud="aws/af-south-1"), Place("FR"))

    assert [watttime.zone(place) for place in places] == ["CAISO_NORTH", "ZAF", None]
