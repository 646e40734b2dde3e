"""A run as the pages of web/ show it: everything worked out, so that they only draw. See web/src/shared/run.jsx."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from carbonwatch import tables
from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import _electricity_mix, bundled
from carbonwatch.ledger import SLOT_NS
from carbonwatch.model import Component, Entry, Figure, Intensity, Part, Place, Run, Trace, price
from carbonwatch.reports import _figures as figures
from carbonwatch.units import NS_PER_S

Document = dict[str, Any]

MOST_TASKS = 200
MOST_GAPS = 200
_PARTS: tuple[Part, ...] = ("own", "idle", "others", "machine")
_UNKNOWN = {"value": None, "low": None, "high": None}


def document(run: Run, traces: Sequence[Trace] = ()) -> Document:
    """All that a run's page shows, as JSON takes it; None is not known."""
    return {
        **summary(run),
        "texts": _texts(run),
        "parts": {part: _known(run, part) for part in _PARTS},
        "components": list(_components(run)),
        "tasks": _tasks(run),
        "more_tasks": max(0, len(run.tasks) - MOST_TASKS),
        "hours": list(_hours(run)),
        "mix": mix(run.place.country),
        "gaps": _gaps(run),
        "facts": {name: _as_text(value) for name, value in run.facts.items()},
        "equivalents": equivalents(_known(run, run.headline)["emissions_g"]),
        "elsewhere": _elsewhere(run),
        "power": power(traces),
    }


def summary(run: Run) -> Document:
    """What a list shows of a run, and its totals."""
    return {
        "id": run.id,
        "project": run.project,
        "tags": run.tags,
        "state": figures.state(run),
        "headline": run.headline,
        "started_s": run.started_ns / NS_PER_S,
        "duration_s": run.duration_s,
        "command": figures.command(run),
        "measured": run.measured,
        "energy_j": _known(run, run.headline)["energy_j"],
        "emissions_g": _known(run, run.headline)["emissions_g"],
        "pue": run.pue,
    }


def power(traces: Iterable[Trace]) -> list[Document]:
    """Watts over time by component, of meters together; columns, since there are many."""
    return [
        {"component": component, **_together(found, start_ns)}
        for component, found in _by_component(traces).items()
        if (start_ns := sorted({ns for trace in found for ns in trace.start_ns}))
    ]


def equivalents(emissions_g: Mapping[str, float | None]) -> list[Document]:
    """A figure as other things that emit as much, and whose figures these are."""
    return [
        {
            **row,
            "amount": {end: value and value / float(row["grams_co2e"]) for end, value in emissions_g.items()},
        }
        for row in tables.rows("equivalents")
    ]


def mix(country: str | None) -> Document | None:
    """What a country's electricity is made of: fuels with their shares; None where it is not known."""
    found = _electricity_mix.of_country(country)
    if found is None:
        return None
    fuels = _electricity_mix.FUELS
    shares = [{"fuel": fuel, "label": fuels[fuel], "share": share} for fuel, share in found.shares.items()]
    return {**asdict(found), "shares": shares}


def elsewhere(energy_j: Figure, time_error: float, *, pue: float = 1.0, boundary: str = "lifecycle") -> list[Document]:
    """What the same joules would have emitted in each country and region of a cloud, by its yearly mean."""
    return [
        {
            "code": place.cloud or place.country,
            "country": place.country,
            "is_cloud": place.cloud is not None,
            "name": intensity.name,
            "g_per_kwh": intensity.g_per_kwh,
            "year": intensity.year,
            "emissions_g": asdict(price(energy_j, intensity, time_error).times(pue)),
        }
        for place, intensity in _places(boundary)
    ]


def _elsewhere(run: Run) -> list[Document]:
    if not run.is_known:
        return []
    boundary = "direct" if run.intensities[0].boundary == "direct" else "lifecycle"
    return elsewhere(run.energy(run.headline), run.time_error, pue=run.pue, boundary=boundary)


@cache
def _places(boundary: str) -> list[tuple[Place, Intensity]]:
    """Every country and cloud region with its figure; those that have none of this kind are left out."""
    countries = [Place(row["code"]) for row in tables.rows("countries") if len(row["code"]) == 2]
    clouds = [Place(row["country"], row["subdivision"] or None, row["cloud"]) for row in tables.rows("cloud_regions")]
    found = []
    for place in (*countries, *clouds):
        try:
            found.append((place, bundled.find(place, boundary)))
        except GridUnavailable:
            continue
    return found


def _texts(run: Run) -> Document:
    """The run in words, as every report has them."""
    return {
        "title": figures.title(run),
        "emissions": figures.emissions(run),
        "energy": figures.energy(run),
        "meaning": figures.meaning(run),
        "warnings": figures.warnings(run),
        "details": figures.details(run),
    }


def _is_known(run: Run, part: Part) -> bool:
    return bool(run.entries) and (part == "machine" or run.is_split)


