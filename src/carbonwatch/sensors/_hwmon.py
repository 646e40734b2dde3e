"""Chips of the kernel's hardware monitoring, below /sys/class/hwmon: found by name, since their numbers change.

Files are energyN_input (microjoules), powerN_input or powerN_average (microwatts), or inN_input and currN_input
(millivolts and milliamperes), each with a label beside it in most drivers. Older systems of NVIDIA's Jetson show the
same chips as industrial I/O instead: in_powerN_input (milliwatts) with rail_name_N.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Component, Domain
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.sensors._gauges import Gauge, GaugeMeter, NumberFile, listed, text
from carbonwatch.sensors._polled import Polled, started
from carbonwatch.sensors._power import PowerIntegral
from carbonwatch.sensors._rapl import STANDS_STILL, Stillness
from carbonwatch.units import NS_PER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.sensors._polled import Poll

_NO_WRAP = 1 << 64  # drivers add up in 64 bits; a step back is a driver that was loaded again
_NJ_PER_UJ = (1000, 1)
_LOOK_AGAIN_S = 0.02
_HASTE_S = 0.1  # what has to be read so often, and oftener, is read by a process of its own

# kinds of files, the best first, and which of them together tell a power or an energy
_WAYS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("energy", (("energy{}_input",),)),
    ("power", (("power{}_average",), ("power{}_input",))),
    ("in_power", (("in_power{}_input",),)),
    ("in", (("in{0}_input", "curr{0}_input"),)),
)
_MILLIWATTS = "in_power"


class Chip(NamedTuple):
    """One chip's folder."""

    path: str
    name: str


class Channel(NamedTuple):
    """What one chip says of one thing: its energy, its power, or a voltage and a current."""

    chip: Chip
    number: int
    label: str
    files: tuple[str, ...]  # below the chip's folder: energy or power alone, or voltage and current

    @property
    def counts(self) -> bool:
        return os.path.basename(self.files[0]).startswith("energy")

    @property
    def factor(self) -> int:
        """What makes microwatts of the product of its files."""
        return 1000 if self.files[0].startswith(_MILLIWATTS) else 1

    @property
    def mean_s(self) -> float:
        """What its power is the mean of, as an ACPI power meter tells; 0 where it does not. Others have other units."""
        told_ms = text(os.path.join(self.chip.path, f"{self.files[0]}_interval"))
        return int(told_ms) / 1000 if told_ms.isdecimal() and self.chip.name == "power_meter" else 0.0


class Pace(NamedTuple):
    """How often power is read, and what each reading is the mean of."""

    every_s: float = 0.25  # half of the means that most chips tell
    mean_s: float = 0.0  # 0: a moment


class Rule(NamedTuple):
    """What a chip's channel is, by its label."""

    pattern: str  # matches all of the label
    component: Component | None  # None: it is not counted
    because: str = ""  # why not
    within: str | None = None  # id of what holds it: "rapl:package-{}", with the pattern's group
    error: tuple[float, float] = (0.0, 0.0)
    max_power_w: int = 5000  # more than that is a counter set to something else
    period_s: float = 0.0  # its counter, or its power, is renewed this often
    pace: Pace = Pace()


def chips(path_sysfs: str) -> list[Chip]:
    """Every chip that has a name, in the order of their numbers."""
    folder = os.path.join(path_sysfs, "class", "hwmon")
    numbers = sorted(int(n[5:]) for n in listed(folder) if n.startswith("hwmon") and n[5:].isdecimal())
    paths = (os.path.join(folder, f"hwmon{number}") for number in numbers)
    return [Chip(path, name) for path in paths if (name := text(os.path.join(path, "name")))]


def iio_chips(path_sysfs: str, chip: str, drivers: Iterable[str]) -> list[Chip]:
    """Chips of a name that one of these drivers shows as industrial I/O."""
    found: list[Chip] = []
    for driver in drivers:
        folder = os.path.join(path_sysfs, "bus", "i2c", "drivers", driver)
        for place in (os.path.join(folder, address) for address in listed(folder)):
            found.extend(Chip(os.path.join(place, name), chip) for name in listed(place) if name.startswith("iio"))
    return found


def channels(chip: Chip) -> Iterator[Channel]:
    """What a chip tells, by number; of a thing that it tells twice, the better way alone: energy, power, V x I."""
    files = set(listed(chip.path))
    older = "" if any(f.endswith(("_input", "_average")) for f in files) else "device/"
    if older:
        files = set(listed(os.path.join(chip.path, "device")))
    told: set[str] = set()
    for kind, ways in _WAYS:
        for number in sorted(_numbers(files, kind)):
            names = [tuple(name.format(number) for name in way) for way in ways]
            found = next((way for way in names if files.issuperset(way)), None)
            label = _label(os.path.join(chip.path, older), kind, number)
            if found and label not in told:
                told |= {label} - {""}
                yield Channel(chip, number, label, tuple(older + name for name in found))


