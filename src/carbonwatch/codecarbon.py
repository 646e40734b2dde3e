"""CodeCarbon's names on our tracker: the only file that knows its parameters, variables and config files.

Names, parameters and meanings are those that CodeCarbon 3.3.2 documents. What differs on purpose stands in
docs/how-to/switch-from-codecarbon.md. Nothing heavy is imported until a tracker is made.
"""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable, Iterable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar, overload

    from carbonwatch.model import Domain, Run, State
    from carbonwatch.sampler import Sampler
    from carbonwatch.settings import Settings
    from carbonwatch.tracker import Task, Tracker

    F = TypeVar("F", bound=Callable[..., Any])

# their parameter -> our setting
_SETTINGS = {
    "project_name": "project",
    "measure_power_secs": "interval_s",
    "output_dir": "output_dir",
    "output_file": "output_file",
    "on_csv_write": "csv_write",
    "gpu_ids": "gpus",
    "tracking_mode": "scope",
    "force_cpu_power": "cpu_w",
    "force_ram_power": "ram_w",
    "pue": "pue",
    "wue": "wue",
    "force_carbon_intensity_g_co2e_kwh": "g_per_kwh",
    "rapl_prefer_psys": "prefer_psys",
    "country_iso_code": "country",
    "region": "region",
}
# parameters with a meaning of their own, see _meanings()
_OTHERS = (
    "country_2letter_iso_code",
    "cloud_provider",
    "cloud_region",
    "output_methods",
    "save_to_file",
    "output_handlers",
    "force_mode_cpu_load",
    "log_level",
    "experiment_id",
    "experiment_name",
    "metadata",
    "electricitymaps_api_token",
    "co2_signal_api_token",
)
# what has no effect here, and why; said once where it was given
_WITHOUT_EFFECT = {
    "api_call_interval": "runs are not sent to CodeCarbon's service",
    "api_endpoint": "runs are not sent to CodeCarbon's service",
    "api_key": "runs are not sent to CodeCarbon's service",
    "save_to_api": "runs are not sent to CodeCarbon's service",
    "emissions_endpoint": "runs are not sent over HTTP",
    "save_to_logger": "runs are not written to a logger",
    "logging_logger": "runs are not written to a logger",
    "save_to_prometheus": "runs are not pushed to Prometheus",
    "prometheus_url": "runs are not pushed to Prometheus",
    "save_to_logfire": "runs are not sent to Logfire",
    "logger_preamble": "log lines carry the logger's name",
    "rapl_include_dram": "memory is always counted, as a component of its own",
}
_SILENT = ("allow_multiple_runs",)  # always allowed
# values that turn a parameter off: not worth a word
_OFF = (None, False, "", "False", "false", "0")
_OUTPUT_METHODS = ("csv", "api", "logger", "prometheus", "logfire", "boamps")

# columns of emissions.csv that grow while a run goes on
_GROWING = (
    "duration",
    "emissions",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "energy_consumed",
    "water_consumed",
    "emissions_low",
    "emissions_high",
    "other_energy",
    "energy_own",
    "energy_idle",
    "energy_others",
)
_COORDINATES = ("longitude", "latitude")
# not in CodeCarbon's file of tasks, nor of use there
_NOT_OF_TASKS = ("experiment_id", "region", "longitude", "latitude", "pue", "wue", "state")
_TASKS_AT_ONCE = 100  # rows of ended tasks that are held back, so that not each costs a write


