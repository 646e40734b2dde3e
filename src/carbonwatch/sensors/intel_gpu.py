"""Intel's GPU boards, by the kernel's files or by Level Zero's Sysman.

## What it reads

`energy1_input` of the chips `i915` and `xe` in /sys/class/hwmon, the whole card's; where the kernel shows none,
zesPowerGetEnergyCounter of each card, which counts microjoules with a timestamp of its own. Parts of a card (tiles, the
package on it) are left out. Graphics inside a processor are in RAPL's package, and not read here.

## What it needs

A driver that has the files (`i915` from Linux 6.2 on), or libze_loader.so.1 (package libze1 or level-zero).

## How good it is

±10 %, an assumption: Intel publishes no figure for the card's counter. Whose work a card does is told by the kernel, as
engine time by process (docs/explanation/attribution.md).

## When it is missing

Be in the group of its devices: `sudo usermod -aG render "$USER"`; in a container: `docker run --device /dev/dri`. Where
the kernel's file is closed to users, let a group read it, with the change `hwmon-group` below.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.sensors import _hwmon
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.sensors._gauges import Counted, Gauge, GaugeMeter
from carbonwatch.sensors._hwmon import Channel, Chip
from carbonwatch.settings import Settings

_ERROR = (-0.10, 0.10)
_MAX_POWER_W = 2000
_NJ_PER_UJ = (1000, 1)
_LIBRARY = "libze_loader.so.1"
_PCI_PROPERTIES, _POWER_PROPERTIES = 0x2, 0xD  # ZES_STRUCTURE_TYPE_…, zes_api.h
_DRIVERS = ("i915", "xe")
_HELP = 'Pass /dev/dri to the container, or be in its group: sudo usermod -aG render "$USER".'


class Sysman:
    """Level Zero's Sysman, opened: energy counters of whole cards, by their place on the bus."""

    def __init__(self, api: Any) -> None:
        import ctypes

        class Energy(ctypes.Structure):  # zes_power_energy_counter_t
            _fields_ = (("energy_uj", ctypes.c_uint64), ("timestamp_us", ctypes.c_uint64))

        class Properties(ctypes.Structure):  # zes_power_properties_t, as far as it is read, and room for the rest
            _fields_ = (
                ("stype", ctypes.c_uint32),
                ("next", ctypes.c_void_p),
                ("is_on_subdevice", ctypes.c_uint8),
                ("rest", ctypes.c_uint8 * 64),
            )

        class Pci(ctypes.Structure):  # zes_pci_properties_t, the same way
            _fields_ = (
                ("stype", ctypes.c_uint32),
                ("next", ctypes.c_void_p),
                ("domain", ctypes.c_uint32),
                ("bus", ctypes.c_uint32),
                ("device", ctypes.c_uint32),
                ("function", ctypes.c_uint32),
                ("rest", ctypes.c_uint8 * 64),
            )

        self._c, self._api = ctypes, api
        self._energy, self._properties, self._pci = Energy(), Properties, Pci
        _check(api.zesInit(ctypes.c_uint32(0)), "zesInit")
        drivers = self._listed(api.zesDriverGet)
        devices = [device for driver in drivers for device in self._listed(api.zesDeviceGet, driver)]
        found = [(device, domain) for device in devices if (domain := self._card(device)) is not None]
        self.cards = {self._place(device) or str(number): card for number, (device, card) in enumerate(found)}

    def energy_uj(self, card: Any) -> int:
        """Microjoules counted so far. Raises Unavailable."""
        status = self._api.zesPowerGetEnergyCounter(card, self._c.byref(self._energy))
        _check(status, "zesPowerGetEnergyCounter")
        return int(self._energy.energy_uj)

    def _place(self, device: Any) -> str:
        """Where a card is on the bus, as the kernel writes it; empty if it does not tell."""
        told = self._pci(stype=_PCI_PROPERTIES)
        if self._api.zesDevicePciGetProperties(device, self._c.byref(told)):
            return ""
        return f"{told.domain:04x}:{told.bus:02x}:{told.device:02x}.{told.function:x}"

    def _card(self, device: Any) -> Any:
        """The power domain of a whole card that counts; None where there is none."""
        for domain in self._listed(self._api.zesDeviceEnumPowerDomains, device):
            properties = self._properties(stype=_POWER_PROPERTIES)
            status = self._api.zesPowerGetProperties(domain, self._c.byref(properties))
            if status == 0 and not properties.is_on_subdevice and self._counts(domain):
                return domain
        return None

    def _counts(self, domain: Any) -> bool:
        try:
            return self.energy_uj(domain) > 0  # a counter that never moved is none
        except Unavailable:
            return False

    def _listed(self, function: Any, *of: Any) -> list[Any]:
        """Handles, asked for twice: how many, and which."""
        c = self._c
        count = c.c_uint32()
        _check(function(*of, c.byref(count), None), function.__name__)
        handles = (c.c_void_p * count.value)()
        _check(function(*of, c.byref(count), handles), function.__name__)
        return [c.c_void_p(handle) for handle in handles]


