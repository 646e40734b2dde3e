"""One reader of all meters per process, and the one subtraction: a Sample is a Reading minus an earlier one.

Readings are counts, so every subscriber (nested trackers, tasks) keeps its own last one and subtracts: their
samples follow each other without a hole or an overlap, and windows add up exactly. A thread gives a reading every
interval, for the time series, for counters that wrap and so that a crash loses little; the edges of a run or
a task read at once, on the thread that asks.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from carbonwatch import plugins, ticks
from carbonwatch.activity import Activity
from carbonwatch.errors import SensorUnavailable, SettingsError, Unavailable
from carbonwatch.model import Domain, Gap, Reading, Sample, Work
from carbonwatch.sensors import Meter, is_absent
from carbonwatch.settings import Settings
from carbonwatch.units import NJ_PER_J, NS_PER_S

log = logging.getLogger(__name__)

Subscriber = Callable[[Reading], None]

# sensors that stand in where nothing measures the components: models, and meters of the whole machine, which are coarse
# and can't tell a GPU's work from a CPU's
_STAND_INS = {
    "cpu_model": {"cpu"},
    "ram_model": {"ram"},
    "gpu_model": {"gpu"},
    "rest_model": {"system"},
    "hwmon_system": {"cpu", "gpu"},
    "pi5_pmic": {"cpu", "gpu"},
    "battery": {"cpu", "gpu"},
}
# of these, the one that also comes in place of parts, for those who want all of the machine
_WHOLE = "hwmon_system"
# sensors that are asked for by the setting that says where they are
_BY_SETTING = {"plug": "plug", "redfish": "redfish_url", "ipmi": "ipmi_host"}
# Registers are read this often, however far apart samples are wanted: AMD's starts over every 131 s at 500 W, and what
# the kernel adds up itself (perf) goes wrong above 200 W if nobody looks for longer.
_LONGEST_NS = 30 * NS_PER_S
# ways to the same registers: the first that can be read is taken
_ALTERNATIVES = (("rapl_perf", "rapl_powercap", "rapl_msr"),)
# what tells who works on the GPUs of a sensor
_WORKED_ON = {"nvml": "nvml", "amdsmi": "drm", "intel_gpu": "drm", "apple": "apple"}
# what decides which meters are opened: trackers that agree on these share one sampler
_MATTERS = (
    "sensors",
    "gpus",
    "plug",
    "plug_user",
    "plug_password",
    "redfish_url",
    "redfish_user",
    "redfish_password",
    "redfish_verify",
    "ipmi_host",
    "ipmi_user",
    "ipmi_password",
    "cpu_w",
    "ram_w",
    "power_boundary",
    "calibrated",
    "hardware_cpu",
    "hardware_instance",
    "hardware_tdp_w",
    "hardware_sockets",
    "hardware_cores",
    "hardware_threads",
    "hardware_ram_gb",
    "hardware_memory",
    "hardware_form",
    "hardware_vcpus",
    "prefer_psys",
    "reserved_cores",
    "cpu_time",
    "path_sysfs",
    "path_procfs",
    "path_grants",
)


def cut(before: Reading, after: Reading) -> Sample:
    """What happened between two readings. A domain that appeared in between starts with the next sample."""
    energy_j = {
        id_: (count - before.energy_nj[id_]) / NJ_PER_J
        for id_, count in after.energy_nj.items()
        if id_ in before.energy_nj
    }
    work = {key: count.since(before.work[key]) for key, count in after.work.items() if key in before.work}
    gaps = tuple(Gap(id_, before.ns, after.ns, reason) for id_, reason in after.failed.items())
    return Sample(before.ns, after.ns, energy_j, work, gaps)


def outermost(domains: Iterable[Domain]) -> tuple[Domain, ...]:
    """The domains that may be added up: none is within another. A system meter holds everything else."""
    domains = tuple(domains)
    domains = tuple(d for d in domains if d.component == "system") or domains
    ids = {d.id for d in domains}
    return tuple(d for d in domains if d.within not in ids)


class Sampler:
    """Reads meters and activities together, and calls subscribers at their intervals."""

    def __init__(
        self,
        meters: Iterable[Meter],
        activities: Iterable[Activity],
        *,
        missing: Mapping[str, Unavailable] | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], object] = time.sleep,
        thread: bool = True,  # False: somebody else calls `tick()`
    ) -> None:
        self.meters = tuple(meters)
        self.activities = tuple(activities)
        self.missing = dict(missing or {})  # sensor -> why it is not read
        self.domains = outermost(d for meter in self.meters for d in meter.domains)
        self.spent_s = 0.0  # CPU time of all readings
        self._clock = clock
        self._has_thread = thread
        self._lock = threading.RLock()
        self._counts: dict[str, int] = {}
        self._reading = False
        self._latest = Reading(0, {}, {})
        self._warned: set[int] = set()  # meters and activities that failed before
        self._subscribers: dict[Subscriber, _Due] = {}
        # meters that ask to be read more often than a time series is, while anybody subscribes
        self._hasty = [(meter, tick_s) for meter in self.meters if (tick_s := getattr(meter, "tick_s", None))]
        self._beats: list[tuple[Meter, _Due]] = []
        self._meanwhile: dict[str, str] = {}  # what failed since the last reading
        self._watch = ticks.Watch(self.look, _periods_s(self.domains), sleep)
        self._wake = threading.Lock()  # the thread waits for it; taken but for a moment
        self._wake.acquire()
        self._thread: threading.Thread | None = None

    @property
    def rejected(self) -> dict[str, str]:
        """What is there and not counted, and why."""
        found: dict[str, str] = {}
        for meter in self.meters:
            found.update(meter.rejected)
        counted = {d.id for d in self.domains}
        for domain in (d for meter in self.meters for d in meter.domains):
            if domain.id not in counted:
                found[domain.id] = f"inside {domain.within or 'the system meter'}"
        return found

    @property
    def facts(self) -> dict[str, Any]:
        """What a run is to note of what is metered, and of how work is counted."""
        found: dict[str, Any] = {}
        with self._lock:
            readers: tuple[Meter | Activity, ...] = (*self.meters, *self.activities)
            for reader in readers:
                try:
                    _merge(found, getattr(reader, "facts", {}))
                # border: a reader may be foreign code, and must not stop the program that is measured
                except Exception as error:
                    self._warn_once(reader, error)
        return found

    def settle(self) -> None:
        """Waits a little for what gets ready on a thread; a program is started after that."""
        for activity in self.activities:
            activity.settle()

    def read(self) -> Reading:
        """All counts now. A count that can't be read is the last one, and `failed` says why."""
        with self._lock:
            if self._reading:  # a signal handler came in the middle: a meter can't be read inside a reading of it
                return self._latest
            self._reading = True
            try:
                self._latest = self._read()
            finally:
                self._reading = False
            return self._latest

    def look(self, ids: Collection[str]) -> tuple[int, Mapping[str, int]]:
        """The instant, and the counts of the meters of some domains alone."""
        with self._lock:
            ns = self._clock()
            self._keep_up([m for m in self.meters if any(domain.id in ids for domain in m.domains)], ns)
            return ns, {id_: self._counts[id_] for id_ in ids if id_ in self._counts}

    def begin_precisely(self) -> tuple[Reading, frozenset[str]]:
        """A reading on renewals of the counters, for which it waits, and the domains of which it holds."""
        found = self._watch.before()
        return ticks.began(self.read(), found), frozenset(found)

    def end_precisely(self) -> tuple[Reading, frozenset[str]]:
        """A reading of now, with what the next renewals show of it, and the domains of which it holds."""
        reading = self.read()
        found = self._watch.after()
        return ticks.ended(reading, found), frozenset(found)

    def subscribe(self, subscriber: Subscriber, interval_s: float) -> None:
        """Calls it with a reading every interval, from a thread of the sampler's own."""
        with self._lock:
            now_ns = self._clock()
            self._subscribers[subscriber] = _Due(interval_s, now_ns)
            self._beats = self._beats or [(meter, _Due(tick_s, now_ns)) for meter, tick_s in self._hasty]
            if self._thread is None and self._has_thread:
                self._start_thread()
            else:
                self._call()

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Calls it no more. The thread ends with the last subscriber."""
        with self._lock:
            self._subscribers.pop(subscriber, None)
            if not self._subscribers:
                self._beats.clear()
            self._call()

    def _call(self) -> None:
        """Has the thread look anew at who is due. Only with the lock held."""
        if self._wake.locked():
            self._wake.release()

    def tick(self) -> None:
        """Calls those who are due, on the thread that asks. Reads for nobody where nobody has read for long."""
        with self._lock:
            now_ns = self._clock()
            due = [s for s, when in self._subscribers.items() if when.take(now_ns)]
            hasty = [meter for meter, when in self._beats if when.take(now_ns)]
            if not due and now_ns - self._latest.ns >= _LONGEST_NS:
                self.read()
            elif hasty and not due:  # a reading for a subscriber is one of every meter
                self._keep_up(hasty, now_ns)
        for subscriber in due:
            try:
                subscriber(self.read())
            # border: the thread must outlive whatever a subscriber meets
            except Exception:
                log.warning("a sample could not be kept; the next one holds it", exc_info=True)

    def close(self) -> None:
        """Ends the thread and gives back what the meters hold open."""
        with self._lock:
            self._subscribers.clear()
            self._beats.clear()
            self._call()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)
        with self._lock:
            for meter in self.meters:
                _close(meter)
            for activity in self.activities:
                _close(activity)
            self.meters = self.activities = ()

    def _read(self) -> Reading:
        began_s = time.thread_time()
        ns = self._clock()
        failed, self._meanwhile = self._meanwhile, {}
        work: dict[str, Work] = {}
        for meter in self.meters:
            failed.update(self._count(meter, ns))
        for activity in self.activities:
            work.update(self._follow(activity, ns))
        self.spent_s += time.thread_time() - began_s
        return Reading(ns, dict(self._counts), work, failed)

    def _keep_up(self, meters: Iterable[Meter], ns: int) -> None:
        """Reads some meters between two readings."""
        if self._reading:
            return
        began_s = time.thread_time()
        for meter in meters:
            self._meanwhile.update(self._count(meter, ns))
        self.spent_s += time.thread_time() - began_s

    def _count(self, meter: Meter, ns: int) -> Mapping[str, str]:
        """Takes a meter's counts over, and gives the domains that could not be read, and why."""
        backward: dict[str, str] = {}
        counts = self._counts
        try:
            for id_, count in meter.read(ns).items():
                if count < counts.get(id_, count):
                    backward[id_] = "its count went back, so the last one stands"
                else:
                    counts[id_] = int(count)
            return {**meter.failed, **backward} if backward else meter.failed
        # border: a meter may be foreign code, and must not stop the program that is measured
        except Exception as error:
            self._warn_once(meter, error)
            return {domain.id: f"its meter failed: {error!r}" for domain in meter.domains}

    def _follow(self, activity: Activity, ns: int) -> Mapping[str, Work]:
        """Work counted so far; none where it can't be told, so that nobody takes it for idleness."""
        try:
            return activity.read(ns)
        # border: an activity may be foreign code, and must not stop the program that is measured
        except Exception as error:
            self._warn_once(activity, error)
            return {}

    def _warn_once(self, reader: Meter | Activity, error: Exception) -> None:
        if id(reader) not in self._warned:
            self._warned.add(id(reader))
            log.warning("%s failed, figures have a gap: %r", type(reader).__qualname__, error, exc_info=True)

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._run, name="carbonwatch-sampler", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # a limit is reached, or the interpreter shuts down
            self._thread = None
            log.warning("there is no thread for the time series (%s): energy is read at the edges alone", error)

    def _run(self) -> None:
        while self._wait():
            self.tick()

    def _wait(self) -> bool:
        """Until the next subscriber is due, or a register. False when there is no subscriber left."""
        latest_ns = self._clock() + _LONGEST_NS
        while True:
            with self._lock:
                if self._thread is not threading.current_thread():
                    return False
                if not self._subscribers:
                    self._thread = None
                    return False
                dues = (*self._subscribers.values(), *(due for _, due in self._beats))
                delay_ns = min(latest_ns, *(due.next_ns for due in dues)) - self._clock()
            if delay_ns <= 0:
                return True
            self._wake.acquire(timeout=delay_ns / NS_PER_S)