class EmissionsTracker:
    """CodeCarbon's tracker: `start()`, then `stop()` gives kg CO2e and writes a row to emissions.csv.

    Takes CodeCarbon's parameters (an unknown one raises SettingsError, a ValueError, here and not later).
    The headline is the whole machine, as there; `tracking_mode="process"` makes it the program's own share.
    """

    def __init__(
        self,
        project_name: str | None = None,
        measure_power_secs: float | None = None,
        *,
        meters: Sampler | None = None,  # carbonwatch.testing's, in tests of what is built on this
        **parameters: Any,
    ):
        given = _given({"project_name": project_name, "measure_power_secs": measure_power_secs, **parameters})
        self._handlers: list[Any] = list(given.pop("output_handlers", None) or ())
        self._tracker, self._experiment_name = _make_tracker(given, meters)
        self._meters = meters
        self._open: list[tuple[str, Task]] = []
        self._begun = 0  # tasks
        self._ended: list[dict[str, Any]] = []  # tasks whose rows are not written yet
        self._to_price: list[tuple[str, Task, str]] = []  # tasks whose price may be another at the end; name, and when
        self._written: EmissionsData | None = None

    def __enter__(self) -> EmissionsTracker:
        self.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        from carbonwatch.tracker import outcome

        self._stop(outcome(error))

    def start(self) -> None:
        """Begins to measure. Does nothing if it has begun already."""
        self._tracker.start()
        _running.add(self)

    def stop(self) -> float | None:
        """Ends the run, writes it, and gives kg of CO2e. Later calls give the same; a forked child gets None."""
        return self._stop("finished")

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

        from carbonwatch.exporters import emissions_csv

        self._open.remove(found)
        name, task = found
        ended = emissions_csv.timestamp(time.time_ns())
        data = EmissionsData.of(self._tracker.stop_task(task), timestamp=ended)
        self._ended.append({"task_name": name, **data.values})
        settings = self._tracker.settings
        if settings.grid or settings.locate != "offline":
            self._to_price.append((name, task, ended))
        if len(self._ended) >= _TASKS_AT_ONCE:
            self._write_tasks()
        return data

    @property
    def run(self) -> Run:
        """The run as carbonwatch knows it, with quality, intervals and shares."""
        return self._tracker.run

    @property
    def final_emissions(self) -> float:
        """kg of CO2e so far; after `stop()`, of the whole run."""
        return _kg(self.run)

    @property
    def final_emissions_data(self) -> EmissionsData:
        """The row of emissions.csv, as an object."""
        return EmissionsData.of(self.run)

    def get_detected_hardware(self) -> dict[str, Any]:
        """RAM, CPU and GPU of this machine, as far as they can be seen."""
        from carbonwatch import environment
        from carbonwatch._version import __version__
        from carbonwatch.exporters import emissions_csv

        settings = self._tracker.settings
        facts = environment.facts(settings, __version__)
        gpus = [domain for domain in self._domains() if domain.component == "gpu"]
        return {
            "ram_total_size": facts["ram_total_gb"],
            "cpu_count": facts["cpu_count"],
            "cpu_physical_count": _sockets(settings.path_sysfs),
            "cpu_model": facts["cpu_model"],
            "gpu_count": len(gpus),
            "gpu_model": emissions_csv.models(gpus),
            "gpu_ids": list(settings.gpus) or None,
        }

    def _domains(self) -> tuple[Domain, ...]:
        from carbonwatch import sampler

        if self._meters is not None:
            return self._meters.domains
        shared = sampler.share(self._tracker.settings)
        try:
            return shared.domains
        finally:
            sampler.release(shared)

    def _stop(self, state: State) -> float | None:
        while self._open:
            self.stop_task()
        run = self._tracker.stop(state)
        if not self._tracker.here:
            return None
        if not run.started_ns:
            _log().warning("stop() came before start(), so nothing was measured")
            return None
        if self._to_price:
            self._write_tasks_anew()
        else:
            self._write_tasks()
        self._hand_out(run)
        _running.discard(self)
        return _kg(run)

    def _write_tasks_anew(self) -> None:
        """All tasks at the prices that the run learned at its end, in place of the rows that there are."""
        tasks, self._to_price = self._to_price, []
        self._ended = [
            {"task_name": name, **EmissionsData.of(task.run, timestamp=ended).values} for name, task, ended in tasks
        ]
        self._write_tasks(update=True)

    def _write_tasks(self, *, update: bool = False) -> None:
        """Tasks have a file of their own beside the runs'."""
        rows, self._ended = self._ended, []
        settings = self._tracker.settings
        if not rows or not self._tracker.here or "emissions_csv" not in settings.exporters:
            return
        from carbonwatch.exporters import emissions_csv

        columns = ("task_name", *(name for name in emissions_csv.COLUMNS if name not in _NOT_OF_TASKS))
        name = f"emissions_{_as_file_name(self._experiment_name or 'base')}_{self._tracker.id}.csv"
        try:
            path = os.path.join(settings.output_dir, name)
            emissions_csv.write(path, columns, rows, update=update)
        except OSError as error:
            _log().warning("the tasks could not be written (%s); their results are still returned", error)

    def _hand_out(self, run: Run) -> None:
        """Totals, and what came since the last time, to each handler."""
        if not self._handlers or (self._written is not None and self._written.duration >= run.duration_s):
            return
        total = EmissionsData.of(run)
        delta = total.since(self._written)
        self._written = total
        for handler in self._handlers:
            try:
                handler.out(total, delta)
            # border: a handler is the user's own code, and must not take the result away
            except Exception:
                _log().warning("output handler %r failed; the result is still returned", handler, exc_info=True)


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

    def __init__(self, task_name: str, tracker: EmissionsTracker | None = None, **parameters: Any) -> None:
        self.task_name = task_name
        self._owned = tracker is None
        self.tracker = tracker or EmissionsTracker(**parameters)
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
                ended = self.emissions_data.timestamp
                self.emissions_data = EmissionsData.of(self._task.run, timestamp=ended)


