"""Joins the pipeline for one run: readings in, a Run out. It does no arithmetic of its own.

Raises SettingsError before the run; during it, whatever fails becomes a gap, a note or one log line.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Literal, cast

from carbonwatch import conditions, environment, frameworks, idle, ledger, location, plugins, sampler, store, windows
from carbonwatch._version import __version__
from carbonwatch.attribution import POLICY, Idle, attribute
from carbonwatch.errors import CarbonwatchError, StoreError, WindowError
from carbonwatch.grid import _chosen, bundled
from carbonwatch.model import Domain, Entry, Gap, Place, Reading, Run, Sample, Scope, State, Usage
from carbonwatch.settings import Settings, resolve
from carbonwatch.store import journal
from carbonwatch.windows import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.location.search import Search

log = logging.getLogger(__name__)

_GPU_SENSORS = ("nvml", "amdsmi", "intel_gpu")  # where none of them finds one, there is none
_LINE_STEPS = 60  # of power, in a notebook
_PATIENCE_S = 0.2  # for other writers, where the next sample tries again

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
        _check(settings)
        self.settings = _anchored(settings)
        self.id = new_id(wall_ns())
        self._environ = environ
        self._wall_ns = wall_ns
        self._given_sampler = meters
        self._lock = _Lock()
        self._saving = threading.RLock()  # taken before the other, never after
        self._journal: journal.Journal | None = None
        self._state: State | Literal["new"] = "new"
        self._pid: int | None = None  # of the process that started it
        self._first = self._last = Reading(0, {}, {})
        self._tasks: list[Task] = []  # the open ones
        self._windows: list[Window] = []  # the open ones
        self._book: ledger.Book = {}
        self._unsaved: ledger.Book = {}  # entries that changed since they were saved
        self._series: dict[str, Usage] = {}  # the sample that goes on, and the one that is not saved yet
        self._closed: dict[str, Usage] = {}
        self._gaps: list[Gap] = []
        self._notes: dict[str, None] = {}
        self._warned: set[str] = set()
        self._booking = self._asked = self._at_it = False  # what a signal handler may come in the middle of
        self._busy = False  # the last save met another writer
        self._overhead_s = 0.0
        self._started_ns = 0
        self._final: Run | None = None
        self._prices: ledger.Prices = {}  # those of the end, where they are others than at the start
        self._place, self._place_note, self._facts = Place(), "", dict(facts or {})
        self._search: Search | None = None  # where this machine is, asked of a network
        self._pue, self._wue = settings.pue or 1.0, settings.wue or 0.0

    def __enter__(self) -> Tracker:
        self.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        self.stop(outcome(error))

    @property
    def run(self) -> Run:
        """The run as it stands: up to now while it goes on, whole once it has stopped."""
        if not self.here:
            return self._as_run()
        with self._lock:
            if self._state == "running":
                self._advance(self._sampler.read())
            return self._final or self._as_run()

    def start(self) -> None:
        """Begins to measure. Does nothing if it has begun already."""
        if not self.here:
            return
        self._wait_for_gpus()
        with self._lock:
            if self._state != "new":
                return
            began_s = time.thread_time()
            self._prepare()
            self._sampler = self._given_sampler or sampler.share(self.settings)
            self._note_what_is_missing()
            if self.settings.include_embodied:
                self._note_what_was_made()
            self._conditions = conditions.Watch(self.settings)
            self._idle = idle.Watch(self._sampler.domains, self._known_idle())
            # from here on counts: the slow things are done
            self._spent_before_s = self._sampler.spent_s
            self._first = self._last = self._sampler.read()
            self._facts = {**self._facts, **self._own_facts()}
            self._saved_ns = self._first.ns
            self._started_ns = self._wall_ns()
            self._pid = os.getpid()
            self._state = "running"
            _running.add(self)
            self._open_journal()
            self._sampler.subscribe(self._on_tick, self.settings.interval_s)
            self._overhead_s += time.thread_time() - began_s

    def stop(self, state: State = "finished", *, sync: bool = True) -> Run:
        """Ends the run and gives it. Later calls give the same run again."""
        if not self.here:
            return self._as_run()
        if sync and self._state == "running":
            self._wait_for_gpus()
        with self._lock:
            if self._state == "running":
                self._advance(self._sampler.read())
            # a signal handler may have stopped it in the middle of that
            ends = self._state == "running"
            if ends:
                self._end(state)
        if ends:
            self._sampler.unsubscribe(self._on_tick)
        if self in _running and self._save(journal.WAIT_S):  # again where an interrupt came in its way
            _running.discard(self)
        if ends:
            self._hand_out()
        return self._final or self._as_run()

    def settle(self) -> None:
        """Waits a little for what gets ready on a thread, so that nothing of a program that starts now is missed."""
        if self._state == "running":
            self._sampler.settle()
            self._sampler.read()  # from here on

    def flush(self) -> Run:
        """Saves what there is so far, and gives it."""
        run = self.run
        if self._state == "running" and self.here:
            self._save(journal.WAIT_S)
        return run

    def start_task(self, name: str) -> Task:
        """Begins a part of the run; inside another task of the same context it becomes a part of that one."""
        parent = next((t for t in reversed(_inside.get()) if t.tracker is self and t in self._tasks), None)
        task = Task(self, f"{parent.path}/{name}" if parent else name, parent)
        if self.here:
            self._wait_for_gpus()
            with self._lock:
                if self._state == "running":
                    task.first = self._sampler.read()
                    self._advance(task.first)
                    self._tasks.append(task)
        # those that were ended elsewhere are forgotten here
        _inside.set((*(t for t in _inside.get() if t in t.tracker._tasks), task))
        return task

    def stop_task(self, task: Task) -> Run:
        """Ends a part of the run and gives what it alone used. A task that has ended gives the same again."""
        if self.here:
            self._wait_for_gpus()
            with self._lock:
                if task in self._tasks and task.first is not None:
                    last = self._sampler.read()
                    self._advance(last)
                    self._tasks.remove(task)
                    task.last = last
        _inside.set(tuple(t for t in _inside.get() if t is not task))
        return self._as_run(task)

    def power_w(self, steps: int) -> tuple[float | None, ...]:
        """The headline's power in at most so many steps of the run, as samples are kept; none where they are not."""
        path = store.path(self.settings, self._environ)
        if path is None:
            return ()
        from carbonwatch import pictures
        from carbonwatch.store.query import Store

        run = self.run
        try:
            with Store(path) as kept:
                traces = kept.samples(run.id, steps)
        except CarbonwatchError:  # that the run is not kept was said before
            return ()
        return pictures.watts(run, traces, min(steps, max((len(trace.start_ns) for trace in traces), default=0)))

    def window(self, name: str, *, precise: bool = False, sync: bool | None = None) -> Window:
        """Begins a window: all that is used until its end, whatever else is open. See `begin_window()`."""
        return Window(self, name, precise=precise, sync=self.settings.sync if sync is None else sync)

    def begin_window(self, name: str, *, precise: bool = False, sync: bool | None = None) -> None:
        """Begins a window that `end_window(name)` ends, from any thread.

        `precise` waits up to two periods of the slowest counter (0.2 s) at the begin and one at the end, outside of
        the window, and takes its edges between the counters' renewals. `sync` is the setting of that name.
        """
        self.window(name, precise=precise, sync=sync)

    def end_window(self, name: str) -> Window:
        """Ends the window of that name that began last, and gives it. Raises WindowError where none is open."""
        window = windows.latest(name, self._windows)
        if window is None:
            there = ", ".join(repr(w.name) for w in self._windows) or "none"
            raise WindowError(f"There is no window {name!r} to end; open are: {there}.")
        return window.end()

    def begin(self, window: Window) -> None:
        """Takes a window's first reading, if there is anything to measure."""
        if not self.here or self._state != "running":
            return
        if window.sync:
            frameworks.wait()
        if window.precise:
            first, window.aligned = self._sampler.begin_precisely()
        else:
            first = self._sampler.read()
        with self._lock:
            before = sampler.cut(self._last, first)
            window.before_w = windows.mean_w(before, self._sampler.domains)
            self._add_gaps(before.gaps)
            if self._state == "running":
                window.first = first
                self._windows.append(window)

    def end(self, window: Window) -> None:
        """Takes a window's last reading."""
        if not self.here:
            return
        if window.sync:
            frameworks.wait()
        if window.precise:
            last, aligned = self._sampler.end_precisely()
        else:
            last, aligned = self._sampler.read(), frozenset()
        with self._lock:
            if window in self._windows:
                self._windows.remove(window)
                self._add_gaps(sampler.cut(self._last, last).gaps)
                window.last, window.aligned = last, window.aligned & aligned

    def run_of(self, window: Window) -> Run:
        """A window as a run of its own."""
        run = self._as_run()
        if window.first is None:
            return replace(run, entries=(), gaps=(), duration_s=0.0)
        last = window.last or (self._sampler.read() if self.here else self._last)
        start_ns, end_ns = self._wall(window.first.ns), self._wall(last.ns)
        entries, gaps = windows.entries(window, last, self._sampler.domains, self._split, start_ns, self._intensity)
        dated = (replace(g, start_ns=self._wall(g.start_ns), end_ns=self._wall(g.end_ns)) for g in gaps)
        earlier = (g for g in run.gaps if g.start_ns < end_ns and g.end_ns > start_ns)
        return replace(
            run,
            state="running" if window.is_open else "finished",
            started_ns=start_ns,
            duration_s=(last.ns - window.first.ns) / 1e9,
            entries=ledger.across(self._prices, entries),
            gaps=tuple(dict.fromkeys((*earlier, *dated))),
            overhead_s=0.0,
        )

    def _split(self, sample: Sample, domains: tuple[Domain, ...]) -> tuple[Usage, ...]:
        """Whose a sample was, by what is known of idle power now."""
        return attribute(sample, domains, self._idle.known())

    @property
    def here(self) -> bool:
        """False in a forked child: what it inherited is its parent's run."""
        return self._pid is None or self._pid == os.getpid()

    @property
    def _spent_s(self) -> float:
        """CPU time of the sampler since the start; trackers that share it each count it."""
        return self._sampler.spent_s - self._spent_before_s if self._started_ns else 0.0

    def _end(self, state: State) -> None:
        self._state = state
        for task in self._tasks:
            task.last = self._last
        for window in self._windows:
            window.last = self._last
        self._tasks.clear()
        self._windows.clear()
        self._facts = {**self._now(), **self._facts, **self._own_facts()}
        self._note_others(self._facts.get("gpu_others", {}))
        self._final = self._as_run()

    def _hand_out(self) -> None:
        """Gives back the meters and hands the run to the exporters; what they could not do is noted with it."""
        if self._given_sampler is None:
            sampler.release(self._sampler)
        if self._final is None:
            return
        before = self._final
        until_s = time.monotonic() + self.settings.grid_timeout_s  # for all that is asked
        if self._search is not None:  # first: the hours are those of the place that it finds
            self._final = self._move(self._final, self._search)
        if self.settings.grid:
            self._final = self._priced(self._final, max(0.0, until_s - time.monotonic()))
        if self._final is not before:
            self._prices, self._facts = ledger.prices(self._final), dict(self._final.facts)
            self._write_anew(self._final)
        self.export(self._final)
        if len(self._notes) > len(self._final.notes):
            self._final = replace(self._final, notes=tuple(self._notes))
            self._save(_PATIENCE_S)

    def _wait_for_gpus(self) -> None:
        if self.settings.sync:
            frameworks.wait()

    def _prepare(self) -> None:
        """What a run notes once: place, price, environment."""
        self._facts = {**environment.facts(self.settings, __version__), **self._facts}
        self._be_at(location.locate(self.settings, self._environ))
        if location.may_search(self.settings, self._environ):
            from carbonwatch.location.search import Search

            log.info("asking the network where this machine is: setting locate=%s", self.settings.locate)
            self._search = Search(self.settings)

    def _be_at(self, place: Place) -> None:
        """Takes a place with all that depends on it."""
        self._place = place
        self._intensity, note = _chosen.intensity(place, self.settings)
        self._notes.pop(self._place_note, None)
        self._place_note = note
        if note:
            self._note(note)
        if self.settings.pue is None or self.settings.wue is None:
            pue, wue, _ = bundled.overheads(place)
            self._pue = pue if self.settings.pue is None else self.settings.pue
            self._wue = wue if self.settings.wue is None else self.settings.wue
        self._facts = {**self._facts, **_chosen.facts(place, self.settings)}

    def _move(self, run: Run, asked: Search) -> Run:
        """The run where the network says that this machine is, if it says so in time."""
        place, why_not = asked.answer(self.settings.grid_timeout_s)
        if place is None:
            self._note(why_not)
            return run
        before = self._intensity
        self._be_at(place)
        entries = (replace(e, intensity=self._intensity) if e.intensity == before else e for e in run.entries)
        moved = replace(run, entries=tuple(entries), place=place, facts=self._facts, notes=tuple(self._notes))
        return replace(moved, pue=self._pue, wue_l_per_kwh=self._wue)

    def _priced(self, run: Run, within_s: float) -> Run:
        """The run by its own hours, as far as the chosen sources know them in time."""
        from carbonwatch import pricing

        priced = pricing.reprice_in_time(run, self.settings, within_s)
        self._notes = dict.fromkeys(priced.notes)
        return priced

    def _write_anew(self, run: Run) -> None:
        """Writes a run that has ended at other prices."""
        if self._journal is None:
            return
        try:
            self._journal.reprice(run)
        except StoreError as error:
            self._note_unsaved(error)
        else:
            with self._lock:
                self._unsaved.clear()  # at the old prices they would count twice

    def _note_what_is_missing(self) -> None:
        for name, why in self._sampler.missing.items():
            if why.remedy:  # what can be mended is worth a line
                self._note(f"{name} is not read: {why}")
        self._note_gpus()
        if not self._sampler.domains:
            self._note("Nothing could be metered on this machine: `carbonwatch doctor` says why.")

    def _note_gpus(self) -> None:
        """That there is none, where it is sure."""
        tried = [why for name, why in self._sampler.missing.items() if name in _GPU_SENSORS]
        metered = any(domain.component == "gpu" for domain in self._sampler.domains)
        if tried and not metered and not any(why.remedy for why in tried):
            self._facts = {**self._facts, "gpu_count": 0}

    def _known_idle(self) -> Mapping[str, Idle]:
        if self.settings.calibrated:  # it is that of the counters, not that at the wall
            return {}
        return idle.load(idle.store_file(self._environ), self.settings.path_procfs, self.settings.path_sysfs)

    def _own_facts(self) -> dict[str, Any]:
        """How the run's own share came about."""
        return {"policy": POLICY, "idle_power": self._idle.facts(), **self._sampler.facts}

    def _now(self) -> dict[str, Any]:
        """What went on meanwhile, to be noted at the end."""
        try:
            return {**self._conditions.facts(), **self._conditions.last_facts()}
        # border: what is noted beside the result must not take it away
        except Exception:
            log.warning("the run's conditions are not noted", exc_info=True)
            return {}

    def _note_others(self, others: Mapping[str, int]) -> None:
        for board, count in others.items():
            who = "another process was" if count == 1 else f"{count} other processes were"
            self._note(f"{who.capitalize()} on {board} meanwhile; what they used is not this run's.")

    def _note_what_was_made(self) -> None:
        """The machine, for the share of it that this run has."""
        from carbonwatch import embodied
        from carbonwatch.sensors.cpu_model import this_machine

        machine = this_machine(self.settings, os.cpu_count() or 1, self._environ)
        known = embodied.facts(
            machine.form,
            sockets=machine.sockets,
            ram_gb=(machine.memory_gb or 0.0) / machine.share,  # a host has as much for every guest
            gpus=sum(d.component == "gpu" for d in self._sampler.domains),
            share=machine.share,
            given_kg=self.settings.hardware_embodied_kg,
            lifetime_years=self.settings.hardware_lifetime_years,
        )
        if not known:
            self._note(f"What making a {machine.form} emits is not known: hardware_embodied_kg says it.")
        self._facts = {**self._facts, **known}

    def _open_journal(self) -> None:
        path = store.path(self.settings, self._environ)
        if path is None:
            return
        self._journal = journal.share(path)
        try:
            self._journal.begin(self._as_run(), _PATIENCE_S)
        except journal.StoreBusy:
            log.debug("the store is busy; the run is kept with its first sample")
        except StoreError as error:
            self._warn("store", "The run is not kept yet: %s. It is measured all the same.", error)

    def _on_tick(self, reading: Reading) -> None:
        with self._lock:
            if self._state != "running":
                return
            began_s = time.thread_time()
            self._advance(reading)
            self._overhead_s += time.thread_time() - began_s
        self._save(_PATIENCE_S)
        began_s = time.thread_time()
        self._conditions.slow_facts()
        self._overhead_s += time.thread_time() - began_s

    def _advance(self, reading: Reading) -> None:
        """Books what happened since the last reading. An older reading than that brings nothing new."""
        # a signal handler in the middle of a booking leaves it to be ended, and its own time to the next
        if self._booking or self._state != "running" or reading.ns <= self._last.ns:
            return
        self._booking = True
        try:
            sample = sampler.cut(self._last, reading)
            usages = attribute(sample, self._sampler.domains, self._idle.after(sample))
            self._book_in(sample, usages, reading)
        finally:
            self._booking = False

    def _book_in(self, sample: Sample, usages: tuple[Usage, ...], reading: Reading) -> None:
        if self._state != "running":
            return
        self._last = reading  # first: what an interrupt cuts short is not to be counted twice
        self._enter(usages, self._wall(sample.start_ns), sample.duration_s)
        _add(self._series, usages)
        self._add_gaps(sample.gaps)

    def _enter(self, usages: tuple[Usage, ...], start_ns: int, duration_s: float) -> None:
        parents = {t.parent for t in self._tasks}
        leaves: list[Task | None] = [t for t in self._tasks if t not in parents]
        for task in leaves or [None]:
            path = task.path if task else ""
            part = 1.0 / max(1, len(leaves))
            entries = ledger.enter(usages, path, start_ns, duration_s, self._intensity, part)
            self._unsaved.update(ledger.fold_into(self._book, entries))
            while task is not None:
                if task.last is None:  # a task may outlive the one that it began in
                    ledger.fold_into(task.book, entries)
                task = task.parent

    def _add_gaps(self, gaps: tuple[Gap, ...]) -> None:
        for gap in gaps:
            start_ns, end_ns = self._wall(gap.start_ns), self._wall(gap.end_ns)
            ledger.add_gap(self._gaps, Gap(gap.domain_id, start_ns, end_ns, gap.reason))

    def _wall(self, ns: int) -> int:
        """A monotonic instant as Unix time; the run keeps one pair of both clocks, so a stepped clock moves nothing."""
        return self._started_ns + ns - self._first.ns

    def _as_run(self, task: Task | None = None) -> Run:
        lasted_s = (self._last.ns - self._first.ns) / 1e9
        entries = (self._book if task is None else task.book).values()
        return Run(
            id=self.id,
            project=self.settings.project,
            scope=cast(Scope, self.settings.scope),
            state="running" if self._state == "new" else self._state,
            started_ns=self._started_ns,
            duration_s=lasted_s if task is None else task.lasted_s(self._last),
            entries=ledger.at(self._prices, entries) if self._prices else tuple(entries),
            gaps=tuple(self._gaps),
            notes=tuple(self._notes),
            place=self._place,
            facts=self._facts,
            overhead_s=self._overhead_s + self._spent_s,
            pue=self._pue,
            wue_l_per_kwh=self._wue,
        )

    def _save(self, wait_s: float) -> bool:
        """Writes what is new; what can't be written goes with the next. False if another thread has to do it."""
        if self._journal is None:
            return True
        self._asked = True
        # a signal handler may hold what another thread waits for to end its save
        if not self._saving.acquire(timeout=0 if self._lock.held else journal.WAIT_S):
            return False
        try:
            if not self._at_it:  # else a signal handler is in the middle of a save, which goes on to do this one
                self._save_asked(self._journal, wait_s)
        finally:
            self._saving.release()
        return True

    def _save_asked(self, to: journal.Journal, wait_s: float) -> None:
        self._at_it = True
        try:
            self._write(to, wait_s)
        finally:
            self._at_it = False
            if self._asked:  # meanwhile, and even if the handler exits
                self._save_asked(to, wait_s)

    def _write(self, to: journal.Journal, wait_s: float) -> None:
        began_s = time.thread_time()
        self._asked = False
        with self._lock:
            run = self._final or self._as_run()
            entries, until_ns = dict(self._unsaved), self._last.ns
            samples = self._close_sample(until_ns)
        try:
            to.save(run, entries.values(), samples, wait_s)
        except StoreError as error:
            self._note_unsaved(error)
        else:
            self._forget(entries, until_ns)
        self._overhead_s += time.thread_time() - began_s

    def _close_sample(self, until_ns: int) -> list[Entry]:
        """The sample since the last one that was saved, as entries."""
        _add(self._closed, self._series.values())
        self._series = {}
        start_ns, duration_s = self._wall(self._saved_ns), (until_ns - self._saved_ns) / 1e9
        return [Entry("", start_ns, duration_s, usage, self._intensity) for usage in self._closed.values()]

    def _forget(self, saved: ledger.Book, until_ns: int) -> None:
        """What has been saved and did not change meanwhile need not be saved again."""
        with self._lock:
            for key, entry in saved.items():
                if self._unsaved.get(key) is entry:
                    self._unsaved.pop(key)
            self._closed = {}
            self._saved_ns = until_ns
            self._busy = False

    def _note_unsaved(self, error: StoreError) -> None:
        if isinstance(error, journal.StoreBusy) and not self._busy and self._final is None:
            self._busy = True  # many may write at a time; twice in a row is worth a word
            return
        self._warn("store", "The run is not kept for now: %s. It is measured all the same.", error)

    def export(self, run: Run) -> None:
        """Hands a run to the exporters of the settings. One that fails is a log line and a note."""
        for name in self.settings.exporters:
            try:
                plugins.load("exporters", name)(run, self.settings)
            except (OSError, CarbonwatchError) as error:
                reason = str(error).rstrip(".")
                self._warn(name, f"{name} could not write the run: %s. The result is still returned.", reason)
            # border: an exporter may be foreign code, and must not take the result away
            except Exception as error:
                log.warning("exporter %s failed; the result is still returned", name, exc_info=True)
                self._note(f"{name} could not write the run: {error!r}.")

    def _note(self, text: str) -> None:
        self._notes[text] = None

    def _warn(self, topic: str, text: str, error: object) -> None:
        """A log line and a note, the first time that the topic comes up."""
        if topic not in self._warned:
            self._warned.add(topic)
            log.warning(text, error)
            self._note(text % error)


