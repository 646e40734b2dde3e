"""A run in words and figures, as every report for people says them: the reports only lay them out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

from carbonwatch import embodied, sweeps
from carbonwatch.model import Component, Domain, Entry, Figure, Gap, Intensity, Part, Place, Quality, Run
from carbonwatch.reports import _social_cost as social_cost
from carbonwatch.totals import SEVERAL_PLACES, MergedRun, merged_runs
from carbonwatch.units import (
    NS_PER_S,
    energy_range,
    energy_unit,
    human_duration,
    human_energy,
    human_mass,
    human_number,
    human_volume,
    mass_range,
)

UNKNOWN = "unknown"
TOTAL = "all"
LEGEND = "own: this program · idle: spent on nobody's work · others: other programs"

_COMPONENTS: dict[Component, str] = {
    "cpu": "CPU",
    "gpu": "GPU",
    "ram": "RAM",
    "disk": "disk",
    "system": "system",
    "rest": "rest",
}
_QUALITIES: tuple[Quality, ...] = ("measured", "modelled", "assumed")
_HEADLINES: dict[Part, str] = {"own": "this program's own share", "machine": "all that the machine used"}
_STATES = {
    "running": "still running",
    "finished": "finished",
    "failed": "failed",
    "killed": "killed",
}
_BOUNDARIES = {"lifecycle": "life cycle", "direct": "direct emissions only"}
_MOST_SHOWN = 1e15  # of a unit; more has no digit after the point
_MOST_TASKS = 6
_MOST_GAPS = 5
_MOST_SOURCES = 2
_MOST_INTENSITIES = 3
_MOST_CANDIDATES = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of components: its joules add up from left to right."""

    name: str
    own: str
    idle: str
    others: str
    machine: str
    within: str  # the interval of the headline's part
    quality: str

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.name, self.own, self.idle, self.others, self.machine, self.within, self.quality)


@dataclass(frozen=True, slots=True)
class Unit:
    """What all figures of the table are in, so that they can be added up by eye; what is lost in it names its own."""

    name: str
    size_j: float
    decimals: int

    def text(self, energy_j: float) -> str:
        if self.is_lost(energy_j):
            return human_energy(energy_j)
        return f"{energy_j / self.size_j:.{self.decimals}f}" if energy_j else "0"

    def is_lost(self, energy_j: float) -> bool:
        """Whether it is too little to have a digit."""
        return 0 < energy_j / self.size_j < 10.0**-self.decimals / 2


@dataclass(frozen=True, slots=True)
class TaskLine:
    """What one task used, with the tasks inside it."""

    name: str  # what follows the task that it is inside of: "batch" of "epoch/batch"
    depth: int
    energy: str
    emissions: str
    share: str


def is_planned(run: Run) -> bool:
    """Whether nothing of it ran: it was calculated from devices and hours."""
    return bool(run.entries) and all(_is_calculated(domain) for domain in run.domains)


def is_partly_planned(run: Run) -> bool:
    """Whether a part of it, and not all, was calculated and did not run."""
    return any(map(_is_calculated, run.domains)) and not is_planned(run)


def _is_calculated(domain: Domain) -> bool:
    return domain.id.startswith("estimate:")


def state(run: Run) -> str:
    """Its state, or that it is planned."""
    return "planned" if is_planned(run) else run.state


def title(run: Run) -> str:
    """Project, state, how long and when, in one line."""
    several = merged_runs(run)
    if several:
        in_all_s = sum(each.duration_s for each in several)
        what = "planned runs" if is_planned(run) else "runs"
        lasted = f"{len(several)} {what}, {human_duration(in_all_s)} in all"
        return ", ".join((f"{run.project}: {lasted}", *(f"first {text}" for text in _started(run.started_ns))))
    if is_planned(run):
        return f"{run.project}: an estimate of {human_duration(run.duration_s)} of planned work"
    lasted = f"{_STATES[run.state]} after {human_duration(run.duration_s)}"
    return ", ".join((f"{run.project}: {lasted}", *_started(run.started_ns)))


