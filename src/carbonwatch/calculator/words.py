"""An estimate in words and figures: the calculation, offsets, the cleanest region, a paragraph for a paper.

The page of web/ fills the same templates: TEX goes into its tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from carbonwatch import embodied, tables
from carbonwatch.grid import bundled
from carbonwatch.model import Place, Run
from carbonwatch.reports import _citations as citations
from carbonwatch.reports import bibtex
from carbonwatch.reports._page import equivalents
from carbonwatch.reports._tex import escaped
from carbonwatch.units import J_PER_KWH, energy_range, human_energy, human_mass, human_power, mass_range

NOT_CANCELLED = "Offsets do not cancel emissions: what was emitted stays emitted, and the figure above is before any."

_CO2E = r"CO\textsubscript{2}e"
TEX = {
    "region": r"The computations are estimated for <devices>, used for <time> in the region \texttt{<region>} "
    r"(<place>).",
    "place": "The computations are estimated for <devices>, used for <time> in <place>.",
    "nowhere": "The computations are estimated for <devices>, used for <time> at a place that is not stated.",
    "private": "The computations are estimated for <devices>, used for <time> on private infrastructure.",
    "energy": r"At <power> on average they take <energy> of electricity (<energy_range>, 90~\%; from tables of rated "
    r"power, not measured)~\cite{carbonwatch}.",
    "grid": f"The grid's intensity is taken as <g>~g {_CO2E} per kWh, the mean of <year><source>.",
    "own": f"The intensity of the electricity is <g>~g {_CO2E} per kWh, as given by the authors.",
    "emissions": rf"With a PUE of <pue>, that makes <mass> of {_CO2E} (<mass_range>, 90~\%); making the hardware is "
    "not in this figure.",
    "provider": r"The provider states that it offsets <offset>~\% of that, <offset_mass>; offsets do not cancel "
    "emissions, so that the figure is before any.",
    "bought": r"We bought offsets for <offset>~\% of that, <offset_mass>; offsets do not cancel emissions, so that the "
    "figure is before any.",
}


def plain(value: float, digits: int = 6) -> str:
    """A number with so many significant digits, no exponent and no zeros at its end."""
    text = f"{float(f'{value:.{digits}g}'):.10f}"
    return text.rstrip("0").rstrip(".")


def calculation(run: Run) -> str:
    """W x h = kWh, and kWh x PUE x kg/kWh = kg."""
    energy_kwh, hours = run.energy_j / J_PER_KWH, run.duration_s / 3600
    kg_per_kwh = run.entries[0].intensity.g_per_kwh / 1000
    return (
        f"{plain(energy_kwh / hours * 1000)} W × {plain(hours, 10)} h = {plain(energy_kwh)} kWh; "
        f"{plain(energy_kwh)} kWh × {plain(run.pue)} (PUE) × {plain(kg_per_kwh)} kg CO2e/kWh = "
        f"{plain(run.emissions_g / 1000)} kg CO2e"
    )


def offset(run: Run) -> dict[str, Any] | None:
    """The share that is offset, by whom, its grams, and what would be left; None where nothing is."""
    share = run.facts.get("offset")
    if not share:
        return None
    offset_g = run.emissions_g * share
    return {
        "share": share,
        "by": run.facts["offset_by"],
        "offset_g": offset_g,
        "net_g": run.emissions_g - offset_g,
        "meaning": NOT_CANCELLED,
    }


def cleanest(run: Run, provider: str | None = None) -> dict[str, Any]:
    """Where the same work would have emitted least: of all regions of clouds, or of one provider's."""
    energy_kwh = run.energy_j / J_PER_KWH
    found = []
    for row in tables.rows("cloud_regions"):
        if provider in (None, row["cloud"].partition("/")[0]):
            place = Place(row["country"], row["subdivision"] or None, row["cloud"])
            intensity = bundled.find(place)
            pue = run.pue if run.facts.get("pue_source") == "as given" else bundled.overheads(place)[0]
            found.append((energy_kwh * intensity.g_per_kwh * pue, row["cloud"], intensity.name))
    emissions_g, code, name = min(found)
    return {"code": code, "name": name, "emissions_g": emissions_g}


def document(run: Run) -> dict[str, Any]:
    """All that is known of an estimate, for programs and for the page."""
    intensity, made = run.entries[0].intensity, embodied.of(run)
    emissions_g = asdict(run.emissions(run.headline))
    cloud = run.place.cloud
    return {
        "devices": run.facts["devices"],
        "hours": run.duration_s / 3600,
        "power_w": run.energy_j / run.duration_s,
        "energy_j": asdict(run.energy(run.headline)),
        "emissions_g": emissions_g,
        "components": {name: asdict(run.energy(run.headline, name)) for name in run.components},
        "quality": "assumed",
        "pue": run.pue,
        "pue_source": run.facts["pue_source"],
        "water_l": run.water_l,
        "intensity": asdict(intensity),
        "calculation": calculation(run),
        "offset": offset(run),
        "embodied_g": made and asdict(made.share_g),
        "cleanest_of_provider": cleanest(run, cloud.partition("/")[0]) if cloud else None,
        "cleanest_of_all": cleanest(run),
        "equivalents": equivalents(emissions_g),
        "latex": latex(run),
        "bibtex": bibtex.render(run),
    }


def latex(run: Run) -> str:
    """A paragraph for a paper; its references are those of the report `bibtex`."""
    energy, emissions = run.energy(run.headline), run.emissions(run.headline)
    intensity, share = run.entries[0].intensity, run.facts.get("offset", 0.0)
    values = {
        "devices": escaped(run.facts["devices"]),
        "time": f"{plain(run.duration_s / 3600, 10)}~hour{'' if run.duration_s == 3600 else 's'}",
        "region": escaped(run.place.cloud or ""),
        "place": escaped(bundled.find(run.place).name),
        "power": escaped(human_power(run.energy_j / run.duration_s)),
        "energy": escaped(human_energy(energy.value)),
        "energy_range": escaped(energy_range(energy.low, energy.high, energy.value)),
        "g": plain(intensity.g_per_kwh),
        "year": str(intensity.year or "a year that is not known"),
        "source": cited(intensity.source),
        "pue": plain(run.pue),
        "mass": escaped(human_mass(emissions.value)),
        "mass_range": escaped(mass_range(emissions.low, emissions.high, emissions.value)),
        "offset": plain(share * 100),
        "offset_mass": escaped(human_mass(emissions.value * share)),
    }
    return "\n".join(_filled(TEX[name], values) for name in _sentences(run)) + "\n"


def cited(source: str) -> str:
    """The source of an intensity as a citation or, where no bibliography knows it, by its name."""
    work = citations.of_source(source)
    return rf"~\cite{{{work.key}}}" if work else f" (source: {escaped(source)})"


def _sentences(run: Run) -> Iterator[str]:
    """Names of the templates."""
    is_own = run.entries[0].intensity.basis == "given"
    somewhere = "region" if run.place.cloud else "place" if run.place.country else "nowhere"
    yield "private" if is_own and not run.place.cloud else somewhere
    yield "energy"
    yield "own" if is_own else "grid"
    yield "emissions"
    if run.facts.get("offset"):
        yield str(run.facts["offset_by"])


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda found: values[found[1]], template)
