"""Energy and power of parts of a machine, from chips of the kernel's hardware monitoring (/sys/class/hwmon).

## What it reads

By chip name `amd_energy` (AMD sockets), `zenpower` and `fam15h_power` (AMD processors), `power_meter` on NVIDIA Grace
(CPU, memory, the rest of the socket), `ina3221` on NVIDIA Jetson (the module, else its rails), `smpro_hwmon` and
`apm_xgene` (Ampere), `occ` and `ibmpowernv` (POWER), `scmi_sensors` (Arm servers and boards, by the names that the
firmware gives). Energy counters where a chip has them, else power, joined by straight lines between reads. What shows a
part of something counted, or the whole of it once more, is left out with its reason; AMD sockets that RAPL counts too
are within RAPL's.

## What it needs

The chip's driver. `amd_energy` is readable by root and a group alone.

## How good it is

Counters of `amd_energy` are RAPL's, so ±5 %. Grace tells means of 50 ms to 1 s (NVIDIA Grace Performance Tuning Guide):
±10 %, since four reads a second miss some of them. Other chips tell single moments: ±20 %, wide on purpose, since
nobody has published a figure.

## When it is missing

| it says | do |
|---|---|
| meters energy or power of a known part | nothing: most machines have no such chip |
| this user may not read it | let a group read the energy files, with the udev rule that `carbonwatch doctor` prints |
| its name says nothing known | tell us the chip and its labels: `grep . /sys/class/hwmon/*/{name,*_label}` |

On NVIDIA Grace, where no `power_meter` shows, boot with `acpi_power_meter.force_cap_on=y`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Component, Domain
from carbonwatch.sensors import _hwmon
from carbonwatch.sensors._gauges import Gauge, GaugeMeter
from carbonwatch.sensors._hwmon import Channel, Rule
from carbonwatch.settings import Settings

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
    "fam15h_power": (Rule(r".*", "cpu", within="rapl:package-0", error=_MOMENT),),
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

# Rails of NVIDIA Jetson modules (Jetson Linux Developer Guide, Power and Thermal), and what most hangs on each.
_MODULE = r"VDD_IN|POM_5V_IN"
_RAILS: tuple[tuple[str, Component], ...] = (
    (r"(?:VDD_|POM_5V_|VDD_SYS_)?CPU(?:_CV|_GPU_CV)?", "cpu"),
    (r"(?:VDD_|POM_5V_|VDD_SYS_)?GPU(?:_SOC)?", "gpu"),
    (r"VDDRQ|VDD_SYS_DDR|VDDQ_VDD2_1V8AO", "ram"),
    (r"(?:VDD_|VDD_SYS_)?SOC|CV|SYS5V|VIN_SYS_5V0", "rest"),
)


def detect(settings: Settings) -> GaugeMeter:
    """A meter of every known chip's parts. Raises SensorUnavailable where there is none."""
    known = [chip for chip in _hwmon.chips(settings.path_sysfs) if chip.name in (*RULES, "power_meter", "ina3221")]
    if not known:
        # nothing to mend: most machines have none
        raise SensorUnavailable("No chip of the kernel's hardware monitoring meters energy or power of a known part.")
    grace = {c.label: c for chip in known if chip.name == "power_meter" for c in _hwmon.channels(chip)}
    if any(label.startswith("Grace Power Socket") for label in grace):
        return _grace(grace)
    rules = {**RULES, "ina3221": _jetson(settings.path_sysfs), "power_meter": (Rule(r".*", None, _WHOLE),)}
    return _hwmon.meter(settings.path_sysfs, rules)


def _jetson(path_sysfs: str) -> tuple[Rule, ...]:
    """The module's input where it has a rail of its own; the other rails then are inside it."""
    chips = (chip for chip in _hwmon.chips(path_sysfs) if chip.name == "ina3221")
    labels = [channel.label for chip in chips for channel in _hwmon.channels(chip)]
    module = next((label for label in labels if re.fullmatch(_MODULE, label)), None)
    if module is not None:
        return (Rule(_MODULE, "system", error=_MOMENT), Rule(r".+", None, f"inside {module}"))
    return tuple(Rule(pattern, component, error=_MOMENT) for pattern, component in _RAILS)


def _grace(of: Mapping[str, Channel]) -> GaugeMeter:
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
    return GaugeMeter(gauges, rejected, tick_s=_hwmon.POWER_TICK_S)


def _socket(socket: str, whole: Channel, parts: Mapping[str, Channel]) -> list[Gauge]:
    if "CPU" not in parts:
        return [_hwmon.open_gauge([whole], _of_grace("cpu", f"Grace {socket}, with its memory"))]
    found = [_hwmon.open_gauge([parts["CPU"]], _of_grace("cpu", f"Grace CPU {socket}"))]
    if "SysIO" in parts:
        found.append(_hwmon.open_gauge([parts["SysIO"]], _of_grace("rest", f"Grace SysIO {socket}")))
    memory = _of_grace("ram", f"Grace memory {socket}, as what CPU and SysIO leave of the socket")
    return [*found, _hwmon.open_gauge([whole, *parts.values()], memory)]


def _of_grace(component: Component, name: str) -> Domain:
    short = name.partition(",")[0].replace(" ", "-").lower()
    return Domain(f"hwmon:{short}", component, "measured", f"{name} (ACPI power meter)", None, _MEAN)


def _modules(of: Mapping[str, Channel]) -> list[str]:
    return [label for label in of if label.startswith("Module Power Socket")]