def command(run: Run) -> str:
    """The command line; empty where it is not known."""
    return str(run.facts.get("command") or "")


def emissions(run: Run) -> str:
    """The headline: 12 g CO2e (8.1–18 g, 90 %)."""
    if not run.entries:
        return f"CO2e {UNKNOWN}"
    figure = run.emissions(run.headline)
    within = mass_range(figure.low, figure.high, figure.value, 2)
    if whose_is_unknown(run):
        return f"CO2e {UNKNOWN} ({within}, 90 %)"
    value = human_mass(figure.value, 2)
    return f"{value} CO2e" if within == value else f"{value} CO2e ({within}, 90 %)"


def energy(run: Run) -> str:
    """The headline's energy: 31.2 Wh (29.7–32.8 Wh, 90 %)."""
    if not run.entries:
        return f"energy {UNKNOWN}"
    figure = run.energy(run.headline)
    within = energy_range(figure.low, figure.high, figure.value)
    if whose_is_unknown(run):
        return f"energy {UNKNOWN} ({within}, 90 %)"
    value = human_energy(figure.value)
    return value if within == value else f"{value} ({within}, 90 %)"


def meaning(run: Run) -> str:
    """Whose the headline is, and how much of it was measured: this program's own share, 94 % measured."""
    share = run.measured
    if is_planned(run):
        return "which the devices would use: assumed, nothing of it measured"
    whose = _HEADLINES[run.headline]
    if whose_is_unknown(run):
        whose = f"of the machine's {human_energy(run.energy('machine').value)}"
    measured = "" if share is None else ", nothing of it measured" if share == 0 else f", {percent(share)} measured"
    return whose + measured


def warnings(run: Run) -> list[str]:
    """What a reader must know before the figures."""
    found = plans(run)
    if run.state == "killed" and run.entries:
        found.append("It was killed: the figures go up to the last sample that was saved.")
    if run.state == "failed" and run.entries:
        found.append("It ended with an error; the figures are whole, and include the part that failed.")
    found += _of_several(merged_runs(run))
    if not run.entries:
        found.append(_nothing_metered(run))
    elif not run.is_split:
        found.append(
            "Nothing told who worked, so this program's share is not known: anything from nothing to all of it. "
            "`carbonwatch doctor` says what is missing."
        )
    return found


def plans(run: Run) -> list[str]:
    """That all or a part of it was calculated and did not run."""
    if is_planned(run):
        return ["This is an estimate of planned work: nothing ran, and this is what it would use and emit."]
    if is_partly_planned(run):
        return ["A part of this is an estimate of planned work, which did not run: its figures are assumed."]
    return []


def _of_several(runs: tuple[MergedRun, ...]) -> list[str]:
    """How many of them did not end well, and which energy is missing."""
    counts = ((state, sum(each.state == state for each in runs)) for state in ("failed", "killed", "running"))
    ended = [f"{count} {'still running' if state == 'running' else state}" for state, count in counts if count]
    unmetered = sum(not each.metered for each in runs)
    found = [f"Of {len(runs)} runs {', '.join(ended)}: what they used is in the figures."] if ended else []
    if unmetered:
        found.append(f"Of {len(runs)} runs {unmetered} had no meter: their energy is not known, and is missing here.")
    return found


def _nothing_metered(run: Run) -> str:
    what = "Nothing was metered: its energy and emissions are not known, which does not mean that there were none."
    if run.state == "killed":
        return f"{what} It was killed, perhaps before its first sample was saved: a shorter interval_s saves sooner."
    return f"{what} `carbonwatch doctor` says which meters can't be read here, and how to change that."


def header(run: Run) -> Row:
    """The names of the table's columns, and the unit of its figures."""
    return Row(_unit(run).name, "own", "idle", "others", "machine", f"{run.headline}, 90 %", "quality")


