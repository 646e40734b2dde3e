"""Apple's own processors, by the counters that macOS keeps of their energy (IOReport), without root.

## What it reads

Of the group "Energy Model" the totals of CPU, GPU, neural engine (ANE) and memory, of all dies; what counts their cores
and clusters once more is left out. Counters go on since the start of the Mac.

## What it needs

A Mac with Apple's own processor. libIOReport is no public interface of macOS, and may change with it.

## How good it is

±20 %, an assumption: the counters are a model of Apple's, whose manual page (powermetrics) calls the values estimates
that are not to be compared between devices. Display, disks and power supply are not in them. Whose work the GPU does is
told by macOS, as GPU time by process (docs/explanation/attribution.md); who uses the neural engine, by nothing.

## When it is missing

Where libIOReport does not give them, or the processor is Intel's, put `powermetrics` among the sensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Component, Domain
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.sensors._rapl import STANDS_STILL, Stillness
from carbonwatch.settings import Settings

_IOREPORT = "/usr/lib/libIOReport.dylib"
_CORE_FOUNDATION = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation"
_UTF8 = 0x08000100  # kCFStringEncodingUTF8
_CPU = "apple:cpu"
_GROUP, _CHANNELS = b"Energy Model", b"IOReportChannels"

_ERROR = (-0.20, 0.20)
_PERIOD_S = 0.1  # nobody publishes it; some tens of milliseconds were seen
_MAX_POWER_W = 2000
_NJ: Mapping[str, int] = {"mJ": 1_000_000, "uJ": 1000, "µJ": 1000, "nJ": 1}

# a channel's name without its die -> domain and part
_PARTS: tuple[tuple[str, str, Component], ...] = (
    ("CPU Energy", "cpu", "cpu"),
    ("GPU Energy", "gpu", "gpu"),
    (r"ANE\d*", "ane", "gpu"),
    (r"DRAM\d*", "dram", "ram"),
)
_POWERMETRICS = "Put powermetrics among the sensors, which needs root."


class Channel(NamedTuple):
    """One counter: its place in the list, name and unit."""

    place: int
    name: str  # "DIE_0_CPU Energy"
    unit: str  # "mJ"


class IoReport:
    """The group's counters, subscribed to."""

    def __init__(self, ioreport: Any, core_foundation: Any) -> None:
        import ctypes

        self._c, self._io, self._cf = ctypes, ioreport, core_foundation
        self._declare()
        self._kept = [self._cf.CFStringCreateWithCString(None, _CHANNELS, _UTF8)]  # to be given back
        try:
            self._subscribe()
        except Unavailable:
            self.close()
            raise

    def channels(self) -> list[Channel]:
        """All counters of the group, in the order of every sample."""
        with self._sample() as array:
            return [self._channel(array, place) for place in range(self._cf.CFArrayGetCount(array))]

    def counts(self, places: list[int]) -> list[int]:
        """What some counters show now, all of one moment. Raises Unavailable."""
        with self._sample() as array:
            if max(places) >= self._cf.CFArrayGetCount(array):
                raise Unavailable("IOReport gives fewer counters than at first")
            items = [self._cf.CFArrayGetValueAtIndex(array, place) for place in places]
            return [int(self._io.IOReportSimpleGetIntegerValue(item, 0)) for item in items]

    def close(self) -> None:
        """Gives back what was subscribed to."""
        kept, self._kept = self._kept, []
        for reference in reversed(kept):
            self._cf.CFRelease(reference)

    def _subscribe(self) -> None:
        group = self._cf.CFStringCreateWithCString(None, _GROUP, _UTF8)
        found = self._io.IOReportCopyChannelsInGroup(group, None, 0, 0, 0)
        self._cf.CFRelease(group)
        if not found:
            raise Unavailable("IOReport has no energy counters")
        self._wanted = self._cf.CFDictionaryCreateMutableCopy(None, 0, found)
        self._cf.CFRelease(found)
        given = self._c.c_void_p()
        self._subscription = self._io.IOReportCreateSubscription(None, self._wanted, self._c.byref(given), 0, None)
        self._kept += [each for each in (self._wanted, given.value, self._subscription) if each]
        if not self._subscription:
            raise Unavailable("IOReport refuses a subscription to its energy counters")

    @contextmanager
    def _sample(self) -> Iterator[Any]:
        """The list of all counters at one moment. Raises Unavailable."""
        if not self._kept:
            raise Unavailable("the meter is closed")
        sample = self._io.IOReportCreateSamples(self._subscription, self._wanted, None)
        if not sample:
            raise Unavailable("IOReport gives no sample")
        try:
            array = self._cf.CFDictionaryGetValue(sample, self._kept[0])
            if not array:
                raise Unavailable("IOReport gives a sample without counters")
            yield array
        finally:
            self._cf.CFRelease(sample)

    def _channel(self, array: Any, place: int) -> Channel:
        item = self._cf.CFArrayGetValueAtIndex(array, place)
        name = self._text(self._io.IOReportChannelGetChannelName(item))
        return Channel(place, name, self._text(self._io.IOReportChannelGetUnitLabel(item)).strip())

    def _text(self, reference: Any) -> str:
        buffer = self._c.create_string_buffer(128)
        there = reference and self._cf.CFStringGetCString(reference, buffer, len(buffer), _UTF8)
        return buffer.value.decode(errors="replace") if there else ""

    def _declare(self) -> None:
        """Types of all functions used: pointers are 64 bits wide, which ctypes does not take for granted."""
        c = self._c
        pointer, long, unsigned = c.c_void_p, c.c_long, c.c_uint64
        for library, name, result, arguments in (
            (self._cf, "CFStringCreateWithCString", pointer, (pointer, c.c_char_p, c.c_uint32)),
            (self._cf, "CFStringGetCString", c.c_bool, (pointer, c.c_char_p, long, c.c_uint32)),
            (self._cf, "CFDictionaryCreateMutableCopy", pointer, (pointer, long, pointer)),
            (self._cf, "CFDictionaryGetValue", pointer, (pointer, pointer)),
            (self._cf, "CFArrayGetCount", long, (pointer,)),
            (self._cf, "CFArrayGetValueAtIndex", pointer, (pointer, long)),
            (self._cf, "CFRelease", None, (pointer,)),
            (self._io, "IOReportCopyChannelsInGroup", pointer, (pointer, pointer, unsigned, unsigned, unsigned)),
            (self._io, "IOReportCreateSubscription", pointer, (pointer, pointer, pointer, unsigned, pointer)),
            (self._io, "IOReportCreateSamples", pointer, (pointer, pointer, pointer)),
            (self._io, "IOReportChannelGetChannelName", pointer, (pointer,)),
            (self._io, "IOReportChannelGetUnitLabel", pointer, (pointer,)),
            (self._io, "IOReportSimpleGetIntegerValue", c.c_int64, (pointer, c.c_int32)),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments


class AppleMeter:
    """Parts of the chip; a part's dies are added up."""

    def __init__(self, report: IoReport, parts: Mapping[Domain, list[Channel]], rejected: Mapping[str, str]) -> None:
        self.domains = tuple(parts)
        self.rejected = rejected
        self.failed: Mapping[str, str] = {}
        self._report = report
        self._channels = [(domain.id, channel) for domain, channels in parts.items() for channel in channels]
        self._counters = [
            WrappingCounter(1 << 64, max_power_w=_MAX_POWER_W, nj_per_tick=(_NJ[channel.unit], 1))
            for _, channel in self._channels
        ]
        self._stillness = Stillness("other")  # of the processors: other parts may sleep all the while

    def read(self, ns: int) -> Mapping[str, int]:
        try:
            shown = self._report.counts([channel.place for _, channel in self._channels])
        except Unavailable as error:
            self.failed = {domain.id: error.reason for domain in self.domains}
            return {}
        counts: dict[str, int] = dict.fromkeys((domain.id for domain in self.domains), 0)
        failed: dict[str, str] = {}
        for (id_, _), counter, value in zip(self._channels, self._counters, shown, strict=True):
            counts[id_] += counter.advance(value, ns)
            if counter.doubt:
                failed[id_] = counter.doubt
        if self._stillness.lasts(counts[_CPU], ns):
            del counts[_CPU]
            failed[_CPU] = STANDS_STILL
        self.failed = failed
        return counts

    def close(self) -> None:
        self._report.close()


def detect(settings: Settings, *, load: Callable[[], tuple[Any, Any]] | None = None) -> AppleMeter:  # noqa: ARG001 - as every sensor
    """A meter of the chip's parts. Raises SensorUnavailable where macOS counts none."""
    try:
        report = IoReport(*(load or _loaded)())
    except (OSError, AttributeError) as error:
        raise SensorUnavailable(f"libIOReport can't be used ({error}).", _POWERMETRICS) from error
    except Unavailable as error:
        raise SensorUnavailable(f"{error.reason}.", _POWERMETRICS) from error
    parts, rejected = _sorted(report.channels())
    if not any(domain.component == "cpu" for domain in parts):
        report.close()
        raise SensorUnavailable("IOReport counts no energy of the CPUs.", _POWERMETRICS)
    return AppleMeter(report, parts, rejected)


def _sorted(channels: list[Channel]) -> tuple[dict[Domain, list[Channel]], dict[str, str]]:
    """Channels by the domain that they count for, and why others count for none."""
    parts: dict[Domain, list[Channel]] = {}
    rejected: dict[str, str] = {}
    for channel in channels:
        domain = _domain(re.sub(r"^DIE_\d+_", "", channel.name))
        if domain is None:
            rejected[f"apple:{channel.name}"] = "a part of what is counted, or of nothing known"
        elif channel.unit not in _NJ:
            rejected[f"apple:{channel.name}"] = f"its unit is {channel.unit!r}, which is not known"
        else:
            parts.setdefault(domain, []).append(channel)
    return parts, rejected


def _domain(name: str) -> Domain | None:
    for pattern, part, component in _PARTS:
        if re.fullmatch(pattern, name):
            source = f"Apple {part.upper()} (IOReport)"
            return Domain(f"apple:{part}", component, "measured", source, None, _ERROR, period_s=_PERIOD_S)
    return None


def _loaded() -> tuple[Any, Any]:
    import ctypes

    return ctypes.CDLL(_IOREPORT), ctypes.CDLL(_CORE_FOUNDATION)
