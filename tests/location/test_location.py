import os
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.errors import SettingsError
from carbonwatch.grid.bundled import find
from carbonwatch.location import check, cloud_region, country_code, locate, region_code
from carbonwatch.model import Place
from carbonwatch.settings import Settings, resolve
from carbonwatch.tables import row, rows

NOWHERE = "/nowhere"
WORLD = find(Place())


def told(environ: dict[str, str], root: Path | str = NOWHERE) -> Place:
    return locate(Settings(), environ, root=str(root), system_country=lambda: None)


def machine(folder: Path, *, link: str = "", name: str = "") -> Path:
    (folder / "etc").mkdir()
    if link:
        (folder / "etc" / "localtime").symlink_to(link)
    if name:
        (folder / "etc" / "timezone").write_text(name + "\n")
    return folder


def refusal(settings: Settings) -> str | None:
    try:
        check(settings)
    except SettingsError as error:
        return str(error)
    return None


# countries, regions and clouds by name


@pytest.mark.parametrize("country", [r for r in rows("countries") if len(r["code"]) == 2], ids=lambda r: r["code"])
def test_every_country_is_known_by_its_codes_and_its_names(country: dict[str, str]) -> None:
    names = [n for n in (country["code"], country["iso3"], country["name"], *country["also"].split(";")) if n]

    assert {country_code(name) for name in names} == {country["code"]}
    assert {country_code(f" {name.lower()} ") for name in names} == {country["code"]}


@pytest.mark.parametrize("text", ["", " ", "world", "Europe", "Atlantis", "F", "FRAN", "US-CA", "\n", "日本"])
def test_what_is_no_country_has_no_code(text: str) -> None:
    assert country_code(text) is None


def test_every_state_and_province_is_known_by_code_and_by_name() -> None:
    for region in rows("subnational"):
        end = region["code"].partition("-")[2]

        assert region_code(region["code"].lower()) == region["code"]
        assert region_code(region["name"], region["country"]) == region["code"]
        assert region_code(end, region["country"]) == region["code"]


def test_every_grid_zone_inside_a_country_is_known_by_its_code() -> None:
    inside = [r["zone"] for r in rows("zones_electricitymaps") if "-" in r["zone"]]

    assert [region_code(zone) for zone in inside] == inside


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("california", None, "US-CA"),
        ("Québec", None, "CA-QC"),
        ("Georgia", "US", "US-GA"),
        ("Sicily", "IT", "IT-SIC"),
        ("US-CA", "FR", None),
        ("FR", None, None),
        ("Atlantis", None, None),
    ],
)
def test_regions_by_name(text: str, country: str | None, code: str | None) -> None:
    assert region_code(text, country) == code


def test_every_cloud_region_is_known_with_its_provider() -> None:
    clouds = [region["cloud"] for region in rows("cloud_regions")]

    assert [cloud_region(cloud) for cloud in clouds] == clouds


@pytest.mark.parametrize(
    ("text", "cloud"),
    [
        ("eu-west-3", "aws/eu-west-3"),
        ("amazon/eu-west-3a", "aws/eu-west-3"),
        ("Google/europe-west9-b", "gcp/europe-west9"),
        ("azure/West Europe", "azure/westeurope"),
        ("gcp/eu-west-3", None),
        ("hetzner/fsn1", None),
        ("/", None),
        ("", None),
    ],
)
def test_cloud_regions_by_name(text: str, cloud: str | None) -> None:
    assert cloud_region(text) == cloud


# settings


@pytest.mark.parametrize("text", ["FR", "fr", "FRA", "France", " france "])
def test_a_country_may_be_set_in_any_of_its_ways(text: str) -> None:
    assert locate(Settings(country=text), {}) == Place("FR", evidence="setting country")


def test_a_region_may_be_set_alone_or_with_its_country() -> None:
    california = Place("US", "US-CA", evidence="setting region")

    assert locate(Settings(region="US-CA"), {}) == california
    assert locate(Settings(region="California", country="USA"), {}) == california


def test_a_cloud_may_be_set() -> None:
    expected = Place("US", "US-VA", "aws/us-east-1", evidence="setting cloud")

    assert locate(Settings(cloud="aws/us-east-1"), {}) == expected


