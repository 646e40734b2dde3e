"""Macs, by Apple's program powermetrics: where the sensor `apple` can't be used, and on Macs with Intel processors.

## What it reads

Power of CPU, GPU and neural engine (ANE) of Apple's own processors, or the package power that Intel's model gives:
means of four seconds, one after the other, by a thread of its own.

## What it needs

`powermetrics` among the sensors, and the right to start it as root without a password.

## How good it is

±20 %, an assumption. Apple's manual page calls the values estimates, not to be compared between devices. Of the time,
the tenth part that the program takes to start is not looked at.

## When it is missing

Let this user start it, and nothing else, as root:

    echo "$USER ALL=(root) NOPASSWD: /usr/bin/powermetrics" | sudo tee /etc/sudoers.d/powermetrics
"""

from __future__ import annotations

from collections.abc import Mapping

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Component, Domain
from carbonwatch.plugs import Shown, run
from carbonwatch.sensors._slow import SlowMeter
from carbonwatch.settings import Settings

_ERROR = (-0.20, 0.20)
_PAUSE_S, _MEAN_S, _PATIENCE_S = 0.1, 4.0, 12.0
_COMMAND = (
    "sudo",
    "-n",
    "powermetrics",
    "--samplers",
    "cpu_power,gpu_power",
    "-n",
    "1",
    "-i",
    str(round(_MEAN_S * 1000)),
)
_INTEL = "Intel energy model derived package power"

# what it prints -> the part that it is of
_LINES: Mapping[str, tuple[str, Component]] = {
    "CPU Power": ("cpu", "cpu"),
    "GPU Power": ("gpu", "gpu"),
    "ANE Power": ("ane", "gpu"),
    "DRAM Power": ("dram", "ram"),
    _INTEL: ("package", "cpu"),
}


def detect(settings: Settings) -> SlowMeter:  # noqa: ARG001 - as every sensor
    """A meter of the parts that it prints, which is asked before the run begins."""
    try:
        first = shown(_printed())
    except Unavailable as error:
        remedy = "Let this user start it: see docs/reference/sensors/powermetrics.md."
        raise SensorUnavailable(error.reason, error.remedy or remedy) from error
    domains = [_domain(id_.partition(":")[2]) for id_ in first]
    return SlowMeter(domains, lambda: shown(_printed()), _PAUSE_S, takes_s=_MEAN_S).expect(_PATIENCE_S)


def _domain(part: str) -> Domain:
    """One part, which the sensor `apple` counts better where it can."""
    component = dict(_LINES.values())[part]
    id_, within = f"powermetrics:{part}", f"apple:{part}"
    return Domain(id_, component, "measured", f"powermetrics, {part} power", within, _ERROR, period_s=_MEAN_S)


def shown(text: str) -> dict[str, Shown]:
    """Power by domain from what it prints: `CPU Power: 1234 mW`, `… package power (CPUs+GT+SA): 3.45W`."""
    found: dict[str, Shown] = {}
    for line in text.splitlines():
        label, _, value = line.partition(":")
        name = next((name for start, (name, _) in _LINES.items() if label.strip().partition(" (")[0] == start), None)
        power_w = _watts(value.strip())
        if name is not None and power_w is not None:
            found[f"powermetrics:{name}"] = Shown(power_w)
    if not found:
        raise Unavailable("powermetrics prints no power.", "It prints some on Macs alone.")
    return found


def _watts(value: str) -> float | None:
    scale = 0.001 if value.endswith("mW") else 1.0
    try:
        return float(value.removesuffix("W").removesuffix("m")) * scale
    except ValueError:
        return None


def _printed() -> str:
    return run(*_COMMAND, timeout_s=_PATIENCE_S)
