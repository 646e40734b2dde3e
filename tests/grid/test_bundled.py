import math

import pytest

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid.bundled import find, line_losses, overheads
from carbonwatch.model import Intensity, Place
from carbonwatch.tables import row, rows

COUNTRIES = [r["code"] for r in rows("countries") if len(r["code"]) == 2]
WORLD = find(Place())


def holds(intensity: Intensity, g_per_kwh: float) -> bool:
    return intensity.low <= g_per_kwh <= intensity.high


def test_a_country_is_what_it_uses_and_its_band_holds_what_it_makes() -> None:
    assert find(Place("FR")) == Intensity(
        g_per_kwh=31.0,
        low=31.0 / 1.15,
        high=41.44,
        zone="FR",
        name="France",
        basis="consumption",
        boundary="lifecycle",
        source="Electricity Maps via CO2.js",
        year=2025,
        license="ODbL 1.0",
    )


def test_a_country_without_a_grid_zone_is_what_it_makes() -> None:
    assert find(Place("UA")) == Intensity(
        g_per_kwh=250.47,
        low=250.47 / 1.4,
        high=250.47 * 1.4,
        zone="UA",
        name="Ukraine",
        basis="production",
        boundary="lifecycle",
        source="Ember Yearly Electricity Data 2026-04-21 via Our World in Data",
        year=2022,
        license="CC BY 4.0",
    )


def test_a_state_has_its_official_figure_and_its_band_holds_that_of_its_grid() -> None:
    found = find(Place("US", "US-VA"))

    assert (found.zone, found.name, found.g_per_kwh) == ("US-VA", "Virginia, United States", 280.5)
    assert (found.low, found.high) == (280.5 / 1.25, 418.0)
    assert found.source == "EPA eGRID2023 rev2 (2025-06-12) STC2ERTA; life cycle estimated"


def test_a_grid_zone_is_named_with_its_country() -> None:
    found = find(Place("IT", "IT-SIC"))

    assert (found.zone, found.name, found.g_per_kwh) == ("IT-SIC", "Sicily, Italy", 280.0)
    assert (found.low, found.high) == (224.0, 350.0)


def test_a_region_without_a_figure_falls_back_to_its_country() -> None:
    assert find(Place("FR", "FR-IDF")) == find(Place("FR"))


@pytest.mark.parametrize(
    ("cloud", "name", "g_per_kwh"),
    [
        ("aws/eu-west-3", "Europe (Paris), France", 31.0),
        ("aws/us-east-1", "US East (N. Virginia), United States", 418.0),  # the grid's, not the state's
        ("aws/ca-central-1", "Canada (Central)", 20.8),  # the province's, not the zone's
        ("gcp/australia-southeast2", "Melbourne, Australia", 870.0),
        ("gcp/me-central1", "Doha, Qatar", 490.0),
        ("azure/italynorth", "Italy North", 275.0),
        ("azure/chinaeast", "China East", 633.2),
    ],
)
def test_a_cloud_region_has_the_figure_of_its_grid(cloud: str, name: str, g_per_kwh: float) -> None:
    found = find(Place(cloud=cloud))

    assert (found.zone, found.name, found.g_per_kwh) == (cloud, name, g_per_kwh)


@pytest.mark.parametrize("cloud", ["aws/xx-north-9", "gcp/mars-west1", "azure/atlantis", "hetzner/fsn1", "aws", ""])
def test_an_unknown_cloud_region_is_the_world_unless_its_country_is_known(cloud: str) -> None:
    assert find(Place(cloud=cloud)) == WORLD
    assert find(Place("FR", cloud=cloud)) == find(Place("FR"))


def test_candidates_widen_the_band_and_leave_the_figure() -> None:
    states = ("US-VT", "US-KY")
    found = find(Place("US", candidates=states))

    assert found.g_per_kwh == find(Place("US")).g_per_kwh
    assert (found.low, found.high) == (find(Place("US", "US-VT")).g_per_kwh, find(Place("US", "US-KY")).g_per_kwh)


