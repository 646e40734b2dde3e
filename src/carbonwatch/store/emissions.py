"""Reads an emissions.csv as runs: CodeCarbon's since 1.0 and ours, files of tasks, and what spreadsheets made of them.

What a row does not say is not made up. Its figures are *assumed* unless the file tells their quality, the interval is
as wide as CodeCarbon's rules err unless the file tells another, and whose energy it was is only known where our
columns say so. A row that can't be a run is told with its line, and takes none of the others away.
"""

from __future__ import annotations

import csv
import math
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import chain, islice
from typing import IO, NamedTuple, cast, get_args

from carbonwatch import tables, units
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Component, Domain, Entry, Intensity, Place, Quality, Run, Scope, State, Usage
from carbonwatch.store.journal import Journal

Row = Mapping[str, str]
Error = tuple[float, float]  # relative: low, high

AT_ONCE = 2000  # rows a transaction: another program may want to write in between

_NEEDED = ("timestamp", "project_name", "duration", "emissions", "energy_consumed")
_TASK = "task_name"  # the column that only a file of tasks has
_COMPONENTS: tuple[Component, ...] = ("cpu", "gpu", "ram")
_NUMBERS = (
    *("duration", "emissions", "emissions_low", "emissions_high", "energy_consumed", "pue", "wue"),
    *(f"{component}_energy" for component in _COMPONENTS),
    *("energy_own", "energy_idle", "energy_others", "cpu_count", "gpu_count", "ram_total_size"),
)
_WORDS = ("os", "python_version", "cpu_model", "gpu_model", "experiment_id")
_COUNTS = {"cpu_count": "cpu_count", "gpu_count": "gpu_count", "ram_total_gb": "ram_total_size"}
_SEPARATORS = ",;\t"
_DAYS_FIRST = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M")  # as German spreadsheets write a date
_LARGEST = 1e30
_LAST_NS = 1 << 63  # of what SQLite can hold
_REST = 1e-3  # of the energy; what is less is rounding
_LOST = 0.02  # of the energy, by which figures that people have rounded may miss their sum
# where a file tells no interval: CodeCarbon 3.3.2's rules on published servers gave a third of the power to twice it
# (benchmarks/power_model.py), and a country's figure may be a neighbour's (class D of data/countries.csv)
_ASSUMED_ERROR = (-0.67, 1.0)
_MEASURED_ERROR = (-0.05, 0.05)
_INTENSITY_ERROR = (1 / 1.5 - 1, 0.5)
_STATES: tuple[State, ...] = get_args(State)
_WORST_FIRST: tuple[Quality, ...] = ("assumed", "modelled", "measured")
_FAULTS_KEPT = 5  # of a file


class NoRun(CarbonwatchError):
    """What can't be a run, a row or a whole file, and why."""


class Taken(NamedTuple):
    """How far a file has been read, and what came of its rows."""

    rows: int = 0
    added: int = 0  # runs
    known: int = 0  # runs that were there already
    left_out: int = 0  # rows
    faults: tuple[NoRun, ...] = ()  # of the first of them


def keep(found: Iterable[Run | NoRun], journal: Journal, at_once: int = AT_ONCE) -> Iterator[Taken]:
    """Writes runs into a store, some at a time, and says after each time what has become of the file by then.

    Rows of one id are one run as it grew: the longest of them counts. What was in the store before stays as it is.
    """
    waiting = iter(found)
    ours: set[str] = set()
    known: set[str] = set()
    taken = Taken()
    while True:
        some = list(islice(waiting, at_once))
        faults = [one for one in some if isinstance(one, NoRun)]
        longest = _longest(one for one in some if isinstance(one, Run))
        ours.update(run.id for run in journal.add(longest, grown=ours))
        known.update(run.id for run in longest if run.id not in ours)
        kept = (*taken.faults, *faults)[:_FAULTS_KEPT]
        taken = Taken(taken.rows + len(some), len(ours), len(known), taken.left_out + len(faults), kept)
        yield taken
        if len(some) < at_once:
            return


def _longest(runs: Iterable[Run]) -> list[Run]:
    found: dict[str, Run] = {}
    for run in runs:
        if run.id not in found or run.duration_s >= found[run.id].duration_s:
            found[run.id] = run
    return list(found.values())


