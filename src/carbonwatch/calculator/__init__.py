"""What a piece of work will emit, without measuring: devices x hours x place make a `Run`, as a measurement does.

    run = estimate([Device("gpu", "A100 SXM4", count=8)], hours=100, place="gcp/europe-west1")

Every joule is of the quality `assumed`. What a run is worth beside its energy and emissions (the calculation in words,
offsets, the cleanest region) is in `words`; what is known of devices in `devices`. The page of web/ does the same
arithmetic on tables that `page` writes, and a test holds it to this one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from carbonwatch import embodied, location
from carbonwatch.calculator import devices
from carbonwatch.calculator.devices import Device, Part
from carbonwatch.errors import SettingsError
from carbonwatch.grid import bundled
from carbonwatch.model import Domain, Entry, Intensity, Place, Run, Usage

__all__ = ["LIMITS", "OFFSETS", "Device", "estimate"]

OFFSETS = ("bought", "provider")
MOST_DEVICES = 50  # kinds of them, of a run
# the least and the most that make sense; what is outside is a slip of the keyboard
LIMITS: dict[str, tuple[float, float]] = {
    "count": (1, 1_000_000),
    "hours": (0.001, 1_000_000),
    "utilisation": (0, 1),
    "vcpus": (0.5, 1000),
    "ram_gb": (0, 1_000_000_000),
    "pue": (1, 5),
    "g_per_kwh": (0, 5000),
    "offset": (0, 1),
}


def estimate(
    of: Sequence[Device],
    hours: float,
    *,
    place: str | None = None,
    g_per_kwh: float | None = None,
    pue: float | None = None,
    ram_gb: float = 0.0,
    offset: float = 0.0,
    offset_by: str = "bought",
    project: str = "estimate",
    started_ns: int = 0,
) -> Run:
    """The run that these devices would be, each for so many hours.

    `place` is a cloud's region, a country, a state or a town ("gcp/europe-west1", "FR", "Lyon, France"); without it the
    world's mean is taken. `g_per_kwh` is an own figure instead of the place's. `ram_gb` is memory beside that of
    instances. `offset` is the share of the emissions that is offset, by the provider or bought: it is noted, and
    changes no figure. Raises SettingsError for what is not known or makes no sense.
    """
    _check_devices(of)
    _check(hours=hours, pue=pue, g_per_kwh=g_per_kwh, ram_gb=ram_gb, offset=offset)
    where = location.named(place) if place else Place(evidence="no place was given")
    known_pue, wue_l_per_kwh, pue_source = bundled.overheads(where)
    intensity = bundled.find(where) if g_per_kwh is None else given(g_per_kwh)
    return Run(
        id="estimate",
        project=project,
        scope="machine",
        state="finished",
        started_ns=started_ns,
        duration_s=hours * 3600,
        entries=tuple(_entry(*part, hours, intensity, started_ns) for part in _parts(of, ram_gb)),
        notes=tuple(_notes(of)),
        place=where,
        facts=_facts(of, ram_gb, offset, offset_by, pue_source if pue is None else "as given"),
        pue=known_pue if pue is None else pue,
        wue_l_per_kwh=wue_l_per_kwh,
    )


def _notes(of: Sequence[Device]) -> Iterator[str]:
    yield "Nothing was measured: the power is what the tables say of such devices."
    estimated = {model.name for model in map(devices.find, of) if model.is_estimate}
    if estimated:
        yield f"The rated power of {', '.join(sorted(estimated))} is an estimate: none is published."


def given(g_per_kwh: float) -> Intensity:
    """A figure of the user's own, believed as it is."""
    return Intensity(
        g_per_kwh, g_per_kwh, g_per_kwh, "given", "own figure", "given", "as given", "a figure of the user's own", None
    )


def _parts(of: Sequence[Device], ram_gb: float) -> Iterator[tuple[str, Part, float | None]]:
    """Name, power and use of every part: of so many devices together."""
    for device in of:
        model = devices.find(device)
        for part in model.parts:
            yield f"{device.count} × {devices.label(device)}", part.times(device.count), device.utilisation
    if ram_gb > 0:
        yield f"{ram_gb:g} GB of memory", devices.memory(ram_gb), of[0].utilisation


def _entry(
    name: str, part: Part, utilisation: float | None, hours: float, intensity: Intensity, started_ns: int
) -> Entry:
    power_w = part.power_w(utilisation)
    energy_j = power_w * hours * 3600
    use = "its use is not known" if utilisation is None else f"{utilisation * 100:g} % used"
    domain = Domain(
        id=f"estimate:{name}:{part.component}:{use}",
        component=part.component,
        quality="assumed",
        source=f"{name} ({use}: {power_w:.6g} W, from {part.idle_w:.6g} idle to {part.full_w:.6g} at full use)",
        error=part.unknown_error if utilisation is None else part.error,
        idle_w=part.idle_w,
    )
    usage = Usage(domain, energy_j, 0.0, energy_j, energy_j, energy_j)
    return Entry("", started_ns, hours * 3600, usage, intensity)


def _facts(of: Sequence[Device], ram_gb: float, offset: float, offset_by: str, pue_source: str) -> dict[str, Any]:
    """What else was said, and what making the devices emitted."""
    if offset_by not in OFFSETS:
        raise SettingsError(f"offset_by is {offset_by!r}; it must be one of {', '.join(OFFSETS)}.")
    made_kg = math.fsum(devices.find(device).made_kg * device.count for device in of) + devices.memory_made_kg(ram_gb)
    return {
        "estimate": True,
        "devices": ", ".join(f"{device.count} × {devices.label(device)}" for device in of),
        **({"ram_total_gb": ram_gb} if ram_gb else {}),
        **({"offset": offset, "offset_by": offset_by} if offset else {}),
        "pue_source": pue_source,
        "embodied_kg": [made_kg, made_kg / 2, made_kg * 2],
        "embodied_share": 1.0,
        "embodied_lifetime_years": embodied.LIFETIME_YEARS,
        "embodied_source": "a server's footprint (Dell's R740, Cloud Carbon Footprint's rule), shared out by its parts",
    }


def _check_devices(of: Sequence[Device]) -> None:
    if not 1 <= len(of) <= MOST_DEVICES:
        raise SettingsError(f"An estimate is of 1 to {MOST_DEVICES} kinds of devices; these are {len(of)}.")
    for device in of:
        _check(count=device.count, utilisation=device.utilisation, vcpus=device.vcpus)
        if device.count != int(device.count):
            raise SettingsError(f"count is {device.count!r}; it must be a whole number.")


def _check(**values: float | None) -> None:
    for name, value in values.items():
        low, high = LIMITS[name]
        if value is not None and not low <= value <= high:  # also refuses NaN
            raise SettingsError(f"{name} is {value!r}; it must be between {low:g} and {high:,.10g}.")
