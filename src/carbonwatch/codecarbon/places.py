"""CodeCarbon's places and what energy emits there, by the tables that come with carbonwatch.

For programs that price energy themselves: `Emissions(DataSource()).get_private_infra_emissions(energy, geo)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carbonwatch import location, tables
from carbonwatch.codecarbon.units import Energy
from carbonwatch.errors import SettingsError
from carbonwatch.grid import bundled
from carbonwatch.model import Place
from carbonwatch.settings import Settings


@dataclass
class GeoMetadata:
    """A country, and a part of it."""

    country_iso_code: str | None
    country_name: str | None = None
    region: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    country_2letter_iso_code: str | None = None

    def __post_init__(self) -> None:
        self.country_iso_code = self.country_iso_code.upper() if self.country_iso_code else None
        self.region = self.region.lower() if self.region else self.region
        code = self.country_2letter_iso_code
        self.country_2letter_iso_code = code.upper() if code else None


@dataclass
class CloudMetadata:
    """A region of a cloud; both are None where it is none."""

    provider: str | None
    region: str | None

    @property
    def is_on_private_infra(self) -> bool:
        return self.provider is None and self.region is None


class DataSource:
    """Their tables' names for ours."""

    def get_global_energy_mix_data(self) -> dict[str, dict[str, Any]]:
        """By ISO code of three letters: the country's name, and its g of CO2e per kWh."""
        return {
            row["iso3"]: {
                "country_name": row["name"],
                "iso_code": row["iso3"],
                "carbon_intensity": bundled.find(Place(country=row["code"])).g_per_kwh,
            }
            for row in tables.rows("countries")
            if row["iso3"]
        }


class Emissions:
    """What energy emits somewhere, in kg of CO2e."""

    def __init__(
        self,
        data_source: DataSource | None = None,
        electricitymaps_api_token: str | None = None,
        force_carbon_intensity_g_co2e_kwh: float | None = None,
    ) -> None:
        self._data_source = data_source  # taken as there; no table but ours is asked, and no network
        self._electricitymaps_api_token = electricitymaps_api_token
        self._g_per_kwh = force_carbon_intensity_g_co2e_kwh

    def get_private_infra_emissions(self, energy: Energy, geo: GeoMetadata) -> float:
        """By the region, else by the country, else by the world's mean."""
        return self._kg(energy, _place(geo))

    def get_region_emissions(self, energy: Energy, geo: GeoMetadata) -> float:
        """The same."""
        return self.get_private_infra_emissions(energy, geo)

    def get_country_emissions(self, energy: Energy, geo: GeoMetadata) -> float:
        """By the country as a whole."""
        return self._kg(energy, Place(country=_place(geo).country))

    def get_cloud_emissions(self, energy: Energy, cloud: CloudMetadata, geo: GeoMetadata | None = None) -> float:
        """By the cloud's region, else by the place that is given."""
        place = _in_cloud(cloud)
        if place.cloud is None and geo is not None:
            place = _place(geo)
        return self._kg(energy, place)

    def get_cloud_country_name(self, cloud: CloudMetadata) -> str:
        """Raises ValueError where the region is not known."""
        return self._country_of(cloud)["name"]

    def get_cloud_country_iso_code(self, cloud: CloudMetadata) -> str:
        """Raises ValueError where the region is not known."""
        return self._country_of(cloud)["iso3"]

    def _country_of(self, cloud: CloudMetadata) -> dict[str, str]:
        row = tables.row("countries", _in_cloud(cloud).country or "")
        if row is None:
            raise ValueError(f"{cloud.provider} has no region {cloud.region!r}, as far as is known.")
        return dict(row)

    def _kg(self, energy: Energy, place: Place) -> float:
        g_per_kwh = bundled.find(place).g_per_kwh if self._g_per_kwh is None else self._g_per_kwh
        return energy.kWh * g_per_kwh / 1000


def _place(geo: GeoMetadata) -> Place:
    """A region that is not known leaves the country, and a country that is not known the world."""
    country = location.country_code(geo.country_iso_code or geo.country_2letter_iso_code or "")
    code = location.region_code(geo.region, country) if geo.region and country else None
    return Place(country=country, subdivision=code)


def _in_cloud(cloud: CloudMetadata) -> Place:
    if cloud.is_on_private_infra:
        return Place()
    try:
        return location.locate(Settings(cloud=f"{cloud.provider}/{cloud.region}"))
    except SettingsError:
        return Place()