def runs(file: IO[bytes], title: str) -> Iterator[Run | NoRun]:
    """A run for each row, in the file's order, or why it is none; of a file of tasks, a run for each id.

    Raises NoRun where the whole file has none.
    """
    lines = _lines(file)
    first = next(lines, "").removeprefix("\ufeff")
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=separator)
    columns = _columns(reader, title)
    # where a comma does not part the cells, it stands before the decimals
    numbers = [i for i, name in enumerate(columns) if name in _NUMBERS] if separator != "," else []
    found = (_run_or_reason(cells, columns, numbers, title, reader.line_num) for cells in _rows(reader))
    return _joined(found) if _TASK in columns else found


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Lines of text: UTF-8, or what Windows' spreadsheets write instead."""
    for line in file:
        try:
            yield line.decode()
        except UnicodeDecodeError:
            yield line.decode("cp1252", errors="replace")


def _columns(reader: Iterator[list[str]], title: str) -> list[str]:
    try:
        columns = [name.strip() for name in next(reader, [])]
    except csv.Error:
        columns = []
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise NoRun(
            f"{title} is no file of runs: it has no column {', '.join(missing)}. "
            "An emissions.csv of CodeCarbon or of carbonwatch has them; choose such a file."
        )
    return columns


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str] | csv.Error]:
    """The cells of each row, or why they can't be told; a line without anything is none."""
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield error
            continue
        if cells is None:
            return
        if any(cells):
            yield cells


def _run_or_reason(
    cells: list[str] | csv.Error, columns: list[str], numbers: list[int], title: str, line: int
) -> Run | NoRun:
    try:
        if isinstance(cells, csv.Error):
            raise ValueError(f"it is no line of a CSV file ({cells})")
        if len(cells) < len(columns) or any(cells[len(columns) :]):
            raise ValueError(f"it has {len(cells)} cells, and the first line has {len(columns)}")
        for i in numbers:
            cells[i] = cells[i].replace(",", ".")
        return run(dict(zip(columns, cells, strict=False)), title, line)
    except ValueError as error:
        return NoRun(f"{title}, line {line}: {error}, so it is left out. Correct the line, or delete it.")


def run(row: Row, title: str, line: int = 0) -> Run:
    """The run of one row, its cells as text. Raises ValueError where it can't be one."""
    started_ns, duration_s = _time(row)
    pue = _number(row, "pue", 1.0)
    if pue < 1:
        raise ValueError(f"pue is {pue:g}, and no machine room takes less than its machines")
    origin = _origin(row.get("codecarbon_version", ""))
    where = f"{os.path.basename(title)}, line {line}" if line else title
    return Run(
        id=_id(row),
        project=_word(row["project_name"]) or "unnamed",
        scope=_scope(row),
        state=cast(State, row["state"]) if row.get("state") in _STATES else "finished",
        started_ns=started_ns,
        duration_s=duration_s,
        entries=tuple(_entries(row, started_ns, duration_s, pue, origin)),
        notes=(f"Read from {where}: {origin} measured or guessed it, and does not say when the energy was used.",),
        place=_place(row.get("country_iso_code", ""), _cloud(row), os.path.basename(title)),
        facts=_facts(row) | {"imported_from": origin},
        pue=pue,
        wue_l_per_kwh=_number(row, "wue", 0.0),
    )


def _joined(parts: Iterable[Run | NoRun]) -> Iterator[Run | NoRun]:
    """The tasks of a run as one run, which has nothing of what ran between them."""
    found: dict[str, list[Run]] = {}
    for part in parts:
        if isinstance(part, NoRun):
            yield part
        else:
            found.setdefault(part.id, []).append(part)
    for tasks in found.values():
        started_ns = min(task.started_ns for task in tasks)
        ended_ns = max(task.started_ns + round(task.duration_s * units.NS_PER_S) for task in tasks)
        yield replace(
            tasks[0],
            started_ns=started_ns,
            duration_s=(ended_ns - started_ns) / units.NS_PER_S,
            entries=tuple(entry for task in tasks for entry in task.entries),
            notes=(*tasks[0].notes, "Read from a file of tasks: what ran between them is not in it."),
        )


