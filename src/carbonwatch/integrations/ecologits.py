"""Calls of language models beside a run: what EcoLogits says of them, which this machine's meters can't see.

    response = client.chat.completions.create(...)      # with EcoLogits.init() before
    print(beside(measurement.run, [response]))

Both figures are shown and never added: theirs are a provider's machines by a model, and hold making them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import carbonwatch


@dataclass(frozen=True, slots=True)
class Impacts:
    """What some calls used and emitted elsewhere: ends of EcoLogits' ranges, added up."""

    calls: int
    energy_low_kwh: float
    energy_high_kwh: float
    emissions_low_g: float
    emissions_high_g: float


def impacts(responses: Iterable[Any]) -> Impacts:
    """The sum of the `impacts` of responses, or of such impacts themselves; one without them counts as no call."""
    found = [known for known in (getattr(each, "impacts", each) for each in responses) if hasattr(known, "gwp")]
    energy = [_ends(each.energy.value) for each in found if each.energy is not None]
    mass_kg = [_ends(each.gwp.value) for each in found if each.gwp is not None]
    return Impacts(
        len(found),
        sum(low for low, _ in energy),
        sum(high for _, high in energy),
        sum(low for low, _ in mass_kg) * 1000,
        sum(high for _, high in mass_kg) * 1000,
    )


def beside(run: carbonwatch.Run, responses: Iterable[Any]) -> str:
    """A run's headline, and that of the calls made meanwhile."""
    calls = impacts(responses)
    within = "–".join(carbonwatch.human_mass(g, 2) for g in (calls.emissions_low_g, calls.emissions_high_g))
    here = f"{carbonwatch.human_mass(run.emissions_g, 2)} CO2e" if run.entries else "CO2e unknown"
    return f"here: {here}\nelsewhere: {within} CO2e by {calls.calls} calls of language models (EcoLogits)\n"


def _ends(value: Any) -> tuple[float, float]:
    """Both ends of EcoLogits' range, or its only value twice."""
    return (float(getattr(value, "min", value)), float(getattr(value, "max", value)))