def meter(
    chips: Iterable[Chip],
    rules: Mapping[str, tuple[Rule, ...]],
    poll: Poll = Polled,
    sleep: Callable[[float], object] = time.sleep,
) -> GaugeMeter:
    """A meter of all that the rules of each chip's name count. Raises SensorUnavailable where that is nothing."""
    gauges: list[Gauge] = []
    rejected: dict[str, str] = {}
    refusals: list[Unavailable] = []
    for chip in chips:
        for channel in channels(chip) if chip.name in rules else ():
            rule = next((r for r in rules[chip.name] if re.fullmatch(r.pattern, channel.label)), None)
            id_ = _free(f"hwmon:{chip.name}:{channel.label or channel.number}", gauges, rejected)
            if rule is None or rule.component is None:
                rejected[id_] = rule.because if rule else "its name says nothing known of what it meters"
                continue
            if rule.component == "system" and gauges:
                rejected[id_] = f"nothing says whether it adds to {gauges[0].domain.id} or shows the same"
                continue
            pace = rule.pace._replace(mean_s=channel.mean_s or rule.pace.mean_s)
            try:
                gauge = open_gauge([channel], domain(id_, channel, rule), rule.max_power_w, pace)
            except SensorUnavailable as error:
                rejected[id_] = error.reason
                refusals.append(error)
                continue
            if _never_0(gauge) and _shows_0(gauge, sleep):
                rejected[id_] = f"shows 0 {'J' if channel.counts else 'W'} and does not move, as in virtual machines"
                gauge.close()
            else:
                gauges.append(gauge)
    if not gauges:
        raise _nothing(rejected, refusals)
    return metered(gauges, rejected, poll)


def _never_0(gauge: _EnergyFile | _PowerFiles) -> bool:
    """Whether what it meters is never without power: a rail may be, and a GPU that sleeps."""
    component = gauge.domain.component
    return component == "system" or (isinstance(gauge, _EnergyFile) and component != "gpu")


def _shows_0(gauge: _EnergyFile | _PowerFiles, sleep: Callable[[float], object]) -> bool:
    """Whether it shows nothing, and still does a little later: some count from when they are first read."""
    try:
        if gauge.shown(0):
            return False
        sleep(_LOOK_AGAIN_S)
        return gauge.shown(0) == 0
    except Unavailable:
        return False


def metered(gauges: list[Gauge], rejected: Mapping[str, str], poll: Poll = Polled) -> GaugeMeter:
    """A meter of these gauges, with those that have to be read in haste read by a process of its own, where it can."""
    hasty = [gauge for gauge in gauges if isinstance(gauge, _PowerFiles) and gauge.pace.every_s <= _HASTE_S]
    process = None
    if hasty:
        pace = min(gauge.pace for gauge in hasty)  # chips of one machine that are so fast are alike
        process = started([gauge.sum for gauge in hasty], pace.every_s, pace.mean_s, poll)
        gauges = [_unhurried(g, hasty.index(g), process) if g in hasty else g for g in gauges]
    paces_s = [gauge.pace.every_s for gauge in gauges if isinstance(gauge, _PowerFiles)]
    return GaugeMeter(gauges, rejected, process.close if process else None, tick_s=min(paces_s, default=None))


def _nothing(rejected: Mapping[str, str], refusals: list[Unavailable]) -> SensorUnavailable:
    """Why nothing is counted: the first refusal, with what all would be worth, or each reason."""
    from carbonwatch.rights import SensorRefused

    refused = [error for error in refusals if isinstance(error, SensorRefused)]
    if not refused:
        reasons = "; ".join(f"{id_}: {why}" for id_, why in rejected.items())
        return SensorUnavailable(f"No chip of the kernel's hardware monitoring is counted ({reasons}).")
    worth = {component: error for each in refused for component, error in each.worth.items()}
    return SensorRefused(refused[0].reason, refused[0].fix, worth)


def domain(id_: str, channel: Channel, rule: Rule) -> Domain:
    """A channel as a domain."""
    within = rule.within
    match = re.fullmatch(rule.pattern, channel.label)
    if within is not None and match is not None:
        within = within.format(*match.groups())
    way = "energy counter" if channel.counts else "power, integrated between reads"
    source = f"{' '.join(filter(None, (channel.chip.name, channel.label)))} (hwmon {way})"
    component = rule.component or "rest"
    return Domain(id_, component, "measured", source, within, rule.error, period_s=rule.period_s)


def open_gauge(
    of: list[Channel], domain: Domain, max_power_w: int = 5000, pace: Pace | None = None
) -> _EnergyFile | _PowerFiles:
    """A gauge of a channel, less the power of those that follow. Raises SensorUnavailable if one may not be read."""
    files: list[list[NumberFile]] = []
    try:
        for channel in of:
            files.append([])
            for name in channel.files:
                path = os.path.join(channel.chip.path, name)
                files[-1].append(NumberFile(path, _finder(channel, name)))
    except OSError as error:
        _close(files)
        if isinstance(error, PermissionError):
            raise _refused(path, domain) from error
        raise SensorUnavailable(f"{path} can't be opened ({error.strerror}).") from error
    if of[0].counts:
        return _EnergyFile(domain, files[0][0], max_power_w)
    return _PowerFiles(domain, files, of[0].factor, pace or Pace())


