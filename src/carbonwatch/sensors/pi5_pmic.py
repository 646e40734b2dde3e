"""A Raspberry Pi 5, by its power chip (`vcgencmd pmic_read_adc`).

## What it reads

Volts x amperes of every rail that has both, every two seconds by a thread of its own, and from their sum the board's
power. It stands in where nothing measures CPUs or GPUs, and holds all that the board uses.

## What it needs

A Raspberry Pi 5 (earlier ones do not tell), vcgencmd, and the right to open /dev/vcio (group video).

## How good it is

±10 %. The rails are not all there is: 1.1451 x their sum + 0.5879 W is the line that fits a meter at the supply
(github.com/jfikar/RPi5-power); devices on USB and HATs on the 5 V pins are hardly in it.

## When it is missing

| it says | do |
|---|---|
| vcgencmd is not installed | `sudo apt install libraspberrypi-bin` (Raspberry Pi OS has it) |
| this user may not open it | `sudo usermod -aG video "$USER"`, and log in again |
"""

from __future__ import annotations

from carbonwatch.errors import Unavailable
from carbonwatch.model import Domain
from carbonwatch.plugs import WAIT_S, Shown, run
from carbonwatch.sensors._slow import SlowMeter, is_closed
from carbonwatch.settings import Settings

_ERROR = (-0.10, 0.10)
_EVERY_S = 2.0
_JOIN = 'Join its group, and log in again: sudo usermod -aG video "$USER"'
_SLOPE, _OFFSET_W = 1.1451, 0.5879


def detect(settings: Settings, *, device: str = "/dev/vcio") -> SlowMeter:  # noqa: ARG001 - as every sensor
    """A meter of the board, which is asked before the run begins."""
    if is_closed(device):
        from carbonwatch import rights

        reason = f"{device} is there, but this user may not open it, so vcgencmd tells him nothing."
        raise rights.SensorRefused(reason, worth={"system": _ERROR}, remedy=_JOIN)
    source = "Raspberry Pi power chip (vcgencmd pmic_read_adc)"
    domain = Domain("pi5_pmic:board", "system", "measured", source, None, _ERROR, period_s=_EVERY_S)
    return SlowMeter([domain], lambda: {domain.id: shown(run("vcgencmd", "pmic_read_adc"))}, _EVERY_S).expect(WAIT_S)


def shown(text: str) -> Shown:
    """The board's power from what vcgencmd prints: `VDD_CORE_A current(7)=1.42A`, `VDD_CORE_V volt(15)=0.90V`."""
    volts: dict[str, float] = {}
    amperes: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition("=")
        rail, _, unit = name.partition(" ")[0].rpartition("_")
        if rail and value[-1:] == unit:
            try:
                (volts if unit == "V" else amperes)[rail] = float(value[:-1])
            except ValueError:
                continue
    power_w = sum(amperes[rail] * volts[rail] for rail in amperes if rail in volts)
    if power_w <= 0:
        raise Unavailable("vcgencmd pmic_read_adc prints no rail's power.", "Only a Raspberry Pi 5 tells it.")
    return Shown(_SLOPE * power_w + _OFFSET_W)
