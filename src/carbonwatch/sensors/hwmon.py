"""Energy and power of parts of a machine, from chips of the kernel's hardware monitoring (/sys/class/hwmon).

## What it reads

By chip name `amd_energy` (AMD sockets), `zenpower` and `fam15h_power` (AMD processors), `power_meter` on NVIDIA Grace
(CPU, memory, the rest of the socket), `ina3221` on NVIDIA Jetson (the module, else its rails; where an older system has
no such chip in hwmon, its industrial I/O below `/sys/bus/i2c/drivers/ina3221x`), `smpro_hwmon` and `apm_xgene`
(Ampere), `occ` and `ibmpowernv` (POWER), `scmi_sensors` (Arm servers and boards, by the names that the firmware gives).
Energy counters where a chip has them, else power, joined by straight lines between reads. What shows a part of
something counted, or the whole of it once more, is left out with its reason; AMD sockets that RAPL counts too are
within RAPL's.

Power is read twice in the time that it is the mean of, as far as that is known, else four times a second. Where that is
ten times a second or more, on Grace (40) and Jetson (10), a process beside the program reads it, which takes half a
percent of a core. Of power that jumps every 150 ms, told as means of 50 ms, a window of a second is 0.3 % off that way,
and 15 % at four reads a second (simulated, rms).

## What it needs

The chip's driver. `amd_energy` is readable by root and a group alone.

## How good it is

Counters of `amd_energy` are RAPL's, so ±5 %. Grace tells means of 50 ms, or of 1 s if it is told to (NVIDIA Grace
Performance Tuning Guide): ±10 %, an assumption, and ±20 % where no process can be started that keeps up with it. Other
chips tell single moments: ±20 %, wide on purpose, since nobody has published a figure.

## When it is missing

| it says | do |
|---|---|
| meters energy or power of a known part | nothing: most machines have no such chip |
| this user may not | let a group read it, with the change `hwmon-group` below |
| its power meters do not show | give their driver its option, with the change `grace-power-meter` below |
| its firmware offers none | on Grace, see whether a newer firmware, or its setup, has power meters |
| its name says nothing known | tell us the chip and its labels: `grep . /sys/class/hwmon/*/{name,*_label}` |
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Component, Domain
from carbonwatch.sensors import _hwmon
from carbonwatch.sensors._gauges import Gauge, GaugeMeter, listed, text
from carbonwatch.sensors._hwmon import Channel, Chip, Pace, Rule
from carbonwatch.sensors._polled import Polled
from carbonwatch.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.sensors._polled import Poll

_RAPL = (-0.05, 0.05)
_MEAN = (-0.10, 0.10)
_MOMENT = (-0.20, 0.20)

_WHOLE = "the whole machine: sensor hwmon_system"
_INSIDE = "inside the processor's"

_CORE_OF_AMD = r"(?:cpu\d )?SVI2_P_(?:Core|SoC)"

RULES: Mapping[str, tuple[Rule, ...]] = {
    "amd_energy": (
        Rule(r"Esocket0*(\d+)", "cpu", within="rapl:package-{}", error=_RAPL, period_s=0.001),
        Rule(r"Ecore\d+", None, "inside its socket"),
    ),
    "zenpower": (Rule(_CORE_OF_AMD, "cpu", within="rapl:package-0", error=_MOMENT),),
    # its driver waits for the end of what it tells the mean of, 10 ms
    "fam15h_power": (Rule(r".*", "cpu", within="rapl:package-0", error=_MOMENT, pace=Pace(0.1, 0.01)),),
    "smpro_hwmon": (
        Rule(r"power\d CORE VRD", "cpu", error=_MOMENT),
        Rule(r"power\d SoC", "rest", error=_MOMENT),
        Rule(r"power\d DIMM VRD\d", "ram", error=_MOMENT),
        Rule(r"power\d RCA VRD", "rest", error=_MOMENT),
    ),
    "apm_xgene": (Rule(r"CPU power", "cpu", error=_MOMENT), Rule(r"IO power", "rest", error=_MOMENT)),
    "occ": (
        Rule(r"\d+_proc", "cpu", error=_MEAN),
        Rule(r"\d+_(?:vdd|vdn)", None, _INSIDE),
        Rule(r"(?:\d+_)?system", None, _WHOLE),
    ),
    "ibmpowernv": (
        Rule(r"(?:Chip|Processor) \d+", "cpu", error=_MEAN),
        Rule(r"Memory \d+", "ram", error=_MEAN),
        Rule(r"(?:Chip|Processor) \d+ Vd[dn].*", None, _INSIDE),
        Rule(r"GPU.*", None, "read through the GPU's own library"),
        Rule(r"System.*", None, _WHOLE),
    ),
    "scmi_sensors": (
        Rule(r"(?i).*(?:gpu|mali).*", "gpu", error=_MOMENT),
        Rule(r"(?i).*(?:cpu|clus|big|little|core|a5\d|a7\d).*", "cpu", error=_MOMENT),
        Rule(r"(?i).*(?:dram|ddr|mem).*", "ram", error=_MOMENT),
    ),
}

# What a Grace's firmware calls itself (Linux, /sys/devices/soc0), and what it takes the mean of unless it is told to
# take a second (NVIDIA Grace Performance Tuning Guide).
_GRACE_ID = "jep106:036b:0241"
_GRACE_MEAN_S = 0.05
_ACPI_METER = "ACPI000D"

# Rails of NVIDIA Jetson modules (Jetson Linux Developer Guide, Power and Thermal), and what most hangs on each.
_JETSON = "ina3221"
_JETSON_DRIVERS = ("ina3221", "ina3221x")
_JETSON_PACE = Pace(0.1)  # a moment of some milliseconds; oftener costs more than it tells, as each read is one of I2C
_MODULE = r"VDD_IN|POM_5V_IN"
_CARRIER_INPUT = r"VDD_MUX"
_CARRIER = r"VDD_(?:5V0_IO_SYS|3V3_SYS.*|3V3_IO_SLP.*|1V8_IO)"
_RAILS: tuple[tuple[str, Component], ...] = (
    (r"(?:VDD_|POM_5V_|VDD_SYS_)?CPU(?:_CV|_GPU_CV|_SOC_MSS)?", "cpu"),
    (r"(?:VDD_|POM_5V_|VDD_SYS_)?GPU(?:_SOC)?", "gpu"),
    (r"VDDRQ|VDD_SYS_DDR|VDDQ_VDD2_1V8AO", "ram"),
    (r"(?:VDD_|VDD_SYS_)?SOC|CV|SYS5V|VIN_SYS_5V0", "rest"),
)


def detect(settings: Settings, *, poll: Poll = Polled) -> GaugeMeter:
    """A meter of every known chip's parts. Raises SensorUnavailable where there is none."""
    every = _hwmon.chips(settings.path_sysfs)
    known = [chip for chip in every if chip.name in (*RULES, "power_meter", _JETSON)]
    if not any(chip.name == _JETSON for chip in known):
        known.extend(_hwmon.iio_chips(settings.path_sysfs, _JETSON, _JETSON_DRIVERS))
    grace = {c.label: c for chip in known if chip.name == "power_meter" for c in _hwmon.channels(chip)}
    if any(label.startswith("Grace Power Socket") for label in grace):
        return _grace(grace, poll)
    if _is_grace(settings.path_sysfs):
        raise _silent_grace(settings.path_sysfs)
    if not known:
        # nothing to mend: most machines have none
        raise SensorUnavailable("No chip of the kernel's hardware monitoring meters energy or power of a known part.")
    rails = _jetson(chip for chip in known if chip.name == _JETSON)
    rules = {**RULES, _JETSON: rails, "power_meter": (Rule(r".*", None, _WHOLE),)}
    return _hwmon.meter(known, rules, poll)


