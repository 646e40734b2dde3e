"""Who works on the GPU of Apple's processors: GPU time by process, from macOS' registry of devices (IORegistry).

Every program that uses Metal has a client below the accelerator, which anybody may read: who made it
(`IOUserClientCreator`) and the nanoseconds of GPU time that it took so far, by interface (`AppUsage`,
`accumulatedGPUTime`). Activity Monitor shows the same. The keys are no public interface of macOS, and may change with
it. A look takes some milliseconds where a hundred programs have a window, so that there are ten a second at most; in
between, the last known use goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from carbonwatch.activity.drm import Moment, Use
from carbonwatch.activity.procfs import Process
from carbonwatch.errors import Unavailable
from carbonwatch.model import Work
from carbonwatch.settings import Settings

GPU = "apple:gpu"  # as the sensor calls it

_LOOK_NS = 100_000_000
_NOTHING = Work(0.0, 0.0, 0.0)

_FRAMEWORKS = "/System/Library/Frameworks"
_UTF8, _INT64 = 0x08000100, 4  # kCFStringEncodingUTF8, kCFNumberSInt64Type
_PLANE, _ACCELERATOR = b"IOService", b"IOAccelerator"
_CREATOR, _USAGE, _TIME = b"IOUserClientCreator", b"AppUsage", b"accumulatedGPUTime"


def follow(
    settings: Settings,  # noqa: ARG001 - as every activity
    pid: int | None = None,
    *,
    load: Callable[[], tuple[Any, Any]] | None = None,
    look: Callable[[Mapping[int, Process]], Mapping[int, Process]] | None = None,
) -> Following:
    """Work on the GPU, of this process' tree or another's. Raises Unavailable where no client tells its time."""
    clients = open_clients(load)
    if look is None:
        from carbonwatch.activity.psutil import PsutilTree

        look = PsutilTree(pid).look
    return Following(clients, look)


def open_clients(load: Callable[[], tuple[Any, Any]] | None = None) -> Clients:
    """Clients of the GPU. Raises Unavailable where none tells its time."""
    try:
        registry = Registry(*(load or _loaded)())
    except (OSError, AttributeError) as error:
        raise Unavailable(f"macOS' registry of devices can't be read ({error}).") from error
    if not any(True for _ in registry.clients()):
        registry.close()
        raise Unavailable("No program's GPU time is told by macOS here.")
    return Clients(registry)


class Following:
    """Work on the GPU."""

    def __init__(self, clients: Clients, look: Callable[[Mapping[int, Process]], Mapping[int, Process]]) -> None:
        self._clients = clients
        self._look = look
        self._living: Mapping[int, Process] = {}
        self._use = Use(0)
        self._looked_ns: int | None = None
        self._grown, self._grown_ns = _NOTHING, 1  # in the time between the last two looks
        self._shown = _NOTHING
        self._is_told = False

    @property
    def facts(self) -> Mapping[str, Any]:
        """How many others worked on it meanwhile, if any."""
        return {"gpu_others": {GPU: len(self._use.others)}} if self._use.others else {}

    def read(self, ns: int) -> Mapping[str, Work]:
        """Seconds of the GPU counted so far."""
        if self._looked_ns is None or ns - self._looked_ns >= _LOOK_NS:
            self._look_at_all(ns)
        ahead = (ns - (self._looked_ns or 0)) / self._grown_ns
        work, grown, shown = self._use.work, self._grown, self._shown
        self._shown = Work(
            max(shown.own_s, work.own_s + ahead * grown.own_s),
            max(shown.busy_s, work.busy_s + ahead * grown.busy_s),
            max(shown.capacity_s, work.capacity_s + ahead * grown.capacity_s),
            max(shown.reserved_s, work.reserved_s + ahead * grown.reserved_s),
        )
        return {GPU: self._shown} if self._is_told else {}

    def _look_at_all(self, ns: int) -> None:
        living, self._living = self._living, self._look(self._living)
        used_s, before = self._clients.look(ns), self._use.work
        self._use.look(ns, Moment(used_s, {}), living.keys() | self._living.keys(), lambda _: False)
        self._grown = self._use.work.since(before)
        self._grown_ns = 1 if self._looked_ns is None else max(1, ns - self._looked_ns)
        self._looked_ns, self._is_told = ns, bool(used_s)

    def settle(self) -> None:
        """Is ready from the start."""

    def close(self) -> None:
        """Gives back the names that were made to ask by."""
        self._is_told = False
        self._clients.close()


class Clients:
    """Clients of all processes, look after look."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known_ns: dict[int, int] = {}
        self._ns: int | None = None

    def look(self, ns: int) -> dict[int, float]:
        """Who uses the GPU, and seconds of it since the look before."""
        used_s: dict[int, float] = {}
        known_ns: dict[int, int] = {}
        for number, pid, gpu_ns in self._registry.clients():
            # one that is new used no more than the time since it was not there
            most_ns = 0 if self._ns is None else ns - self._ns
            before_ns = self._known_ns.get(number, gpu_ns - min(gpu_ns, most_ns))
            known_ns[number] = max(before_ns, gpu_ns)
            used_s[pid] = used_s.get(pid, 0.0) + (known_ns[number] - before_ns) / 1e9
        self._known_ns, self._ns = known_ns, ns
        return used_s

    def close(self) -> None:
        """Gives back what the registry holds."""
        self._registry.close()


