"""The nouns. A value on its way from a counter to a report:

    Domain -> Reading -> Sample -> Usage -> (Place ->) Intensity -> Entry -> Run

All are frozen; each step makes a new one. What was measured is kept, the rest is derived.
Inside: J, nJ, W, s, ns, g. Intervals are about 90 % wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from carbonwatch.units import J_PER_KWH, energy_range, human_duration, human_energy, human_mass, mass_range

# rest: power supply, fans, board and disks, where a model adds them to the others
Component = Literal["cpu", "gpu", "ram", "disk", "rest", "system"]
Quality = Literal["measured", "modelled", "assumed"]
Scope = Literal["process", "machine"]
Part = Literal["own", "idle", "others", "machine"]
State = Literal["running", "finished", "failed", "killed"]
Period = Literal["year", "hour"]
SlotKind = Literal["measured", "estimated", "forecast"]

# A count is up to one period T old when it is read. The error of a window of even power P is the difference of two
# such ages: triangular, with a standard deviation of P x T / sqrt(6) = 0.41 P x T, and 90 % of it within 0.68 P x T.
_EDGES = 0.68

COMPONENTS: tuple[Component, ...] = ("cpu", "gpu", "ram", "disk", "rest", "system")


@dataclass(frozen=True, slots=True)
class Domain:
    """One meter: what it meters, how well, and which other meter's count already holds its own."""

    id: str  # "rapl:package-0", "nvml:GPU-3f2a…"
    component: Component
    quality: Quality
    source: str  # what a person would call it: "RAPL package-0 (powercap)"
    within: str | None = None  # id of the domain whose count already holds this one's
    error: tuple[float, float] = (0.0, 0.0)  # relative: (-0.5, 1.0) reads "half to double"
    idle_w: float | None = None  # what it draws doing nothing; None: not known
    period_s: float = 0.0  # its count is renewed this often, so that what lies between is missed at an edge

    def error_over(self, duration_s: float) -> tuple[float, float]:
        """Relative interval of what it counts in a window this long: its accuracy, and what both edges miss."""
        low, high = self.error
        if self.period_s <= 0 or duration_s <= 0:
            return self.error
        edges = _EDGES * self.period_s / duration_s
        return max(-1.0, -math.hypot(low, edges)), math.hypot(high, edges)