def _jetson(chips: Iterable[Chip]) -> tuple[Rule, ...]:
    """The module's input where it has a rail of its own; the other rails then are inside it, or beside it."""
    labels = [channel.label for chip in chips for channel in _hwmon.channels(chip)]
    module = next((label for label in labels if re.fullmatch(_MODULE, label)), None)
    if module is None:
        return tuple(Rule(pattern, component, error=_MOMENT, pace=_JETSON_PACE) for pattern, component in _RAILS)
    return (
        Rule(_MODULE, "system", error=_MOMENT, pace=_JETSON_PACE),
        Rule(_CARRIER_INPUT, None, f"holds {module} and the board that the module is on"),
        Rule(_CARRIER, None, f"of the board that the module is on, beside {module}"),
        Rule(r".+", None, f"inside {module}"),
    )


def _is_grace(path_sysfs: str) -> bool:
    return text(os.path.join(path_sysfs, "devices", "soc0", "soc_id")) == _GRACE_ID


def _silent_grace(path_sysfs: str) -> SensorUnavailable:
    """Why a Grace shows no power, and what mends it."""
    from carbonwatch import rights

    reason = "This is an NVIDIA Grace, and its power meters do not show in /sys/class/hwmon"
    devices = listed(os.path.join(path_sysfs, "bus", "acpi", "devices"))
    if devices and not any(name.startswith(_ACPI_METER) for name in devices):
        return SensorUnavailable(f"{reason}: its firmware offers none ({_ACPI_METER}).")
    if text(os.path.join(path_sysfs, "module", "acpi_power_meter", "parameters", "force_cap_on")) == "Y":
        return SensorUnavailable(f"{reason}, though their driver is there with force_cap_on.")
    worth: dict[str, tuple[float, float]] = dict.fromkeys(("cpu", "ram", "rest"), _MEAN)
    return rights.Mendable(f"{reason}.", rights.GRACE_POWER_METER, worth)