def _refused(path: str, domain: Domain) -> SensorUnavailable:
    from carbonwatch import rights

    reason = f"{path} can't be read (Permission denied): it is there, but this user may not."
    return rights.SensorRefused(reason, rights.HWMON_FOR_A_GROUP, {domain.component: domain.error})


class _EnergyFile:
    """A channel's energy."""

    def __init__(self, domain: Domain, file: NumberFile, max_power_w: int) -> None:
        self.domain = domain
        self._file = file
        self._counter = WrappingCounter(_NO_WRAP, max_power_w=max_power_w, nj_per_tick=_NJ_PER_UJ)
        self._stillness = Stillness("other")

    @property
    def doubt(self) -> str:
        return self._counter.doubt

    def shown(self, ns: int) -> int:
        """Microjoules, as they are in the file. Raises Unavailable."""
        return self._file.number(ns)

    def count(self, ns: int) -> int:
        value = self.shown(ns)
        if _never_0(self) and self._stillness.lasts(value, ns):
            raise Unavailable(STANDS_STILL)
        return self._counter.advance(value, ns)

    def close(self) -> None:
        self._file.close()


class _PowerFiles:
    """A channel's power less that of others: millivolts x milliamperes are microwatts, as other files tell them."""

    doubt = ""

    def __init__(self, domain: Domain, files: list[list[NumberFile]], factor: int, pace: Pace) -> None:
        self.domain = domain
        self.pace = pace
        self._files = files
        self._factor = factor
        self._integral = PowerIntegral(round(pace.mean_s * NS_PER_S))

    @property
    def sum(self) -> list[list[str]]:
        """The same for a process of its own."""
        return [[*(_lasting(file.path) for file in files), str(self._factor)] for files in self._files]

    def shown(self, ns: int) -> int:
        """Microwatts now. Raises Unavailable."""
        whole, *parts = (math.prod(file.number(ns) for file in files) for files in self._files)
        return max(0, whole - sum(parts)) * self._factor  # parts of another moment may be more than the whole

    def count(self, ns: int) -> int:
        return self._integral.advance(self.shown(ns), ns)

    def close(self) -> None:
        _close(self._files)


class _ByProcess:
    """The same, read by a process of its own."""

    doubt = ""

    def __init__(self, domain: Domain, process: Polled, index: int) -> None:
        self.domain = domain
        self._process = process
        self._index = index

    def count(self, ns: int) -> int:
        return self._process.count(self._index, ns)

    def close(self) -> None:
        """The process is the meter's."""


def _unhurried(gauge: _PowerFiles, index: int, process: Polled | None) -> Gauge:
    """A gauge that this process need not read in haste; where no other does, it misses most of what happens."""
    if process is not None:
        gauge.close()
        return _ByProcess(gauge.domain, process, index)
    low, high = gauge.domain.error
    gauge.domain = replace(gauge.domain, error=(2 * low, 2 * high))
    gauge.pace = gauge.pace._replace(every_s=Pace().every_s)
    return gauge


def _lasting(path: str) -> str:
    """A path that is right also when its driver is loaded again under another number."""
    real = os.path.realpath(path)
    folder, mark, rest = real.rpartition("/hwmon/hwmon")
    if not mark or "/devices/" not in folder:
        return real
    return f"{folder}{mark}*/{rest.partition('/')[2]}"


def _close(files: list[list[NumberFile]]) -> None:
    for file in (file for each in files for file in each):
        file.close()


def _label(folder: str, kind: str, number: int) -> str:
    if kind == _MILLIWATTS:
        return text(os.path.join(folder, f"rail_name_{number}"))
    stem = os.path.join(folder, f"{kind}{number}")
    return text(f"{stem}_label") or text(f"{stem}_oem_info")


def _free(id_: str, gauges: list[Gauge], rejected: Mapping[str, str]) -> str:
    """The id, with a number where another chip of that name has it."""
    taken = {gauge.domain.id for gauge in gauges} | rejected.keys()
    return next(each for each in (id_, *(f"{id_}#{n}" for n in range(2, 1000))) if each not in taken)


def _finder(channel: Channel, name: str) -> Callable[[], str]:
    """Where a file is after its driver was loaded again: another number, below the same device."""
    device = os.path.realpath(os.path.join(channel.chip.path, "device"))
    folder = os.path.dirname(channel.chip.path)

    def find() -> str:
        there = (os.path.join(folder, each) for each in listed(folder))
        same = (path for path in there if _is(path, channel.chip.name, device))
        return os.path.join(next(same, channel.chip.path), name)

    return find


def _is(path: str, name: str, device: str) -> bool:
    found = os.path.realpath(os.path.join(path, "device"))
    return text(os.path.join(path, "name")) == name and (found == device or not os.path.exists(found))


def _numbers(files: Iterable[str], kind: str) -> set[int]:
    stems = (f[len(kind) :].partition("_")[0] for f in files if f.startswith(kind))
    return {int(stem) for stem in stems if stem.isdecimal()}