def _known(run: Run, part: Part) -> Document:
    """Energy and emissions of a part; where nobody could tell whose they were, the ends of `own` alone."""
    if not run.entries:
        return {"energy_j": _UNKNOWN, "emissions_g": _UNKNOWN}
    found = {"energy_j": asdict(run.energy(part)), "emissions_g": asdict(run.emissions(part))}
    if _is_known(run, part):
        return found
    hidden: Document = {"value": None} if part == "own" else _UNKNOWN
    return {name: {**figure, **hidden} for name, figure in found.items()}


def _components(run: Run) -> Iterator[Document]:
    """Energy by component and quality."""
    for component in run.components:
        for quality in ("measured", "modelled", "assumed"):
            kind = (component, quality)
            entries = tuple(e for e in run.entries if (e.usage.domain.component, e.usage.domain.quality) == kind)
            if entries:
                part = replace(run, entries=entries)
                yield {
                    "component": component,
                    "quality": quality,
                    "sources": sorted({domain.source for domain in part.domains}),
                    "parts": {name: _known(part, name) for name in _PARTS},
                }


def _tasks(run: Run) -> list[Document]:
    """The tasks in order of appearance, each with those inside it, and the pieces of time that it took."""
    above = figures.levels(run)
    parts = figures.by_task(run, above)
    found = [_task(run, path, above[path], part) for path, part in list(parts.items())[:MOST_TASKS]]
    outside = figures.outside_tasks(run)
    return [*found, _task(run, "", (), outside)] if found and outside.entries else found


def _task(run: Run, path: str, above: tuple[str, ...], part: Run) -> Document:
    pieces: dict[int, float] = {}
    for entry in part.entries:
        pieces[entry.start_ns] = max(entry.duration_s, pieces.get(entry.start_ns, 0.0))
    known = _known(part, run.headline)
    return {
        "path": path,
        "name": figures.name_in(path, above),
        "depth": len(above),
        "pieces": [{"start_s": ns / NS_PER_S, "duration_s": seconds} for ns, seconds in sorted(pieces.items())],
        "energy_j": known["energy_j"],
        "emissions_g": known["emissions_g"],
        "share": part.energy_j / run.energy_j if run.energy_j > 0 and known["energy_j"]["value"] is not None else None,
    }


def _hours(run: Run) -> Iterator[Document]:
    """Intensity and energy of each hour, or of each price in it."""
    by_hour: dict[tuple[int, Intensity], list[Entry]] = {}
    for entry in run.entries:
        by_hour.setdefault((entry.start_ns // SLOT_NS, entry.intensity), []).append(entry)
    for (hour, intensity), entries in sorted(by_hour.items(), key=lambda each: each[0][0]):
        yield {
            "start_s": hour * SLOT_NS / NS_PER_S,
            "energy_j": sum(entry.usage.part(run.headline).value for entry in entries) if run.is_known else None,
            **{name: getattr(intensity, name) for name in ("g_per_kwh", "low", "high", "name", "source", "period")},
        }


def _gaps(run: Run) -> list[Document]:
    """What could not be read, the longest first."""
    sources = {domain.id: domain.source for domain in run.domains}
    longest = sorted(run.gaps, key=lambda gap: gap.start_ns - gap.end_ns)[:MOST_GAPS]
    return [
        {
            "source": sources.get(gap.domain_id, gap.domain_id),
            "start_s": gap.start_ns / NS_PER_S,
            "duration_s": (gap.end_ns - gap.start_ns) / NS_PER_S,
            "reason": gap.reason,
        }
        for gap in longest
    ]


def _by_component(traces: Iterable[Trace]) -> dict[Component, list[Trace]]:
    found: dict[Component, list[Trace]] = {}
    for trace in traces:
        found.setdefault(trace.domain.component, []).append(trace)
    return found


def _together(traces: list[Trace], start_ns: list[int]) -> Document:
    """Meters of one component on one line of time; where one of them is missing, the sum is not known."""
    columns: dict[str, list[float | None]] = {}
    for name in ("machine_w", "own_w", "idle_w", "least_w", "most_w"):
        by_time = [dict(zip(trace.start_ns, _watts(trace, name), strict=True)) for trace in traces]
        columns[name] = [_sum([known.get(ns) for known in by_time]) for ns in start_ns]
    return {"times": [ns / NS_PER_S for ns in start_ns], **columns}


def _watts(trace: Trace, name: str) -> Sequence[float]:
    if name in ("least_w", "most_w"):
        return getattr(trace, name) or _watts(trace, "machine_w")
    joules = getattr(trace, name.replace("_w", "_j"))
    return [j / s if s > 0 else 0.0 for j, s in zip(joules, trace.duration_s, strict=True)]


def _sum(values: list[float | None]) -> float | None:
    # five digits draw any chart, and are a third of the file
    return None if None in values else float(f"{sum(v for v in values if v is not None):.5g}")


def _as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "unknown" if value is None else str(value)