def test_another_country_that_it_may_be_in_is_held_by_the_band() -> None:
    found = find(Place("SE", cloud="aws/eu-north-1", candidates=("PL",)))

    assert found.g_per_kwh == 20.0
    assert found.high == find(Place("PL")).g_per_kwh


def test_the_world_is_its_mean_and_its_band_holds_nine_tenths_of_the_countries() -> None:
    made = [float(r["g_per_kwh"]) for r in rows("countries") if len(r["code"]) == 2]
    used = [find(Place(code)).g_per_kwh for code in COUNTRIES]

    assert (WORLD.zone, WORLD.g_per_kwh, WORLD.year) == ("world", 458.29, 2025)
    assert len(COUNTRIES) == 250
    assert sum(holds(WORLD, g) for g in made) >= 0.9 * len(made)
    assert sum(holds(WORLD, g) for g in used) >= 0.9 * len(used)


def test_nothing_known_is_never_cleaner_than_the_world() -> None:
    for place in (Place("XX"), Place("XX", "XX-YY"), Place(subdivision="XX-YY"), Place(cloud="aws/xx-1")):
        assert find(place) == WORLD


# ISO 3166-1 alpha-2, as tzdata's iso3166.tab has it
ISO_3166 = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""


def test_every_country_of_iso_3166_has_a_figure_of_its_own() -> None:
    codes = ISO_3166.split()

    assert len(codes) == 249
    assert [find(Place(code)).zone for code in codes] == codes


def test_every_town_of_the_tables_leads_to_a_figure_of_its_country() -> None:
    for country, region in sorted({(town["country"], town["subdivision"]) for town in rows("towns")}):
        assert find(Place(country, region or None)).zone == (region or country)


def every_place() -> list[Place]:
    states = [Place(r["country"], r["code"]) for r in rows("subnational")]
    zones = [Place(r["country"], r["zone"]) for r in rows("zones_electricitymaps")]
    clouds = [Place(cloud=r["cloud"]) for r in rows("cloud_regions")]
    return [Place(), *map(Place, COUNTRIES), *states, *zones, *clouds]


def test_every_place_of_the_tables_has_a_figure_with_all_that_says_what_it_is() -> None:
    for place in every_place():
        found = find(place)

        assert 0 < found.low <= found.g_per_kwh <= found.high < math.inf
        assert found.zone == (place.cloud or place.subdivision or place.country or "world")
        assert found.boundary == "lifecycle"
        assert found.basis in ("production", "consumption")
        assert all((found.name, found.source, found.license))
        assert found.year is None or 2022 <= found.year <= 2025


def test_a_year_is_missing_only_where_the_figure_is_an_assumption() -> None:
    without = [find(Place(code)) for code in COUNTRIES if find(Place(code)).year is None]

    assert {(i.source.partition(":")[0], i.license) for i in without} == {("assumption", "own")}


def test_every_reference_in_the_tables_leads_to_a_row() -> None:
    for table in ("subnational", "cloud_regions", "timezones"):
        for each in rows(table):
            assert not each["country"] or row("countries", each["country"])
            assert not each["em_zone"] or row("zones_electricitymaps", each["em_zone"])
            assert not each.get("subdivision") or row("subnational", each["subdivision"])
            for candidate in each.get("candidates", "").split():
                assert row("subnational", candidate) or row("zones_electricitymaps", candidate)


def test_overheads_of_a_cloud_region_are_its_own() -> None:
    source = "AWS region disclosure via GSF real-time-cloud, 2024"

    assert overheads(Place(cloud="aws/us-east-1")) == (1.15, 0.12, source)


def test_overheads_of_an_unknown_region_are_its_provider_s() -> None:
    pue, wue_l_per_kwh, _ = overheads(Place(cloud="aws/xx-north-9"))

    assert (pue, wue_l_per_kwh) == (1.14, 0.12)


