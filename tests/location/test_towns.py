import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonwatch.errors import SettingsError
from carbonwatch.location import plain
from carbonwatch.location.towns import _distance_km, called, coordinates, like, near
from carbonwatch.tables import row, rows


@pytest.mark.parametrize("text", ["45.7,4.8", " 45.7 , 4.8 ", "45.7 4.8"])
def test_a_point_is_latitude_and_longitude(text: str) -> None:
    assert coordinates(text) == (45.7, 4.8)


@pytest.mark.parametrize("text", ["", "45.7", "91,0", "0,181", "nan,0", "north,south", "1,2,3", "inf,0"])
def test_what_is_no_point_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError, match="no point on Earth"):
        coordinates(text)


@pytest.mark.parametrize("town", list(rows("towns"))[::2000], ids=lambda town: town["name"])
def test_a_town_s_own_point_is_in_it(town: dict[str, str]) -> None:
    first, *_ = near(float(town["lat"]), float(town["lon"]))

    assert (first["country"], first["subdivision"]) == (town["country"], town["subdivision"])


def test_across_a_border_another_country_s_town_counts_if_it_is_nearly_as_near() -> None:
    between_geneva_and_annemasse = near(46.197, 6.19)

    assert {town["country"] for town in between_geneva_and_annemasse} == {"CH", "FR"}


@pytest.mark.parametrize(
    "point", [(51.5, 7.2), (69.9, 27.0), (-18.1, 179.9), (66.6, -179.5), (-54.8, -68.3), (89.5, 0.0)]
)
def test_the_nearest_town_is_the_one_that_a_look_at_all_of_them_finds(point: tuple[float, float]) -> None:
    nearest_km, nearest = min(
        ((_distance_km(*point, float(town["lat"]), float(town["lon"])), town["name"]) for town in rows("towns")),
    )

    assert [town["name"] for town in near(*point)[:1]] == ([nearest] if nearest_km <= 500 else [])


def test_the_date_line_is_no_border() -> None:
    assert [town["country"] for town in near(-18.1, -181.5)] == ["FJ"]


@pytest.mark.parametrize("point", [(0, -140), (-89, 0), (-48.9, -123.4)])
def test_far_out_at_sea_is_nowhere(point: tuple[float, float]) -> None:
    assert near(*point) == []


@settings(max_examples=20)
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_point_has_towns_of_different_regions_or_none(latitude: float, longitude: float) -> None:
    found = near(latitude, longitude)

    assert len({town["subdivision"] or town["tz"] or town["country"] for town in found}) == len(found)


def test_a_name_is_found_without_accents_and_case() -> None:
    assert [town["country"] for town in called("montreal", [("CA", None)])] == ["CA"]
    assert called("Montréal", [])[0]["subdivision"] == "CA-QC"


def test_the_town_that_is_by_far_the_largest_is_meant() -> None:
    assert [town["country"] for town in called("Paris", [])] == ["FR"]
    assert [town["subdivision"] for town in called("Paris", [(None, "US-TX")])] == ["US-TX"]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("Cologne", "Köln"),
        ("Colonia Agrippina", "Köln"),
        ("München", "Munich"),
        ("Roma", "Rome"),
        ("Lisboa", "Lisbon"),
        ("Wien", "Vienna"),
        ("Mailand", "Milan"),
        ("Londres", "London"),
        ("Genève", "Geneva"),
        ("Bombay", "Mumbai"),
    ],
)
def test_a_town_is_found_by_what_other_languages_call_it(name: str, own: str) -> None:
    assert [town["name"] for town in called(name, [])] == [own]


def test_a_town_s_own_name_goes_before_another_s_foreign_one_unless_that_is_far_larger() -> None:
    assert [town["country"] for town in called("Pekin", [])] == ["CN"]
    assert [town["subdivision"] for town in called("Pekin", [(None, "US-IL")])] == ["US-IL"]
    assert called("Colonia", [("US", None)])[0]["subdivision"] == "US-NJ"


def test_every_town_is_found_by_its_own_name() -> None:
    for town in list(rows("towns"))[::400]:
        if plain(town["name"]):
            assert called(town["name"], [(town["country"], None)])


def test_names_that_many_towns_have_stay_many() -> None:
    assert len(called("Springfield", [("US", None)])) > 3


def test_a_slip_of_the_pen_has_a_suggestion() -> None:
    assert "Lyon, FR" in like("Lyn")


def test_every_town_leads_to_a_country_and_a_state_that_there_are() -> None:
    for town in rows("towns"):
        assert row("countries", town["country"])
        region = town["subdivision"]
        assert not region or row("subnational", region) or row("zones_electricitymaps", region)
        assert not region or region[:2] == town["country"]
        assert not town["tz"] or row("timezones", town["tz"])
        assert abs(float(town["lat"])) <= 90
        assert math.isfinite(float(town["lon"]))
