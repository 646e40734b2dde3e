"""Joins the pipeline for one run: readings in, a Run out. It does no arithmetic of its own.

Raises SettingsError before the run; during it, whatever fails becomes a gap, a note or one log line.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Literal, cast

from carbonwatch import environment, ledger, location, plugins, sampler, store
from carbonwatch._version import __version__
from carbonwatch.attribution import attribute
from carbonwatch.errors import CarbonwatchError, StoreError
from carbonwatch.grid import bundled
from carbonwatch.model import Entry, Gap, Intensity, Place, Reading, Run, Scope, State, Usage
from carbonwatch.settings import Settings, resolve
from carbonwatch.store import journal

log = logging.getLogger(__name__)

# tasks that the running context is inside of, outermost first
_inside: ContextVar[tuple[Task, ...]] = ContextVar("carbonwatch_tasks", default=())
_running: weakref.WeakSet[Tracker] = weakref.WeakSet()


class Tracker:
    """Measures from `start()` to `stop()`. Both may be called from any thread, and more than once."""

    def __init__(
        self,
        settings: Settings,
        *,
        meters: sampler.Sampler | None = None,
        facts: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        location.check(settings)
        for kind, wanted in (("sensors", settings.sensors), ("exporters", settings.exporters)):
            for name in wanted:
                plugins.load(kind, name)
        self.settings = settings
        self.id = _new_id(wall_ns())
        self._environ = environ
        self._wall_ns = wall_ns
        self._given_sampler = meters
        self._lock = threading.RLock()
        self._saving = threading.Lock()  # taken before the other, never after
        self._journal: journal.Journal | None = None
        self._state: State | Literal["new"] = "new"
        self._pid = os.getpid()
        self._tasks: list[Task] = []  # the open ones
        self._book: ledger.Book = {}
        self._unsaved: ledger.Book = {}
        self._series: dict[str, Usage] = {}
        self._gaps: list[Gap] = []
        self._notes: dict[str, None] = {}
        self._warned: set[str] = set()
        self._overhead_s = 0.0
        self._started_ns = 0
        self._final: Run | None = None
        self._place, self._facts = Place(), dict(facts or {})
        self._pue, self._wue = settings.pue or 1.0, settings.wue or 0.0

    def __enter__(self) -> Tracker:
        self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.stop("finished" if kind is None else "failed")

    @property
    def run(self) -> Run:
        """The run as it stands: up to now while it goes on, whole once it has stopped."""
        if not self.here:
            return self._as_run()
        with self._lock:
            if self._final is not None:
                return self._final
            if self._state == "running":
                self._advance(self._sampler.read())
            return self._as_run()

    def start(self) -> None:
        """Begins to measure. Does nothing if it has begun already."""
        if not self.here:
            return
        with self._lock:
            if self._state != "new":
                return
            began_s = time.thread_time()
            self._prepare()
            self._sampler = self._given_sampler or sampler.share(self.settings)
            self._note_what_is_missing()
            # from here on counts: the slow things are done
            self._first = self._last = self._sampler.read()
            self._series_from_ns = self._first.ns
            self._started_ns = self._wall_ns()
            self._state = "running"
            self._spent_before_s = self._sampler.spent_s
            self._open_journal()
            self._sampler.subscribe(self._on_tick, self.settings.interval_s)
            _running.add(self)
            self._overhead_s += time.thread_time() - began_s

    def stop(self, state: State = "finished") -> Run:
        """Ends the run and gives it. Later calls give the same run again."""
        if not self.here:
            return self._as_run()
        with self._lock:
            if self._final is not None or self._state != "running":
                return self._final or self._as_run()
            self._advance(self._sampler.read())
            self._state = state
            self._tasks.clear()
            self._final = self._as_run()
        self._sampler.unsubscribe(self._on_tick)
        _running.discard(self)
        self._save()
        if self._given_sampler is None:
            sampler.release(self._sampler)
        self.export(self._final)
        return self._final

    def flush(self) -> Run:
        """Saves what there is so far, and gives it."""
        run = self.run
        if self._state == "running" and self.here:
            self._save()
        return run

    def start_task(self, name: str) -> Task:
        """Begins a part of the run; inside another task of the same context it becomes a part of that one."""
        parent = next((t for t in reversed(_inside.get()) if t.tracker is self and t in self._tasks), None)
        task = Task(self, f"{parent.path}/{name}" if parent else name, parent)
        if self.here:
            with self._lock:
                if self._state == "running":
                    task.first = self._sampler.read()
                    self._advance(task.first)
                    self._tasks.append(task)
        _inside.set((*_inside.get(), task))
        return task

    def stop_task(self, task: Task) -> Run:
        """Ends a part of the run and gives what it alone used. A task that has ended gives the same again."""
        if self.here:
            with self._lock:
                if task in self._tasks and task.first is not None:
                    last = self._sampler.read()
                    self._advance(last)
                    self._tasks.remove(task)
                    task.duration_s = (last.ns - task.first.ns) / 1e9
        _inside.set(tuple(t for t in _inside.get() if t is not task))
        return self._as_run(task)

    @property
    def here(self) -> bool:
        """False in a forked child: what it inherited is its parent's run."""
        return self._pid == os.getpid()

    @property
    def _spent_s(self) -> float:
        """CPU time of the sampler since the start; trackers that share it each count it."""
        return self._sampler.spent_s - self._spent_before_s if self._started_ns else 0.0

    def _prepare(self) -> None:
        """What a run notes once: place, price, environment."""
        self._place = location.locate(self.settings, self._environ)
        self._intensity = self._find_intensity()
        if self.settings.pue is None or self.settings.wue is None:
            pue, wue, _ = bundled.overheads(self._place)
            self._pue = pue if self.settings.pue is None else self.settings.pue
            self._wue = wue if self.settings.wue is None else self.settings.wue
        self._facts = {**environment.facts(self.settings, __version__), **self._facts}

    def _find_intensity(self) -> Intensity:
        if self.settings.g_per_kwh is not None:
            given = self.settings.g_per_kwh
            return Intensity(
                given, given, given, "given", "given value", "given", "as given", "setting g_per_kwh", None
            )
        found: Intensity = bundled.find(self._place)
        if found.zone == "world":
            self._note(
                f"The place is not known ({self._place.evidence}): the world's mean intensity is used, and its band "
                "holds 90 % of countries. Say where it runs: country=FR, or CARBONWATCH_COUNTRY."
            )
        return found

    def _note_what_is_missing(self) -> None:
        for name, why in self._sampler.missing.items():
            if why.remedy:  # what can be mended is worth a line
                self._note(f"{name} is not read: {why}")
        if not self._sampler.domains:
            self._note("Nothing could be metered on this machine: `carbonwatch doctor` says why.")

    def _open_journal(self) -> None:
        path = store.path(self.settings, self._environ)
        if path is None:
            return
        self._journal = journal.share(path)
        try:
            self._journal.begin(self._as_run())
        except StoreError as error:
            self._warn("store", "The run is not kept yet: %s. It is measured all the same.", error)

    def _on_tick(self, reading: Reading) -> None:
        with self._lock:
            if self._state != "running":
                return
            began_s = time.thread_time()
            self._advance(reading)
            self._overhead_s += time.thread_time() - began_s
        self._save()

    def _advance(self, reading: Reading) -> None:
        """Books what happened since the last reading. An older reading than that brings nothing new."""
        if reading.ns <= self._last.ns:
            return
        sample = sampler.cut(self._last, reading)
        usages = attribute(sample, self._sampler.domains)
        self._enter(usages, self._wall(sample.start_ns), sample.duration_s)
        for usage in usages:
            self._series[usage.domain.id] = _sum(usage, self._series.get(usage.domain.id))
        self._add_gaps(sample.gaps)
        self._last = reading

    def _enter(self, usages: tuple[Usage, ...], start_ns: int, duration_s: float) -> None:
        leaves: list[Task | None] = [t for t in self._tasks if not any(o.parent is t for o in self._tasks)]
        for task in leaves or [None]:
            path = task.path if task else ""
            part = 1.0 / max(1, len(leaves))
            entries = ledger.enter(usages, path, start_ns, duration_s, self._intensity, part)
            ledger.fold_into(self._book, entries)
            ledger.fold_into(self._unsaved, entries)
            while task is not None:
                ledger.fold_into(task.book, entries)
                task = task.parent

    def _add_gaps(self, gaps: tuple[Gap, ...]) -> None:
        for gap in gaps:
            start_ns, end_ns = self._wall(gap.start_ns), self._wall(gap.end_ns)
            last = next((g for g in reversed(self._gaps) if g.domain_id == gap.domain_id), None)
            if last is not None and last.end_ns == start_ns and last.reason == gap.reason:
                self._gaps.remove(last)
                start_ns = last.start_ns
            self._gaps.append(Gap(gap.domain_id, start_ns, end_ns, gap.reason))

    def _wall(self, ns: int) -> int:
        """A monotonic instant as Unix time; the run keeps one pair of both clocks, so a stepped clock moves nothing."""
        return self._started_ns + ns - self._first.ns

    def _as_run(self, task: Task | None = None) -> Run:
        running_s = (self._last.ns - self._first.ns) / 1e9 if self._started_ns else 0.0
        return Run(
            id=self.id,
            project=self.settings.project,
            scope=cast(Scope, self.settings.scope),
            state="running" if self._state == "new" else self._state,
            started_ns=self._started_ns,
            duration_s=running_s if task is None else task.duration_s,
            entries=tuple((self._book if task is None else task.book).values()),
            gaps=tuple(self._gaps),
            notes=tuple(self._notes),
            place=self._place,
            facts=self._facts,
            overhead_s=self._overhead_s + self._spent_s,
            pue=self._pue,
            wue_l_per_kwh=self._wue,
        )

    def _save(self) -> None:
        """Writes what is new, without keeping the program waiting. What can't be written goes with the next."""
        if self._journal is None:
            return
        began_s = time.thread_time()
        with self._saving:
            with self._lock:
                run = self._final or self._as_run()
                entries, self._unsaved = self._unsaved, {}
                series, self._series = self._series, {}
                from_ns, self._series_from_ns = self._series_from_ns, self._last.ns
            duration_s = (self._series_from_ns - from_ns) / 1e9
            samples = [Entry("", self._wall(from_ns), duration_s, use, self._intensity) for use in series.values()]
            try:
                self._journal.save(run, entries.values(), samples)
            except StoreError as error:
                self._warn("store", "The run is not kept for now: %s. It is measured all the same.", error)
                with self._lock:
                    ledger.fold_into(self._unsaved, entries.values())
                    self._series = {id_: _sum(use, self._series.get(id_)) for id_, use in series.items()}
                    self._series_from_ns = from_ns
        self._overhead_s += time.thread_time() - began_s

    def export(self, run: Run) -> None:
        """Hands a run to the exporters of the settings. One that fails is a log line and a note."""
        for name in self.settings.exporters:
            try:
                plugins.load("exporters", name)(run, self.settings)
            except (OSError, CarbonwatchError) as error:
                self._warn(name, f"{name} could not write the run: %s. The result is still returned.", error)
            # border: an exporter may be foreign code, and must not take the result away
            except Exception:
                log.warning("exporter %s failed; the result is still returned", name, exc_info=True)

    def _note(self, text: str) -> None:
        self._notes[text] = None

    def _warn(self, topic: str, text: str, error: object) -> None:
        """A log line and a note, the first time that the topic comes up."""
        if topic not in self._warned:
            self._warned.add(topic)
            log.warning(text, error)
            self._note(text % error)