def _id(row: Row) -> str:
    """In CodeCarbon 1 it is the experiment that has an id of its own for each run."""
    told = row["run_id"] if "run_id" in row else row.get("experiment_id")
    return told or str(uuid.uuid5(uuid.NAMESPACE_URL, repr(sorted(row.items()))))


def _time(row: Row) -> tuple[int, float]:
    """When it began, in ns, and how long it took."""
    duration_s = _number(row, "duration")
    try:
        ended_ns = int(_date(row["timestamp"]).timestamp() * units.NS_PER_S)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"timestamp is {_shown(row['timestamp'])}, and no date as 2026-11-25T09:05:12 is") from None
    started_ns = ended_ns - round(duration_s * units.NS_PER_S)
    if not 0 < started_ns <= ended_ns < _LAST_NS:
        raise ValueError(f"timestamp is {_shown(row['timestamp'])} and duration {duration_s:g} s, which can't be")
    return started_ns, duration_s


def _date(text: str) -> datetime:
    for pattern in _DAYS_FIRST if text[2:3] == "." else ():
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            pass
    return datetime.fromisoformat(text)


def _entries(row: Row, started_ns: int, duration_s: float, pue: float, origin: str) -> Iterator[Entry]:
    """The energy of each component at the row's own price. The file's energies have PUE in them, an entry's do not."""
    if not row["energy_consumed"] and not row["emissions"]:  # nothing was metered, and a row of ours says so
        return
    emissions_kg, energies_kwh = _number(row, "emissions"), _energies_kwh(row)
    total_kwh = sum(energies_kwh.values())
    if not total_kwh:
        if emissions_kg:
            raise ValueError("it has emissions and no energy")
        return
    error, intensity = _priced(row, emissions_kg, total_kwh, origin)
    parts = _parts(row)
    for component, kwh in energies_kwh.items():
        quality = _quality(row, component)
        domain = _domain(component, quality, origin, error or _error(quality))
        usage = _usage(domain, units.joules(kwh) / pue, _scope(row), parts)
        yield Entry(_word(row.get(_TASK, "")), started_ns, duration_s, usage, intensity)


def _energies_kwh(row: Row) -> dict[Component, float]:
    """What each component used, and what the total has beyond them."""
    found = {component: kwh for component in _COMPONENTS if (kwh := _number(row, f"{component}_energy", 0.0))}
    total_kwh = _number(row, "energy_consumed")
    rest_kwh = total_kwh - sum(found.values())
    if rest_kwh < -_LOST * total_kwh:
        raise ValueError("its components used more than energy_consumed")
    return {**found, "system": rest_kwh} if rest_kwh > _REST * total_kwh else found


def _parts(row: Row) -> tuple[float, float] | None:
    """Own and idle share of the machine's energy, where our columns tell."""
    if not row.get("energy_own") or not row.get("energy_idle"):
        return None
    own_kwh, idle_kwh = _number(row, "energy_own"), _number(row, "energy_idle")
    machine_kwh = own_kwh + idle_kwh + _number(row, "energy_others", 0.0)
    return (own_kwh / machine_kwh, idle_kwh / machine_kwh) if machine_kwh else None


def _usage(domain: Domain, energy_j: float, scope: Scope, parts: tuple[float, float] | None) -> Usage:
    if scope == "process":  # the figure is the program's own; without parts it is not told what the machine used
        own, idle = parts if parts and parts[0] else (1.0, 0.0)
        return Usage(domain, energy_j / own, energy_j / own * idle, energy_j, energy_j, energy_j)
    if parts is None:
        return Usage(domain, energy_j, 0.0, energy_j, 0.0, energy_j)
    own_j = energy_j * parts[0]
    return Usage(domain, energy_j, energy_j * parts[1], own_j, own_j, own_j)


@cache
def _domain(component: Component, quality: Quality, origin: str, error: Error) -> Domain:
    return Domain(f"csv:{component}", component, quality, f"emissions.csv of {origin}", error=error)


def _quality(row: Row, component: Component) -> Quality:
    """That of the worst of its meters."""
    told = row.get(f"{component}_quality", "")
    return next((quality for quality in _WORST_FIRST if quality in told), "assumed")


def _error(quality: Quality) -> Error:
    return _MEASURED_ERROR if quality == "measured" else _ASSUMED_ERROR


