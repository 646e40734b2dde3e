"""Nouns as rows of the store and back."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any

from carbonwatch.errors import StoreError
from carbonwatch.ledger import SLOT_NS
from carbonwatch.model import Domain, Entry, Gap, Intensity, Place, Run, Usage, Work
from carbonwatch.units import J_PER_KWH

VERSION = 3
APPLICATION = 0x63627763  # what tells our files from other programs' (PRAGMA application_id)

_LONGEST_WORD = 500  # of what is looked through; a name of 10 kB is found by its beginning

Row = Mapping[str, Any] | sqlite3.Row
Change = Callable[[sqlite3.Connection], None]

PUT_ENTRY = """
INSERT INTO entries VALUES (:run, :task, :domain, :intensity, :slot, :start_ns, :duration_s, :machine_j, :idle_j,
  :own_j, :own_low_j, :own_high_j, :baseline_j, :own_s, :busy_s, :capacity_s, :reserved_s, :others_reserved_s)
ON CONFLICT DO UPDATE SET start_ns = excluded.start_ns, duration_s = excluded.duration_s,
  machine_j = excluded.machine_j, idle_j = excluded.idle_j, own_j = excluded.own_j, own_low_j = excluded.own_low_j,
  own_high_j = excluded.own_high_j, baseline_j = excluded.baseline_j, own_s = excluded.own_s, busy_s = excluded.busy_s,
  capacity_s = excluded.capacity_s, reserved_s = excluded.reserved_s, others_reserved_s = excluded.others_reserved_s
"""


def schema() -> str:
    """The statements that make the tables."""
    with open(os.path.join(os.path.dirname(__file__), "schema.sql"), encoding="utf-8") as file:
        return file.read()


@lru_cache(256)
def to_text(value: Domain | Intensity | Place) -> str:
    """A noun as JSON, always the same for the same noun."""
    # asdict() copies all that it finds, and takes ten times as long
    return json.dumps({field.name: getattr(value, field.name) for field in fields(value)}, sort_keys=True)


def of_run(run: Run) -> dict[str, Any]:
    """A run's row, with its totals for lists."""
    energy_j, emissions_g, measured = _totals(run)
    return {
        "id": run.id,
        "project": run.project,
        "scope": run.scope,
        "state": run.state,
        "started_ns": run.started_ns,
        "duration_s": run.duration_s,
        "place": to_text(run.place),
        "facts": json.dumps(dict(run.facts), default=str, skipkeys=True),
        "notes": json.dumps(run.notes),
        "overhead_s": run.overhead_s,
        "pue": run.pue,
        "wue_l_per_kwh": run.wue_l_per_kwh,
        "energy_j": energy_j,
        "emissions_g": emissions_g,
        "measured": measured,
        **of_list(run),
    }


def of_list(run: Run) -> dict[str, str | None]:
    """What a run is found by in lists: its country, its tags as JSON, and the words that a search looks through."""
    words = (run.project, str(run.facts.get("command") or ""), *run.tags, str(run.facts.get("host") or ""), run.id)
    return {
        "country": run.place.country,
        "tags": tags_text(run.tags),
        "words": " ".join(word[:_LONGEST_WORD] for word in words).lower(),
    }


def tags_text(tags: tuple[str, ...]) -> str:
    """Tags as JSON, each in quotes."""
    return json.dumps(tags, ensure_ascii=False)


def _totals(run: Run) -> tuple[float | None, float | None, float | None]:
    """The run's energy_j, emissions_g and measured in one go, without intervals: they are written every second."""
    if not run.is_known:
        return None, None, None
    energy_j = emissions_g = measured_j = 0.0
    for entry in run.entries:
        joules = entry.usage.own_j if run.headline == "own" else entry.usage.machine_j
        energy_j += joules
        emissions_g += joules / J_PER_KWH * entry.intensity.g_per_kwh
        measured_j += joules if entry.usage.domain.quality == "measured" else 0.0
    emissions_g *= run.pue
    if not (math.isfinite(energy_j) and math.isfinite(emissions_g)):  # of a file with absurd figures
        return None, None, None
    return energy_j, emissions_g, measured_j / energy_j if energy_j > 0 else None


def of_process() -> dict[str, Any]:
    """What tells later whether this process still lives."""
    return {"host": _host(), "boot_id": boot_id(), "pid": os.getpid(), "pid_started": pid_started(os.getpid()) or ""}


def of_entry(run_id: str, entry: Entry, domain: int, intensity: int) -> dict[str, Any]:
    """An entry's row."""
    use, work = entry.usage, entry.usage.work
    return {
        "run": run_id,
        "task": entry.task,
        "domain": domain,
        "intensity": intensity,
        "slot": entry.start_ns // SLOT_NS,
        "start_ns": entry.start_ns,
        "duration_s": entry.duration_s,
        "machine_j": use.machine_j,
        "idle_j": use.idle_j,
        "own_j": use.own_j,
        "own_low_j": use.own_low_j,
        "own_high_j": use.own_high_j,
        "baseline_j": use.baseline_j,
        "own_s": work and work.own_s,
        "busy_s": work and work.busy_s,
        "capacity_s": work and work.capacity_s,
        "reserved_s": work and work.reserved_s,
        "others_reserved_s": work and work.others_reserved_s,
    }


def to_run(row: Row, entries: tuple[Entry, ...] = (), gaps: tuple[Gap, ...] = ()) -> Run:
    """A run from its row. Raises StoreError where something else than this program wrote it."""
    try:
        return _run(row, entries, gaps)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"The run {row['id']} in the store is not whole ({error!r}). Delete its row.") from error


def _run(row: Row, entries: tuple[Entry, ...], gaps: tuple[Gap, ...]) -> Run:
    return Run(
        id=row["id"],
        project=row["project"],
        scope=row["scope"],
        state=row["state"],
        started_ns=row["started_ns"],
        duration_s=row["duration_s"],
        entries=entries,
        gaps=gaps,
        notes=tuple(json.loads(row["notes"])),
        place=_place(row["place"]),
        facts=json.loads(row["facts"]),
        overhead_s=row["overhead_s"],
        pue=row["pue"],
        wue_l_per_kwh=row["wue_l_per_kwh"],
    )


def to_entry(row: Row, domain: Domain, intensity: Intensity) -> Entry:
    """An entry from its row."""
    work = row["own_s"] is not None and Work(*(row[f.name] for f in fields(Work)))
    usage = Usage(
        domain,
        row["machine_j"],
        row["idle_j"],
        row["own_j"],
        row["own_low_j"],
        row["own_high_j"],
        row["baseline_j"],
        work or None,
    )
    return Entry(row["task"], row["start_ns"], row["duration_s"], usage, intensity)


def to_domain(text: str) -> Domain:
    """A domain from its JSON."""
    values = json.loads(text)
    values["error"] = tuple(values["error"])
    return Domain(**values)


def to_intensity(text: str) -> Intensity:
    """An intensity from its JSON."""
    return Intensity(**json.loads(text))


def _place(text: str) -> Place:
    values = json.loads(text)
    values["candidates"] = tuple(values["candidates"])
    return Place(**values)


def boot_id() -> str:
    """What changes with each start of the machine; "" where nothing tells."""
    return _text("/proc/sys/kernel/random/boot_id")


def pid_started(pid: int) -> str | None:
    """When a process began, in ticks since boot: with the pid it names a process for good. None if it is gone."""
    if not os.path.isdir("/proc/self"):
        return "" if _exists(pid) else None
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if not fields or fields[0] in "ZX":  # a zombie does not run
        return None
    return fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform

    return platform.node()
