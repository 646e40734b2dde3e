"""Processors, and other parts that are metered, on Windows: the Energy Meter Interface (EMI).

## What it reads

The channels RAPL_PackageN_PKG and RAPL_PackageN_DRAM of Windows' own driver, in picowatt-hours since the start; their
parts (PP0, PP1), and dies of AMD that show one counter once more, are left out.

## What it needs

Windows 11 on a processor with RAPL, no administrator. Windows 10 has it on machines with metering chips alone.

## How good it is

±5 %, as RAPL, which it reads (Khan et al., "RAPL in Action", ACM TOMPECS 2018); memory ±10 %.

## When it is missing

Update Windows. Inside a virtual machine there is none, unless its host gives it one.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Component, Domain
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.sensors._rapl import STANDS_STILL, Stillness
from carbonwatch.settings import Settings

# emi.h of the Windows SDK
_INTERFACE = "45BD8344-7ED6-49CF-A440-C276C933B053"
_GET_VERSION, _GET_METADATA_SIZE, _GET_METADATA, _GET_MEASUREMENT = 0x224000, 0x224004, 0x224008, 0x22400C
_PICOWATT_HOURS = 0
_NJ_PER_PWH = (18, 5)

_PERIOD_S = 0.001  # as RAPL, which it reads
_ERRORS = {"PKG": (-0.05, 0.05), "DRAM": (-0.10, 0.10)}
_MAX_POWER_W = 1000
_MIRROR_WAIT_S = 0.01  # counters move every 1 ms

_READ, _SHARED, _EXISTING = 0x80000000, 0x3, 3  # GENERIC_READ, FILE_SHARE_READ | WRITE, OPEN_EXISTING


class Devices(Protocol):
    """What is asked of Windows."""

    def paths(self) -> list[str]:
        """Every metering device. Raises OSError."""

    def open(self, path: str) -> Any:
        """A handle. Raises OSError."""

    def control(self, handle: Any, code: int, size: int) -> bytes:
        """What a device answers to a control code, at most so many bytes. Raises OSError."""

    def close(self, handle: Any) -> None:
        """Gives a handle back."""


class Channel(NamedTuple):
    """One counter of a device."""

    name: str  # "RAPL_Package0_PKG"
    unit: int


class Shown(NamedTuple):
    """What a counter shows: energy in its unit, and when that was so, in 100 ns of the device's clock."""

    energy: int
    time: int


def version(answer: bytes) -> int:
    """EMI_VERSION."""
    return int(struct.unpack_from("<H", answer)[0])


def metadata(answer: bytes, version: int) -> list[Channel]:
    """Channels of EMI_METADATA_V1, which has one, or EMI_METADATA_V2."""
    if version == 1:
        unit = struct.unpack_from("<I", answer)[0]
        (size,) = struct.unpack_from("<H", answer, 70)  # after two names of 16 characters and a revision
        return [Channel(_wide(answer[72 : 72 + size]), unit)]
    (count,) = struct.unpack_from("<H", answer, 66)
    offset, channels = 68, []
    for _ in range(count):
        unit, size = struct.unpack_from("<IH", answer, offset)
        if offset + 6 + size > len(answer):
            raise struct.error("a name is longer than the answer")
        channels.append(Channel(_wide(answer[offset + 6 : offset + 6 + size]), unit))
        offset += 6 + size
    return channels


def measurement(answer: bytes, count: int) -> list[Shown]:
    """EMI_CHANNEL_MEASUREMENT_DATA of each channel."""
    return [Shown(*struct.unpack_from("<QQ", answer, 16 * n)) for n in range(count)]