class _Lock:
    """A lock that knows whether this thread holds it already."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1
        self._holder = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._holder = None
        self._lock.release()

    @property
    def held(self) -> bool:
        return self._holder == threading.get_ident()


def _check(settings: Settings) -> None:
    """Raises where a place, a mix of fuels or a plugin of the settings is not known, or could not work."""
    location.check(settings)
    _chosen.check(settings)
    for kind, wanted in (("sensors", settings.sensors), ("exporters", settings.exporters), ("grid", settings.grid)):
        for name in wanted:
            check = getattr(sys.modules.get(plugins.load(kind, name).__module__), "check", None)
            if kind == "exporters" and check is not None:
                check(settings)


def _anchored(settings: Settings) -> Settings:
    """Files go where they would have gone at the start, wherever the program goes meanwhile."""
    writes = bool(settings.exporters)
    return replace(settings, output_dir=os.path.abspath(settings.output_dir)) if writes else settings


def _add(book: dict[str, Usage], usages: Iterable[Usage]) -> None:
    """Adds usages to what a book by domain holds."""
    for usage in usages:
        former = book.get(usage.domain.id)
        book[usage.domain.id] = usage if former is None else former.plus(usage)


def outcome(error: BaseException | None) -> Literal["finished", "failed"]:
    """How a block has ended that an error, or none, left. To exit with 0 and to close a generator are no failures."""
    if error is None or isinstance(error, GeneratorExit):
        return "finished"
    return "finished" if isinstance(error, SystemExit) and error.code in (None, 0) else "failed"


class Task:
    """An open part of a run."""

    __slots__ = ("book", "first", "last", "parent", "path", "tracker")

    def __init__(self, tracker: Tracker, path: str, parent: Task | None) -> None:
        self.tracker, self.path, self.parent = tracker, path, parent
        self.first: Reading | None = None  # None where nothing ran that it could be a part of
        self.last: Reading | None = None
        self.book: ledger.Book = {}

    def __enter__(self) -> Task:
        return self

    def __exit__(self, *_: object) -> None:
        self.tracker.stop_task(self)

    def lasted_s(self, now: Reading) -> float:
        """Seconds from its first reading to its last, or to that of now."""
        return ((self.last or now).ns - self.first.ns) / 1e9 if self.first else 0.0

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

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        self._tracker.stop(outcome(error))

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

    def window(self, name: str, *, precise: bool = False, sync: bool | None = None) -> Window:
        """A part that may lie across others, as a context manager."""
        return self._tracker.window(name, precise=precise, sync=sync)

    def begin_window(self, name: str, *, precise: bool = False, sync: bool | None = None) -> None:
        """Begins a window that `end_window(name)` ends, from any thread."""
        self._tracker.begin_window(name, precise=precise, sync=sync)

    def end_window(self, name: str) -> Window:
        """Ends the window of that name that began last, and gives it. Raises WindowError where none is open."""
        return self._tracker.end_window(name)

    def __str__(self) -> str:
        return str(plugins.load("reports", "terminal")(self.run))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return str(plugins.load("reports", "notebook")(self.run, power_w=self._tracker.power_w(_LINE_STEPS)))

    def _repr_markdown_(self) -> str:
        """What a notebook shows where it becomes a paper."""
        return str(plugins.load("reports", "markdown")(self.run))


def measure(project: str | None = None, **options: Any) -> Measurement:
    """Measures a `with` block: `with measure("train") as m: ...`, then `m.energy_kwh`, `m.emissions_g`, `print(m)`.

    `options` are the settings; a wrong one raises SettingsError here, before the block.
    """
    return Measurement(Tracker(resolve({"project": project, **options})))


def begin_window(name: str, *, precise: bool = False, sync: bool | None = None) -> None:
    """Begins a window of the measurement that goes on; of the last one begun, where there are several.

    Raises WindowError where none does.
    """
    _current().begin_window(name, precise=precise, sync=sync)


def end_window(name: str) -> Window:
    """Ends the window of that name that began last, and gives it. Raises WindowError where none is open."""
    holding = [tracker for tracker in _by_start() if any(w.name == name for w in tracker._windows)]
    return (holding[-1] if holding else _current()).end_window(name)


def _current() -> Tracker:
    trackers = _by_start()
    if not trackers:
        raise WindowError("Nothing is measured now, so there is no window. Begin with carbonwatch.measure().")
    return trackers[-1]


def _by_start() -> list[Tracker]:
    """Those that measure in this process, the latest last."""
    running = [tracker for tracker in list(_running) if tracker.here and tracker._state == "running"]
    return sorted(running, key=lambda tracker: tracker._first.ns)


def new_id(now_ns: int) -> str:
    """Sortable by time, and never the same twice: UUID version 7 (RFC 9562)."""
    chance = int.from_bytes(os.urandom(10))
    value = (now_ns // 1_000_000) << 80 | 0x7 << 76 | (chance >> 62 & 0xFFF) << 64 | 0b10 << 62 | chance & (1 << 62) - 1
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@atexit.register
def _stop_all() -> None:
    """A program that ends without `stop()` leaves a finished run."""
    failed = hasattr(sys, "last_value") and not hasattr(sys, "ps1")  # a session goes on after an error
    for tracker in list(_running):
        tracker.stop("failed" if failed else "finished", sync=False)  # what is still queued ends with the program
