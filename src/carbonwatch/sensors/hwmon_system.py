"""Power of the whole machine as its firmware tells it to the kernel (/sys/class/hwmon).

## What it reads

By chip name `power_meter` (the ACPI power meter of many servers), `occ` and `ibmpowernv` (POWER's system sensor),
`macsmc_hwmon` (Macs with Linux), `corsairpsu` (power supplies that tell). Power joined by straight lines between reads.
It stands in where nothing measures CPUs or GPUs; prefer_psys or power_boundary=node has it count in place of the parts
inside it.

## What it needs

The chip's driver, which firmware or a USB cable brings along.

## How good it is

±10 %. The ACPI power meter tells its own (power1_accuracy), often not truly; means over a second or more lag behind, so
that short runs are worse.

## When it is missing

Load the driver: `sudo modprobe acpi_power_meter`. Where the firmware hides its meter, boot with
`acpi_power_meter.force_cap_on=y`.
"""

from __future__ import annotations

from collections.abc import Mapping

from carbonwatch.errors import SensorUnavailable
from carbonwatch.sensors import _hwmon
from carbonwatch.sensors._gauges import GaugeMeter
from carbonwatch.sensors._hwmon import Rule
from carbonwatch.settings import Settings

_ERROR = (-0.10, 0.10)
_PART = "a part: sensor hwmon"
_MAX_POWER_W = 20_000


def _whole(pattern: str) -> tuple[Rule, ...]:
    return (Rule(pattern, "system", error=_ERROR, max_power_w=_MAX_POWER_W), Rule(r".*", None, _PART))


_GRACE = Rule(r".* Power Socket \d+", None, _PART)

RULES: Mapping[str, tuple[Rule, ...]] = {
    "power_meter": (_GRACE, *_whole(r".*")),
    "occ": _whole(r"(?:\d+_)?system"),
    "ibmpowernv": _whole(r"System"),
    "macsmc_hwmon": _whole(r"Total System Power"),
    "corsairpsu": _whole(r"power total"),
}


def detect(settings: Settings) -> GaugeMeter:
    """A meter of the whole machine. Raises SensorUnavailable where the kernel knows none."""
    chips = [chip for chip in _hwmon.chips(settings.path_sysfs) if chip.name in RULES]
    if not chips:
        raise SensorUnavailable("No chip of the kernel's hardware monitoring meters the whole machine.")
    meter = _hwmon.meter(chips, RULES)
    meter.tick_s = None  # firmware may take milliseconds to answer, and tells means of a second
    return meter
