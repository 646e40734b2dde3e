"""Prices a run by its own hours: asks the chosen sources, or the cache, for the time of the run, and reprices it.

What goes wrong becomes a note of the run and one log line; the yearly figure stays.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from carbonwatch import ledger, plugins
from carbonwatch.errors import GridUnavailable
from carbonwatch.grid._cache import Cache, folder
from carbonwatch.grid._http import NoAnswer, NoFigures
from carbonwatch.model import Entry, Place, Run, Series
from carbonwatch.settings import Settings

log = logging.getLogger(__name__)

SAID = "Hourly intensity: "  # what our notes begin with
_MARGINAL = "watttime"  # noted beside the footprint, and never a part of it
_LATER = "`carbonwatch reprice {}` asks again."
_said: set[str] = set()


def check(settings: Settings) -> None:
    """Raises Unavailable, with the names that there are, where a source of the setting `grid` does not exist."""
    for name in settings.grid:
        plugins.load("grid", name)


def reprice(run: Run, settings: Settings, *, insist: bool = False, now_ns: int | None = None) -> Run:
    """The run with each hour at its own price, as far as the sources of the setting `grid` know it; notes say what not.

    `insist`: also ask those that did not answer a moment ago, and whether there is better than an estimate.
    """
    bare = replace(run, entries=tuple(_by_the_year(e) for e in run.entries if not ledger.is_by_hand(e.intensity)))
    if not bare.entries:
        return run
    start_ns, end_ns = min(e.start_ns for e in bare.entries), max(map(ledger.end_ns, bare.entries))
    averages: list[Series] = []
    marginals: list[Series] = []
    notes: list[str] = []
    for name in settings.grid:
        if name != _MARGINAL and ledger.reprice(bare, *averages).covered == 1:
            continue  # all of it is known
        try:
            series = known(name, run.place, start_ns, end_ns, settings, insist=insist, now_ns=now_ns)
            (marginals if name == _MARGINAL else averages).append(series)
        except GridUnavailable as error:
            notes.append(str(error))
            _warn_once(error)
        # border: a source may be foreign code, and what it raises may hold a secret
        except Exception as error:
            notes.append(f"{name} failed ({type(error).__name__}).")
    return _noted(_with_marginal(ledger.reprice(run, *averages), bare, marginals), notes)


def reprice_in_time(run: Run, settings: Settings, within_s: float | None = None) -> Run:
    """The same within a time, or the setting `grid_timeout_s`, whatever the sources do: another thread asks them."""
    done: list[Run] = []
    thread = threading.Thread(
        target=lambda: done.append(reprice(run, settings)), name="carbonwatch-pricing", daemon=True
    )
    try:
        thread.start()
    except RuntimeError:  # the interpreter is about to end, and lets none begin
        return _late(run, "there was no time left to ask for it")
    thread.join(settings.grid_timeout_s if within_s is None else within_s)
    return done[0] if done else _late(run, f"the sources took longer than {settings.grid_timeout_s:g} s")


def known(
    name: str,
    place: Place,
    start_ns: int,
    end_ns: int,
    settings: Settings,
    *,
    insist: bool = False,
    now_ns: int | None = None,
) -> Series:
    """What a source knows of a time that has passed, from the cache if it has all of it. Raises GridUnavailable."""
    now_ns = time.time_ns() if now_ns is None else now_ns
    end_ns = max(start_ns + 1, min(end_ns, now_ns))
    cache = Cache(folder(settings))
    source = _source(name)
    key = "/".join((name, settings.boundary, _where(source, place)))
    found = cache.find(key, start_ns, end_ns, now_ns)
    if found is not None and not (insist and any(slot.kind != "measured" for slot in found.slots)):
        return found
    if not insist and not (cache.may_ask(name, now_ns) and cache.may_ask(key, now_ns)):
        part = cache.find(key, start_ns, end_ns, now_ns, whole=False)
        if part is None:
            raise GridUnavailable(f"{name} had no answer a moment ago, and is left alone for a while.")
        return part
    try:
        series = _settled(source(place, start_ns, end_ns, settings), now_ns)
    except NoAnswer:
        cache.failed(name, now_ns)
        raise
    except NoFigures:
        cache.rest(key, now_ns)
        raise
    cache.answered(name)
    if series.period == "hour":  # a table needs no cache, and a newer one is not to be hidden by it
        cache.keep(key, series, now_ns)
    if not series.slots or series.slots[-1].end_ns < end_ns:
        cache.rest(key, now_ns)
    return series


def _source(name: str) -> Callable[..., Series]:
    if name == _MARGINAL:
        from carbonwatch.grid.watttime import marginal

        return marginal
    return plugins.load("grid", name)


def _where(source: Callable[..., Series], place: Place) -> str:
    """The source's zone of a place; of one that has no zones, or none there, all that is known of the place."""
    zone_of = getattr(sys.modules.get(getattr(source, "__module__", "")), "zone", None)
    zone = zone_of(place) if callable(zone_of) else None
    return zone or "/".join(part or "" for part in (place.cloud, place.subdivision, place.country, *place.candidates))


def _by_the_year(entry: Entry) -> Entry:
    """As if nothing were known of its hour."""
    return replace(entry, intensity=replace(entry.intensity, period="year"))


def _with_marginal(run: Run, bare: Run, known: list[Series]) -> Run:
    """The run with its mean marginal intensity as a fact, beside its price, where all of it is known."""
    caused = ledger.reprice(bare, *known)
    energy_j = caused.energy_j
    if caused.covered != 1 or not energy_j:
        return run
    parts = ((e.usage.part(run.headline).value, e.intensity.g_per_kwh) for e in caused.entries)
    mean = sum(part_j * g_per_kwh for part_j, g_per_kwh in parts) / energy_j
    return replace(run, facts={**run.facts, "marginal_g_per_kwh": mean, "marginal_source": known[0].source})


def _settled(series: Series, now_ns: int) -> Series:
    """What was foretold of a time that has come is an estimate of it, as long as nothing better replaces it."""
    slots = (
        replace(slot, kind="estimated") if slot.kind == "forecast" and slot.start_ns < now_ns else slot
        for slot in series.slots
    )
    return replace(series, slots=tuple(slots))


def _late(run: Run, why: str) -> Run:
    return replace(run, notes=(*_other_notes(run), f"{SAID}{why}. {_LATER.format(run.id)}"))


def _noted(run: Run, failures: list[str]) -> Run:
    """The run with our notes renewed."""
    return replace(run, notes=(*_other_notes(run), *(SAID + note for note in (*failures, *_left(run)))))


def _other_notes(run: Run) -> tuple[str, ...]:
    return tuple(note for note in run.notes if not note.startswith(SAID))


def _left(run: Run) -> Iterator[str]:
    """What a reader must know of the rest."""
    if run.covered is not None and run.covered < 1:
        yield (
            f"{100 * run.covered:.0f} % of the energy is priced by its own hour, the rest by a year's mean. "
            + _LATER.format(run.id)
        )
    boundaries = {intensity.boundary for intensity in run.intensities if not ledger.is_by_hand(intensity)}
    if len(boundaries) > 1:
        yield "part of it counts direct emissions alone, and part the life cycle: don't compare the sum."


def _warn_once(error: GridUnavailable) -> None:
    if error.reason not in _said:
        _said.add(error.reason)
        log.warning("%s The yearly mean of the place is used instead.", error)
