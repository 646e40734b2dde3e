"""Power of a laptop, display and all, from its battery while it discharges (/sys/class/power_supply).

## What it reads

`power_now`, else `current_now` x `voltage_now`, joined by straight lines between reads; else what `energy_now`, or
`charge_now` x `voltage_now`, has lost. Batteries that discharge are added up. It stands in where nothing measures
CPUs or GPUs, since it is coarse: to have it in their place, put it first in `sensors`.

## What it needs

A battery, and the charger unplugged. While it is plugged in, the run has a gap.

## How good it is

±15 %, an assumption: fuel gauges tell current to a few percent, but renew it every second to every minute, and energy
in steps of about 10 mWh (36 J). Runs of less than some minutes are worse than that.

## When it is missing

Unplug the charger: while it is plugged in, what comes from it is not seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.sensors._gauges import NumberFile, listed, text
from carbonwatch.sensors._power import PowerIntegral
from carbonwatch.settings import Settings

_ERROR = (-0.15, 0.15)
_ID = "battery:machine"
_PLUGGED_IN = "the charger is plugged in, and what comes from it is not seen"
_AT_REST = "no battery discharges"


def detect(settings: Settings) -> BatteryMeter:
    """A meter of all batteries. Raises SensorUnavailable where there is none, or none that discharges."""
    folder = os.path.join(settings.path_sysfs, "class", "power_supply")
    supplies = [os.path.join(folder, name) for name in listed(folder)]
    batteries = [b for b in (_battery(path) for path in supplies if _is_battery(path)) if b is not None]
    if not batteries:
        raise SensorUnavailable("There is no battery that tells its power.")
    meter = BatteryMeter(batteries, [path for path in supplies if _is_charger(path)])
    why_not = meter.not_now()
    if why_not:
        meter.close()
        raise SensorUnavailable(f"The battery says nothing now: {why_not}.")  # as it is meant to be most of the time
    return meter


class Battery:
    """One battery by what it tells: watts, or how much is left."""

    def __init__(self, name: str, path: str, power: list[NumberFile], left: list[NumberFile], left_nj: int) -> None:
        self.name = name
        self._path = path
        self._power = power
        self._left = left
        self._nj_per_unit = left_nj
        self._integral = PowerIntegral()
        self._counted_nj = 0
        self._last_nj: int | None = None

    @property
    def discharges(self) -> bool:
        return text(os.path.join(self._path, "status")) == "Discharging"

    @property
    def way(self) -> str:
        return " x ".join(os.path.basename(file.path) for file in self._power or self._left)

    def count(self, ns: int) -> int:
        """Nanojoules given so far. Raises Unavailable."""
        if self._power:
            return self._integral.advance(self._power_uw(ns), ns)
        left_nj = self._left[0].number(ns) * self._nj_per_unit
        if len(self._left) > 1:
            left_nj = left_nj * self._left[1].number(ns) // 1_000_000  # microvolts
        if self._last_nj is not None:
            self._counted_nj += max(0, self._last_nj - left_nj)
        self._last_nj = left_nj
        return self._counted_nj

    def pause(self) -> None:
        """What happens until the next count is not given by it."""
        self._integral.pause()
        self._last_nj = None

    def close(self) -> None:
        for file in (*self._power, *self._left):
            file.close()

    def _power_uw(self, ns: int) -> int:
        """Some drivers tell what flows out as a negative current."""
        numbers = [abs(file.number(ns)) for file in self._power]
        return numbers[0] if len(numbers) == 1 else numbers[0] * numbers[1] // 1_000_000


class BatteryMeter:
    """The machine behind its batteries."""

    def __init__(self, batteries: list[Battery], chargers: list[str]) -> None:
        self._batteries = batteries
        self._chargers = chargers
        names = ", ".join(f"{battery.name} ({battery.way})" for battery in batteries)
        self.domains: tuple[Domain, ...] = (Domain(_ID, "system", "measured", f"battery {names}", None, _ERROR),)
        self.rejected: Mapping[str, str] = {}
        self.failed: Mapping[str, str] = {}
        self._counted_nj: dict[str, int] = {}

    def read(self, ns: int) -> Mapping[str, int]:
        why_not = self.not_now()
        for battery in self._batteries:
            if why_not or not battery.discharges:
                battery.pause()
                continue
            try:
                self._counted_nj[battery.name] = battery.count(ns)
            except Unavailable as error:
                why_not = error.reason
        self.failed = {_ID: why_not} if why_not else {}
        return {} if why_not else {_ID: sum(self._counted_nj.values())}

    def not_now(self) -> str:
        """Why what the batteries give is not what the machine uses; empty if it is."""
        if any(text(os.path.join(path, "online")) == "1" for path in self._chargers):
            return _PLUGGED_IN
        return "" if any(battery.discharges for battery in self._batteries) else _AT_REST

    def close(self) -> None:
        batteries, self._batteries = self._batteries, []
        for battery in batteries:
            battery.close()


def _is_battery(path: str) -> bool:
    """Whether it feeds the machine: mice and headsets have batteries too, of scope Device."""
    return text(os.path.join(path, "type")) == "Battery" and text(os.path.join(path, "scope")) != "Device"


def _is_charger(path: str) -> bool:
    return text(os.path.join(path, "type")) in ("Mains", "USB") and text(os.path.join(path, "scope")) != "Device"


def _battery(path: str) -> Battery | None:
    there = set(listed(path))
    power = _opened(path, there, ("power_now",), ("current_now", "voltage_now"))
    if power:
        return Battery(os.path.basename(path), path, power, [], 0)
    left = _opened(path, there, ("energy_now",), ("charge_now", "voltage_now"))
    # a microwatt-hour is 3.6 mJ; a microampere-hour is that for each volt
    return Battery(os.path.basename(path), path, [], left, 3_600_000) if left else None


def _opened(path: str, there: set[str], *ways: tuple[str, ...]) -> list[NumberFile]:
    """The files of the first way that this battery has and that can be read."""
    return next((files for files in _tried(path, there, ways) if files), [])


def _tried(path: str, there: set[str], ways: tuple[tuple[str, ...], ...]) -> Iterator[list[NumberFile]]:
    for names in ways:
        if there.issuperset(names):
            files: list[NumberFile] = []
            try:
                for name in names:
                    files.append(NumberFile(os.path.join(path, name)))
                    files[-1].number(0)
                yield files
            except (OSError, Unavailable):  # some drivers have files that are never filled in
                for file in files:
                    file.close()
