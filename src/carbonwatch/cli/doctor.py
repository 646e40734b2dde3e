"""Say what is measured here, what is not, why, and how to mend it.

Looks at meters, place, carbon intensity, settings and the store, as a run
would, and takes a few samples to see what one costs. Changes nothing.

Examples:
  carbonwatch doctor
  carbonwatch doctor --country FR --json
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from carbonwatch import calibration, hardware, sampler, settings, store
from carbonwatch._version import __version__
from carbonwatch.cli import _options, _terminal
from carbonwatch.errors import SettingsError, StoreError, Unavailable
from carbonwatch.model import Domain, Intensity, Place
from carbonwatch.settings import Settings
from carbonwatch.store.query import Store
from carbonwatch.tracker import Tracker
from carbonwatch.units import human_duration

_SAMPLES = 20
_INDENT = "    "
_FACTS = ("python_version", "os", "cpu_model", "virtualisation", "container")


@dataclass(frozen=True, slots=True)
class Findings:
    """All that there is to say."""

    facts: dict[str, str]
    read: tuple[Domain, ...]
    not_read: dict[str, Unavailable]
    not_counted: dict[str, str]  # what is there, and why it is left out
    place: Place
    intensity: Intensity | None
    notes: tuple[str, ...]
    settings: Settings
    store_path: str | None
    store_state: str
    sample_s: float  # CPU time
    is_calibrated: bool = False  # a line to the wall is kept, whether or not it is used


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="The same for programs.")
    _options.add_settings(parser)


def main(args: argparse.Namespace) -> int:
    found = examine(_options.chosen(args))
    if args.json:
        _terminal.show(as_json(found))
    else:
        width = min(100, _terminal.width(sys.stdout) or 80)
        _terminal.show(as_text(found, width, _terminal.colour(sys.stdout)))
    return 0


def examine(chosen: Settings) -> Findings:
    """A run of a few samples that is not kept and asks no network, and what it met."""
    meters = sampler.open_sampler(chosen)
    try:
        with Tracker(replace(chosen, store="none", exporters=(), grid=()), meters=meters) as tracker:
            before_s = meters.spent_s
            for _ in range(_SAMPLES):
                meters.read()
            sample_s = (meters.spent_s - before_s) / _SAMPLES
            run = tracker.run
        return Findings(
            facts={name: str(run.facts.get(name)) for name in _FACTS},
            read=meters.domains,
            not_read=meters.missing,
            not_counted=meters.rejected,
            place=run.place,
            intensity=run.intensities[0] if run.intensities else None,
            notes=tuple(note for note in run.notes if not note.startswith(tuple(meters.missing))),
            settings=chosen,
            store_path=store.path(chosen),
            store_state=_store_state(store.path(chosen)),
            sample_s=sample_s,
            is_calibrated=_is_calibrated(chosen),
        )
    finally:
        meters.close()


def as_text(found: Findings, width: int, colour: bool) -> str:
    """The findings for people, no line of ours wider than `width`; commands to copy stay whole."""
    blocks = (
        ("", _facts(found.facts)),
        ("Read", _read(found, width, colour)),
        ("Not read", _not_read(found, width, colour)),
        ("There, and not counted", _not_counted(found, width)),
        ("Place and carbon intensity", _place(found, width)),
        ("Settings", _settings(found.settings, width)),
        ("Store", _wrapped(f"{found.store_path or 'none'}: {found.store_state}", width, "  ")),
        ("Cost", _cost(found, width)),
    )
    parts = []
    for title, lines in blocks:
        text = "\n".join(lines)
        if text:
            parts.append("\n".join(filter(None, (_terminal.painted(title, _terminal.BOLD, colour), text))))
    return "\n\n".join(parts)


def as_json(found: Findings) -> str:
    """The findings for programs."""
    import json

    return json.dumps(_values(found), indent=2, default=str)


def _facts(facts: dict[str, str]) -> Iterator[str]:
    yield f"carbonwatch {__version__}, Python {facts['python_version']}, {facts['os']}"
    yield f"{facts['cpu_model']}; virtual machine: {facts['virtualisation']}, container: {facts['container']}"


def _read(found: Findings, width: int, colour: bool) -> Iterator[str]:
    if not found.read:
        yield "  nothing: a run would say that it does not know what was used"
    for domain in found.read:
        mark = _terminal.painted("✓", _terminal.GREEN if domain.quality == "measured" else _terminal.YELLOW, colour)
        low, high = domain.error
        yield f"{mark} {domain.component}: {domain.quality}, true value {100 * low:+.0f} to {100 * high:+.0f} %"
        yield from _wrapped(f"{domain.source} [{domain.id}]", width, _INDENT)
    for hint in _narrower(found):
        yield from _wrapped(f"→ {hint}", width, _INDENT)


def _narrower(found: Findings) -> Iterator[str]:
    """What would make modelled CPUs less of a guess, where nobody has said it yet."""
    chosen = found.settings
    is_modelled = any(d.component == "cpu" and d.quality == "modelled" for d in found.read)
    if not is_modelled or chosen.calibrated:
        return
    if chosen.cpu_w is None and chosen.hardware_tdp_w is None and "model unknown" in " ".join(_sources(found)):
        yield (
            "Narrower: in [tool.carbonwatch.hardware] say the processor (cpu), its rated power (tdp_w) or, of a guest, "
            "what its cloud calls it (instance); or give cpu_w, the CPUs' power at full load."
        )
    if found.is_calibrated:
        yield "A line of this machine to its wall is kept: calibrated=true uses it."
    else:
        yield "Narrowest: a meter at the wall, once. `carbonwatch calibrate --help` tells how."


def _sources(found: Findings) -> list[str]:
    return [domain.source for domain in found.read if domain.component == "cpu"]


def _not_read(found: Findings, width: int, colour: bool) -> Iterator[str]:
    for name, why in found.not_read.items():
        yield f"{_terminal.painted('✗', _terminal.RED, colour)} {name}"
        yield from _wrapped(why.reason, width, _INDENT)
        if why.remedy:
            yield from _remedy(why.remedy, width)


def _remedy(remedy: str, width: int) -> Iterator[str]:
    """Of several lines some are commands: as they are, to be copied."""
    if "\n" in remedy:
        yield from (f"{_INDENT}{line}" for line in remedy.splitlines())
    else:
        yield from _wrapped(f"→ {remedy}", width, _INDENT)


def _not_counted(found: Findings, width: int) -> Iterator[str]:
    for id_, why in found.not_counted.items():
        yield from _wrapped(f"{id_}: {why}", width, "  ")


def _place(found: Findings, width: int) -> Iterator[str]:
    place, intensity = found.place, found.intensity
    where = place.cloud or place.subdivision or place.country or "not known"
    yield from _wrapped(f"{where} ({place.evidence})", width, "  ")
    if intensity is None:
        yield "  no intensity: there was no energy to price"
        return
    year = f", {intensity.year}" if intensity.year else ""
    yield from _wrapped(
        f"{intensity.g_per_kwh:.0f} g CO2e per kWh ({intensity.low:.0f} to {intensity.high:.0f}): {intensity.name}, "
        f"{intensity.basis}, {intensity.boundary}; {intensity.source}{year}",
        width,
        "  ",
    )
    for note in found.notes:
        yield from _wrapped(note, width, "  ")


def _settings(chosen: Settings, width: int) -> Iterator[str]:
    """Those that somebody has set, with where; the others in one line."""
    names = settings.names()
    given = [name for name in names if name in chosen.origin]
    longest = max(map(len, given), default=0)
    for name in given:
        yield from _wrapped(f"{name:<{longest}} = {_value(chosen, name)}  ({chosen.origin[name]})", width, "  ")
    others = [name for name in names if name not in given]
    defaults = [f"{name}={_value(chosen, name)}" for name in others if _value(chosen, name)]
    yield from _wrapped(f"by default: {', '.join(defaults)}", width, "  ")
    unset = [name for name in others if not _value(chosen, name)]
    yield from _wrapped(f"not set: {', '.join(unset)}", width, "  ")


def _told(chosen: Settings, name: str) -> Any:
    """A setting's value, unless it is a secret."""
    value = getattr(chosen, name)
    return "***" if value is not None and settings.is_secret(name) else value