class Registry:
    """macOS' registry of devices, as far as clients of accelerators are in it."""

    def __init__(self, iokit: Any, core_foundation: Any) -> None:
        import ctypes

        self._c, self._io, self._cf = ctypes, iokit, core_foundation
        self._declare()
        self._keys = {key: self._cf.CFStringCreateWithCString(None, key, _UTF8) for key in (_CREATOR, _USAGE, _TIME)}

    def clients(self) -> Iterator[tuple[int, int, int]]:
        """Number of each client that tells its time, its process, and nanoseconds of the GPU so far."""
        if not self._keys:
            return
        for accelerator in self._matching():
            for entry in self._below(accelerator):
                pid, gpu_ns = self._creator(entry), self._gpu_ns(entry)
                number = self._c.c_uint64()
                self._io.IORegistryEntryGetRegistryEntryID(entry, self._c.byref(number))
                if pid is not None and gpu_ns is not None:
                    yield number.value, pid, gpu_ns

    def close(self) -> None:
        """Gives back the names of properties."""
        keys, self._keys = self._keys, {}
        for key in keys.values():
            self._cf.CFRelease(key)

    def _matching(self) -> Iterator[int]:
        iterator = self._c.c_uint32()
        # the dictionary is the call's to give back
        wanted = self._io.IOServiceMatching(_ACCELERATOR)
        if self._io.IOServiceGetMatchingServices(0, wanted, self._c.byref(iterator)) == 0:
            yield from self._each(iterator.value)

    def _below(self, entry: int) -> Iterator[int]:
        iterator = self._c.c_uint32()
        if self._io.IORegistryEntryGetChildIterator(entry, _PLANE, self._c.byref(iterator)) == 0:
            yield from self._each(iterator.value)

    def _each(self, iterator: int) -> Iterator[int]:
        """Entries, each given back before the next one."""
        try:
            while entry := self._io.IOIteratorNext(iterator):
                try:
                    yield entry
                finally:
                    self._io.IOObjectRelease(entry)
        finally:
            self._io.IOObjectRelease(iterator)

    def _creator(self, entry: int) -> int | None:
        """ "pid 533, WindowServer" -> 533."""
        found = self._io.IORegistryEntryCreateCFProperty(entry, self._keys[_CREATOR], None, 0)
        if not found:
            return None
        buffer = self._c.create_string_buffer(128)
        is_text = self._cf.CFGetTypeID(found) == self._cf.CFStringGetTypeID()
        is_told = is_text and self._cf.CFStringGetCString(found, buffer, len(buffer), _UTF8)
        self._cf.CFRelease(found)
        number = buffer.value.partition(b",")[0].removeprefix(b"pid ")
        return int(number) if is_told and number.isdigit() else None

    def _gpu_ns(self, entry: int) -> int | None:
        found = self._io.IORegistryEntryCreateCFProperty(entry, self._keys[_USAGE], None, 0)
        if not found:
            return None
        try:
            if self._cf.CFGetTypeID(found) != self._cf.CFArrayGetTypeID():
                return None
            items = (self._cf.CFArrayGetValueAtIndex(found, place) for place in range(self._cf.CFArrayGetCount(found)))
            return sum(self._time_ns(item) for item in items)
        finally:
            self._cf.CFRelease(found)

    def _time_ns(self, item: Any) -> int:
        if self._cf.CFGetTypeID(item) != self._cf.CFDictionaryGetTypeID():
            return 0
        value, number = self._cf.CFDictionaryGetValue(item, self._keys[_TIME]), self._c.c_int64()
        is_told = value and self._cf.CFNumberGetValue(value, _INT64, self._c.byref(number))
        return max(0, number.value) if is_told else 0

    def _declare(self) -> None:
        """Types of all functions used: pointers are 64 bits wide, which ctypes does not take for granted."""
        c = self._c
        pointer, long, entry = c.c_void_p, c.c_long, c.c_uint32
        for library, name, result, arguments in (
            (self._cf, "CFStringCreateWithCString", pointer, (pointer, c.c_char_p, c.c_uint32)),
            (self._cf, "CFStringGetCString", c.c_bool, (pointer, c.c_char_p, long, c.c_uint32)),
            (self._cf, "CFDictionaryGetValue", pointer, (pointer, pointer)),
            (self._cf, "CFArrayGetCount", long, (pointer,)),
            (self._cf, "CFArrayGetValueAtIndex", pointer, (pointer, long)),
            (self._cf, "CFNumberGetValue", c.c_bool, (pointer, long, pointer)),
            (self._cf, "CFGetTypeID", c.c_ulong, (pointer,)),
            (self._cf, "CFStringGetTypeID", c.c_ulong, ()),
            (self._cf, "CFArrayGetTypeID", c.c_ulong, ()),
            (self._cf, "CFDictionaryGetTypeID", c.c_ulong, ()),
            (self._cf, "CFRelease", None, (pointer,)),
            (self._io, "IOServiceMatching", pointer, (c.c_char_p,)),
            (self._io, "IOServiceGetMatchingServices", c.c_int, (entry, pointer, pointer)),
            (self._io, "IORegistryEntryGetChildIterator", c.c_int, (entry, c.c_char_p, pointer)),
            (self._io, "IORegistryEntryGetRegistryEntryID", c.c_int, (entry, pointer)),
            (self._io, "IORegistryEntryCreateCFProperty", pointer, (entry, pointer, pointer, c.c_uint32)),
            (self._io, "IOIteratorNext", entry, (entry,)),
            (self._io, "IOObjectRelease", c.c_int, (entry,)),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments


def _loaded() -> tuple[Any, Any]:
    import ctypes

    names = ("IOKit", "CoreFoundation")
    iokit, core_foundation = (ctypes.CDLL(f"{_FRAMEWORKS}/{name}.framework/{name}") for name in names)
    return iokit, core_foundation