def rows(run: Run) -> list[Row]:
    """Energy by component and quality, and of all together."""
    unit = _unit(run)
    found = [_row(_COMPONENTS[component], part, quality, unit) for component, quality, part in _by_quality(run)]
    if len(found) > 1:
        found.append(_row(TOTAL, run, "", unit))
    return found


def _unit(run: Run) -> Unit:
    """The one that suits the whole, with four digits for it."""
    whole_j = run.energy("machine").value
    name, size_j = energy_unit(whole_j)
    before = len(str(int(min(whole_j / size_j, _MOST_SHOWN))))
    return Unit(name, size_j, max(0, 4 - before))


def _by_quality(run: Run) -> Iterator[tuple[Component, Quality, Run]]:
    """The run in parts of one component and one quality each."""
    for component in run.components:
        for quality in _QUALITIES:
            kind = (component, quality)
            entries = tuple(e for e in run.entries if (e.usage.domain.component, e.usage.domain.quality) == kind)
            if entries:
                yield component, quality, replace(run, entries=entries)


def _row(name: str, run: Run, quality: str, unit: Unit) -> Row:
    own, idle, others = (
        unit.text(run.energy(part).value) if run.is_split else UNKNOWN for part in ("own", "idle", "others")
    )
    within = _within(run.energy(run.headline), unit)
    return Row(name, own, idle, others, unit.text(run.energy("machine").value), within, quality)


def _within(figure: Figure, unit: Unit) -> str:
    if unit.is_lost(figure.low) or unit.is_lost(figure.high):
        return energy_range(figure.low, figure.high, figure.value)
    return "–".join(dict.fromkeys((unit.text(figure.low), unit.text(figure.high))))


def tasks(run: Run) -> list[TaskLine]:
    """The tasks that used most, those inside another one below it, and what was outside any."""
    above = levels(run)
    parts = by_task(run, above)
    used = {path: part.energy_j for path, part in parts.items()}
    most = sorted(used, key=lambda path: (-used[path], path))[:_MOST_TASKS]
    order = sorted(most, key=lambda path: [(-used[p], p) for p in (*above[path], path)])
    lines = [_task(run, name_in(path, above[path]), len(above[path]), parts[path]) for path in order]
    outside = outside_tasks(run)
    return [*lines, _task(run, "outside any task", 0, outside)] if lines and outside.entries else lines


def more_tasks(run: Run) -> str:
    """How many tasks there are beside those of `tasks()`; empty if none."""
    left_out = len(by_task(run, levels(run))) - _MOST_TASKS
    return f"and {left_out} more" if left_out > 0 else ""


def outside_tasks(run: Run) -> Run:
    """The part of the run that is of no task."""
    return replace(run, entries=tuple(e for e in run.entries if not e.task))


def by_task(run: Run, above: Mapping[str, tuple[str, ...]]) -> dict[str, Run]:
    """The part of the run of each task, and of each that others are inside of, in order of appearance."""
    entries: dict[str, list[Entry]] = {}
    for entry in run.entries:
        for path in (*above[entry.task], entry.task):
            entries.setdefault(path, []).append(entry)
    entries.pop("", None)
    return {path: replace(run, entries=tuple(found)) for path, found in entries.items()}


def levels(run: Run) -> dict[str, tuple[str, ...]]:
    """For each path the tasks that it is inside of, outermost first.

    A name may hold slashes of its own ("GET /items/{number}"): what stands before one is a level where it is a task
    itself, or where several are inside of it and it is no address.
    """
    own = {"", *run.tasks}
    inside: dict[str, set[str]] = {}
    for path in own:
        for level in _before_slashes(path):
            inside.setdefault(level, set()).add(path[len(level) + 1 :].partition("/")[0])
    shared = {level for level, names in inside.items() if len(names) > 1 and " /" not in f"{level}/"}
    found = own | shared
    return {path: tuple(level for level in _before_slashes(path) if level in found) for path in found}


def name_in(path: str, above: tuple[str, ...]) -> str:
    """What of a path is not the tasks above it."""
    return path[len(above[-1]) + 1 :] if above else path