def _value(chosen: Settings, name: str) -> str:
    value = _told(chosen, name)
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _cost(found: Findings, width: int) -> Iterator[str]:
    interval_s = found.settings.interval_s
    share = f"{100 * found.sample_s / interval_s:.2g} % of one CPU if taken every {human_duration(interval_s)}"
    yield from _wrapped(f"a sample takes {human_duration(found.sample_s)} of CPU time, {share}", width, "  ")


def _is_calibrated(chosen: Settings) -> bool:
    machine = hardware.fingerprint(chosen.path_procfs, chosen.path_sysfs)
    try:
        return calibration.load(calibration.store_file(), machine) is not None
    except SettingsError:  # calibrate says what is wrong with the file
        return False


def _store_state(path: str | None) -> str:
    if path is None:
        return "runs are not kept"
    if not os.path.exists(path):
        return (
            "not there yet; the first run makes it" if _may_be_made(path) else "can't be made: choose another (store)"
        )
    try:
        with Store(path) as kept:
            runs = kept.count()
    except StoreError as error:
        return str(error)
    writable = "" if os.access(path, os.W_OK) else "; this user may not write to it, so new runs are not kept"
    return f"{runs} run{'s' if runs != 1 else ''}, {os.path.getsize(path) / 1e6:.1f} MB{writable}"


def _may_be_made(path: str) -> bool:
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK)


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _values(found: Findings) -> dict[str, Any]:
    chosen = found.settings
    return {
        "version": __version__,
        **found.facts,
        "read": [asdict(domain) for domain in found.read],
        "not_read": {name: {"reason": why.reason, "remedy": why.remedy} for name, why in found.not_read.items()},
        "not_counted": found.not_counted,
        "place": asdict(found.place),
        "intensity": found.intensity and asdict(found.intensity),
        "notes": found.notes,
        "settings": {
            name: {"value": _told(chosen, name), "from": chosen.origin.get(name, "default")}
            for name in settings.names()
        },
        "store": {"path": found.store_path, "state": found.store_state},
        "sample_cpu_s": found.sample_s,
    }
