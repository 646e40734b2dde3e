"""Rows of an emissions.csv, CodeCarbon's or ours, as runs.

What a row does not say is not made up: its figures are *assumed* unless the file tells their quality, the interval is
as wide as CodeCarbon's rules err, and whose energy it was is only known where our columns say so.
"""

from __future__ import annotations

import csv
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, cast, get_args

from carbonwatch import tables, units
from carbonwatch.errors import CarbonwatchError, cause
from carbonwatch.model import Component, Domain, Entry, Intensity, Place, Quality, Run, State, Usage
from carbonwatch.store.emissions import ASSUMED_ERROR, INTENSITY_ERROR

_MEASURED_ERROR = (-0.05, 0.05)
_COMPONENTS: tuple[Component, ...] = ("cpu", "gpu", "ram")
_NEEDED = ("timestamp", "project_name", "duration", "emissions", "energy_consumed")
_FACTS = ("os", "python_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model", "experiment_id")
_LOST = 0.02  # of the total that the components may miss by rounding


class NoRun(CarbonwatchError):
    """A row that can't be a run, and why."""


def runs(path: str) -> Iterator[Run | NoRun]:
    """A run for each row, in the file's order, or why it is none. Raises NoRun where the whole file has no runs."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise NoRun(f"{path} has no column {missing[0]!r}, so it is no emissions.csv.")
            for number, row in enumerate(reader, 2):
                yield _run_or_reason(row, path, number)
    except (OSError, csv.Error) as error:
        raise NoRun(f"{path} can't be read ({cause(error)}).") from error


def latest(found: Iterator[Run | NoRun]) -> tuple[list[Run], list[NoRun]]:
    """One run for each id, the longest: a run that was flushed has several rows, each of all so far."""
    kept: dict[str, Run] = {}
    refused: list[NoRun] = []
    for one in found:
        if isinstance(one, NoRun):
            refused.append(one)
        elif one.id not in kept or one.duration_s >= kept[one.id].duration_s:
            kept[one.id] = one
    return list(kept.values()), refused


def _run_or_reason(row: Mapping[str, Any], path: str, number: int) -> Run | NoRun:
    try:
        return run(row, path)
    except (ValueError, OverflowError) as error:
        return NoRun(f"{path}, line {number}: {error}")


def run(row: Mapping[str, Any], path: str) -> Run:
    """The run of one row, its cells as text. Raises ValueError where it can't be one."""
    if None in row or None in row.values():
        raise ValueError("it has more or fewer cells than the first line.")
    duration_s, pue = _number(row, "duration"), _number(row, "pue", 1.0)
    emissions_kg = _number(row, "emissions")
    ended_ns = int(datetime.fromisoformat(row["timestamp"]).timestamp() * units.NS_PER_S)
    started_ns = ended_ns - round(duration_s * units.NS_PER_S)
    if pue < 1:
        raise ValueError(f"pue is {pue:g}, and no machine room takes less than its machines.")
    energies_kwh = _energies_kwh(row)
    total_kwh = sum(energies_kwh.values())
    if emissions_kg and not total_kwh:
        raise ValueError("it has emissions and no energy, so its carbon intensity is not known.")
    intensity = _intensity(row, emissions_kg * 1000 / total_kwh if total_kwh else _number(row, "carbon_intensity", 0.0))
    parts = _parts(row, total_kwh)
    entries = (
        Entry("", started_ns, duration_s, _usage(row, name, units.joules(kwh) / pue, parts), intensity)
        for name, kwh in energies_kwh.items()
    )
    return Run(
        id=row.get("run_id") or str(uuid.uuid5(uuid.NAMESPACE_URL, repr(sorted(row.items())))),
        project=row["project_name"],
        scope="process" if row.get("tracking_mode") == "process" else "machine",
        state=_state(row),
        started_ns=started_ns,
        duration_s=duration_s,
        entries=tuple(entries),
        notes=(f"Imported from {os.path.basename(path)}: {_tracker(row)} measured or guessed it.",),
        place=_place(row),
        facts={name: row[name] for name in _FACTS if row.get(name)} | {"imported_from": _tracker(row)},
        pue=pue,
        wue_l_per_kwh=_number(row, "wue", 0.0),
    )