def _before_slashes(path: str) -> tuple[str, ...]:
    return tuple(path[:end] for end, sign in enumerate(path) if sign == "/" and end > 0)


def _task(run: Run, name: str, depth: int, part: Run) -> TaskLine:
    if not part.is_split and run.headline == "own":
        return TaskLine(name, depth, UNKNOWN, UNKNOWN, "")
    share = percent(part.energy_j / run.energy_j) if run.energy_j > 0 else ""
    return TaskLine(name, depth, human_energy(part.energy_j), f"{human_mass(part.emissions_g, 2)} CO2e", share)


def details(run: Run) -> list[tuple[str, list[str]]]:
    """What the figures rest on: a label and its lines, each; labels without lines are left out."""
    found = [
        ("Machine", _machine(run)),
        ("Place", [_place(run.place)]),
        ("Intensity", _intensities(run)),
        ("PUE", _pue(run)),
        ("Water", _water(run)),
        ("Lines", _lines(run)),
        ("Contract", _contract(run)),
        ("Marginal", _marginal(run)),
        ("Embodied", _embodied(run)),
        ("Social cost", social_cost.lines(run)),
        ("Sources", _sources(run)),
        ("Sweep", sweeps.told(run)),
        ("Not read", _gaps(run)),
        ("Notes", list(run.notes)),
        ("Tracker", [_overhead(run)]),
    ]
    return [(label, lines) for label, lines in found if lines]


def devices(run: Run) -> str:
    """What computed, with how many of it: Intel Xeon Gold 6330 (112 CPUs), 2 × NVIDIA A100; empty if not known."""
    if run.facts.get("devices"):  # of an estimate, which has them in words
        return one_line(str(run.facts["devices"]))
    cpu, count = run.facts.get("cpu_model"), run.facts.get("cpu_count")
    processor = [f"{cpu} ({count} CPUs)" if count else str(cpu)] if cpu else []
    return one_line(", ".join([*processor, *gpus(run)]))


def gpus(run: Run) -> list[str]:
    """Graphics processors by model: 2 × NVIDIA A100-SXM4-40GB."""
    counts: dict[str, int] = {}
    for domain in run.domains:
        if domain.component == "gpu":
            model, count = _counted(domain)
            counts[model] = counts.get(model, 0) + count
    return [f"{count} × {model}" for model, count in counts.items()]


def _counted(domain: Domain) -> tuple[str, int]:
    """Its device, and how many of it: one, but for a calculated domain, which is that of several."""
    name = domain.source.partition(" (")[0]
    count, mark, model = name.partition(" × ")
    return (model, int(count)) if mark and count.isdecimal() and _is_calculated(domain) else (name, 1)


def memory_gb(run: Run) -> float | None:
    """The machine's memory; None where it is not known."""
    known = run.facts.get("ram_total_gb")
    return known if isinstance(known, int | float) and not isinstance(known, bool) and 0 < known < inf else None


def where(run: Run) -> str:
    """Name of the grid's place; empty where it is not known. Of several, all."""
    names = dict.fromkeys(i.name for i in run.intensities if i.zone not in ("world", "given") and i.basis != "given")
    return one_line(", ".join(names)) or one_line(str(run.place.country or ""))


def is_partly_nowhere(run: Run) -> bool:
    """Whether the world's mean stands in for some of it, while the place of the rest is known."""
    zones = {intensity.zone for intensity in run.intensities}
    return "world" in zones and len(zones) > 1


def whole_where(run: Run) -> str:
    """where(), and that a place of it is not known."""
    return f"{where(run)}, and a place that is not known" if where(run) and is_partly_nowhere(run) else where(run)


def run_time_s(run: Run) -> float:
    """How long it took, of several runs together."""
    return sum(each.duration_s for each in merged_runs(run)) or run.duration_s


