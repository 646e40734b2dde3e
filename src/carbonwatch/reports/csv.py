"""A run for a spreadsheet: a line for each task, component and quality, in kWh and grams; and no cell is a formula."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import replace

from carbonwatch.model import Component, Entry, Part, Quality, Run
from carbonwatch.reports import _figures as figures
from carbonwatch.units import J_PER_KWH, NS_PER_S

COLUMNS = (
    "run",
    "project",
    "tags",
    "state",
    "started",
    "duration_s",
    "task",
    "component",
    "quality",
    "own_kwh",
    "idle_kwh",
    "others_kwh",
    "machine_kwh",
    "energy_kwh",
    "energy_low_kwh",
    "energy_high_kwh",
    "emissions_g",
    "emissions_low_g",
    "emissions_high_g",
    "g_per_kwh",
    "place",
    "pue",
)
_FORMULA_STARTS = ("=", "+", "-", "@")
_Kind = tuple[str, Component, Quality]
_SHARES: tuple[Part, ...] = ("own", "idle", "others")


def render(run: Run, *, header: bool = True) -> str:
    """Lines with commas, after one with names. Empty is not known; a run without a meter has a line all the same.

    `energy` and `emissions` are the headline's: the program's own share, or the machine; emissions with PUE.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    writer.writerows(_rows(run))
    return file.getvalue()


def cell(text: str) -> str:
    """Words as words: in a spreadsheet what begins as a formula is one, so a quote goes before it."""
    line = figures.one_line(text, 32_000)  # the longest that a cell holds is 32,767
    return f"'{line}" if line.startswith(_FORMULA_STARTS) else line


def _rows(run: Run) -> Iterator[list[object]]:
    parts: dict[_Kind, list[Entry]] = {}
    for entry in run.entries:
        domain = entry.usage.domain
        parts.setdefault((entry.task, domain.component, domain.quality), []).append(entry)
    for (task, component, quality), entries in parts.items():
        part = replace(run, entries=tuple(entries))
        yield [*_about(run), cell(task), component, quality, *_figures(part), *_place(part)]
    if not parts:
        yield [*_about(run), "", "", "", *[""] * 11, *_place(run)]


def _about(run: Run) -> list[object]:
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.started_ns // NS_PER_S)) if run.started_ns > 0 else ""
    return [cell(run.id), cell(run.project), cell(" ".join(run.tags)), run.state, started, run.duration_s]


def _figures(part: Run) -> list[object]:
    energy, emissions = part.energy(part.headline), part.emissions(part.headline)
    shares: list[object] = [part.energy(kind).value / J_PER_KWH if part.is_split else "" for kind in _SHARES]
    known = not figures.whose_is_unknown(part)
    energy_kwh = energy.value / J_PER_KWH * part.pue
    priced = emissions.value / energy_kwh if energy_kwh else ""
    return [
        *shares,
        part.energy("machine").value / J_PER_KWH,
        energy.value / J_PER_KWH if known else "",
        energy.low / J_PER_KWH,
        energy.high / J_PER_KWH,
        emissions.value if known else "",
        emissions.low,
        emissions.high,
        priced,
    ]


def _place(run: Run) -> list[object]:
    return [cell(run.place.cloud or run.place.subdivision or run.place.country or ""), run.pue]
