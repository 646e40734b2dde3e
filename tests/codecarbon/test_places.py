import pytest

from carbonwatch.codecarbon.places import CloudMetadata, DataSource, Emissions, GeoMetadata
from carbonwatch.codecarbon.units import Energy
from carbonwatch.grid import bundled
from carbonwatch.model import Place


def kg(place: Place) -> float:
    return bundled.find(place).g_per_kwh / 1000


def test_energy_is_priced_by_the_region_else_the_country_else_the_world() -> None:
    emissions = Emissions(DataSource())
    places = [
        GeoMetadata("usa", "United States", "California"),
        GeoMetadata("USA", region="atlantis"),
        GeoMetadata(None, country_2letter_iso_code="fr"),
        GeoMetadata("XXX"),
    ]

    assert [emissions.get_private_infra_emissions(Energy(2), geo) for geo in places] == pytest.approx(
        [
            2 * kg(Place(country="US", subdivision="US-CA")),
            2 * kg(Place(country="US")),
            2 * kg(Place(country="FR")),
            2 * kg(Place()),
        ]
    )
    assert emissions.get_country_emissions(Energy(1), places[0]) == kg(Place(country="US"))
    assert emissions.get_region_emissions(Energy(1), places[0]) == kg(Place(country="US", subdivision="US-CA"))


def test_a_cloud_s_region_goes_before_the_place_that_is_given() -> None:
    emissions, home = Emissions(), GeoMetadata("FRA")
    regions = [CloudMetadata("gcp", "us-east1"), CloudMetadata("gcp", "nowhere"), CloudMetadata(None, None)]

    assert [emissions.get_cloud_emissions(Energy(1), cloud, home) for cloud in regions] == pytest.approx(
        [kg(Place(country="US", cloud="gcp/us-east1")), kg(Place(country="FR")), kg(Place(country="FR"))]
    )
    assert (emissions.get_cloud_country_name(regions[0]), emissions.get_cloud_country_iso_code(regions[0])) == (
        "United States",
        "USA",
    )
    with pytest.raises(ValueError, match="gcp has no region 'nowhere'"):
        emissions.get_cloud_country_name(regions[1])
    assert [cloud.is_on_private_infra for cloud in regions] == [False, False, True]


def test_a_given_intensity_goes_before_all() -> None:
    emissions = Emissions(force_carbon_intensity_g_co2e_kwh=50.0)

    assert emissions.get_private_infra_emissions(Energy(2), GeoMetadata("FRA")) == 0.1


def test_countries_are_listed_with_their_intensity() -> None:
    france = DataSource().get_global_energy_mix_data()["FRA"]

    assert france == {
        "country_name": "France",
        "iso_code": "FRA",
        "carbon_intensity": bundled.find(Place(country="FR")).g_per_kwh,
    }


def test_codes_are_written_as_theirs() -> None:
    geo = GeoMetadata("fra", "France", "Bretagne", 1.0, 2.0, "fr")

    assert geo == GeoMetadata("FRA", "France", "bretagne", 1.0, 2.0, "FR")