def _merge(found: dict[str, Any], facts: Mapping[str, Any]) -> None:
    """Adds facts; what two activities say of their own GPUs under one name is kept of both."""
    for name, fact in facts.items():
        before = found.get(name)
        found[name] = {**before, **fact} if isinstance(before, dict) and isinstance(fact, dict) else fact


def _periods_s(domains: Iterable[Domain]) -> dict[str, float]:
    return {domain.id: domain.period_s for domain in domains if domain.quality == "measured" and domain.period_s > 0}


def _close(reader: Meter | Activity) -> None:
    try:
        reader.close()
    # border: foreign code; the others are still to be closed
    except Exception:
        log.warning("%s could not be closed", type(reader).__qualname__, exc_info=True)


class _Due:
    """When a subscriber is called next: multiples of its interval; beats missed while asleep are left out."""

    def __init__(self, interval_s: float, now_ns: int) -> None:
        self.interval_ns = max(1, int(interval_s * 1e9))
        self.next_ns = now_ns + self.interval_ns

    def take(self, now_ns: int) -> bool:
        if now_ns < self.next_ns:
            return False
        beats = (now_ns - self.next_ns) // self.interval_ns + 1
        self.next_ns += beats * self.interval_ns
        return True


def open_sampler(settings: Settings, pid: int | None = None) -> Sampler:
    """A sampler of every meter that can be read here. A meter that can't is no error: `missing` says why.

    Own is the tree of this process, or of another one.
    Raises SettingsError where a sensor finds that a setting makes no sense on this machine.
    """
    meters: list[Meter] = []
    missing: dict[str, Unavailable] = {}
    names: list[str] = []  # of those that are read
    for name in _wanted(settings):
        if _other_way(name, names):
            continue
        domains = [d for meter in meters for d in meter.domains]
        if not _is_due(name, settings, {d.component for d in domains if d.quality == "measured"}):
            continue
        try:
            if is_absent(name, settings.path_sysfs):
                raise SensorUnavailable(f"Nothing on this machine shows what {name} reads.")
            meters.append(_detected(name, settings, domains))
            names.append(name)
        except Unavailable as error:
            missing[name] = error
            log.debug("sensor %s is not read: %s", name, error)
        except SettingsError:
            for opened in meters:
                _close(opened)
            raise
        # border: a sensor may be foreign code, and must not stop the program that is measured
        except Exception as error:
            missing[name] = Unavailable(f"{name} failed: {error!r}.")
            log.warning("sensor %s failed and is not read", name, exc_info=True)
    for name, why in missing.items():
        other = _other_way(name, names)
        missing[name] = Unavailable(f"{why.reason} {other} reads the same registers.") if other else why
    if settings.calibrated:
        meters = _at_the_wall(settings, meters)
    return Sampler(meters, _activities(settings, meters, pid), missing=missing)


