"""Software Carbon Intensity of a run: SCI = ((E x I) + M) per R (ISO/IEC 21031), every term spelled out.

E holds what was reserved for the program, and the data centre's overhead; I is the grid's, never a contract's; M is a
share of what making the machine emitted. R is what you choose: 1000 requests, 1 training run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from carbonwatch import embodied
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import ZERO, Figure, Run
from carbonwatch.reports import _figures as figures
from carbonwatch.reports import _missing as missing
from carbonwatch.reports.markdown import escaped
from carbonwatch.units import J_PER_KWH, human_duration, human_mass, human_number, mass_range

OPTIONS = {
    "embodied_kg": "What making the machine emitted, in kg CO2e, from its maker",
    "lifetime_years": "Years that the machine is used",
    "resource_share": "Share of the machine that was kept for the program, 0 to 1",
    "form": "Kind of machine, where its footprint is estimated: server, desktop or laptop",
}


@dataclass(frozen=True, slots=True)
class _Making:
    """M, and the words for how it came about."""

    share_g: Figure
    steps: str
    doubts: tuple[str, ...]
    is_known: bool = True


def render(
    run: Run,
    *,
    per: float | None = None,
    unit: str = "",
    embodied_kg: float | None = None,
    lifetime_years: float = embodied.LIFETIME_YEARS,
    resource_share: float | None = None,
    form: str = "server",
) -> str:
    """The score as Markdown. Without `per` there is no R, and so no score, but the emissions of the whole run."""
    if per is not None and not 0 < per < math.inf:
        raise CarbonwatchError(f"R is {per!r} {unit}; it must be a number above 0, as in 1000 requests.")
    unit = figures.one_line(unit, 80)
    if not run.entries or figures.whose_is_unknown(run):
        return "## SCI unknown\n\n" + _listed([*missing.of(run), *_no_r(per)])
    making = _making(run, embodied_kg, lifetime_years, resource_share, form)
    total = run.emissions(run.headline).plus(making.share_g)
    score = total if per is None else total.times(1 / per)
    name = "SCI" if making.is_known else "SCI without M"
    head = f"## {name}: {_mass(score)} {_of_what(total, per, unit)}"
    terms = [head, "", *_terms(run, making, per, unit), "", *_boundary(run)]
    return "\n".join(terms) + "\n\n" + _listed([*making.doubts, *missing.of(run, making=False), *_no_r(per)])


def _of_what(total: Figure, per: float | None, unit: str) -> str:
    if per is None:
        return "in all: R not chosen"
    each = f"for each of {human_number(per)} {escaped(unit or 'units')}"
    return each if per == 1 else f"{each}, {human_mass(total.value)} for all of them"


def _terms(run: Run, making: _Making, per: float | None, unit: str) -> Iterator[str]:
    energy, operation = run.energy(run.headline).times(run.pue), run.emissions(run.headline)
    kwh = energy.value / J_PER_KWH
    pue = f", with a PUE of {human_number(run.pue)}" if run.pue != 1 else ""
    intensity = operation.value / kwh if kwh else 0.0
    zones = escaped(figures.one_line(", ".join(dict.fromkeys(f"{i.name}: {i.source}" for i in run.intensities))))
    yield "| term | value | from |"
    yield "| :-- | --: | :-- |"
    yield f"| E | {human_number(kwh)} kWh | {figures.meaning(run)}{pue} |"
    yield f"| I | {human_number(intensity)} g CO2e/kWh | location-based: {zones} |"
    yield f"| E x I | {_mass(operation)} | operation |"
    yield f"| M | {_mass(making.share_g) if making.is_known else 'not known'} | {making.steps} |"
    if per is not None:
        yield f"| R | {human_number(per)} {escaped(unit or 'units')} | given |"


def _boundary(run: Run) -> Iterator[str]:
    devices = escaped(figures.devices(run)) or "hardware that was not recorded"
    parts = ", ".join(dict.fromkeys(component.upper() for component in run.components))
    lasted = human_duration(figures.run_time_s(run))
    yield f"Boundary: {parts} of {devices}, for {lasted}. No network, no users' devices."


def _making(
    run: Run, embodied_kg: float | None, lifetime_years: float, resource_share: float | None, form: str
) -> _Making:
    given = any(intensity.basis == "given" for intensity in run.intensities)
    of_grid = "that the intensity that was given is the grid's, and not a contract's" if given else ""
    noted = embodied.of(replace(run, duration_s=figures.run_time_s(run)))
    if noted is not None and embodied_kg is None and resource_share is None:
        whole = f"{human_number(noted.total_kg.value)} kg in {noted.lifetime_years:g} years, as noted with the run"
        return _Making(noted.share_g, f"{whole}: {escaped(noted.source)}", tuple(filter(None, (of_grid,))))
    if run.facts.get("virtualisation") not in (None, "none") and resource_share is None:
        doubt = "M: which share of its host this virtual machine has (resource_share)"
        return _Making(ZERO, "of a host that is not known", tuple(filter(None, (doubt, of_grid))), is_known=False)
    total, of_total, doubts = _machine(run, embodied_kg, form)
    share, of_share = _resource_share(run) if resource_share is None else (resource_share, "")
    found = embodied.embodied(total, figures.run_time_s(run), share=share, lifetime_years=lifetime_years, form=form)
    steps = (
        f"{human_number(total.value)} kg x {human_duration(figures.run_time_s(run))} / {lifetime_years:g} years x "
        f"{figures.percent(share)} of the machine: {of_total}"
    )
    return _Making(found.share_g, steps, tuple(filter(None, (*doubts, of_share, of_grid))))


def _machine(run: Run, embodied_kg: float | None, form: str) -> tuple[Figure, str, tuple[str, ...]]:
    """What making the machine emitted, in kg; whose figure that is; what was assumed for it."""
    if embodied_kg is not None:
        if not 0 <= embodied_kg < math.inf:
            raise CarbonwatchError(f"embodied_kg is {embodied_kg!r}; it must be 0 or more.")
        return Figure(embodied_kg, embodied_kg, embodied_kg), "as given", ()
    memory_gb = figures.memory_gb(run)
    sockets = len({d.id for d in run.domains if d.component == "cpu" and "package" in d.id})
    gpu_count = sum(domain.component == "gpu" for domain in run.domains)
    total = embodied.total_kg(form, sockets=max(1, sockets), ram_gb=memory_gb or 16.0, gpus=gpu_count)
    source = embodied.embodied(total, 0.0, form=form).source
    return total, source, (f"the machine's own product footprint: an estimate of a {form} stands in (embodied_kg)",)


def _resource_share(run: Run) -> tuple[float, str]:
    """The part of the machine that was kept for the program: by reserved CPU time, else by its part of the energy."""
    works = [e.usage.work for e in run.entries if e.usage.domain.component == "cpu" and e.usage.work]
    capacity_s, reserved_s = sum(w.capacity_s for w in works), sum(w.reserved_s for w in works)
    if capacity_s > 0 and reserved_s > 0:
        return min(1.0, reserved_s / capacity_s), ""
    machine_j = run.energy("machine").value
    share = min(1.0, run.energy_j / machine_j) if machine_j > 0 else 1.0
    return share, "the share of the machine that was kept for it: its share of the energy stands in (resource_share)"


def _no_r(per: float | None) -> list[str]:
    return [] if per is not None else ["R, what the score is per: --per 1000 requests"]


def _mass(figure: Figure) -> str:
    return f"{human_mass(figure.value)} CO2e ({mass_range(figure.low, figure.high, figure.value)})"


def _listed(texts: list[str]) -> str:
    lines = "\n".join(f"- {escaped(text)}" for text in texts)
    return f"Not known, or assumed:\n\n{lines}\n"