def test_a_cloud_comes_before_a_country_and_says_so() -> None:
    assert locate(Settings(cloud="aws/eu-west-3", country="FR"), {}).evidence == "setting cloud"
    assert locate(Settings(cloud="aws/eu-west-3", country="DE"), {}) == Place(
        "FR", cloud="aws/eu-west-3", evidence="setting cloud, before country"
    )


def test_settings_come_before_all_that_is_found() -> None:
    environ = {"CARBONWATCH_COUNTRY": "PL", "AWS_REGION": "eu-west-3", "AWS_EXECUTION_ENV": "x", "TZ": "Asia/Tokyo"}
    settings = resolve(environ=environ)

    assert locate(settings, environ, system_country=lambda: "DE") == Place("PL", evidence="setting country")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            Settings(country="Frnace"),
            "country is 'Frnace', which is no country that is known, so its grid is not known either. "
            "Did you mean FR (France)?",
        ),
        (
            Settings(country="ZZ"),
            "country is 'ZZ', which is no country that is known, so its grid is not known either. "
            "Give its ISO code of two or three letters (FR, FRA), or its name.",
        ),
        (
            Settings(region="Californa"),
            "region is 'Californa', which is no state, province or grid zone that is known, so there is no figure for "
            "it. Did you mean US-CA (California) or US-CAMX (WECC California)?",
        ),
        (
            Settings(region="Nowhere", country="US"),
            "region is 'Nowhere', which is no state, province or grid zone that is known in US, so there is no figure "
            "for it. Give its ISO 3166-2 code (US-CA), or leave it out for the country's mean.",
        ),
        (
            Settings(region="US-CA", country="FR"),
            "region is 'US-CA', which is US-CA (California), but country is FR: they can't both be right. "
            "Leave one of them out.",
        ),
        (
            Settings(cloud="aws/eu-wset-3"),
            "cloud is 'aws/eu-wset-3', which is no region of aws, gcp, azure that is known, so its grid is not known "
            "either. Did you mean aws/eu-west-3 (Europe (Paris)) or aws/eu-west-2 (Europe (London)) or aws/eu-west-1 "
            "(Europe (Ireland))? For any other place, give its country instead: country=FR.",
        ),
        (
            Settings(cloud="hetzner/fsn1"),
            "cloud is 'hetzner/fsn1', which is no region of aws, gcp, azure that is known, so its grid is not known "
            "either. Give PROVIDER/REGION, as in aws/eu-west-3. For any other place, give its country instead: "
            "country=FR.",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start_and_says_what_would_do(settings: Settings, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        check(settings)

    assert str(error.value) == message


def test_a_region_of_a_country_without_regional_figures_is_its_country_and_says_so() -> None:
    settings = Settings(country="FR", region="Bretagne")
    check(settings)

    evidence = "setting country; the tables have no figure for the region 'Bretagne'"
    assert locate(settings, {}) == Place("FR", evidence=evidence)


# clouds


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("AWS_REGION", "eu-west-3", Place("FR", cloud="aws/eu-west-3")),
        ("AWS_DEFAULT_REGION", "us-west-2", Place("US", "US-OR", "aws/us-west-2")),
        ("GOOGLE_CLOUD_REGION", "europe-west9", Place("FR", cloud="gcp/europe-west9")),
        ("CLOUDSDK_COMPUTE_REGION", "me-central1", Place("QA", cloud="gcp/me-central1")),
        ("CLOUDSDK_COMPUTE_ZONE", "us-central1-a", Place("US", "US-IA", "gcp/us-central1")),
        ("FUNCTION_REGION", "asia-east1", Place("TW", cloud="gcp/asia-east1")),
        ("REGION_NAME", "West Europe", Place("NL", cloud="azure/westeurope")),
        ("AZURE_REGION", "uksouth", Place("GB", cloud="azure/uksouth")),
    ],
)
def test_a_cloud_s_region_in_the_environment_is_the_place(variable: str, value: str, place: Place) -> None:
    found = told({variable: value})

    assert found == Place(place.country, place.subdivision, place.cloud, evidence=variable)