def _wanted(settings: Settings) -> list[str]:
    """Names of the sensors to try, in order: first those that some setting says where to ask."""
    told = [name for name, setting in _BY_SETTING.items() if getattr(settings, setting) is not None]
    return list(dict.fromkeys((*told, *settings.sensors)))


def _is_due(name: str, settings: Settings, covered: set[str]) -> bool:
    """Whether a sensor is to be tried: one that stands in, only where nothing measures it yet."""
    if name not in _STAND_INS:
        return True
    if "system" in covered:
        return False
    is_all_wanted = settings.prefer_psys or settings.power_boundary == "node"
    return not _STAND_INS[name] & covered or (is_all_wanted and name == _WHOLE)


def _at_the_wall(settings: Settings, meters: list[Meter]) -> list[Meter]:
    """The meters seen through this machine's line. Raises SettingsError where there is none for what they count."""
    from carbonwatch import calibration, hardware
    from carbonwatch.sensors._calibrated import calibrated

    try:
        line = calibration.wanted(
            calibration.store_file(), hardware.fingerprint(settings.path_procfs, settings.path_sysfs)
        )
        counted = tuple(d.id for d in outermost(d for meter in meters for d in meter.domains))
        if set(counted) != set(line.domains):
            raise SettingsError(
                f"calibrated is on, and this machine's line belongs to {', '.join(line.domains) or 'nothing known'}, "
                f"while {', '.join(counted) or 'nothing'} is read now, so it says nothing. Run `carbonwatch calibrate` "
                "again with these settings, or leave calibrated out."
            )
    except SettingsError:
        for opened in meters:
            _close(opened)
        raise
    return calibrated(meters, line)