def detect(settings: Settings, *, load: Callable[[], Any] | None = None) -> GaugeMeter:
    """A meter of every card. Raises SensorUnavailable where there is none that counts."""
    rejected: dict[str, str] = {}
    refused: SensorUnavailable | None = None
    gauges: list[Gauge] = []
    for chip in _hwmon.chips(settings.path_sysfs):
        if chip.name.partition("_")[0] in _DRIVERS:
            try:
                gauges.extend(_of_chip(chip, rejected))
            except SensorUnavailable as error:
                refused = refused or error
    if not gauges:
        gauges = _by_sysman(load or _loaded, refused)
    return GaugeMeter(gauges, rejected)


def _of_chip(chip: Chip, rejected: dict[str, str]) -> list[Gauge]:
    """The card's counter, the first of its chip."""
    bus = os.path.basename(os.path.realpath(os.path.join(chip.path, "device")))
    found = [channel for channel in _hwmon.channels(chip) if channel.counts]
    for part in found if chip.name not in _DRIVERS else found[1:]:
        rejected[f"intel_gpu:{bus}:{part.label or chip.name}"] = "a part of the card"
    if chip.name not in _DRIVERS or not found:
        return []
    return [_hwmon.open_gauge([found[0]], _domain(f"intel_gpu:{bus}", found[0]), _MAX_POWER_W)]


def _domain(id_: str, channel: Channel) -> Domain:
    return Domain(id_, "gpu", "measured", f"Intel GPU ({channel.chip.name} energy counter)", None, _ERROR)


def _by_sysman(load: Callable[[], Any], refused: SensorUnavailable | None) -> list[Gauge]:
    try:
        sysman = Sysman(load())
    except (OSError, AttributeError, Unavailable) as error:
        reason = f"The kernel shows no energy of an Intel GPU, and Level Zero can't be used ({error})."
        raise refused or SensorUnavailable(reason) from error
    if not sysman.cards:
        raise refused or SensorUnavailable("No Intel GPU counts the energy of its card.")
    return [_counted(sysman, card, place) for place, card in sysman.cards.items()]


def _counted(sysman: Sysman, card: Any, place: str) -> Gauge:
    source = "Intel GPU (Level Zero energy counter)"
    domain = Domain(f"intel_gpu:{place}", "gpu", "measured", source, None, _ERROR)
    counter = WrappingCounter(1 << 64, max_power_w=_MAX_POWER_W, nj_per_tick=_NJ_PER_UJ)
    return Counted(domain, lambda: sysman.energy_uj(card), counter)


def _loaded() -> Any:
    import ctypes

    return ctypes.CDLL(_LIBRARY)


def _check(status: int, function: str) -> None:
    if status:
        raise Unavailable(f"{function}: status {status & 0xFFFFFFFF:#x}", _HELP)
