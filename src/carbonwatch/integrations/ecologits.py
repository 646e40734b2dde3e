"""Calls of language models beside a run: what EcoLogits says of them, which this machine's meters can't see.

    response = client.chat.completions.create(...)      # with EcoLogits.init() before
    print(beside(measurement.run, [response]))

Where EcoLogits tells OpenTelemetry of its calls, `heard()` has them without keeping any response:

    with heard() as calls, carbonwatch.measure("assistant") as measurement: ...
    print(beside(measurement.run, calls))

Both figures are shown and never added: theirs are a provider's machines by a model, and hold making them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import carbonwatch
from carbonwatch.integrations._border import missing


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
    made = "1 call" if calls.calls == 1 else f"{calls.calls} calls"
    return f"here: {here}\nelsewhere: {within} CO2e by {made} of language models (EcoLogits)\n"


@contextmanager
def heard() -> Iterator[list[Any]]:
    """The impacts of all calls made meanwhile, by any thread, as EcoLogits tells them to OpenTelemetry.

    Raises SettingsError where it does not.
    """
    try:
        from ecologits import EcoLogits
    except ImportError as error:
        raise missing("EcoLogits", "ecologits") from error
    theirs = getattr(EcoLogits.config, "opentelemetry", None)
    if theirs is None:
        # not switched on for the user: in streams it asks for tiktoken, which loads from the network
        raise carbonwatch.SettingsError(
            "EcoLogits does not tell OpenTelemetry of its calls, so they can't be heard. It does after "
            "EcoLogits.init(opentelemetry_endpoint=…); without it, hand the responses to beside()."
        )
    ours = EcoLogits.config.opentelemetry = _Ear(theirs)
    try:
        yield ours.impacts
    finally:
        if EcoLogits.config.opentelemetry is ours:
            EcoLogits.config.opentelemetry = theirs


class _Ear:
    """EcoLogits' way to OpenTelemetry, and what went along it."""

    def __init__(self, theirs: Any) -> None:
        self._theirs = theirs
        self.impacts: list[Any] = []

    def record_request(self, **request: Any) -> None:
        self.impacts.append(request.get("impacts"))
        self._theirs.record_request(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)


def _ends(value: Any) -> tuple[float, float]:
    """Both ends of EcoLogits' range, or its only value twice."""
    return (float(getattr(value, "min", value)), float(getattr(value, "max", value)))