def _energies_kwh(row: Mapping[str, Any]) -> dict[Component, float]:
    """What each component used, and what the total has beyond them; all with PUE, as the file has it."""
    found: dict[Component, float] = {}
    for name in _COMPONENTS:
        kwh = _number(row, f"{name}_energy", 0.0)
        if kwh:
            found[name] = kwh
    total_kwh = _number(row, "energy_consumed")
    rest_kwh = total_kwh - sum(found.values())
    if rest_kwh < -_LOST * total_kwh:
        raise ValueError("its components used more than all of it.")
    if rest_kwh > _LOST * total_kwh or (total_kwh and not found):
        found["system"] = rest_kwh
    return found


def _number(row: Mapping[str, Any], name: str, default: float | None = None) -> float:
    text = str(row.get(name) or "")
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, which is no number.") from None
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {text}, which can't be.")
    return value


def _parts(row: Mapping[str, Any], total_kwh: float) -> tuple[float, float] | None:
    """Own and idle share of the whole, where our columns tell."""
    if not row.get("energy_own") or not row.get("energy_idle") or not total_kwh:
        return None
    own_kwh, idle_kwh = _number(row, "energy_own"), _number(row, "energy_idle")
    whole_kwh = own_kwh + idle_kwh + _number(row, "energy_others", 0.0)
    return (own_kwh / whole_kwh, idle_kwh / whole_kwh) if whole_kwh else None


def _usage(row: Mapping[str, Any], name: Component, energy_j: float, parts: tuple[float, float] | None) -> Usage:
    domain = _domain(row, name)
    if row.get("tracking_mode") == "process":  # the figure is the program's own, what the machine used is not told
        return Usage(domain, energy_j, 0.0, energy_j, energy_j, energy_j)
    if parts is None:
        return Usage(domain, energy_j, 0.0, energy_j, 0.0, energy_j)
    own_j, idle_j = energy_j * parts[0], energy_j * parts[1]
    return Usage(domain, energy_j, idle_j, own_j, own_j, own_j)


def _domain(row: Mapping[str, Any], name: Component) -> Domain:
    told = row.get(f"{name}_quality")
    quality = cast(Quality, told) if told in get_args(Quality) else "assumed"
    error = _MEASURED_ERROR if quality == "measured" else ASSUMED_ERROR
    return Domain(f"csv:{name}", name, quality, f"emissions.csv of {_tracker(row)}", error=error)


def _intensity(row: Mapping[str, Any], g_per_kwh: float) -> Intensity:
    cloud = _cloud(row)
    zone = row.get("carbon_intensity_zone") or cloud or row.get("country_iso_code") or "unknown"
    return Intensity(
        g_per_kwh,
        g_per_kwh / (1 + INTENSITY_ERROR),
        g_per_kwh * (1 + INTENSITY_ERROR),
        zone=zone,
        name=row.get("country_name") or zone,
        basis="production",
        boundary="lifecycle",
        source=row.get("carbon_intensity_source") or f"as {_tracker(row)} took it",
        year=None,
    )


def _place(row: Mapping[str, Any]) -> Place:
    iso3 = row.get("country_iso_code") or ""
    found = next((r["code"] for r in tables.rows_with("countries", iso3) if r["iso3"] == iso3), None) if iso3 else None
    return Place(country=found, cloud=_cloud(row) or None, evidence="emissions.csv")


def _cloud(row: Mapping[str, Any]) -> str:
    provider, region = row.get("cloud_provider"), row.get("cloud_region")
    return f"{provider}/{region}" if provider and region else ""


def _state(row: Mapping[str, Any]) -> State:
    told = row.get("state")
    return cast(State, told) if told in ("failed", "killed") else "finished"


def _tracker(row: Mapping[str, Any]) -> str:
    version = row.get("codecarbon_version") or ""
    return version if version.startswith("carbonwatch") else f"CodeCarbon {version}".strip()
