"""Chips of the kernel's hardware monitoring, below /sys/class/hwmon: found by name, since their numbers change.

Files are energyN_input (microjoules), powerN_input or powerN_average (microwatts), or inN_input and currN_input
(millivolts and milliamperes), each with a label beside it in most drivers.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Component, Domain
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.sensors._gauges import Gauge, GaugeMeter, NumberFile, listed, text
from carbonwatch.sensors._power import PowerIntegral

_NO_WRAP = 1 << 64  # drivers add up in 64 bits; a step back is a driver that was loaded again
_NJ_PER_UJ = (1000, 1)
POWER_TICK_S = 0.25  # between two readings of power: half of the means that most chips tell

# kinds of files, the best first, and which of them together tell a power or an energy
_WAYS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("energy", (("energy{}_input",),)),
    ("power", (("power{}_average",), ("power{}_input",))),
    ("in", (("in{0}_input", "curr{0}_input"),)),
)

REFUSED = """\
To let the members of a group read it, now and after every boot:
  sudo groupadd -f energy && sudo usermod -aG energy "$USER"
  echo 'ACTION=="add", SUBSYSTEM=="hwmon", RUN+="/usr/bin/find /sys%p -maxdepth 1 -name energy*_input \
-exec chgrp energy {} + -exec chmod 0440 {} +"' | sudo tee /etc/udev/rules.d/70-energy-hwmon.rules
  sudo udevadm control --reload && sudo udevadm trigger --action=add --subsystem-match=hwmon
and log in again."""


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


class Rule(NamedTuple):
    """What a chip's channel is, by its label."""

    pattern: str  # matches all of the label
    component: Component | None  # None: it is not counted
    because: str = ""  # why not
    within: str | None = None  # id of what holds it: "rapl:package-{}", with the pattern's group
    error: tuple[float, float] = (0.0, 0.0)
    max_power_w: int = 5000  # more than that is a counter set to something else
    period_s: float = 0.0  # its counter, or its power, is renewed this often


def chips(path_sysfs: str) -> list[Chip]:
    """Every chip that has a name, in the order of their numbers."""
    folder = os.path.join(path_sysfs, "class", "hwmon")
    numbers = sorted(int(n[5:]) for n in listed(folder) if n.startswith("hwmon") and n[5:].isdecimal())
    paths = (os.path.join(folder, f"hwmon{number}") for number in numbers)
    return [Chip(path, name) for path in paths if (name := text(os.path.join(path, "name")))]


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
            label = _label(os.path.join(chip.path, older, f"{kind}{number}"))
            if found and label not in told:
                told |= {label} - {""}
                yield Channel(chip, number, label, tuple(older + name for name in found))


def meter(path_sysfs: str, rules: Mapping[str, tuple[Rule, ...]]) -> GaugeMeter:
    """A meter of all that the rules of each chip's name count. Raises SensorUnavailable where that is nothing."""
    gauges: list[Gauge] = []
    rejected: dict[str, str] = {}
    refused: SensorUnavailable | None = None
    for chip in chips(path_sysfs):
        for channel in channels(chip) if chip.name in rules else ():
            rule = next((r for r in rules[chip.name] if re.fullmatch(r.pattern, channel.label)), None)
            id_ = _free(f"hwmon:{chip.name}:{channel.label or channel.number}", gauges, rejected)
            if rule is None or rule.component is None:
                rejected[id_] = rule.because if rule else "its name says nothing known of what it meters"
                continue
            if rule.component == "system" and gauges:
                rejected[id_] = f"nothing says whether it adds to {gauges[0].domain.id} or shows the same"
                continue
            try:
                gauges.append(open_gauge([channel], domain(id_, channel, rule), rule.max_power_w))
            except SensorUnavailable as error:
                rejected[id_] = error.reason
                refused = refused or error
    if not gauges:
        reasons = "; ".join(f"{id_}: {why}" for id_, why in rejected.items())
        raise refused or SensorUnavailable(f"No chip of the kernel's hardware monitoring is counted ({reasons}).")
    is_power = any(isinstance(gauge, _PowerFiles) for gauge in gauges)
    return GaugeMeter(gauges, rejected, tick_s=POWER_TICK_S if is_power else None)


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


def open_gauge(of: list[Channel], domain: Domain, max_power_w: int = 5000) -> Gauge:
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
            raise SensorUnavailable(f"{path} is there, but this user may not read it.", REFUSED) from error
        raise SensorUnavailable(f"{path} can't be opened ({error.strerror}).") from error
    return _EnergyFile(domain, files[0][0], max_power_w) if of[0].counts else _PowerFiles(domain, files)


class _EnergyFile:
    """A channel's energy."""

    def __init__(self, domain: Domain, file: NumberFile, max_power_w: int) -> None:
        self.domain = domain
        self._file = file
        self._counter = WrappingCounter(_NO_WRAP, max_power_w=max_power_w, nj_per_tick=_NJ_PER_UJ)

    @property
    def doubt(self) -> str:
        return self._counter.doubt

    def count(self, ns: int) -> int:
        return self._counter.advance(self._file.number(ns), ns)

    def close(self) -> None:
        self._file.close()


class _PowerFiles:
    """A channel's power less that of others: millivolts x milliamperes are microwatts, as other files tell them."""

    doubt = ""

    def __init__(self, domain: Domain, files: list[list[NumberFile]]) -> None:
        self.domain = domain
        self._files = files
        self._integral = PowerIntegral()

    def count(self, ns: int) -> int:
        whole_uw, *parts_uw = (math.prod(file.number(ns) for file in files) for files in self._files)
        # parts of another moment may be more than the whole
        return self._integral.advance(max(0, whole_uw - sum(parts_uw)), ns)

    def close(self) -> None:
        _close(self._files)


def _close(files: list[list[NumberFile]]) -> None:
    for file in (file for each in files for file in each):
        file.close()


def _label(stem: str) -> str:
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
