"""Reads an emissions.csv, CodeCarbon's or ours, into a store of its own: a run like another.

Such a file says neither when a joule was used nor how well it was measured. What it does not say stays unknown, and
each run notes where it comes from. Rows of one run id are one run as it grew: the last of them counts.
"""

from __future__ import annotations

import csv
import datetime
import io
import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache
from itertools import islice
from typing import get_args

from carbonwatch import tables, units
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Component, Domain, Entry, Intensity, Place, Quality, Run, Scope, State, Usage
from carbonwatch.store.journal import Journal

Row = Mapping[str, str | None]

_NEEDED = ("timestamp", "project_name", "duration", "emissions")
_ENERGIES: Mapping[Component, str] = {"cpu": "cpu_energy", "gpu": "gpu_energy", "ram": "ram_energy"}
_FACTS = {
    "version": "codecarbon_version",
    "os": "os",
    "python_version": "python_version",
    "cpu_model": "cpu_model",
    "cpu_count": "cpu_count",
    "gpu_model": "gpu_model",
    "gpu_count": "gpu_count",
    "ram_total_gb": "ram_total_size",
    "experiment_id": "experiment_id",
}
_REST = 1e-3  # of the energy; what is less is rounding
# where a file tells no interval: CodeCarbon 3.3.2's rules on published servers gave a third of the power to twice it
# (benchmarks/power_model.py), and a country's figure may be a neighbour's (class D of data/countries.csv)
ASSUMED_ERROR = (-0.67, 1.0)
INTENSITY_ERROR = 0.5


def read(content: bytes, path: str, title: str, at_once: int = 2000) -> Iterator[int]:
    """Makes a store of a file's content, some runs at once, and says after each how many rows it has read by then.

    Raises CarbonwatchError where it is no file of runs.
    """
    found, count = runs(content, title), 0
    with closing(Journal(path)) as journal:
        while True:
            some = list(islice(found, at_once))
            journal.put({run.id: run for run in some}.values())
            count += len(some)
            yield count
            if len(some) < at_once:
                return


def runs(content: bytes, title: str) -> Iterator[Run]:
    """The runs of a file, in its order. Raises CarbonwatchError where it has none of the columns that they need."""
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig", errors="replace"), newline=""))
    try:
        missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            raise CarbonwatchError(
                f"{title} is no file of runs: it has no column {', '.join(missing)}. "
                "An emissions.csv of CodeCarbon or of carbonwatch has them."
            )
        for number, row in enumerate(reader, 1):
            yield _run(row, number, title)
    except csv.Error as error:
        raise CarbonwatchError(f"{title} can't be read as CSV ({error}). Save it again as CSV in UTF-8.") from error


def _run(row: Row, number: int, title: str) -> Run:
    duration_s = _number(row, "duration") or 0.0
    ended_ns = _unix_ns(_text(row, "timestamp"))
    scope: Scope = "machine" if _text(row, "tracking_mode") == "machine" else "process"
    state = _text(row, "state")
    return Run(
        id=_text(row, "run_id") or f"row-{number}",
        project=_text(row, "project_name") or "unnamed",
        scope=scope,
        state=state if state in get_args(State) else "finished",  # type: ignore[arg-type]  # one of them
        started_ns=max(0, ended_ns - round(duration_s * units.NS_PER_S)) if ended_ns else 0,
        duration_s=duration_s,
        entries=tuple(_entries(row, ended_ns, duration_s)),
        notes=(f"Read from {title}, row {number}: it does not say when the energy was used, nor how it was measured.",),
        place=_place(_text(row, "country_iso_code"), _cloud(row), title),
        facts={fact: text for fact, name in _FACTS.items() if (text := _text(row, name))},
        pue=max(1.0, _number(row, "pue") or 1.0),
        wue_l_per_kwh=_number(row, "wue") or 0.0,
    )