class EmissionsData:
    """One row of emissions.csv as an object: the columns are its attributes, NaN where a number is not known."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"emissions.csv has no column {name!r}")

    def __repr__(self) -> str:
        return f"EmissionsData({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"

    @classmethod
    def of(cls, run: Run, **otherwise: Any) -> EmissionsData:
        """The row of a run; with some of its columns otherwise, if given."""
        from carbonwatch.exporters import emissions_csv

        row = {**emissions_csv.row(run), **otherwise}
        return cls(**{name: _known(name, value) for name, value in row.items()})

    @property
    def values(self) -> dict[str, Any]:
        """The columns and their values."""
        return dict(self.__dict__)

    def toJSON(self) -> str:  # noqa: N802 - their name
        """The columns as JSON."""
        import json

        plain = {k: v if v == v and v != float("inf") else None for k, v in self.__dict__.items()}
        return json.dumps(plain, sort_keys=True, indent=4)

    def since(self, before: EmissionsData | None) -> EmissionsData:
        """What came after an earlier state of the same run."""
        grown = self.values
        if before is not None:
            grown.update({name: grown[name] - before.values[name] for name in _GROWING})
            grown["emissions_rate"] = grown["emissions"] / grown["duration"] if grown["duration"] else _NAN
        return EmissionsData(**grown)


def _known(name: str, value: Any) -> Any:
    """A number that is not known is NaN: a program can still count with it, and every format takes it."""
    return _NAN if value is None and name not in _COORDINATES else value


_NAN = float("nan")


if TYPE_CHECKING:

    @overload
    def track_emissions(fn: F) -> F: ...

    @overload
    def track_emissions(fn: None = None, *, offline: bool = False, **parameters: Any) -> Callable[[F], F]: ...


def track_emissions(fn: Callable[..., Any] | None = None, *, offline: bool = False, **parameters: Any) -> Any:
    """Measures each call of a function, coroutine function or generator function, as `EmissionsTracker` does.

    Works with and without arguments. The function's value and exceptions are its own.
    """
    _refuse_unknown(parameters)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        tracked = OfflineEmissionsTracker if offline else EmissionsTracker
        return _wrapper(function, lambda: tracked(**parameters))

    return decorate if fn is None else decorate(fn)


def _wrapper(function: Callable[..., Any], tracker: Callable[[], EmissionsTracker]) -> Callable[..., Any]:
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


def parameters() -> tuple[str, ...]:
    """Every parameter of CodeCarbon's that is taken."""
    return (*_SETTINGS, *_OTHERS, *_WITHOUT_EFFECT, *_SILENT)


def _refuse_unknown(given: Iterable[str]) -> None:
    for name in given:
        if name not in parameters():
            raise _wrong(f"EmissionsTracker has no parameter {name!r}, so it would have no effect.{_near(name)}")


