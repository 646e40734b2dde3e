"""Yearly mean intensities from the tables that come with carbonwatch: no network, and an answer for every place.

The first of these that the tables have: the cloud region's grid, the official figure of the state or province,
the grid zone, the country, the world. A band holds about 90 % of what the true yearly mean may be: the error of the
figure's class, widened to the figure of the other method where there is one, and to all that is possible where only
the country of a grid is known.

These are life-cycle figures. What alone comes out of the chimneys, scope 2 of the GHG Protocol, is published for
few places: elsewhere there is no direct figure, and none is made up.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

from carbonwatch.errors import GridUnavailable
from carbonwatch.model import Intensity, Place, Series, Slot
from carbonwatch.settings import Settings
from carbonwatch.tables import Row, edition, row, rows

# one figure for all states and zones: the tables' class B. A zone's mean moved by up to 23 % (9 of 10) in two years,
# and an official direct figure made life cycle is right within 5 %, but a year or two old
_ZONE_ERROR = 0.25
_WORLD_SHARE = 0.9  # of all countries lie in the world's band
# here the official figures know the fuel that is burnt; the zones' take a mean of the world's coal
_OFFICIAL_FIRST = ("AU", "CA", "CN")
_LOSSES_INSIDE = ("AU", "CA")  # official figures per kWh used, not made


@cache
def find(place: Place, boundary: str = "lifecycle") -> Intensity:
    """The yearly mean of the place; of the world where nothing is known of it.

    Raises GridUnavailable for the boundary `direct` where nobody publishes that.
    """
    found = _direct(place) if boundary == "direct" else _lifecycle(place)
    return replace(found, source=f"{found.source}; tables of {edition()}") if edition() else found


def line_losses(place: Place) -> tuple[float, str]:
    """The share of what is made that the lines lose on the way, and whose figure it is."""
    official = place.subdivision or ""
    if official[:3] in [f"{country}-" for country in _LOSSES_INSIDE] and row("subnational", official):
        return 0.0, "the intensity of the place holds them already"
    found = row("line_losses", place.country or "world") or row("line_losses", "world")
    assert found is not None
    return float(found["share"]), f"{found['name']}: {_cited(found)}"


def _lifecycle(place: Place) -> Intensity:
    found = _of_cloud(place.cloud) or _of_region(place.subdivision) or _of_country(place.country) or _of_world()
    return _holding(found, *(_of_region(code) or _of_country(code) for code in place.candidates))


def _direct(place: Place) -> Intensity:
    found = _direct_of_cloud(place.cloud) or _direct_of_state(place.subdivision)
    if found is None and place.subdivision is None:
        found = _direct_of_state(place.country)
    others = [_direct_of_state(code) for code in place.candidates]
    if found is None or None in others:
        where = place.cloud or place.subdivision or place.country or "an unknown place"
        raise GridUnavailable(
            f"Nobody publishes a direct intensity (scope 2) of {where}, as far as the tables know.",
            "They have it for the USA and its states and eGRID subregions, for the states and provinces of Canada, "
            "Australia and China, and for Google's regions.",
        )
    return _holding(found, *others)


def _direct_of_cloud(cloud: str | None) -> Intensity | None:
    region = row("cloud_regions", cloud) if cloud else None
    if region is None:
        return None
    name = _with_country(region["name"], region["country"])
    if not region["provider_direct_g_per_kwh"]:
        state = _direct_of_state(region["subdivision"])
        return state and replace(state, zone=region["cloud"], name=name)
    return _banded(
        float(region["provider_direct_g_per_kwh"]),
        zone=region["cloud"],
        name=name,
        basis="consumption",
        source="Google Cloud, carbon data of its regions",
        year=int(region["provider_year"]),
        licence="CC BY 4.0",
    )


def _direct_of_state(code: str | None) -> Intensity | None:
    """As published, for a state, a province or an eGRID subregion, and for the USA as a whole."""
    state = _official(code)
    if state is None:
        return None
    return _banded(
        float(state["direct_g_per_kwh"]),
        zone=state["code"],
        name=_with_country(state["name"], state["country"]),
        basis=state["basis"],
        source=state["source"],
        year=int(state["year"]),
        licence=state["license"],
    )


def _banded(g_per_kwh: float, *, zone: str, name: str, basis: str, source: str, year: int, licence: str) -> Intensity:
    low, high = g_per_kwh / (1 + _ZONE_ERROR), g_per_kwh * (1 + _ZONE_ERROR)
    return Intensity(g_per_kwh, low, high, zone, name, basis, "direct", source, year, licence)


def _official(code: str | None) -> Row | None:
    return (row("subnational", code) or row("us_egrid_subregions", code)) if code else None


def series(place: Place, start_ns: int, end_ns: int, settings: Settings) -> Series:
    """The yearly mean as a series of one slot: what a chain of sources may end in. Raises GridUnavailable."""
    found = find(place, settings.boundary)
    # a mean of 0 has no relative error, and none of the tables is 0
    error = (found.low / found.g_per_kwh - 1, found.high / found.g_per_kwh - 1)
    return Series(
        slots=(Slot(start_ns, end_ns, found.g_per_kwh),),
        zone=found.zone,
        name=found.name,
        basis=found.basis,
        boundary=found.boundary,
        source=found.source,
        license=found.license,
        error=error,
        period="year",
        year=found.year,
    )


def overheads(place: Place) -> tuple[float, float, str]:
    """PUE, WUE in litres per kWh, and whose figures they are; 1.0 and 0.0 outside a known cloud."""
    if place.cloud is None:
        return 1.0, 0.0, "no data centre is known: no overhead, no water"
    provider = row("pue_defaults", place.cloud.partition("/")[0])
    region = row("cloud_regions", place.cloud)
    if provider is None:
        return 1.0, 0.0, f"nothing is known of {place.cloud}: no overhead, no water"
    pue, source = (region["pue"], _cited(region, "pue_")) if region else (provider["pue"], _cited(provider))
    wue = (region and region["wue_l_per_kwh"]) or provider["wue_l_per_kwh"]
    return float(pue), float(wue or 0), source if wue else f"{source}; its water is not known, and taken as none"


def _cited(table_row: Row, prefix: str = "") -> str:
    return f"{table_row[f'{prefix}source']}, {table_row[f'{prefix}year']}"


def _of_cloud(cloud: str | None) -> Intensity | None:
    region = row("cloud_regions", cloud) if cloud else None
    if region is None:
        return None
    country, official, zone = region["country"], region["subdivision"], region["em_zone"]
    found = _of_state(official) if country in _OFFICIAL_FIRST else None
    if found is None and zone != country:
        found = _of_zone(zone)
        # a US region takes from its grid, which crosses states: Virginia's own plants are cleaner than what it uses
        found = found and _holding(found, _of_state(official))
    found = found or _of_country(country)
    return found and replace(found, zone=region["cloud"], name=_with_country(region["name"], country))


def _of_region(code: str | None) -> Intensity | None:
    return (_of_state(code) if code and "-" in code else None) or _of_zone(code)


def _of_state(code: str | None) -> Intensity | None:
    """The official figure of a state or province; its grid's zone may differ, and is held by the band."""
    state = _official(code)
    if state is None:
        return None
    found = Intensity(
        g_per_kwh=float(state["lifecycle_g_per_kwh"]),
        low=float(state["lifecycle_g_per_kwh"]) / (1 + _ZONE_ERROR),
        high=float(state["lifecycle_g_per_kwh"]) * (1 + _ZONE_ERROR),
        zone=state["code"],
        name=_with_country(state["name"], state["country"]),
        basis=state["basis"],
        boundary="lifecycle",
        source=f"{state['source']}; life cycle {state['lifecycle_by']}",
        year=int(state["year"]),
        license=state["license"],
    )
    return found if state["em_zone"] == state["country"] else _holding(found, _of_zone(state["em_zone"] or None))