class Device:
    """One metering device, open."""

    def __init__(self, devices: Devices, path: str) -> None:
        self._devices = devices
        self._handle = devices.open(path)
        try:
            self._version = version(devices.control(self._handle, _GET_VERSION, 2))
            (size,) = struct.unpack("<I", devices.control(self._handle, _GET_METADATA_SIZE, 4))
            self.channels = metadata(devices.control(self._handle, _GET_METADATA, size), self._version)
        except BaseException:
            self.close()
            raise

    def shown(self) -> list[Shown]:
        """What all channels show, at one moment. Raises Unavailable."""
        count = len(self.channels)
        try:
            return measurement(self._devices.control(self._handle, _GET_MEASUREMENT, 16 * count), count)
        except (OSError, struct.error) as error:
            raise Unavailable(f"the metering device does not answer ({error})") from error

    def close(self) -> None:
        self._devices.close(self._handle)


class EmiMeter:
    """The channels that are counted."""

    def __init__(self, devices: list[Device], counted: dict[tuple[int, int], Domain], rejected: dict[str, str]) -> None:
        self.domains = tuple(counted.values())
        self.rejected: Mapping[str, str] = rejected
        self.failed: Mapping[str, str] = {}
        self._devices = devices
        self._counted = counted
        self._counters = {
            place: WrappingCounter(1 << 64, max_power_w=_MAX_POWER_W, nj_per_tick=_NJ_PER_PWH) for place in counted
        }
        self._stillness = {place: Stillness("other") for place in counted}

    def read(self, ns: int) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        failed: dict[str, str] = {}
        for number, device in enumerate(self._devices):
            mine = {place[1]: domain for place, domain in self._counted.items() if place[0] == number}
            try:
                shown = device.shown() if mine else []
            except Unavailable as error:
                failed.update((domain.id, error.reason) for domain in mine.values())
                continue
            for channel, domain in mine.items():
                if self._stillness[number, channel].lasts(shown[channel].energy, ns):
                    failed[domain.id] = STANDS_STILL
                    continue
                counter = self._counters[number, channel]
                counts[domain.id] = counter.advance(shown[channel].energy, ns)
                if counter.doubt:
                    failed[domain.id] = counter.doubt
        self.failed = failed
        return counts

    def close(self) -> None:
        devices, self._devices = self._devices, []
        for device in devices:
            device.close()