def one_line(text: str, most: int = 200) -> str:
    """Without control characters and line breaks, and cut: names come from anywhere, and may be a whole book."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 10 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _machine(run: Run) -> list[str]:
    facts = run.facts
    known = (
        facts.get("cpu_model"),
        facts.get("cpu_count") and f"{facts['cpu_count']} CPUs",
        facts.get("ram_total_gb") and f"{facts['ram_total_gb']} GB",
        facts.get("virtualisation") not in (None, "none") and f"a virtual machine ({facts['virtualisation']})",
        facts.get("container") not in (None, "none") and f"in a container ({facts['container']})",
    )
    line = ", ".join(str(fact) for fact in known if fact)
    return [line] if line else []


def _place(place: Place) -> str:
    """Where the machine is, and what told it: FR (time zone Europe/Paris)."""
    where = place.cloud or place.subdivision or place.country
    if where is None and place.evidence == SEVERAL_PLACES:
        return f"{', '.join(place.candidates)} ({place.evidence})"
    if where is None:
        return f"{UNKNOWN}: {place.evidence}"
    return f"{where}{_perhaps(place.candidates)} ({place.evidence})"


def _perhaps(candidates: tuple[str, ...]) -> str:
    if len(candidates) > _MOST_CANDIDATES:
        return f", perhaps one of {len(candidates)} places"
    return f", perhaps {' or '.join(candidates)}" if candidates else ""


def _intensities(run: Run) -> list[str]:
    if len(run.intensities) <= _MOST_INTENSITIES:
        return [line for intensity in run.intensities for line in _intensity(intensity)]
    values = [i.g_per_kwh for i in run.intensities]
    mean = run.emissions("machine").value / run.pue / (run.energy("machine").value or 1) * 3.6e6
    names = dict.fromkeys(f"{i.name}: {i.source}" for i in run.intensities)
    spread = f"{human_number(min(values))} to {human_number(max(values))} g CO2e/kWh"
    return [f"{len(values)} values, {spread}, {human_number(mean)} on average by energy", *_hourly(run), *names]


def _hourly(run: Run) -> list[str]:
    return [f"{percent(run.covered)} of the energy priced by its own hour"] if run.covered else []


def _intensity(intensity: Intensity) -> list[str]:
    value, low, high = (human_number(g) for g in (intensity.g_per_kwh, intensity.low, intensity.high))
    if intensity.basis == "given":
        return [f"{value} g CO2e/kWh, {intensity.source}: taken as given, without an interval for it"]
    facts = (
        f"{value} g CO2e/kWh ({low}–{high})",
        f"{intensity.name}, {intensity.year or 'year not known'}",
        intensity.basis,
        _BOUNDARIES.get(intensity.boundary, intensity.boundary),
        "by the hour" if intensity.period == "hour" else "",
    )
    return [", ".join(fact for fact in facts if fact), intensity.source]


def _pue(run: Run) -> list[str]:
    if run.pue == 1:
        return []
    return [f"{human_number(run.pue)}: emissions count the data centre's overhead, energy does not"]


def _water(run: Run) -> list[str]:
    if run.wue_l_per_kwh <= 0 or not run.entries:
        return []
    if whose_is_unknown(run):
        return [f"{UNKNOWN}, at {human_number(run.wue_l_per_kwh)} l/kWh"]
    return [f"{human_volume(run.water_l)}, at {human_number(run.wue_l_per_kwh)} l/kWh"]


def _lines(run: Run) -> list[str]:
    """What the power lines lost on the way, if that was asked for: scope 3, and no part of the headline."""
    if run.losses_g is None or not run.entries:
        return []
    lost = UNKNOWN if whose_is_unknown(run) else human_mass(run.losses_g, 2)
    share = percent(float(run.facts["line_losses"]))
    return [
        f"{lost} CO2e more for losses of {share} (scope 3; not in the figure above)",
        str(run.facts.get("line_losses_source", "")),
    ]


def _contract(run: Run) -> list[str]:
    """The market-based figure, if a contract's factor was given: beside the grid's, never instead."""
    if run.market_g is None or not run.entries:
        return []
    by_contract = UNKNOWN if whose_is_unknown(run) else human_mass(run.market_g, 2)
    factor = human_number(float(run.facts["market_g_per_kwh"]))
    return [f"{by_contract} CO2e by your contract's {factor} g/kWh (market-based; the figure above is the grid's)"]


def _marginal(run: Run) -> list[str]:
    """Grams by what one kilowatt-hour more made the grid emit: beside the average, never instead."""
    if run.marginal_g is None or not run.entries:
        return []
    caused = UNKNOWN if whose_is_unknown(run) else human_mass(run.marginal_g, 2)
    factor = human_number(float(run.facts["marginal_g_per_kwh"]))
    source = str(run.facts.get("marginal_source", "source not known"))
    return [
        f"{caused} CO2e by what one kilowatt-hour more makes the grid emit, {factor} g; "
        "the figure above is by the average",
        source,
    ]


def _embodied(run: Run) -> list[str]:
    """The run's share of what making its machine emitted, if that was asked for: no part of the headline."""
    made = embodied.of(run)
    if made is None:
        return []
    share, whole = made.share_g, made.total_kg
    return [
        f"{human_mass(share.value, 2)} CO2e more for making the machine ({_range(share)}; not in the figure above)",
        f"of {human_mass(1000 * whole.value, 2)} ({_range(whole.times(1000.0))}) in {made.lifetime_years:g} years: "
        f"{made.source}",
    ]


