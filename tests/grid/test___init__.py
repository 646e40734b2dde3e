"""What holds of every source of carbon intensity, found as the program finds them."""

from __future__ import annotations

import sys
import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from carbonwatch import plugins
from carbonwatch.errors import GridUnavailable
from carbonwatch.model import Place, Series
from carbonwatch.settings import Settings
from tests.grid.conftest import EXAMPLES, MIDNIGHT_NS, SECRET

if TYPE_CHECKING:
    from tests.grid.conftest import Source

ANSWERED = sorted(EXAMPLES)


def asked(name: str, source: Source, place: Place | None = None, **options: Any) -> Series:
    example = EXAMPLES[name]
    settings = source.settings(name, **{"boundary": example.boundary, **options})
    found: Series = plugins.load("grid", name)(place or example.place, MIDNIGHT_NS, example.ends_ns, settings)
    return found


def refusal(name: str, source: Source, **options: Any) -> GridUnavailable:
    """Why there is no series; any other exception is a failure of the test."""
    with pytest.raises(GridUnavailable) as caught:
        asked(name, source, **options)
    return caught.value


def recorded(name: str, source: Source) -> None:
    source.answer_as(EXAMPLES[name].path, name)


def test_there_is_an_example_of_each_source_of_averages_on_the_network() -> None:
    assert set(plugins.own_names("grid")) - {"bundled", "watttime"} == set(EXAMPLES)


@pytest.mark.parametrize("name", plugins.own_names("grid"))
def test_a_source_says_which_of_its_grids_a_place_is_in(name: str) -> None:
    module = sys.modules[plugins.load("grid", name).__module__]

    assert name == "bundled" or module.zone(Place("AQ")) is None


@pytest.mark.parametrize("name", ANSWERED)
def test_slots_are_in_order_do_not_overlap_and_touch_the_time(name: str, source: Source) -> None:
    recorded(name, source)
    series = asked(name, source)

    assert series.slots
    assert all(slot.end_ns > MIDNIGHT_NS and slot.start_ns < EXAMPLES[name].ends_ns for slot in series.slots)
    assert all(a.end_ns <= b.start_ns for a, b in zip(series.slots, series.slots[1:], strict=False))
    assert all(0 <= slot.g_per_kwh < 1000 for slot in series.slots)


@pytest.mark.parametrize("name", ANSWERED)
def test_a_series_says_whose_figures_it_has_and_what_they_count(name: str, source: Source) -> None:
    recorded(name, source)
    series = asked(name, source)

    assert series.zone == sys.modules[plugins.load("grid", name).__module__].zone(EXAMPLES[name].place)
    assert series.boundary == EXAMPLES[name].boundary
    assert all((series.name, series.source, series.license, series.basis in ("production", "consumption")))


@pytest.mark.parametrize("name", ANSWERED)
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, {"error": "Invalid auth-token"}, "refused (401)"),
        (403, {}, "refused (403)"),
        (400, {"error": {"code": "400 Bad Request"}}, "does not understand what it is asked (400)"),
        (429, {"message": "slow down"}, "asked too often (429)"),
        (500, b"", "out of order (500)"),
        (503, b"<html>maintenance</html>", "out of order (503)"),
        (200, b"<html>a login page</html>", "did not answer as it should"),
        (200, b"\xff\xfe", "did not answer as it should"),
        (200, b"", "did not answer as it should"),
        (200, [], "did not answer as it should"),
        (200, {}, "did not answer as it should"),
        (200, None, "did not answer as it should"),
        (200, "a text", "did not answer as it should"),
        (200, {"zone": "DE", "data": None, "response": None, "records": 7, "results": [None]}, "as it should"),
        (200, b"[" * 100_000, "as it should"),
    ],
)
def test_a_source_that_fails_is_unavailable_with_a_reason(
    name: str, status: int, body: Any, reason: str, source: Source
) -> None:
    source.answer("/", body, status)
    why = refusal(name, source)

    assert why.reason.startswith(name)
    assert reason in why.reason
    assert why.remedy


@pytest.mark.parametrize("name", ANSWERED)
def test_a_source_that_is_out_of_order_for_a_moment_is_asked_once_more(name: str, source: Source) -> None:
    source.answer("/", {}, 503)
    refusal(name, source)

    assert len(source.asked) == 2