def _of_zone(code: str | None, error: float = _ZONE_ERROR) -> Intensity | None:
    zone = row("zones_electricitymaps", code) if code else None
    if zone is None:
        return None
    latest = next(column for column in zone if column.startswith("g_per_kwh_"))  # a column a year, the newest first
    g_per_kwh, country = float(zone[latest]), zone["country"]
    return Intensity(
        g_per_kwh=g_per_kwh,
        low=g_per_kwh / (1 + error),
        high=g_per_kwh * (1 + error),
        zone=zone["zone"],
        name=_with_country("" if zone["zone"] == country else zone["name"], country),
        basis="consumption",
        boundary="lifecycle",
        source="Electricity Maps via CO2.js",
        year=int(latest[-4:]),
        license="ODbL 1.0",
    )


def _of_country(code: str | None) -> Intensity | None:
    """What the country uses, imports and exports included, if known, else what it makes. The band holds both."""
    country = row("countries", code) if code else None
    if country is None:
        return None
    made = _as_made(country)
    used = _of_zone(code, float(country["uncertainty_pct"]) / 100)
    return _holding(used, made) if used else made


def _as_made(country: Row) -> Intensity:
    g_per_kwh, error = float(country["g_per_kwh"]), float(country["uncertainty_pct"]) / 100
    return Intensity(
        g_per_kwh=g_per_kwh,
        low=g_per_kwh / (1 + error),
        high=g_per_kwh * (1 + error),
        zone=country["code"],
        name=country["name"],
        basis=country["basis"],
        boundary=country["boundary"],
        source=country["source"],
        year=int(country["year"]) if country["year"] else None,
        license=country["license"],
    )


def _of_world() -> Intensity:
    """The world's mean; its band leaves out the cleanest and the dirtiest twentieth of the countries."""
    world = row("countries", "world")
    assert world is not None
    each = sorted(float(r["g_per_kwh"]) for r in rows("countries") if len(r["code"]) == 2)
    outside = (1 - _WORLD_SHARE) / 2 * len(each)
    return replace(_as_made(world), low=each[math.floor(outside)], high=each[-1 - math.floor(outside)])


def _holding(figure: Intensity, *others: Intensity | None) -> Intensity:
    """The figure with a band that also holds the others, as far as there are any."""
    known = [other.g_per_kwh for other in others if other]
    return replace(figure, low=min(figure.low, *known), high=max(figure.high, *known)) if known else figure


def _with_country(name: str, code: str) -> str:
    """ "Sicily, Italy"; the country alone where there is no other name, and once where the name has it already."""
    country = row("countries", code)
    if country is None or country["name"] in name:
        return name or code
    return f"{name}, {country['name']}" if name else country["name"]