def _other_way(name: str, opened: list[str]) -> str:
    """The sensor that is read already and counts the same registers as this one; "" if there is none."""
    others = next((ways for ways in _ALTERNATIVES if name in ways), ())
    return next((other for other in opened if other in others), "")


def _detected(name: str, settings: Settings, counted: list[Domain]) -> Meter:
    """A sensor's meter, unless others count its domains already, or one counts the whole machine as it does."""
    meter: Meter = plugins.load("sensors", name)(settings)
    ids = {d.id for d in meter.domains}
    taken = ids & {d.id for d in counted}
    whole = next((d.id for d in counted if d.component == "system"), None)
    if taken or (whole and any(d.component == "system" for d in meter.domains)):
        meter.close()
        raise Unavailable(
            f"{name} counts {', '.join(sorted(taken))}, which a sensor before it counts already."
            if taken
            else f"{name} counts the whole machine, as {whole} does already."
        )
    log.info("sensor %s reads %s", name, sorted(ids))
    return meter


def _activities(settings: Settings, meters: list[Meter], pid: int | None) -> list[Activity]:
    metered = {d.id.partition(":")[0] for meter in meters for d in meter.domains}
    on_gpus = dict.fromkeys(name for sensor, name in _WORKED_ON.items() if sensor in metered)
    names = [("procfs", "psutil"), *((name,) for name in on_gpus)]
    found = [_first_activity(settings, pid, alternatives) for alternatives in names]
    return [activity for activity in found if activity is not None]