def test_water_that_is_not_known_is_said_to_be() -> None:
    _, wue_l_per_kwh, source = overheads(Place(cloud="gcp/europe-west9"))

    assert wue_l_per_kwh == 0.0
    assert source == "Google fleet average (recalled), 2024; its water is not known, and taken as none"


@pytest.mark.parametrize("place", [Place(), Place("FR"), Place(cloud="hetzner/fsn1")])
def test_elsewhere_there_are_no_overheads(place: Place) -> None:
    assert overheads(place)[:2] == (1.0, 0.0)


def test_every_cloud_region_has_overheads() -> None:
    for region in rows("cloud_regions"):
        pue, wue_l_per_kwh, source = overheads(Place(cloud=region["cloud"]))

        assert 1.0 <= pue < 2.0
        assert 0.0 <= wue_l_per_kwh < 5.0
        assert source


# the other boundary


@pytest.mark.parametrize(
    ("place", "zone", "g_per_kwh", "basis"),
    [
        (Place("US"), "US", 349.7, "production"),
        (Place("US", "US-VA"), "US-VA", 244.8, "production"),
        (Place("US", "US-CAMX"), "US-CAMX", 195.0, "production"),
        (Place("CA", "CA-QC"), "CA-QC", 2.6, "consumption"),
        (Place("FR", cloud="gcp/europe-west9"), "gcp/europe-west9", 16.3, "consumption"),
        (Place("US", "US-VA", "aws/us-east-1"), "aws/us-east-1", 244.8, "production"),
    ],
)
def test_a_direct_figure_is_the_published_one(place: Place, zone: str, g_per_kwh: float, basis: str) -> None:
    found = find(place, "direct")

    assert (found.zone, found.g_per_kwh, found.basis, found.boundary) == (zone, g_per_kwh, basis, "direct")
    assert found.low < g_per_kwh < found.high


@pytest.mark.parametrize(
    "place", [Place(), Place("FR"), Place("CA"), Place("IT", "IT-SIC"), Place("FR", cloud="aws/eu-west-3")]
)
def test_where_nobody_publishes_a_direct_figure_none_is_made_up(place: Place) -> None:
    with pytest.raises(GridUnavailable, match="Nobody publishes a direct intensity"):
        find(place, "direct")


def test_a_direct_band_holds_every_state_that_it_may_be_in() -> None:
    found = find(Place("US", candidates=("US-VT", "US-WV")), "direct")

    assert found.low < 100
    assert found.high > 800


def test_a_direct_figure_is_refused_where_it_may_be_somewhere_without_one() -> None:
    with pytest.raises(GridUnavailable):
        find(Place("US", "US-VA", "aws/us-east-1", candidates=("PL",)), "direct")


def test_every_official_region_and_every_subregion_has_both_figures() -> None:
    codes = [r["code"] for table in ("subnational", "us_egrid_subregions") for r in rows(table)]

    for code in codes:
        direct, whole = (find(Place(code[:2], code if "-" in code else None), b) for b in ("direct", "lifecycle"))
        assert direct.g_per_kwh < whole.g_per_kwh
        assert (direct.boundary, whole.boundary) == ("direct", "lifecycle")


def test_no_default_is_cleaner_than_the_world_without_evidence_of_the_place() -> None:
    nothing_told = [Place(), Place(evidence="the time zone UTC says nothing"), Place(cloud="aws"), Place("QQ")]

    assert {find(place).g_per_kwh for place in nothing_told} == {WORLD.g_per_kwh}


def test_losses_are_the_country_s_where_it_is_known_and_else_the_world_s() -> None:
    assert line_losses(Place("US")) == (0.044, "USA: EPA eGRID2023 grid gross loss (second-hand), 2023")
    assert line_losses(Place("FR"))[0] == line_losses(Place())[0] == 0.08
    assert line_losses(Place("AU", "AU-VIC"))[0] == 0.0