def test_every_cloud_region_in_its_provider_s_variable_is_the_place() -> None:
    variables = {"aws": "AWS_REGION", "gcp": "GOOGLE_CLOUD_REGION", "azure": "AZURE_REGION"}
    for region in rows("cloud_regions"):
        provider, _, name = region["cloud"].partition("/")
        found = told({variables[provider]: name})

        assert (found.country, found.cloud) == (region["country"], region["cloud"])


def test_the_cloud_that_is_sure_comes_before_one_that_may_be_a_command_line_s() -> None:
    environ = {"AWS_DEFAULT_REGION": "us-east-1", "REGION_NAME": "France Central", "WEBSITE_SITE_NAME": "shop"}

    assert told(environ).cloud == "azure/francecentral"


def test_a_time_zone_elsewhere_is_named_beside_a_region_that_is_not_sure_and_widens_the_band() -> None:
    found = told({"AWS_DEFAULT_REGION": "eu-north-1", "TZ": "Europe/Warsaw"})

    evidence = "AWS_DEFAULT_REGION, although the time zone Europe/Warsaw is in PL"
    assert found == Place("SE", cloud="aws/eu-north-1", candidates=("PL",), evidence=evidence)
    assert find(found).high >= find(Place("PL")).g_per_kwh


def test_a_time_zone_elsewhere_is_nothing_against_a_region_that_is_sure() -> None:
    found = told({"AWS_REGION": "eu-north-1", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "TZ": "Europe/Warsaw"})

    assert found == Place("SE", cloud="aws/eu-north-1", evidence="AWS_REGION")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_REGION", "ap-north-7"),
        ("AWS_REGION", "eu-west-99"),
        ("GOOGLE_CLOUD_REGION", "europe-west99"),
        ("AZURE_REGION", "atlantis"),
    ],
)
def test_an_unknown_region_is_somewhere_in_the_world(variable: str, value: str) -> None:
    found = told({variable: value, "TZ": "Europe/Paris"})

    assert found.country is None
    assert found.evidence == f"{variable}; the tables know no region {value}"
    assert find(found) == WORLD


@pytest.mark.parametrize(
    ("variable", "value", "country"),
    [
        ("AWS_REGION", "us-east-99", "US"),
        ("AWS_REGION", "ca-north-9", "CA"),
        ("GOOGLE_CLOUD_REGION", "australia-southeast9", "AU"),
        ("AZURE_REGION", "romaniacentral", "RO"),
        ("AZURE_REGION", "eastus9", "US"),
        ("AZURE_REGION", "uknorth", "GB"),
    ],
)
def test_an_unknown_region_whose_name_tells_its_country_is_anywhere_in_it(
    variable: str, value: str, country: str
) -> None:
    found = told({variable: value})

    assert found.country == country
    assert found.evidence == f"{variable}; the tables know only the country of {value}"
    for state in (r for r in rows("subnational") if r["country"] == country):
        assert find(found).low <= float(state["lifecycle_g_per_kwh"]) <= find(found).high


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AWS_REGION", "auto"), ("AWS_REGION", "local"), ("REGION_NAME", "Bretagne"), ("FUNCTION_REGION", "left-2")],
)
def test_what_is_no_region_of_a_cloud_says_nothing(variable: str, value: str) -> None:
    assert told({variable: value, "TZ": "Europe/Paris"}) == Place("FR", evidence="time zone Europe/Paris")


# the system


def test_the_system_s_country_comes_before_its_time_zone() -> None:
    found = locate(Settings(), {"TZ": "Europe/Berlin"}, root=NOWHERE, system_country=lambda: "NL")

    assert found == Place("NL", evidence="region set in Windows")


@pytest.mark.parametrize("name", ["001", "", "XX"])
def test_a_system_that_names_no_country_says_nothing(name: str) -> None:
    found = locate(Settings(), {"TZ": "Europe/Paris"}, root=NOWHERE, system_country=lambda: name)

    assert found.country == "FR"


@pytest.mark.parametrize("value", ["Europe/Paris", ":Europe/Paris", "/usr/share/zoneinfo/posix/Europe/Paris"])
def test_the_time_zone_of_the_environment_gives_the_country(value: str, tmp_path: Path) -> None:
    root = machine(tmp_path, link="/usr/share/zoneinfo/Asia/Tokyo")

    assert told({"TZ": value}, root) == Place("FR", evidence="time zone Europe/Paris")