def _first_activity(settings: Settings, pid: int | None, names: tuple[str, ...]) -> Activity | None:
    for name in names:
        try:
            activity: Activity = plugins.load("activity", name)(settings, pid)
            return activity
        except (Unavailable, ImportError, OSError) as error:
            log.debug("activity %s can't be followed: %s", name, error)
    log.warning("nothing tells who worked (%s): own shares are not known", ", ".join(names))
    return None


_shared: dict[tuple[object, ...], tuple[Sampler, int]] = {}
_shared_lock = threading.RLock()  # a signal handler may stop a tracker while another one starts


def share(settings: Settings) -> Sampler:
    """The sampler of this process for these settings; give it back with `release()`."""
    key = tuple(getattr(settings, name) for name in _MATTERS)
    with _shared_lock:
        sampler, users = _shared.get(key) or (open_sampler(settings), 0)
        _shared[key] = (sampler, users + 1)
    return sampler


def release(sampler: Sampler) -> None:
    """Gives a shared sampler back; the last user closes it."""
    with _shared_lock:
        for key, (shared, users) in list(_shared.items()):
            if shared is sampler and users > 1:
                _shared[key] = (shared, users - 1)
                return
            if shared is sampler:
                del _shared[key]
    sampler.close()


def _forget_in_child() -> None:
    """A forked child has no ticking thread and is another process: it starts with nothing."""
    global _shared_lock
    _shared_lock = threading.RLock()
    _shared.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