def _sum(first: Usage, second: Usage | None) -> Usage:
    return first if second is None else first.plus(second)


class Task:
    """An open part of a run."""

    __slots__ = ("book", "duration_s", "first", "parent", "path", "tracker")

    def __init__(self, tracker: Tracker, path: str, parent: Task | None) -> None:
        self.tracker, self.path, self.parent = tracker, path, parent
        self.first: Reading | None = None
        self.duration_s = 0.0
        self.book: ledger.Book = {}

    def __enter__(self) -> Task:
        return self

    def __exit__(self, *_: object) -> None:
        self.tracker.stop_task(self)

    @property
    def run(self) -> Run:
        """What this part alone has used so far."""
        return self.tracker._as_run(self)


class Measurement:
    """What `measure()` gives: figures that are live inside the block and final after it."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def __enter__(self) -> Measurement:
        self._tracker.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._tracker.stop("finished" if kind is None else "failed")

    @property
    def run(self) -> Run:
        """All that is known: entries, place, quality, gaps."""
        return self._tracker.run

    @property
    def energy_j(self) -> float:
        return self.run.energy_j

    @property
    def energy_kwh(self) -> float:
        return self.run.energy_j / 3.6e6

    @property
    def emissions_g(self) -> float:
        """Grams of CO2e."""
        return self.run.emissions_g

    @property
    def low(self) -> float:
        """Lower end of the emissions' interval, in grams of CO2e."""
        run = self.run
        return run.emissions(run.headline).low

    @property
    def high(self) -> float:
        """Upper end of the emissions' interval, in grams of CO2e."""
        run = self.run
        return run.emissions(run.headline).high

    def task(self, name: str) -> Task:
        """A part of the block, as a context manager."""
        return self._tracker.start_task(name)

    def __str__(self) -> str:
        return str(plugins.load("reports", "terminal")(self.run))


def measure(project: str | None = None, **options: Any) -> Measurement:
    """Measures a `with` block: `with measure("train") as m: ...`, then `m.energy_kwh`, `m.emissions_g`, `print(m)`.

    `options` are the settings; a wrong one raises SettingsError here, before the block.
    """
    return Measurement(Tracker(resolve({"project": project, **options})))


def _new_id(now_ns: int) -> str:
    """Sortable by time, and never the same twice: UUID version 7 (RFC 9562)."""
    value = (now_ns // 1_000_000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@atexit.register
def _stop_all() -> None:
    """A program that ends without `stop()` leaves a finished run."""
    for tracker in list(_running):
        tracker.stop()