@pytest.mark.parametrize(
    "link",
    [
        "/usr/share/zoneinfo/Europe/Paris",
        "../usr/share/zoneinfo/Europe/Paris",
        "/var/db/timezone/zoneinfo/Europe/Paris",
    ],
)
@pytest.mark.parametrize("environ", [{}, {"TZ": ""}, {"TZ": ":/etc/localtime"}])
def test_the_link_of_the_system_s_time_zone_gives_the_country(
    link: str, environ: dict[str, str], tmp_path: Path
) -> None:
    root = machine(tmp_path, link=link, name="Asia/Tokyo")

    assert told(environ, root) == Place("FR", evidence="time zone Europe/Paris")


def test_a_link_is_followed_one_step_alone(tmp_path: Path) -> None:
    zones = tmp_path / "zoneinfo" / "Europe"
    zones.mkdir(parents=True)
    (zones / "Amsterdam").symlink_to("Brussels")

    assert told({}, machine(tmp_path, link=str(zones / "Amsterdam"))).country == "NL"


def test_the_name_in_etc_timezone_gives_the_country_where_there_is_no_link(tmp_path: Path) -> None:
    root = machine(tmp_path, name="Europe/Paris")
    (root / "etc" / "localtime").write_bytes(b"TZif2")

    assert told({}, root).country == "FR"


@pytest.mark.parametrize("zone", list(rows("timezones")), ids=lambda r: r["tz"])
def test_every_time_zone_gives_its_country_or_says_that_it_names_none(zone: dict[str, str]) -> None:
    found = told({"TZ": zone["tz"]})

    assert found.country == (zone["country"] or None)
    assert zone["tz"] in found.evidence
    assert found.country is None or find(found).zone == (found.subdivision or found.country)
    assert (find(found) == WORLD) == (found.country is None)


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "GMT", "Etc/GMT-1", "CET", "EST", "EST5EDT", "HST", "WET"])
def test_an_offset_is_no_place(name: str) -> None:
    expected = Place(evidence=f"the time zone {name} says nothing of where this machine is")

    assert told({"TZ": name}) == expected


def test_a_time_zone_over_many_grids_gives_the_country_with_the_band_of_all_of_them() -> None:
    found = told({"TZ": "America/New_York"})
    intensity = find(found)

    zone = row("timezones", "America/New_York")
    assert zone is not None
    states = [find(Place("US", code)).g_per_kwh for code in zone["candidates"].split()]
    assert (found.country, found.subdivision) == ("US", None)
    assert intensity.g_per_kwh == find(Place("US")).g_per_kwh
    assert (intensity.low, intensity.high) == (min(states), max(states))


def test_a_time_zone_of_one_state_gives_the_state() -> None:
    assert told({"TZ": "America/Phoenix"}) == Place("US", "US-AZ", evidence="time zone America/Phoenix")


def test_a_time_zone_of_one_grid_of_many_gives_the_grid() -> None:
    assert told({"TZ": "Europe/Moscow"}) == Place("RU", "RU-1", evidence="time zone Europe/Moscow")


def test_where_nothing_says_where_it_is_it_is_in_the_world() -> None:
    assert told({}) == Place()
    assert find(told({})) == WORLD


# laws

VARIABLES = st.sampled_from(
    ["TZ", "AWS_REGION", "AWS_EXECUTION_ENV", "GOOGLE_CLOUD_REGION", "FUNCTION_REGION", "AZURE_REGION", "REGION_NAME"]
)
VALUES = st.text(st.characters(exclude_characters="\0")) | st.from_regex(
    r"[a-z]{2,9}-[a-z]{2,9}-?[0-9]", fullmatch=True
)


@given(st.dictionaries(VARIABLES, VALUES))
def test_no_text_in_the_environment_raises_or_gives_a_clean_grid_without_a_place(environ: dict[str, str]) -> None:
    found = told(environ)
    intensity = find(found)

    assert found.evidence
    assert found.country is not None or intensity == WORLD


@given(st.text())
def test_any_text_as_a_setting_is_a_place_or_an_error_that_quotes_it(text: str) -> None:
    for settings in (Settings(country=text), Settings(region=text), Settings(cloud=text)):
        message = refusal(settings)

        assert message is None or repr(text) in message