@dataclass(frozen=True, slots=True)
class Gap:
    """A meter that could not be read over an interval, and why."""

    domain_id: str
    start_ns: int
    end_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Work:
    """Who used a device, in seconds of it counted up (CPU seconds, or seconds of a whole GPU).

    own: the run's process tree; busy: everybody; capacity: all there was (cores x time);
    reserved: kept for the run whether it used them or not; others_reserved: kept for those who share its
    container or job, and left idle by them.
    """

    own_s: float
    busy_s: float
    capacity_s: float
    reserved_s: float = 0.0
    others_reserved_s: float = 0.0

    def since(self, before: Work) -> Work:
        """The work between two counts; a count never goes back."""
        return Work(
            max(0.0, self.own_s - before.own_s),
            max(0.0, self.busy_s - before.busy_s),
            max(0.0, self.capacity_s - before.capacity_s),
            max(0.0, self.reserved_s - before.reserved_s),
            max(0.0, self.others_reserved_s - before.others_reserved_s),
        )

    def plus(self, other: Work) -> Work:
        """Both together."""
        return Work(
            self.own_s + other.own_s,
            self.busy_s + other.busy_s,
            self.capacity_s + other.capacity_s,
            self.reserved_s + other.reserved_s,
            self.others_reserved_s + other.others_reserved_s,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """All counts at one instant: nanojoules by domain, work by "cpu" or by domain id."""

    ns: int  # time.monotonic_ns()
    energy_nj: Mapping[str, int]
    work: Mapping[str, Work]
    failed: Mapping[str, str] = field(default_factory=dict)  # domain id -> why its count is an old one


@dataclass(frozen=True, slots=True)
class Sample:
    """What happened between two readings: energy of each domain, work, and what could not be read."""

    start_ns: int
    end_ns: int
    energy_j: Mapping[str, float]
    work: Mapping[str, Work]
    gaps: tuple[Gap, ...] = ()

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Usage:
    """Whose joules: machine = idle + own + what others used.

    machine: all that the domain counted. idle: what it drew for doing nothing, and that no running
    or reserving process accounts for. own: this run's share; own_low and own_high bound it where the
    idle power is not known and only a convention can split it. work: the seconds behind the shares;
    None where nobody could tell who worked. baseline: idle power x time, before anyone takes a part.
    """

    domain: Domain
    machine_j: float
    idle_j: float
    own_j: float
    own_low_j: float
    own_high_j: float
    baseline_j: float = 0.0
    work: Work | None = None

    @property
    def is_split(self) -> bool:
        """False where nobody could tell who worked: own is then all of it by convention, or anything less."""
        return self.work is not None or self.own_low_j == self.own_high_j

    def plus(self, other: Usage) -> Usage:
        """The same domain over both intervals."""
        work = self.work if other.work is None else other.work if self.work is None else self.work.plus(other.work)
        return Usage(
            self.domain,
            self.machine_j + other.machine_j,
            self.idle_j + other.idle_j,
            self.own_j + other.own_j,
            self.own_low_j + other.own_low_j,
            self.own_high_j + other.own_high_j,
            self.baseline_j + other.baseline_j,
            work,
        )

    def times(self, factor: float) -> Usage:
        """This part of it, for an interval that several tasks share."""
        work = self.work and Work(
            self.work.own_s * factor,
            self.work.busy_s * factor,
            self.work.capacity_s * factor,
            self.work.reserved_s * factor,
            self.work.others_reserved_s * factor,
        )
        return Usage(
            self.domain,
            self.machine_j * factor,
            self.idle_j * factor,
            self.own_j * factor,
            self.own_low_j * factor,
            self.own_high_j * factor,
            self.baseline_j * factor,
            work,
        )

    def part(self, part: Part, duration_s: float = math.inf) -> Figure:
        """One part's joules with the interval of the meter over a window and, for `own`, of the convention."""
        low, high = self.domain.error_over(duration_s)
        if part == "own":
            return Figure(self.own_j, self.own_low_j * (1 + low), self.own_high_j * (1 + high))
        value = self._plain(part)
        return Figure(value, value * (1 + low), value * (1 + high))

    def _plain(self, part: Part) -> float:
        if part == "machine":
            return self.machine_j
        if part == "idle":
            return self.idle_j
        return max(0.0, self.machine_j - self.idle_j - self.own_j)


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and its interval, all in the same unit."""

    value: float
    low: float
    high: float

    def plus(self, other: Figure) -> Figure:
        """Ends are added, not squared: meters of one machine err together."""
        return Figure(self.value + other.value, self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Figure:
        return Figure(self.value * factor, self.low * factor, self.high * factor)


ZERO = Figure(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the machine is, as far as can be told, and what told it. Codes are ISO 3166."""

    country: str | None = None  # alpha-2
    subdivision: str | None = None  # "US-VA"; or a zone of the grid, "IT-SIC"
    cloud: str | None = None  # "aws/eu-west-3"
    candidates: tuple[str, ...] = ()  # where else it may be; they widen the band
    evidence: str = "nothing says where this machine is"


@dataclass(frozen=True, slots=True)
class Intensity:
    """What a kWh emits at a place over a time, with the band and the source of the figure."""

    g_per_kwh: float
    low: float
    high: float
    zone: str  # "FR", "US-VA", "aws/eu-west-3", "world"
    name: str  # "France"
    basis: str  # "production", "consumption"; "given" and "mix" by the user
    boundary: str  # "lifecycle" or "direct"
    source: str
    year: int | None
    license: str = ""
    period: Period = "year"  # "hour": the mean of the very time that it prices, not of its year


@dataclass(frozen=True, slots=True)
class Slot:
    """What a kWh emitted, or is expected to emit, over one interval of Unix time."""

    start_ns: int
    end_ns: int
    g_per_kwh: float
    kind: SlotKind = "measured"


@dataclass(frozen=True, slots=True)
class Series:
    """What one source knows of a grid over a time: slots in order that do not overlap, perhaps with holes between."""

    slots: tuple[Slot, ...]
    zone: str
    name: str
    basis: str
    boundary: str  # "lifecycle" or "direct"; "marginal" answers another question, and is no footprint
    source: str
    license: str = ""
    error: tuple[float, float] = (-0.13, 0.15)  # relative, of a slot's figure: the tables' class A
    period: Period = "hour"
    year: int | None = None  # None: the slots' own

    def intensity(self, g_per_kwh: float, year: int, *, estimated: bool = False) -> Intensity:
        """A mean of its slots as a price."""
        low, high = self.error
        return Intensity(
            g_per_kwh=g_per_kwh,
            low=g_per_kwh * (1 + low),
            high=g_per_kwh * (1 + high),
            zone=self.zone,
            name=self.name,
            basis=self.basis,
            boundary=self.boundary,
            source=f"{self.source}, estimated" if estimated else self.source,
            year=self.year or year,
            license=self.license,
            period=self.period,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact with its price tag: one domain over one interval, for one task, at one intensity."""

    task: str  # "" outside any task; "epoch/batch" for a task inside a task
    start_ns: int  # Unix time
    duration_s: float
    usage: Usage
    intensity: Intensity

    @property
    def machine_g(self) -> float:
        """Grams of CO2e of all that the domain counted."""
        return self.usage.machine_j / J_PER_KWH * self.intensity.g_per_kwh


@dataclass(frozen=True, slots=True)
class Trace:
    """One meter over time, as it is kept: joules of intervals, in order; old ones are longer, some may be missing."""

    domain: Domain
    start_ns: tuple[int, ...]  # Unix time
    duration_s: tuple[float, ...]
    machine_j: tuple[float, ...]
    idle_j: tuple[float, ...]
    own_j: tuple[float, ...]
    least_w: tuple[float, ...] = ()  # of the machine, where intervals were merged
    most_w: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One measured, estimated or imported piece of work: all that a report may know."""

    id: str
    project: str
    scope: Scope  # which part is the headline: own ("process") or the whole machine
    state: State
    started_ns: int  # Unix time
    duration_s: float
    entries: tuple[Entry, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()  # what makes a number worth less than it looks
    place: Place = Place()
    facts: Mapping[str, Any] = field(default_factory=dict)  # environment: hardware, OS, versions, command
    overhead_s: float = 0.0  # CPU time of the tracker itself
    pue: float = 1.0
    wue_l_per_kwh: float = 0.0

    def __str__(self) -> str:
        state = "planned" if self.facts.get("estimate") is True else self.state
        return f"{self.project}: {state}, {human_duration(self.duration_s)}, {self.used}"

    @property
    def used(self) -> str:
        """The headline in a line: 31.2 Wh (29.7–32.8 Wh), 960 mg CO2e (640–1500 mg)."""
        if not self.is_known:
            return "energy and emissions unknown"
        j, g = self.energy(self.headline), self.emissions(self.headline)
        energy = f"{human_energy(j.value)} ({energy_range(j.low, j.high, j.value)})"
        return f"{energy}, {human_mass(g.value, 2)} CO2e ({mass_range(g.low, g.high, g.value, 2)})"

    @property
    def headline(self) -> Part:
        return "machine" if self.scope == "machine" else "own"

    @property
    def tags(self) -> tuple[str, ...]:
        """Words that the user gave it, to find it again."""
        tags = self.facts.get("tags")
        return tuple(map(str, tags)) if isinstance(tags, list | tuple) else ()

    @property
    def energy_j(self) -> float:
        """The headline's joules, without PUE."""
        return self.energy(self.headline).value

    @property
    def emissions_g(self) -> float:
        """The headline's grams of CO2e, PUE applied."""
        return self.emissions(self.headline).value

    @property
    def water_l(self) -> float:
        """Litres of water, as far as the place's WUE tells; a WUE is per kWh of the machines, without PUE."""
        return self.energy_j / J_PER_KWH * self.wue_l_per_kwh

    @property
    def market_g(self) -> float | None:
        """Grams of CO2e by the factor of a contract, PUE applied; None where none was given. Never the footprint."""
        factor = _number(self.facts.get("market_g_per_kwh"))
        return None if factor is None else self.energy_j / J_PER_KWH * self.pue * factor

    @property
    def marginal_g(self) -> float | None:
        """Grams of CO2e by the marginal intensity, PUE applied; None where it is not known. Never the footprint."""
        factor = _number(self.facts.get("marginal_g_per_kwh"))
        return None if factor is None else self.energy_j / J_PER_KWH * self.pue * factor

    @property
    def losses_g(self) -> float | None:
        """Grams of CO2e of what the lines lost on the way here, beside the footprint; None where not asked for."""
        share = _number(self.facts.get("line_losses"))
        return None if share is None or not 0 <= share < 1 else self.emissions_g * share / (1 - share)

    @property
    def measured(self) -> float | None:
        """Share of the headline's joules that a counter measured; None without any joule."""
        total = self.energy_j
        if total <= 0:
            return None
        counted = (e.usage.part(self.headline).value for e in self.entries if e.usage.domain.quality == "measured")
        return sum(counted) / total

    @property
    def covered(self) -> float | None:
        """Share of the headline's joules that are priced by their own hour, not by a year; None without any joule."""
        parts = [(e.intensity.period, e.usage.part(self.headline).value) for e in self.entries]
        hourly_j, yearly_j = (sum(j for period, j in parts if period == each) for each in ("hour", "year"))
        # so that all of it is 1, however the sums are rounded
        return hourly_j / (hourly_j + yearly_j) if hourly_j + yearly_j > 0 else None

    @property
    def is_split(self) -> bool:
        """Whether it is known of all joules whose they are."""
        return all(e.usage.is_split for e in self.entries)

    @property
    def is_known(self) -> bool:
        """Whether the headline's joules are known: something was metered, and it can be told whose it was."""
        return bool(self.entries) and (self.headline == "machine" or self.is_split)

    @property
    def domains(self) -> tuple[Domain, ...]:
        return tuple({e.usage.domain.id: e.usage.domain for e in self.entries}.values())

    @property
    def intensities(self) -> tuple[Intensity, ...]:
        return tuple(dict.fromkeys(e.intensity for e in self.entries))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in order of appearance."""
        return tuple(dict.fromkeys(e.task for e in self.entries if e.task))

    def energy(self, part: Part = "machine", component: Component | None = None) -> Figure:
        """Joules of one part, of all components or one."""
        total = ZERO
        for entry in self.entries:
            if component is None or entry.usage.domain.component == component:
                total = total.plus(entry.usage.part(part, self.duration_s))
        return total

    def emissions(self, part: Part = "machine", component: Component | None = None) -> Figure:
        """Grams of CO2e of one part, PUE applied, with energy's and intensity's intervals combined."""
        total = ZERO
        for entry in self.entries:
            if component is None or entry.usage.domain.component == component:
                total = total.plus(price(entry.usage.part(part, self.duration_s), entry.intensity, self.time_error))
        return total.times(self.pue)

    @property
    def time_error(self) -> float:
        """Relative error of a yearly mean taken for a run this long.

        Measured against hourly data of FR, GB and DE in 2020 (average life-cycle intensity,
        "Let's wait awhile", Wiesner et al. 2021), rounded: a grid's year is not its hour.
        """
        for limit_s, error in ((8 * 3600, 0.45), (86400 * 2, 0.35), (86400 * 14, 0.25)):
            if self.duration_s < limit_s:
                return error
        return 0.15

    def only(self, task: str) -> Run:
        """The run as one task saw it: its own entries and those of tasks inside it."""
        entries = tuple(e for e in self.entries if e.task == task or e.task.startswith(task + "/"))
        duration_s = _longest(entries)
        return replace(self, entries=entries, duration_s=duration_s)

    @property
    def components(self) -> tuple[Component, ...]:
        present = {e.usage.domain.component for e in self.entries}
        return tuple(c for c in COMPONENTS if c in present)


_HOUR_ERROR = 0.05  # of an hour's mean taken for the minutes in it
_LOG_MAX = 709.0  # more than that no exp() can give


def price(energy: Figure, intensity: Intensity, time_error: float) -> Figure:
    """Joules x g/kWh, in grams. Relative errors are combined in quadrature on the log scale."""
    value = energy.value / J_PER_KWH * intensity.g_per_kwh
    if value <= 0:
        ceiling = energy.high / J_PER_KWH * intensity.high
        return Figure(0.0, 0.0, ceiling)
    # a yearly mean is not the hour's; a figure that the user gave is believed as given
    time_error = _HOUR_ERROR if intensity.period == "hour" else time_error
    time = 0.0 if intensity.basis == "given" else math.log1p(time_error)
    down = _log_quadrature((energy.value, energy.low), (intensity.g_per_kwh, intensity.low), time)
    up = _log_quadrature((energy.high, energy.value), (intensity.high, intensity.g_per_kwh), time)
    return Figure(value, value / down, value * up)


def _log_quadrature(energy: tuple[float, float], grid: tuple[float, float], time: float) -> float:
    """The factor that combines two ratios and the error in time; infinite where a lower end is nothing."""
    if energy[1] <= 0 or grid[1] <= 0:
        return math.inf
    parts = (math.log(energy[0]) - math.log(energy[1]), math.log(grid[0]) - math.log(grid[1]))
    return math.exp(min(math.hypot(*parts, time), _LOG_MAX))


def _number(fact: object) -> float | None:
    """A fact that is a number, as it should be; facts are anybody's."""
    return float(fact) if isinstance(fact, int | float) and math.isfinite(fact) else None


def _longest(entries: Iterable[Entry]) -> float:
    """Seconds of the domain that was metered longest: domains run beside each other."""
    by_domain: dict[str, float] = {}
    for entry in entries:
        key = entry.usage.domain.id
        by_domain[key] = by_domain.get(key, 0.0) + entry.duration_s
    return max(by_domain.values(), default=0.0)