def _grace(of: Mapping[str, Channel], poll: Poll) -> GaugeMeter:
    """CPU, the rest of the socket, and memory as what is left of each Grace.

    A module's reading also holds its GPU, which is read apart.
    """
    gauges: list[Gauge] = []
    rejected = {f"hwmon:{each}": "contains Grace and the GPU, each of which is read apart" for each in _modules(of)}
    for label, whole in of.items():
        name, _, socket = label.rpartition(" Power Socket ")
        if name == "Grace":
            parts = {kind: of.get(f"{kind} Power Socket {socket}") for kind in ("CPU", "SysIO")}
            gauges.extend(_socket(socket, whole, {k: c for k, c in parts.items() if c is not None}))
    return _hwmon.metered(gauges, rejected, poll)


def _socket(socket: str, whole: Channel, parts: Mapping[str, Channel]) -> list[Gauge]:
    mean_s = whole.mean_s or _GRACE_MEAN_S
    pace = Pace(mean_s / 2, mean_s)
    if "CPU" not in parts:
        return [_opened([whole], "cpu", f"Grace {socket}, with its memory", pace)]
    found = [_opened([parts["CPU"]], "cpu", f"Grace CPU {socket}", pace)]
    if "SysIO" in parts:
        found.append(_opened([parts["SysIO"]], "rest", f"Grace SysIO {socket}", pace))
    memory = f"Grace memory {socket}, as what CPU and SysIO leave of the socket"
    return [*found, _opened([whole, *parts.values()], "ram", memory, pace)]


def _opened(of: list[Channel], component: Component, name: str, pace: Pace) -> Gauge:
    short = name.partition(",")[0].replace(" ", "-").lower()
    domain = Domain(f"hwmon:{short}", component, "measured", f"{name} (ACPI power meter)", None, _MEAN)
    return _hwmon.open_gauge(of, domain, pace=pace)


def _modules(of: Mapping[str, Channel]) -> list[str]:
    return [label for label in of if label.startswith("Module Power Socket")]
