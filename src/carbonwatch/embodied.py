"""What making a machine emitted, and a run's share of it: SCI's M = TE x time / lifetime x share (ISO/IEC 21031).

Never part of the headline, which is the electricity of the run; always a line of its own. Product footprints of servers
that look alike differ by more than two, so every figure is printed with half and double as its range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carbonwatch.errors import SettingsError
from carbonwatch.model import Figure, Run

LIFETIME_YEARS = 4.0
HOURS_PER_YEAR = 8766.0

# kg CO2e. Servers: Teads and Cloud Carbon Footprint (Apache-2.0), after Dell's study of the R740
_BASE_KG, _EXTRA_CPU_KG, _PER_GB_KG, _FREE_GB = 1000.0, 100.0, 1.39, 16.0
_SSD_KG, _HDD_KG, _GPU_KG = 100.0, 50.0, 150.0
# others: median product carbon footprint without use, of 259 desktops and 452 laptops (Boavizta's collection)
_SMALL_KG = {"desktop": 301.0, "laptop": 241.0}
_SOURCES = {
    "server": "Teads' and Cloud Carbon Footprint's rule, after Dell's life-cycle study of the R740",
    "desktop": "median of 259 product carbon footprints",
    "laptop": "median of 452 product carbon footprints",
}


@dataclass(frozen=True, slots=True)
class Embodied:
    """A run's share of what making its machine emitted, and where the figure comes from."""

    total_kg: Figure  # of the whole machine
    share_g: Figure  # of the run
    lifetime_years: float
    source: str


def total_kg(
    form: str = "server", *, sockets: int = 1, ram_gb: float = 16.0, ssds: int = 1, hdds: int = 0, gpus: int = 0
) -> Figure:
    """What making a machine emitted, half to double."""
    if form not in _SOURCES:
        raise SettingsError(f"Nothing is known of what making a {form!r} emits; known are {', '.join(_SOURCES)}.")
    if min(sockets, ram_gb, ssds, hdds, gpus) < 0:
        raise SettingsError("Parts of a machine are 0 or more.")
    extra_gb = max(0.0, ram_gb - _FREE_GB)
    drives = _SSD_KG * ssds + _HDD_KG * hdds
    server = _BASE_KG + _EXTRA_CPU_KG * max(0, sockets - 1) + _PER_GB_KG * extra_gb + drives
    value = _SMALL_KG.get(form, server) + _GPU_KG * gpus
    return Figure(value, value / 2, value * 2)


def embodied(
    total: Figure,
    duration_s: float,
    *,
    share: float = 1.0,
    lifetime_years: float = LIFETIME_YEARS,
    form: str = "server",
) -> Embodied:
    """The share of a run: by its time of the machine's life, and by how much of the machine was kept for it."""
    if not 0.0 <= share <= 1.0 or not lifetime_years > 0 or duration_s < 0:
        raise SettingsError(
            f"A share is 0 to 1, a lifetime above 0 and a duration 0 or more; they are {share!r}, {lifetime_years!r} "
            f"years and {duration_s!r} s."
        )
    part = duration_s / 3600 / (lifetime_years * HOURS_PER_YEAR) * share
    return Embodied(total, total.times(1000.0 * part), lifetime_years, _SOURCES[form])


def facts(
    form: str,
    *,
    sockets: int,
    ram_gb: float,
    gpus: int,
    share: float,
    given_kg: float | None = None,
    lifetime_years: float | None = None,
) -> dict[str, Any]:
    """What a run notes, so that its share can be told whenever it is shown; nothing where nothing is known."""
    if given_kg is None and form not in _SOURCES:
        return {}
    known_kg = Figure(given_kg, given_kg, given_kg) if given_kg is not None else None
    whole = known_kg or total_kg(form, sockets=sockets, ram_gb=ram_gb, gpus=gpus)
    return {
        "embodied_kg": [whole.value, whole.low, whole.high],
        "embodied_share": share,
        "embodied_lifetime_years": lifetime_years or LIFETIME_YEARS,
        "embodied_source": "setting hardware_embodied_kg" if known_kg else _SOURCES[form],
    }


def of(run: Run) -> Embodied | None:
    """The share of a run that noted its machine; None of any other.

    Of a program with cores of its own it is these cores' part; else the machine was there for it, all of it.
    """
    noted = run.facts.get("embodied_kg")
    if not noted:
        return None
    whole, source = Figure(*noted), str(run.facts["embodied_source"])
    years, kept = float(run.facts["embodied_lifetime_years"]), float(run.facts["embodied_share"]) * _reserved(run)
    part = run.duration_s / 3600 / (years * HOURS_PER_YEAR) * min(1.0, kept)
    return Embodied(whole, whole.times(1000.0 * part), years, source)


def _reserved(run: Run) -> float:
    """The part of the machine's cores that was kept for the program; 1 where none were."""
    if run.headline == "machine":
        return 1.0
    works = [e.usage.work for e in run.entries if e.usage.work is not None and e.usage.domain.component == "cpu"]
    reserved_s, capacity_s = sum(w.reserved_s for w in works), sum(w.capacity_s for w in works)
    return reserved_s / capacity_s if 0 < reserved_s < capacity_s else 1.0