def test_the_environment_of_the_process_is_the_default() -> None:
    assert locate(Settings()) == locate(Settings(), os.environ)


# points and names


def test_a_point_is_its_country_and_leaves_nothing_else_behind() -> None:
    place = locate(Settings(at="45.7,4.8"), {})

    assert place == Place("FR", evidence="setting at")


def test_a_point_is_its_state_where_grids_differ_inside_the_country() -> None:
    assert locate(Settings(at="37.77,-122.42"), {}) == Place("US", "US-CA", evidence="setting at")


def test_a_point_near_a_border_may_be_on_either_side() -> None:
    place = locate(Settings(at="46.197,6.19"), {})

    assert (place.country, place.candidates) == ("CH", ("FR",))


def test_a_point_is_in_the_grid_zone_of_its_town() -> None:
    assert locate(Settings(at="41.9,12.5"), {}) == Place("IT", "IT-CSO", evidence="setting at")


def test_where_a_region_of_two_grids_does_not_tell_a_point_may_be_in_any_of_the_country() -> None:
    place = locate(Settings(at="43.11,12.39"), {})  # Perugia, in Umbria

    assert (place.country, place.subdivision) == ("IT", None)
    assert "IT-SIC" in place.candidates


def test_a_point_at_sea_is_the_world() -> None:
    place = locate(Settings(at="0,-140"), {})

    assert find(place) == WORLD
    assert place.evidence == "setting at; the tables know no town near that point"


@pytest.mark.parametrize(
    ("name", "place", "town"),
    [
        ("Lyon, France", Place("FR"), "Lyon"),
        ("lyon", Place("FR"), "Lyon"),
        ("Portland, OR", Place("US", "US-OR"), "Portland"),
        ("Portland, Oregon, USA", Place("US", "US-OR"), "Portland"),
        ("Paris, Texas", Place("US", "US-TX"), "Paris"),
        ("Springfield, Illinois", Place("US", "US-IL"), "Springfield"),
        ("Friedberg", Place("DE"), "Friedberg"),  # there are two, of one grid
    ],
)
def test_a_town_is_a_place_and_it_is_said_which(name: str, place: Place, town: str) -> None:
    assert locate(Settings(place=name), {}) == replace(place, evidence=f"setting place: the town {town}")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("Germany", Place("DE")),
        ("California", Place("US", "US-CA")),
        ("IT-SIC", Place("IT", "IT-SIC")),
        ("CAMX", Place("US", "US-CAMX")),
        ("aws/eu-west-3", Place("FR", cloud="aws/eu-west-3")),
    ],
)
def test_a_place_may_have_any_name(name: str, place: Place) -> None:
    assert locate(Settings(place=name), {}) == replace(place, evidence="setting place")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Springfield", "there are 8 of that name. Say which: Springfield, US-MO; or"),
        ("Lyn, France", "Did you mean Lyon, FR or"),
        ("Cologn", "Did you mean Köln, DE"),
        ("Frnace", "Did you mean FR (France)?"),
        ("Lyon, Frace", "not 'Frace'"),
        ("", "Write a country"),
        (",", "Write a country"),
    ],
)
def test_a_name_that_is_no_place_or_many_stops_the_start(name: str, message: str) -> None:
    assert message in (refusal(Settings(place=name)) or "")


@given(st.text(max_size=30) | st.sampled_from(["Lyon,,France", ",,", "US-", "-", "Paris,FR,FR"]))
@hypothesis.settings(max_examples=25)
def test_any_text_is_a_place_or_a_clear_error(text: str) -> None:
    message = refusal(Settings(place=text))

    assert message is None or message.startswith("place is ")


def test_a_point_that_is_none_stops_the_start() -> None:
    assert "no point on Earth" in (refusal(Settings(at="95,0")) or "")


def test_every_egrid_subregion_is_known_with_and_without_its_country() -> None:
    codes = [r["code"] for r in rows("us_egrid_subregions") if "-" in r["code"]]

    assert [region_code(code) for code in codes] == codes
    assert [region_code(code.removeprefix("US-")) for code in codes] == codes
    assert region_code("CAMX", "FR") is None