def detect(
    settings: Settings,  # noqa: ARG001 - as every sensor
    *,
    devices: Devices | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> EmiMeter:
    """A meter of the packages and their memory. Raises SensorUnavailable where Windows meters none."""
    opened = _opened(devices or Windows())
    counted: dict[tuple[int, int], Domain] = {}
    rejected: dict[str, str] = {}
    for number, device in enumerate(opened):
        for place, channel in enumerate(device.channels):
            domain = _domain(channel)
            if isinstance(domain, str):
                rejected[f"emi:{channel.name}"] = domain
            else:
                counted[number, place] = domain
    for mirror, original in _mirrors(opened, counted, sleep).items():
        rejected[counted.pop(mirror).id] = f"shows the counter of {counted[original].id} once more"
    for still in _at_0(opened, counted):
        rejected[counted.pop(still).id] = "never moves: its counter stands at 0, as in virtual machines"
    if not counted:
        for device in opened:
            device.close()
        raise SensorUnavailable("Windows meters no processor of this machine.")
    return EmiMeter(opened, counted, rejected)


def _opened(devices: Devices) -> list[Device]:
    try:
        paths = devices.paths()
    except (OSError, AttributeError) as error:
        raise SensorUnavailable(f"Windows can't be asked for metering devices ({error}).") from error
    opened: list[Device] = []
    reasons: list[str] = []
    for path in paths:
        try:
            opened.append(Device(devices, path))
        except (OSError, struct.error) as error:
            reasons.append(str(error))
    if not opened:
        said = f"Windows has {len(paths)} metering devices, and none answers ({'; '.join(reasons)})." if paths else ""
        raise SensorUnavailable(said or "Windows has no metering device.")
    return opened


def _domain(channel: Channel) -> Domain | str:
    """A channel's domain, or why it is not counted."""
    match = re.fullmatch(r"RAPL_Package(\d+)_(PKG|DRAM|PP0|PP1)", channel.name)
    if match is None:
        return "its name says nothing known of what it meters"
    number, kind = match.groups()
    if kind not in _ERRORS:
        return f"inside package-{number}"
    if channel.unit != _PICOWATT_HOURS:
        return f"its unit ({channel.unit}) is not known"
    component: Component = "cpu" if kind == "PKG" else "ram"
    id_ = f"emi:{'package' if kind == 'PKG' else 'dram'}-{number}"
    source = f"{channel.name} (Energy Meter Interface)"
    return Domain(id_, component, "measured", source, None, _ERRORS[kind], period_s=_PERIOD_S)


def _mirrors(
    devices: list[Device], counted: Mapping[tuple[int, int], Domain], sleep: Callable[[float], object]
) -> dict[tuple[int, int], tuple[int, int]]:
    """Channels that showed twice what one before them did, which moved meanwhile."""
    if len(counted) < 2:
        return {}
    try:
        first = [device.shown() for device in devices]
        sleep(_MIRROR_WAIT_S)
        second = [device.shown() for device in devices]
    except Unavailable:
        return {}
    seen: dict[tuple[int, int], tuple[int, int]] = {}
    mirrors: dict[tuple[int, int], tuple[int, int]] = {}
    for number, place in counted:
        shown = first[number][place].energy, second[number][place].energy
        if shown[0] != shown[1] and shown in seen:
            mirrors[number, place] = seen[shown]
        seen.setdefault(shown, (number, place))
    return mirrors


def _at_0(devices: list[Device], counted: Mapping[tuple[int, int], Domain]) -> list[tuple[int, int]]:
    """Channels that have counted nothing since the start of the machine."""
    try:
        shown = [device.shown() for device in devices]
    except Unavailable:
        return []
    return [(number, place) for number, place in counted if shown[number][place].energy == 0]


def _wide(text: bytes) -> str:
    return text.decode("utf-16-le", errors="replace").partition("\0")[0]


class Windows:
    """Windows itself, through kernel32 and cfgmgr32."""

    def __init__(self) -> None:
        import ctypes

        self._c = ctypes
        self._kernel: Any = None

    def paths(self) -> list[str]:
        import uuid

        c = self._c
        manager = c.CDLL("cfgmgr32.dll")
        guid = c.create_string_buffer(uuid.UUID(_INTERFACE).bytes_le, 16)
        length = c.c_uint32()
        if manager.CM_Get_Device_Interface_List_SizeW(c.byref(length), guid, None, 0):
            raise OSError("CM_Get_Device_Interface_List_SizeW")
        names = c.create_unicode_buffer(length.value)
        if manager.CM_Get_Device_Interface_ListW(guid, None, names, length, 0):
            raise OSError("CM_Get_Device_Interface_ListW")
        return [path for path in names[:].split("\0") if path]

    def open(self, path: str) -> Any:
        c = self._c
        if self._kernel is None:
            self._kernel = c.CDLL("kernel32.dll", use_last_error=True)
            self._kernel.CreateFileW.restype = c.c_void_p
        handle = self._kernel.CreateFileW(c.c_wchar_p(path), c.c_uint32(_READ), _SHARED, None, _EXISTING, 0, None)
        if handle == c.c_void_p(-1).value:
            raise OSError(f"it can't be opened, error {self._error()}")
        return c.c_void_p(handle)

    def control(self, handle: Any, code: int, size: int) -> bytes:
        c = self._c
        answer, written = c.create_string_buffer(size), c.c_uint32()
        arguments = (c.c_uint32(code), None, 0, answer, c.c_uint32(size), c.byref(written), None)
        if not self._kernel.DeviceIoControl(handle, *arguments):
            raise OSError(f"control code {code:#x} is refused, error {self._error()}")
        return bytes(answer.raw[: written.value])

    def close(self, handle: Any) -> None:
        self._kernel.CloseHandle(handle)

    def _error(self) -> int:
        last: int = getattr(self._c, "get_last_error", lambda: 0)()  # there on Windows alone
        return last