def _entries(row: Row, ended_ns: int, duration_s: float) -> Iterator[Entry]:
    """The energy of each component at the row's own price. The file's energies have PUE in them, an entry's do not."""
    energy_kwh, emissions_kg = _number(row, "energy_consumed"), _number(row, "emissions")
    if not energy_kwh or emissions_kg is None:
        return
    start_ns = max(1, ended_ns - round(duration_s * units.NS_PER_S))
    intensity = _intensity(row, energy_kwh, emissions_kg)
    pue = max(1.0, _number(row, "pue") or 1.0)
    error = (0.0, 0.0) if _interval(row) else ASSUMED_ERROR  # where the file tells it, the price has all of it
    left_kwh = energy_kwh
    for component, name in _ENERGIES.items():
        part_kwh = _number(row, name) or 0.0
        if part_kwh > 0:
            left_kwh -= part_kwh
            domain = _domain(component, _text(row, f"{component}_quality"), _text(row, "codecarbon_version"), error)
            yield _entry(start_ns, duration_s, domain, units.joules(part_kwh) / pue, intensity)
    if left_kwh > _REST * energy_kwh:
        domain = _domain("system", "", _text(row, "codecarbon_version"), error)
        yield _entry(start_ns, duration_s, domain, units.joules(left_kwh) / pue, intensity)


def _entry(start_ns: int, duration_s: float, domain: Domain, energy_j: float, intensity: Intensity) -> Entry:
    return Entry("", start_ns, duration_s, Usage(domain, energy_j, 0.0, energy_j, energy_j, energy_j), intensity)


@cache
def _domain(component: Component, quality: str, version: str, error: tuple[float, float]) -> Domain:
    first = quality.split(" + ")[0]
    known: Quality = first if first in get_args(Quality) else "assumed"  # type: ignore[assignment]  # one of them
    return Domain(f"csv:{component}", component, known, f"as {version or 'a file'} has it", error=error)


def _interval(row: Row) -> tuple[float, float] | None:
    """The ends of the emissions, in kg, where the file tells them."""
    low, high = (_number(row, f"emissions_{end}") for end in ("low", "high"))
    return None if low is None or high is None else (low, high)


def _intensity(row: Row, energy_kwh: float, emissions_kg: float) -> Intensity:
    """What the row's kWh emitted by its own account; a few digits, so that rows of one place have the same."""
    g_per_kwh = float(f"{emissions_kg * 1000 / energy_kwh:.6g}")
    told = _interval(row) if emissions_kg else None
    down, up = (end / emissions_kg for end in told) if told else (1 / (1 + INTENSITY_ERROR), 1 + INTENSITY_ERROR)
    return Intensity(
        g_per_kwh=g_per_kwh,
        low=float(f"{g_per_kwh * down:.6g}"),
        high=float(f"{g_per_kwh * up:.6g}"),
        zone=_text(row, "carbon_intensity_zone") or _text(row, "country_iso_code") or "unknown",
        name=_text(row, "country_name") or "a place that the file does not name",
        basis="given",
        boundary="as in the file",
        source=_text(row, "carbon_intensity_source") or "emissions / energy of the file",
        year=None,
    )


@cache
def _place(iso3: str, cloud: str | None, title: str) -> Place:
    country = next((row["code"] for row in tables.rows("countries") if iso3 and row["iso3"] == iso3), None)
    return Place(country, None, cloud, evidence=title)


def _cloud(row: Row) -> str | None:
    provider, region = _text(row, "cloud_provider"), _text(row, "cloud_region")
    return f"{provider}/{region}" if provider and region else None


def _text(row: Row, name: str) -> str:
    # a row with more cells than columns has them in a list
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _number(row: Row, name: str) -> float | None:
    """None where it is not known: nothing, no number, or one that can't be."""
    try:
        value = float(_text(row, name))
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _unix_ns(text: str) -> int:
    """Local time where it does not say otherwise; 0 where it is no date."""
    try:
        return int(datetime.datetime.fromisoformat(text).timestamp() * units.NS_PER_S)
    except (ValueError, OverflowError, OSError):
        return 0
