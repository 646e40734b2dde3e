"""The yearly intensity of a run, as its settings ask for it, and what a reader has to be told with it."""

from __future__ import annotations

from typing import Any

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import bundled
from carbonwatch.model import Intensity, Place
from carbonwatch.settings import Settings


def check(settings: Settings) -> None:
    """Raises SettingsError for a mix of fuels that makes no sense."""
    if settings.energy_mix:
        _mixed(settings)


def intensity(place: Place, settings: Settings) -> tuple[Intensity, str]:
    """A given figure or mix before the place's own; with it a note, "" where there is nothing to say."""
    if settings.g_per_kwh is not None:
        given = settings.g_per_kwh
        source = "setting g_per_kwh"
        return Intensity(given, given, given, "given", "given value", "given", "as given", source, None), ""
    if settings.energy_mix:
        return _mixed(settings), ""
    try:
        found = bundled.find(place, settings.boundary)
    except GridUnavailable as error:
        return bundled.find(place), f"Life-cycle intensity is used, although boundary is direct: {error}"
    return found, _unknown(place) if found.zone == "world" else ""


def facts(place: Place, settings: Settings) -> dict[str, Any]:
    """What a run keeps to be shown beside its footprint: a contract's factor, and what the lines lose."""
    kept: dict[str, Any] = {}
    if settings.market_g_per_kwh is not None:
        kept["market_g_per_kwh"] = settings.market_g_per_kwh
    if settings.include_losses:
        kept["line_losses"], kept["line_losses_source"] = bundled.line_losses(place)
    return kept


def _mixed(settings: Settings) -> Intensity:
    from carbonwatch.grid._fuel_mix import intensity_of_mix, mix_of

    return intensity_of_mix(mix_of(settings.energy_mix), settings.boundary)


def _unknown(place: Place) -> str:
    return (
        f"The place is not known ({place.evidence}): the world's mean intensity is used, and its band "
        "holds 90 % of countries. Say where it runs: country=FR, or CARBONWATCH_COUNTRY."
    )