def _near(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, parameters(), 1, cutoff=0.8)
    return f" Did you mean {near[0]!r}?" if near else ""


def _wrong(text: str) -> Exception:
    from carbonwatch.errors import SettingsError

    return SettingsError(text)


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for: in the call, else in CODECARBON_*, else in the folder's config file, else in the user's."""
    _refuse_unknown(parameters)
    called = {name: value for name, value in parameters.items() if value is not None}
    return {**_from_files(), **_from_environment(), **called}


def _from_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    prefix = "CODECARBON_"
    environ = os.environ if environ is None else environ
    found = {k[len(prefix) :].lower(): v for k, v in environ.items() if k.startswith(prefix) and v != ""}
    return _taken(found, "the environment")


def _from_files() -> dict[str, str]:
    """The section [codecarbon] of ~/.codecarbon.config, and over it that of ./.codecarbon.config."""
    found: dict[str, str] = {}
    for folder in (os.path.expanduser("~"), os.curdir):
        path = os.path.join(folder, ".codecarbon.config")
        if os.path.isfile(path):
            found.update(_taken(_read_ini(path), path))
    return found


def _read_ini(path: str) -> dict[str, str]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        # without what stands there: it may be a token
        cause = error.strerror if isinstance(error, OSError) else _line(error)
        raise _wrong(f"{path} can't be read ({cause}), so settings in it would be missed. Mend or remove it.") from None
    return dict(parser["codecarbon"]) if parser.has_section("codecarbon") else {}


def _line(error: Exception) -> str:
    """Where a config file is not what it should be."""
    number = getattr(error, "lineno", None) or next((line for line, _ in getattr(error, "errors", ())), None)
    return f"{type(error).__name__} in line {number}" if number else type(error).__name__


def _taken(found: Mapping[str, str], where: str) -> dict[str, str]:
    """Those that are parameters: CodeCarbon's command line keeps its own there too."""
    for name in found:
        if name not in parameters() and _near(name):
            _say_once(name, f"there is no parameter {name!r} (from {where}), so it has no effect.{_near(name)}")
    return {name: value for name, value in found.items() if name in parameters()}


def _make_tracker(given: Mapping[str, Any], meters: Sampler | None) -> tuple[Tracker, str | None]:
    """Our tracker for their parameters, and the experiment's name. A wrong value is named as they name it."""
    from carbonwatch.errors import SettingsError
    from carbonwatch.tracker import Tracker

    try:
        settings = _to_settings(given)
        facts = _facts(given)
        return Tracker(settings, meters=meters, facts=facts), facts.get("experiment_name")
    except SettingsError as error:
        raise SettingsError(_in_their_words(str(error), given)) from error


def _in_their_words(message: str, given: Iterable[str]) -> str:
    names = {**_SETTINGS, "country_2letter_iso_code": "country", "cloud_region": "cloud"}
    for theirs, ours in names.items():
        if theirs in given and message.startswith(f"{ours} "):
            return theirs + message[len(ours) :]
    return message


def _to_settings(given: Mapping[str, Any]) -> Settings:
    from carbonwatch.settings import resolve

    if given.get("log_level") is not None:
        _set_log_level(given["log_level"])
    for name in given:
        if name in _WITHOUT_EFFECT and given[name] not in _OFF:
            _say_once(name, f"{name} has no effect: {_WITHOUT_EFFECT[name]}")
    ours = {_SETTINGS[name]: value for name, value in given.items() if name in _SETTINGS}
    ours.update(_meanings(given))
    defaults = {"project": "codecarbon", "scope": "machine", "exporters": ("emissions_csv",)}
    if "electricity_maps_token" in ours:  # there it turns the service on; here CARBONWATCH_GRID may choose another
        defaults["grid"] = ("electricity_maps",)
    return resolve(ours, defaults=defaults)