def _priced(row: Row, emissions_kg: float, total_kwh: float, origin: str) -> tuple[Error | None, Intensity]:
    """The row's own price; and, where it tells the emissions' interval, an error of the energy that goes with it."""
    g_per_kwh = emissions_kg * 1000 / total_kwh
    if not g_per_kwh < math.inf:
        raise ValueError("its emissions can't be those of its energy")
    told = _told_error(row, emissions_kg)
    error, (low, high) = (None, _INTENSITY_ERROR) if told is None else _divided(told, row)
    zone = row.get("carbon_intensity_zone") or _cloud(row) or row.get("country_iso_code") or "unknown"
    return error, Intensity(
        # a few digits, so that rows of one place have the same
        g_per_kwh=_rounded(g_per_kwh),
        low=_rounded(g_per_kwh * (1 + low)),
        high=_rounded(g_per_kwh * (1 + high)),
        zone=zone,
        name=row.get("country_name") or "a place that the file does not name",
        basis="production" if told is None else "given",  # a told interval has the year's error in it
        boundary="as in the file",
        source=row.get("carbon_intensity_source") or f"as {origin} took it",
        year=None,
    )


def _told_error(row: Row, emissions_kg: float) -> Error | None:
    if not row.get("emissions_low") or not row.get("emissions_high") or not emissions_kg:
        return None
    low_kg, high_kg = _number(row, "emissions_low"), _number(row, "emissions_high")
    if not low_kg <= emissions_kg <= high_kg:
        raise ValueError("its emissions are not between emissions_low and emissions_high")
    return low_kg / emissions_kg - 1, high_kg / emissions_kg - 1


def _divided(told: Error, row: Row) -> tuple[Error, Error]:
    """An error of emissions as those of energy and price which give it again in quadrature, as model.price() has it."""
    qualities = {_quality(row, component) for component in _COMPONENTS if row.get(f"{component}_quality")}
    usual = _error("measured" if qualities == {"measured"} else "assumed")
    # in whole hundredths, so that rows have the same meters
    energy = tuple(math.trunc(100 * min(end, most, key=abs)) / 100 for end, most in zip(told, usual, strict=True))
    price = tuple(_left(end, part) for end, part in zip(told, energy, strict=True))
    return cast(Error, energy), cast(Error, price)


def _left(whole: float, part: float) -> float:
    """What is left of a relative error without a smaller one of the same sign."""
    if whole <= -1:
        return -1.0
    left = math.sqrt(max(0.0, math.log1p(whole) ** 2 - math.log1p(part) ** 2))
    return math.expm1(math.copysign(left, whole))


def _rounded(value: float) -> float:
    return float(f"{value:.9g}")


@cache
def _place(iso3: str, cloud: str, evidence: str) -> Place:
    found = (row["code"] for row in tables.rows_with("countries", iso3) if row["iso3"] == iso3) if iso3 else ()
    return Place(next(iter(found), None), cloud=cloud or None, evidence=evidence)


def _cloud(row: Row) -> str:
    provider, region = row.get("cloud_provider"), row.get("cloud_region")
    return f"{provider}/{region}" if provider and region else ""


def _scope(row: Row) -> Scope:
    return "process" if row.get("tracking_mode") == "process" else "machine"


def _facts(row: Row) -> dict[str, str | float]:
    words: dict[str, str | float] = {name: row[name] for name in _WORDS if row.get(name)}
    return words | {fact: _count(row[name]) for fact, name in _COUNTS.items() if row.get(name)}


def _count(text: str) -> str | float:
    """A number where it is one: nothing else of a run hangs on it."""
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value if math.isfinite(value) else text


@cache
def _origin(version: str) -> str:
    """Who wrote the row."""
    return version if version.startswith("carbonwatch") else f"CodeCarbon {version}".strip()


def _word(text: str) -> str:
    """Without the sign that our exporter puts before what a spreadsheet would take for a formula."""
    return text[1:] if text[:1] == "'" and text[1:].lstrip()[:1] in ("=", "+", "-", "@") else text


def _number(row: Row, name: str, default: float | None = None) -> float:
    text = row.get(name, "")
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {_shown(text)}, which is no number") from None
    if not 0 <= value < _LARGEST:
        raise ValueError(f"{name} is {text}, which can't be")
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) < 50 else f"{text[:50]}…")
