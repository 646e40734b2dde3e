"""Say what is measured here, what is not, why, and how to mend it.

Looks at meters, place, carbon intensity, settings and the store, as a run
would, and takes a few samples to see what one costs. Changes nothing, unless
--fix is given: then it shows a lasting change and what that exposes, makes it
after a yes, and looks again.

Exit code: 0 if all is read that could be, 1 if something can be mended.

Examples:
  carbonwatch doctor
  carbonwatch doctor --country FR --json
  carbonwatch doctor --fix
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from carbonwatch import calibration, hardware, plugins, sampler, settings, store
from carbonwatch._version import __version__
from carbonwatch.cli import _options, _terminal
from carbonwatch.errors import SettingsError, StoreError, Unavailable
from carbonwatch.model import Domain, Intensity, Place
from carbonwatch.rights import HWMON_FOR_A_GROUP, POWERCAP_FOR_A_GROUP, Fix, Mendable, SensorRefused
from carbonwatch.settings import Settings
from carbonwatch.store.query import Store
from carbonwatch.tracker import Tracker
from carbonwatch.units import human_duration

_SAMPLES = 20
_INDENT = "    "
_FACTS = ("python_version", "os", "cpu_model", "virtualisation", "container")


State = Literal["read", "refused", "absent", "rejected"]


@dataclass(frozen=True, slots=True)
class Source:
    """One source of energy figures, as it is here."""

    name: str  # a domain's id where one is read or rejected, else the sensor's name
    state: State
    reason: str
    lost: str = ""  # what is known less well without it, in numbers
    remedy: str = ""
    fix: Fix | None = None


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

    @property
    def sources(self) -> tuple[Source, ...]:
        """Everything that was looked at, the read ones first."""
        read = [Source(domain.id, "read", domain.source) for domain in self.read]
        missing = [_missing(name, why, self.read) for name, why in self.not_read.items()]
        return (*read, *missing, *(_rejected(id_, why) for id_, why in self.not_counted.items()))

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """Changes of this machine that would let more be read."""
        return tuple(dict.fromkeys(source.fix for source in self.sources if source.fix))

    @property
    def complete(self) -> bool:
        """Whether all is read that could be."""
        return not any(source.state != "read" and source.remedy for source in self.sources)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="The same for programs.")
    parser.add_argument("--fix", action="store_true", help="Show a lasting change that lets more be read, and make it.")
    parser.add_argument("--undo", action="store_true", help="Take back what --fix has changed.")
    parser.add_argument("--yes", action="store_true", help="Change without asking.")
    _options.add_settings(parser)


def main(args: argparse.Namespace) -> int:
    chosen = _options.chosen(args)
    if args.fix or args.undo:
        return _change(args, chosen)
    found = examine(chosen)
    _show(found, args.json)
    return 0 if found.complete else 1


def _change(args: argparse.Namespace, chosen: Settings) -> int:
    """Makes changes or takes them back, and looks again."""
    from carbonwatch.cli import _mend

    fixes = _mend.made() if args.undo else examine(chosen).fixes
    if not fixes:
        nothing = "--fix has changed nothing here." if args.undo else "There is nothing here that a change would mend."
        _terminal.say(f"carbonwatch: {nothing}")
    elif not _mend.change(fixes, undo=args.undo, yes=args.yes):
        return 1
    found = examine(chosen)
    if fixes and not args.undo and not found.complete and _mend.reads_after_login(_words(chosen)):
        _terminal.say("carbonwatch: it is read by whoever logs in from now on; log in again.")
        return 0
    _show(found, args.json)
    return 0 if found.complete or args.undo else 1


def _words(chosen: Settings) -> list[str]:
    """The flags that make another process look at the same meters."""
    names = [name for name in ("sensors", "path_sysfs", "path_procfs") if name in chosen.origin]
    return [f"{_options.flag(name)}={_value(chosen, name)}" for name in names]


def _show(found: Findings, as_text_for_programs: bool) -> None:
    if as_text_for_programs:
        _terminal.show(as_json(found))
    else:
        width = min(100, _terminal.width(sys.stdout) or 80)
        _terminal.show(as_text(found, width, _terminal.colour(sys.stdout)))


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
        ("Not asked for", _not_asked_for(found.settings, width)),
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
        yield f"{mark} {domain.component}: {domain.quality}, true value {_range(low, high)}"
        yield from _wrapped(f"{domain.source} [{domain.id}]{_edges(domain)}", width, _INDENT)
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
    for source in (s for s in found.sources if s.name in found.not_read):
        colours = _terminal.RED if source.remedy else _terminal.DIM
        yield f"{_terminal.painted('✗', colours, colour)} {source.name}: {source.state}"
        yield from _wrapped(source.reason, width, _INDENT)
        if source.lost:
            yield from _wrapped(source.lost, width, _INDENT)
        if source.remedy:
            yield from _remedy(source.remedy, width)
        if source.fix:
            yield from _wrapped(source.fix.exposes, width, _INDENT)
            yield from _wrapped("`carbonwatch doctor --fix` does that, `--undo` takes it back.", width, _INDENT)
            if found.facts["container"] not in ("none", "None"):
                yield from _wrapped("In a container, make it on the host.", width, _INDENT)


def _remedy(remedy: str, width: int) -> Iterator[str]:
    """Of several lines some are commands: as they are, to be copied."""
    if "\n" in remedy:
        yield from (f"{_INDENT}{line}" for line in remedy.splitlines())
    else:
        yield from _wrapped(f"→ {remedy}", width, _INDENT)


def _not_counted(found: Findings, width: int) -> Iterator[str]:
    for source in (s for s in found.sources if s.name in found.not_counted):
        yield from _wrapped(f"{source.name}: {source.reason}", width, "  ")
        if source.remedy:
            yield from _remedy(source.remedy, width)


def _not_asked_for(chosen: Settings, width: int) -> Iterator[str]:
    others = [name for name in plugins.own_names("sensors") if name not in chosen.sensors]
    if others:
        yield from _wrapped(f"{', '.join(others)} (setting sensors)", width, "  ")


def _missing(name: str, why: Unavailable, read: tuple[Domain, ...]) -> Source:
    state: State = "refused" if isinstance(why, SensorRefused) else "absent"
    if not isinstance(why, Mendable):
        return Source(name, state, why.reason, remedy=why.remedy)
    lost = [_lost(component, worth, read) for component, worth in why.worth.items() if _narrows(component, worth, read)]
    if why.worth and not lost:
        return Source(name, state, f"{why.reason} Nothing is lost: what it meters is measured as well already.")
    return Source(name, state, why.reason, "; ".join(lost), why.remedy, why.fix)


def _narrows(component: str, worth: tuple[float, float], read: tuple[Domain, ...]) -> bool:
    """Whether a component would be known better than it is."""
    errors = [domain.error for domain in read if domain.component == component and domain.quality == "measured"]
    return not any(worth[0] <= low and high <= worth[1] for low, high in errors)


def _lost(component: str, worth: tuple[float, float], read: tuple[Domain, ...]) -> str:
    """What is known of a component, and what would be."""
    instead = next((domain for domain in read if domain.component == component), None)
    now = f"{instead.quality}, {_range(*instead.error)}" if instead else "not known at all"
    return f"{component} is {now}; it would be measured, {_range(*worth)}"


def _rejected(id_: str, why: str) -> Source:
    """What is there and not counted; closed to this user, or one too many."""
    if os.strerror(errno.EACCES) not in why:
        return Source(id_, "rejected", why)
    fix = HWMON_FOR_A_GROUP if id_.startswith(tuple(HWMON_FOR_A_GROUP.sensors)) else POWERCAP_FOR_A_GROUP
    return Source(id_, "refused", why, remedy=fix.remedy(), fix=fix)


def _range(low: float, high: float) -> str:
    return f"{100 * low:+.0f} to {100 * high:+.0f} %"


def _edges(domain: Domain) -> str:
    """What a count that is renewed now and then adds to the interval of a short window."""
    if not domain.period_s:
        return ""
    _, high = replace(domain, error=(0.0, 0.0)).error_over(1.0)
    return f", renewed every {human_duration(domain.period_s)}: ±{100 * high:.2g} % more in a window of 1 s"


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
        yield from _wrapped(f"{name:<{longest}} = {_spaced(chosen, name)}  ({chosen.origin[name]})", width, "  ")
    others = [name for name in names if name not in given]
    defaults = [f"{name}={_spaced(chosen, name)}" for name in others if _value(chosen, name)]
    yield from _wrapped(f"by default: {'; '.join(defaults)}", width, "  ")
    unset = [name for name in others if not _value(chosen, name)]
    yield from _wrapped(f"not set: {', '.join(unset)}", width, "  ")


def _told(chosen: Settings, name: str) -> Any:
    """A setting's value, unless it is a secret."""
    value = getattr(chosen, name)
    return "***" if value is not None and settings.is_secret(name) else value


def _value(chosen: Settings, name: str) -> str:
    value = _told(chosen, name)
    if isinstance(value, tuple):
        return ", ".join(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _spaced(chosen: Settings, name: str) -> str:
    """A setting's value with a list's names apart, so that long lists have several lines."""
    return _value(chosen, name).replace(",", ", ")


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


def _source(source: Source) -> dict[str, Any]:
    told = {name: getattr(source, name) for name in ("name", "state", "reason", "lost", "remedy")}
    fix = source.fix
    return {**told, "fix": fix and {"name": fix.name, "path": fix.path, "text": fix.text, "exposes": fix.exposes}}


def _values(found: Findings) -> dict[str, Any]:
    chosen = found.settings
    return {
        "version": __version__,
        **found.facts,
        "read": [asdict(domain) for domain in found.read],
        "complete": found.complete,
        "sources": [_source(source) for source in found.sources],
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
