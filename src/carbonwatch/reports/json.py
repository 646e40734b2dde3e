"""A run as JSON: all of it, so that `parse()` makes the same run again, and totals for who only reads.

    {"carbonwatch": 1, "id": ..., "totals": {...}, "domains": [...], "intensities": [...], "entries": [...], ...}

An entry names its domain and its intensity by their places in those lists. Joules, grams, seconds and nanoseconds of
Unix time; null is not known. Fields may be added; the number of the version changes when one changes its meaning.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from carbonwatch import attribution, embodied
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Domain, Entry, Figure, Gap, Intensity, Part, Place, Run, Usage, Work

VERSION = 1

_PARTS: tuple[Part, ...] = ("own", "idle", "others", "machine")
_AS_THEY_ARE = (
    "id",
    "project",
    "scope",
    "state",
    "started_ns",
    "duration_s",
    "overhead_s",
    "pue",
    "wue_l_per_kwh",
)


def render(run: Run) -> str:
    """The run as a JSON object in ASCII. Totals in it are derived, and `parse()` leaves them out."""
    document = {
        "carbonwatch": VERSION,
        **{name: getattr(run, name) for name in _AS_THEY_ARE},
        "totals": _totals(run),
        "place": asdict(run.place),
        "domains": [asdict(domain) for domain in _domains(run)],
        "intensities": [asdict(intensity) for intensity in run.intensities],
        "entries": _entries(run),
        "gaps": [asdict(gap) for gap in run.gaps],
        "notes": run.notes,
        "facts": dict(run.facts),
    }
    return json.dumps(_finite(document), allow_nan=False, indent=1, default=str) + "\n"


def parse(text: str) -> Run:
    """The run that `render()` wrote. Raises CarbonwatchError where the text is none, with what is wrong."""
    try:
        document = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise CarbonwatchError(f"This is not JSON ({error}), so there is no run to show in it.") from error
    version = document.get("carbonwatch") if isinstance(document, dict) else None
    if not isinstance(version, int):
        raise CarbonwatchError(
            'This JSON has no "carbonwatch" version, so it is not a run. `carbonwatch report --as json` writes one.'
        )
    if version > VERSION:
        raise CarbonwatchError(
            f"This run has version {version}, and this carbonwatch reads up to {VERSION}. Upgrade carbonwatch."
        )
    try:
        return _run(document)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise CarbonwatchError(f"This run is not whole ({error!r}), so it can't be read. Write it anew.") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _totals(run: Run) -> dict[str, Any]:
    return {
        "headline": run.headline,
        "energy_j": {part: _known(run, part, run.energy(part)) for part in _PARTS},
        "emissions_g": {part: _known(run, part, run.emissions(part)) for part in _PARTS},
        "own_energy_j_by_policy": _by_policy(run),
        "measured": run.measured,
        "covered": run.covered,
        "water_l": run.water_l if run.wue_l_per_kwh > 0 and run.is_known else None,
        "losses_g": run.losses_g if run.is_known else None,
        "embodied_g": _made(run),
        "market_g": run.market_g if run.is_known else None,
        "marginal_g": run.marginal_g if run.is_known else None,
    }


def _by_policy(run: Run) -> dict[str, float] | None:
    """Own energy by our rule and by others', from each entry's sums; null where nobody could tell whose it was."""
    if not run.entries or not run.is_split:
        return None
    found = {attribution.POLICY: run.energy("own").value}
    for entry in run.entries:
        for policy, own_j in attribution.alternatives(entry.usage).items():
            found[policy] = found.get(policy, 0.0) + own_j
    return found


def _made(run: Run) -> dict[str, float | None] | None:
    made = embodied.of(run)
    return None if made is None else asdict(made.share_g)


def _known(run: Run, part: Part, figure: Figure) -> dict[str, float | None]:
    """The figure and its interval; null where nothing was metered, or where nobody could tell whose it was."""
    if not run.entries:
        return {"value": None, "low": None, "high": None}
    if part == "machine" or run.is_split:
        return asdict(figure)
    low, high = (figure.low, figure.high) if part == "own" else (None, None)
    return {"value": None, "low": low, "high": high}


def _domains(run: Run) -> list[Domain]:
    """Each once. Runs of several machines may have different ones of the same id."""
    return list(dict.fromkeys(entry.usage.domain for entry in run.entries))


def _entries(run: Run) -> list[dict[str, Any]]:
    domains = {domain: place for place, domain in enumerate(_domains(run))}
    intensities = {intensity: place for place, intensity in enumerate(run.intensities)}
    return [
        {
            "task": entry.task,
            "start_ns": entry.start_ns,
            "duration_s": entry.duration_s,
            **asdict(entry.usage),
            "domain": domains[entry.usage.domain],
            "intensity": intensities[entry.intensity],
        }
        for entry in run.entries
    ]


def _finite(value: Any) -> Any:
    """The same without NaN and infinity, which JSON does not have: they are not known."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _run(document: Mapping[str, Any]) -> Run:
    domains = [Domain(**{**domain, "error": tuple(domain["error"])}) for domain in document["domains"]]
    intensities = [Intensity(**intensity) for intensity in document["intensities"]]
    return Run(
        **{name: document[name] for name in _AS_THEY_ARE},
        entries=tuple(_entry(entry, domains, intensities) for entry in document["entries"]),
        gaps=tuple(Gap(**gap) for gap in document["gaps"]),
        notes=tuple(document["notes"]),
        place=Place(**{**document["place"], "candidates": tuple(document["place"]["candidates"])}),
        facts=document["facts"],
    )


def _entry(values: Mapping[str, Any], domains: list[Domain], intensities: list[Intensity]) -> Entry:
    rest = dict(values)
    domain, intensity = domains[rest.pop("domain")], intensities[rest.pop("intensity")]
    task, start_ns, duration_s, work = (rest.pop(name) for name in ("task", "start_ns", "duration_s", "work"))
    return Entry(task, start_ns, duration_s, Usage(domain, **rest, work=work and Work(**work)), intensity)