def _meanings(given: Mapping[str, Any]) -> dict[str, Any]:
    ours: dict[str, Any] = {}
    if "country_iso_code" not in given and given.get("country_2letter_iso_code"):
        ours["country"] = given["country_2letter_iso_code"]
    if given.get("cloud_provider") or given.get("cloud_region"):
        ours["cloud"] = _cloud(given)
    token = given.get("electricitymaps_api_token") or given.get("co2_signal_api_token")  # the latter is its old name
    if token:
        ours["electricity_maps_token"] = token
    if _is_on(given, "force_mode_cpu_load", default=False):
        ours["sensors"] = ("nvml", "cpu_model", "ram_model")
    if given.get("output_methods") is not None:
        ours["exporters"] = tuple(_exporters(given["output_methods"]))
    elif not _is_on(given, "save_to_file", default=True):
        ours["exporters"] = ()
    return ours


def _cloud(given: Mapping[str, Any]) -> str:
    provider, region = given.get("cloud_provider"), given.get("cloud_region")
    if not provider or not region:
        missing = "cloud_region" if provider else "cloud_provider"
        raise _wrong(f"{missing} is not given, so the cloud region is not known. Give both, or neither.")
    return f"{provider}/{region}"


def _exporters(methods: Any) -> list[str]:
    """Exporters for CodeCarbon's output methods, given as text, enums or strings; ours go by their names."""
    from carbonwatch import plugins

    if isinstance(methods, str):
        methods = [part for part in methods.split(",") if part.strip()]
    found = []
    for method in methods:
        name = str(getattr(method, "value", method)).strip().lower()
        if name == "csv":
            found.append("emissions_csv")
        elif name in _OUTPUT_METHODS:
            _say_once(f"output_methods={name}", f"output method {name!r} is not there yet and has no effect")
        elif name in plugins.names("exporters"):
            found.append(name)
        else:
            known = ", ".join((*_OUTPUT_METHODS, *plugins.names("exporters")))
            raise _wrong(f"output_methods has {name!r}, so nothing would be written there. There are: {known}.")
    return found


def _facts(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is only noted with the run."""
    facts = {name: str(given[name]) for name in ("experiment_id", "experiment_name") if given.get(name) is not None}
    return facts if given.get("metadata") is None else {**facts, "metadata": _plain(given["metadata"])}


def _plain(metadata: Any) -> Any:
    """Metadata as JSON has it; text that is a dictionary's becomes one."""
    import json

    if isinstance(metadata, str):
        try:
            return json.loads(metadata)
        except ValueError:
            return metadata
    try:
        return json.loads(json.dumps(metadata, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise _wrong(
            f"metadata is {metadata!r}, which JSON can't hold ({error}), so it could not be kept with the run. "
            "Give a dictionary of texts and numbers."
        ) from error


def _set_log_level(level: Any) -> None:
    import logging

    wanted = level if not isinstance(level, str) else int(level) if level.isdigit() else level.upper()
    try:
        logging.getLogger("carbonwatch").setLevel(wanted)
    except (ValueError, TypeError) as error:
        raise _wrong(f"log_level is {level!r}; it must be debug, info, warning, error or critical.") from error


def _is_on(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    text = str(given.get(name, default)).strip().lower()
    if text not in ("true", "1", "yes", "on", "false", "0", "no", "off"):
        raise _wrong(f"{name} is {given[name]!r}; it must be true or false.")
    return text in ("true", "1", "yes", "on")


def _kg(run: Run) -> float:
    """The run's kg of CO2e; NaN where nothing was metered."""
    return run.emissions_g / 1000 if run.entries else _NAN


def _as_file_name(text: str) -> str:
    """A part of a file's name that leads to no other folder."""
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in text)[:50]


def _sockets(path_sysfs: str) -> int | None:
    """How many processors the machine has, of any number of cores each; None where Linux does not tell."""
    import glob

    found = set()
    for path in glob.glob(f"{path_sysfs}/devices/system/cpu/cpu[0-9]*/topology/physical_package_id"):
        with open(path, encoding="ascii") as file:
            found.add(file.read())
    return len(found) or None


_said: set[str] = set()


def _say_once(topic: str, text: str) -> None:
    if topic not in _said:
        _said.add(topic)
        _log().warning("%s", text)


def _log() -> Any:
    import logging

    return logging.getLogger(__name__)
