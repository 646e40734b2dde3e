"""CodeCarbon's names on our tracker: the only folder that knows its parameters, variables and classes.

Names, parameters and meanings are those that CodeCarbon 3.3.2 documents. What differs on purpose stands in
docs/how-to/switch-from-codecarbon.md. Nothing heavy is imported until a tracker is made.
"""

from __future__ import annotations

import atexit
import weakref
from collections import deque
from collections.abc import Callable

from carbonwatch.codecarbon import parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar, overload

    from carbonwatch.codecarbon.data import EmissionsData, TaskEmissionsData
    from carbonwatch.codecarbon.outputs import Handlers
    from carbonwatch.model import Domain, Run, State
    from carbonwatch.sampler import Sampler
    from carbonwatch.settings import Settings
    from carbonwatch.tracker import Task
    from carbonwatch.windows import Window

    F = TypeVar("F", bound=Callable[..., Any])

_TASKS_AT_ONCE = 100  # rows of ended tasks that are held back, so that not each costs a write
_TASKS_KEPT = 1000  # the latest, for programs that look them up


class EmissionsTracker:
    """CodeCarbon's tracker: `start()`, then `stop()` gives kg CO2e and writes a row to emissions.csv.

    Takes CodeCarbon's parameters (an unknown one raises SettingsError, a ValueError, here and not later), by name or,
    as there, in their order. The headline is the whole machine, as there; `tracking_mode="process"` makes it the
    program's own share.
    """

    def __init__(
        self,
        project_name: str | None = None,
        measure_power_secs: float | None = None,
        *others: Any,
        meters: Sampler | None = None,  # carbonwatch.testing's, in tests of what is built on this
        **named: Any,
    ):
        self._given = parameters.given(parameters.by_name((project_name, measure_power_secs, *others), named))
        self._meters = meters
        self._outcome: State = "finished"
        self._prepare()

    def _prepare(self, settings: Settings | None = None) -> None:
        """Makes ready to measure a run: the first, or with the settings of the last the next."""
        self._tracker = parameters.make_tracker(self._given, self._meters, settings)
        self._has_ended = False
        self._experiment_name = parameters.experiment_name(self._given)
        self._live_interval_s = parameters.live_interval_s(self._given)
        self._handlers = self._hand_to([*parameters.handlers(self._given), *self._own_output()])
        if settings is None:
            self._tasks_folder = parameters.tasks_folder(self._given, self._tracker.settings)
        self._open: list[tuple[str, Task]] = []
        self._begun = 0  # tasks
        # tasks that have ended: all, where handlers are told of them or their prices may change; else those unwritten
        self._ended: list[tuple[Task, TaskEmissionsData]] = []
        self._written = 0  # of them
        self._latest: deque[tuple[str, Task, str]] = deque(maxlen=_TASKS_KEPT)  # ended tasks: name, and when

    def __enter__(self) -> EmissionsTracker:
        self.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        from carbonwatch.tracker import outcome

        self._outcome = outcome(error)
        self.stop()  # the program's own, where it has one

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What is private in CodeCarbon's trackers, and read by programs all the same."""
            if name.startswith("_") and not name.startswith("__"):
                from carbonwatch.codecarbon import privates

                return privates.look_up(self, name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def start(self) -> None:
        """Begins to measure. Does nothing if it has begun already; after `stop()` it begins a run of its own."""
        if self in _running:
            return
        if self._has_ended:
            self._prepare(self._tracker.settings)
        self._tracker.start()
        _running.add(self)
        if self._handlers and self._live_interval_s:
            self._handlers.tell_live(lambda: self.final_emissions_data, self._live_interval_s)

    def stop(self) -> float | None:
        """Ends the run, writes it, and gives kg of CO2e. Later calls give the same; a forked child gets None."""
        return self._stop(self._outcome)

    def flush(self) -> float | None:
        """Writes a row of all there is so far, goes on, and gives its kg of CO2e."""
        run = self._tracker.flush()
        if not self._tracker.here or not run.started_ns:
            return None
        if run.state == "running":
            self._tracker.export(run)
            self._write_tasks()
            self._hand_out(run)
        return _kg(run)

    def start_task(self, task_name: str | None = None) -> None:
        """Begins a part of the run; starts the tracker if it has not started."""
        self.start()
        self._begun += 1
        name = task_name or f"task-{self._begun}"
        self._open.append((name, self._tracker.start_task(name)))

    def stop_task(self, task_name: str | None = None) -> EmissionsData | None:
        """Ends a part of the run (the latest begun, of that name if one is given), and gives what it alone used."""
        found = next((pair for pair in reversed(self._open) if task_name in (None, pair[0])), None)
        if found is None:
            named = f"called {task_name!r} " if task_name else ""
            _log().warning("no task %sis open, so none was ended", named)
            return None
        import time

        from carbonwatch.codecarbon.data import EmissionsData, TaskEmissionsData
        from carbonwatch.exporters import emissions_csv

        self._open.remove(found)
        name, task = found
        ended = emissions_csv.timestamp(time.time_ns())
        data = EmissionsData.of(self._tracker.stop_task(task), timestamp=ended)
        self._latest.append((name, task, ended))
        self._ended.append((task, TaskEmissionsData.of(name, data)))
        if len(self._ended) - self._written >= _TASKS_AT_ONCE:
            self._write_tasks()
        return data

    def begin_window(self, name: str, *, precise: bool = False, sync: bool | None = None) -> None:
        """Begins a part that may lie across others; starts the tracker if it has not started."""
        self.start()
        self._tracker.begin_window(name, precise=precise, sync=sync)

    def end_window(self, name: str) -> Window:
        """Ends the window of that name that began last, and gives it. Raises WindowError where none is open."""
        return self._tracker.end_window(name)

    @property
    def run(self) -> Run:
        """The run as carbonwatch knows it, with quality, intervals and shares."""
        return self._tracker.run

    @property
    def run_id(self) -> str:
        """The run's id, as in emissions.csv and in the store."""
        return self._tracker.id

    @property
    def final_emissions(self) -> float:
        """kg of CO2e so far; after `stop()`, of the whole run."""
        return _kg(self.run)

    @property
    def final_emissions_data(self) -> EmissionsData:
        """The row of emissions.csv, as an object."""
        from carbonwatch.codecarbon.data import EmissionsData

        return EmissionsData.of(self.run)

    def service_shutdown(self, signum: int, frame: object) -> None:
        """A handler of signals that ends the run: `signal.signal(signal.SIGTERM, tracker.service_shutdown)`."""
        self.stop()

    def get_detected_hardware(self) -> dict[str, Any]:
        """RAM, CPU and GPU of this machine, as far as they can be seen."""
        from carbonwatch import environment
        from carbonwatch._version import __version__
        from carbonwatch.codecarbon import system
        from carbonwatch.exporters import emissions_csv

        settings = self._tracker.settings
        facts = environment.facts(settings, __version__)
        gpus = [domain for domain in self._domains() if domain.component == "gpu"]
        return {
            "ram_total_size": facts["ram_total_gb"],
            "cpu_count": facts["cpu_count"],
            "cpu_physical_count": system.sockets(settings.path_sysfs),
            "cpu_model": facts["cpu_model"],
            "gpu_count": len(gpus),
            "gpu_model": emissions_csv.models(gpus),
            "gpu_ids": list(settings.gpus) or None,
        }

    def _domains(self) -> tuple[Domain, ...]:
        from carbonwatch.codecarbon import system

        return system.metered(self._tracker.settings) if self._meters is None else self._meters.domains

    def _prepare_emissions_data(self) -> EmissionsData:
        """Theirs is private, and called by libraries such as sentence-transformers."""
        return self.final_emissions_data

    def _measure_power_and_energy(self) -> None:
        """Nothing: what is asked for is measured then."""

    def _persist_data(
        self, total_emissions: EmissionsData, delta_emissions: EmissionsData, experiment_name: str | None = None
    ) -> None:
        """Nothing: theirs writes a row here, which is written by now. A program's own class may do more with it."""

    def _own_output(self) -> list[Any]:
        if type(self)._persist_data is EmissionsTracker._persist_data:
            return []
        from types import SimpleNamespace

        return [SimpleNamespace(out=lambda total, new: self._persist_data(total, new, self._experiment_name))]

    def _outputs(self) -> Handlers:
        if self._handlers is None:
            from carbonwatch.codecarbon.outputs import Handlers

            self._handlers = Handlers([], self._experiment_name)
        return self._handlers

    def _hand_to(self, handlers: list[Any]) -> Handlers | None:
        if not handlers:
            return None
        from carbonwatch.codecarbon.outputs import Handlers

        return Handlers(handlers, self._experiment_name)

    def _stop(self, state: State) -> float | None:
        while self._open:
            self.stop_task()
        run = self._tracker.stop(state)
        if not self._tracker.here:
            return None
        if not run.started_ns:
            _log().warning("stop() came before start(), so nothing was measured")
            return None
        if self._is_priced_at_end:
            self._price_tasks()
        self._write_tasks(update=self._is_priced_at_end)
        self._hand_out(run)
        self._ended, self._written = [], 0
        if self._handlers:
            self._handlers.end()
        _running.discard(self)
        self._has_ended, self._outcome = True, "finished"
        return _kg(run)

    @property
    def _is_priced_at_end(self) -> bool:
        settings = self._tracker.settings
        return bool(settings.grid) or settings.locate != "offline"

    def _price_tasks(self) -> None:
        """Gives all tasks the prices that the run learned at its end; their rows take the place of those written."""
        from carbonwatch.codecarbon.data import EmissionsData, TaskEmissionsData

        self._written = 0
        self._ended = [
            (task, TaskEmissionsData.of(row.task_name, EmissionsData.of(task.run, timestamp=row.timestamp)))
            for task, row in self._ended
        ]

    def _write_tasks(self, *, update: bool = False) -> None:
        """Tasks have a file of their own beside the runs'."""
        rows = [row.values for _, row in self._ended[self._written :]]
        self._written = len(self._ended)
        if not self._handlers and not self._is_priced_at_end:
            self._ended, self._written = [], 0
        settings = self._tracker.settings
        if not rows or not self._tracker.here or "emissions_csv" not in settings.exporters:
            return
        from carbonwatch.codecarbon.outputs import tasks_path
        from carbonwatch.exporters import emissions_csv

        path = tasks_path(self._tasks_folder, self._experiment_name, self._tracker.id)
        try:
            emissions_csv.write(path, list(rows[0]), rows, update=update)
        except OSError as error:
            _log().warning("the tasks could not be written (%s); their results are still returned", error)

    def _hand_out(self, run: Run) -> None:
        """Totals, and what came since the last time, to each handler."""
        if self._handlers:
            from carbonwatch.codecarbon.data import EmissionsData

            self._handlers.tell(EmissionsData.of(run), [row for _, row in self._ended])


_running: weakref.WeakSet[EmissionsTracker] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """A program that ends without `stop()` keeps its tasks' rows too."""
    for tracker in list(_running):
        tracker.stop()


class OfflineEmissionsTracker(EmissionsTracker):
    """The same, where the place is given: country_iso_code ("FRA"), region, or cloud_provider and cloud_region."""


class TaskEmissionsTracker:
    """A part of a run as a context manager: `with TaskEmissionsTracker("load", tracker=tracker): ...`."""

    def __init__(self, task_name: str, tracker: EmissionsTracker | None = None, **named: Any) -> None:
        self.task_name = task_name
        self._owned = tracker is None
        self.tracker = tracker or EmissionsTracker(**named)
        self.emissions_data: EmissionsData | None = None
        self._task: Task | None = None

    def __enter__(self) -> TaskEmissionsTracker:
        self.tracker.start_task(self.task_name)
        _, self._task = self.tracker._open[-1]
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.emissions_data = self.tracker.stop_task(self.task_name)
        if self._owned:
            self.tracker.__exit__(kind, error, trace)
            if self.emissions_data is not None and self._task is not None:  # the run learned its prices at its end
                from carbonwatch.codecarbon.data import EmissionsData

                self.emissions_data = EmissionsData.of(self._task.run, timestamp=self.emissions_data.timestamp)


if TYPE_CHECKING:

    @overload
    def track_emissions(fn: F) -> F: ...

    @overload
    def track_emissions(
        fn: str | None = None, *others: Any, offline: bool = False, **named: Any
    ) -> Callable[[F], F]: ...


def track_emissions(
    fn: Callable[..., Any] | str | None = None, *others: Any, offline: bool = False, **named: Any
) -> Any:
    """Measures each call of a function, coroutine function or generator function, as `EmissionsTracker` does.

    Works with and without arguments. The function's value and exceptions are its own.
    """
    function = fn if callable(fn) else None
    named = parameters.by_name(others if function else (fn, *others), named)
    parameters.refuse_unknown(named)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        tracked = OfflineEmissionsTracker if offline else EmissionsTracker
        return _wrapper(function, lambda: tracked(**named))

    return decorate if function is None else decorate(function)


if TYPE_CHECKING:

    @overload
    def track_task_emissions(fn: F) -> F: ...

    @overload
    def track_task_emissions(
        fn: None = None, tracker: EmissionsTracker | None = None, task_name: str = ""
    ) -> Callable[[F], F]: ...


def track_task_emissions(
    fn: Callable[..., Any] | None = None, tracker: EmissionsTracker | None = None, task_name: str = ""
) -> Any:
    """Measures each call of a function as a task of a tracker, or of one of its own."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        name = task_name or function.__name__
        return _wrapper(function, lambda: TaskEmissionsTracker(name, tracker))

    return decorate if fn is None else decorate(fn)


def _wrapper(
    function: Callable[..., Any], tracker: Callable[[], EmissionsTracker | TaskEmissionsTracker]
) -> Callable[..., Any]:
    import functools
    import inspect

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with tracker():
            return function(*args, **kwargs)

    @functools.wraps(function)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        with tracker():
            return await function(*args, **kwargs)

    @functools.wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Any:
        with tracker():
            return (yield from function(*args, **kwargs))

    @functools.wraps(function)
    async def agenerate(*args: Any, **kwargs: Any) -> Any:
        with tracker():
            inner = function(*args, **kwargs)
            try:
                sent = None
                while True:
                    sent = yield await inner.asend(sent)
            except StopAsyncIteration:
                return
            finally:
                await inner.aclose()

    if inspect.isasyncgenfunction(function):
        return agenerate
    if inspect.iscoroutinefunction(function):
        return acall
    return generate if inspect.isgeneratorfunction(function) else call


def _kg(run: Run) -> float:
    """The run's kg of CO2e; NaN where nothing was metered."""
    return run.emissions_g / 1000 if run.entries else float("nan")


def _log() -> Any:
    import logging

    return logging.getLogger(__name__)
