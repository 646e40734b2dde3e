"""What electricity is made of, by country and year: to be shown beside an intensity, which is not made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from carbonwatch import tables

WORLD = "world"
# columns of the table and what they are called, those that burn something first
FUELS: Mapping[str, str] = {
    "coal": "coal",
    "oil": "oil",
    "gas": "gas",
    "nuclear": "nuclear",
    "hydro": "hydro",
    "wind": "wind",
    "solar": "solar",
    "bioenergy": "bioenergy",
    "other_renewable": "other renewable",
}
LICENSE = "CC BY 4.0"
Shares = Mapping[str, float]  # fuel -> its share

_SOURCE = (
    "Ember; Energy Institute, Statistical Review of World Energy; with major processing by Our World in Data (edition "
    "of {})"
)


@dataclass(frozen=True, slots=True)
class ElectricityMix:
    """What was made in a country in a year, imports left out. Shares of fuels add up to 1."""

    zone: str
    name: str
    year: int
    shares: Shares
    source: str
    license: str


def of_country(code: str | None) -> ElectricityMix | None:
    """A country's mix, or that of WORLD; None where it is not known."""
    row = tables.row("electricity_mix", code) if code else None
    country = tables.row("countries", code) if code else None
    if row is None or country is None:
        return None
    made_twh = {fuel: float(row[f"{fuel}_twh"]) for fuel in FUELS}
    whole_twh = sum(made_twh.values())
    return ElectricityMix(
        zone=row["code"],
        name=country["name"],
        year=int(row["year"]),
        shares={fuel: twh / whole_twh for fuel, twh in made_twh.items()},
        source=_SOURCE.format(row["edition"]),
        license=LICENSE,
    )