@pytest.mark.parametrize("name", ANSWERED)
def test_a_source_that_does_not_answer_is_given_up_in_time(name: str, source: Source) -> None:
    source.hangs = True
    began_s = time.monotonic()
    why = refusal(name, source, grid_timeout_s=0.1)

    assert "in time" in why.reason
    assert time.monotonic() - began_s < 1


def test_a_source_that_answers_in_drops_is_given_up_in_time(source: Source) -> None:
    recorded("neso", source)
    source.drips = True
    began_s = time.monotonic()
    why = refusal("neso", source, grid_timeout_s=0.1)

    assert why.reason == "neso did not answer in time."
    assert time.monotonic() - began_s < 1


@pytest.mark.parametrize("name", ANSWERED)
def test_a_source_that_is_not_there_is_unavailable(name: str, source: Source) -> None:
    example = EXAMPLES[name]
    settings = source.settings(name, boundary=example.boundary, grid_urls=(f"{name}=http://127.0.0.1:1",))

    with pytest.raises(GridUnavailable, match=f"{name} can't be reached"):
        plugins.load("grid", name)(example.place, MIDNIGHT_NS, example.ends_ns, settings)


@pytest.mark.parametrize("name", ANSWERED)
@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://127.0.0.1:port", "https://a b"])
def test_an_address_that_is_none_is_unavailable(name: str, url: str) -> None:
    example = EXAMPLES[name]
    settings = Settings(grid_urls=(f"{name}={url}",), boundary=example.boundary)

    with pytest.raises(GridUnavailable):
        plugins.load("grid", name)(example.place, MIDNIGHT_NS, example.ends_ns, settings)


@pytest.mark.parametrize("name", ANSWERED)
def test_a_place_that_a_source_does_not_have_is_never_asked_for(name: str, source: Source) -> None:
    recorded(name, source)
    places = (EXAMPLES[name].elsewhere, Place(), replace(EXAMPLES[name].place, candidates=("FR", "DE")))
    for place in places:
        with pytest.raises(GridUnavailable):
            asked(name, source, place)

    assert source.asked == []


@pytest.mark.parametrize("name", ["neso", "energi_data_service", "rte", "energy_charts"])
def test_a_source_with_one_boundary_refuses_the_other(name: str, source: Source) -> None:
    other = {"direct": "lifecycle", "lifecycle": "direct"}[EXAMPLES[name].boundary]
    why = refusal(name, source, boundary=other)

    assert "alone, and this run counts" in why.reason
    assert why.remedy.startswith(f"Set boundary={EXAMPLES[name].boundary}")
    assert source.asked == []


@pytest.mark.parametrize("name", ANSWERED)
@pytest.mark.parametrize("status", [401, 503, 302, 200])
def test_no_error_shows_a_secret(name: str, status: int, source: Source) -> None:
    source.answer("/", {"error": SECRET, "message": SECRET}, status, {"Location": f"http://localhost:1/?k={SECRET}"})
    why = refusal(name, source)

    assert SECRET not in "".join(traceback.format_exception(why)) + repr(why) + repr(why.args)
    assert why.__context__ is None
    assert why.__cause__ is None


@pytest.mark.parametrize("name", ["electricity_maps", "eia"])
def test_a_token_that_no_header_can_hold_is_not_shown(name: str, source: Source) -> None:
    spoilt = {"electricity_maps_token": f"{SECRET}\n\u20ac", "eia_key": f"{SECRET}\n"}
    why = refusal(name, source, **spoilt)

    assert SECRET not in "".join(traceback.format_exception(why))


def test_a_token_follows_no_redirect_to_another_host(source: Source) -> None:
    there = source.url.replace("127.0.0.1", "localhost")
    source.answer("/v3/", {}, 302, {"Location": f"{there}/caught"})
    why = refusal("electricity_maps", source)

    assert why.reason == "electricity_maps has moved to another host (302)."
    assert [asked.path for asked in source.asked] == ["/v3/carbon-intensity/past-range"]


def test_a_redirect_on_the_same_host_is_followed(source: Source) -> None:
    source.answer("/v3/", {}, 307, {"Location": f"{source.url}/v4/"})
    source.answer_as("/v4/", "electricity_maps")

    assert len(asked("electricity_maps", source).slots) == 3