def _range(mass_g: Figure) -> str:
    if mass_g.low == mass_g.high:
        return "as given"
    return mass_range(mass_g.low, mass_g.high, mass_g.value, 2)


def _sources(run: Run) -> list[str]:
    return [
        f"{_COMPONENTS[component]} {quality}: {_listed([d.source for d in part.domains])}"
        for component, quality, part in _by_quality(run)
    ]


def _listed(names: Iterable[str]) -> str:
    names = list(dict.fromkeys(names))
    shown = "; ".join(names[:_MOST_SOURCES])
    left_out = len(names) - _MOST_SOURCES
    return f"{shown}; and {left_out} more like these" if left_out > 0 else shown


def _gaps(run: Run) -> list[str]:
    """What could not be read and for how long in all, the longest first."""
    alike: dict[tuple[str, str], list[Gap]] = {}
    for gap in run.gaps:
        alike.setdefault((gap.domain_id, gap.reason), []).append(gap)
    by_length = sorted(alike.values(), key=_lasted_s, reverse=True)
    lines = [_gap(gaps, run.domains) for gaps in by_length[:_MOST_GAPS]]
    left_out = by_length[_MOST_GAPS:]
    return [*lines, f"and {len(left_out)} more"] if left_out else lines


def _gap(gaps: list[Gap], domains: tuple[Domain, ...]) -> str:
    first = gaps[0]
    name = next((d.source for d in domains if d.id == first.domain_id), first.domain_id)
    times = f" in {len(gaps)} intervals" if len(gaps) > 1 else ""
    return f"{name}, for {human_duration(_lasted_s(gaps))}{times}: {first.reason}"


def _lasted_s(gaps: list[Gap]) -> float:
    return sum(gap.end_ns - gap.start_ns for gap in gaps) / NS_PER_S


def _overhead(run: Run) -> str:
    share = f", {percent(run.overhead_s / run.duration_s)} of the duration" if run.duration_s > 0 else ""
    return f"{human_duration(run.overhead_s)} of CPU time{share}"


def percent(share: float) -> str:
    """A share with two digits: 94 %, 0.31 %. Never 0 % of something nor 100 % of less than all."""
    if 0 < share < 0.0001:
        return "<0.01 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{human_number(share * 100, 2)} %"


def _started(ns: int) -> list[str]:
    return [time.strftime("started %Y-%m-%d %H:%M UTC", time.gmtime(ns // NS_PER_S))] if ns > 0 else []


def whose_is_unknown(run: Run) -> bool:
    """Whether the headline is an own share that nobody could tell."""
    return run.headline == "own" and not run.is_split
