"""CodeCarbon's names on our tracker: the only file that knows its parameters, variables and config files.

Names, parameters and meanings are those that CodeCarbon 3.3.2 documents. What differs on purpose stands in
docs/how-to/switch-from-codecarbon.md. Nothing heavy is imported until a tracker is made.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carbonwatch.model import Run
    from carbonwatch.settings import Settings
    from carbonwatch.tracker import Task, Tracker

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
    "electricitymaps_api_token": "the intensity is the yearly mean of the place; live providers are not read",
    "co2_signal_api_token": "the intensity is the yearly mean of the place; live providers are not read",
    "logger_preamble": "log lines carry the logger's name",
    "rapl_include_dram": "memory is always counted, as a component of its own",
}
_SILENT = ("allow_multiple_runs",)  # always allowed
# values that turn a parameter off: not worth a word
_OFF = (None, False, "", "False", "false", "0")


class EmissionsTracker:
    """CodeCarbon's tracker: `start()`, then `stop()` gives kg CO2e and writes a row to emissions.csv.

    Takes CodeCarbon's parameters (an unknown one raises SettingsError, a ValueError, here and not later).
    The headline is the whole machine, as there; `tracking_mode="process"` makes it the program's own share.
    """

    def __init__(self, project_name: str | None = None, measure_power_secs: float | None = None, **parameters: Any):
        self._handlers: list[Any] = []
        self._tasks: dict[str, Task] = {}
        self._written: EmissionsData | None = None
        settings, facts = self._read(
            {"project_name": project_name, "measure_power_secs": measure_power_secs, **parameters}
        )
        from carbonwatch.tracker import Tracker

        self._tracker: Tracker = Tracker(settings, facts=facts)

    def _read(self, parameters: dict[str, Any]) -> tuple[Settings, dict[str, Any]]:
        _refuse_unknown(parameters)
        given = {**_from_files(), **_from_environment(), **{k: v for k, v in parameters.items() if v is not None}}
        handlers = given.pop("output_handlers", None) or []
        self._handlers = list(handlers)
        return _to_settings(given)

    def __enter__(self) -> EmissionsTracker:
        self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop("finished" if kind is None else "failed")

    def start(self) -> None:
        """Begins to measure. Does nothing if it has begun already."""
        self._tracker.start()

    def stop(self) -> float | None:
        """Ends the run, writes it, and gives kg of CO2e. Later calls give the same; a forked child gets None."""
        return self._stop("finished")

    def flush(self) -> float | None:
        """Writes what there is so far, goes on, and gives kg of CO2e."""
        run = self._tracker.flush()
        if not self._tracker.here:
            return None
        self._tracker.export(run)
        self._hand_out(run)
        return run.emissions_g / 1000

    def start_task(self, task_name: str | None = None) -> None:
        """Begins a part of the run; starts the tracker if it has not started."""
        name = task_name or f"task-{len(self._tasks) + 1}"
        self.start()
        self._tasks[name] = self._tracker.start_task(name)

    def stop_task(self, task_name: str | None = None) -> EmissionsData | None:
        """Ends a part of the run (the latest begun, if none is named), and gives its data."""
        name = task_name or next(reversed(self._tasks), None)
        task = self._tasks.pop(name, None) if name else None
        if task is None:
            _log().warning("there is no open task %r, so nothing was ended", task_name)
            return None
        return EmissionsData.of(self._tracker.stop_task(task))

    @property
    def run(self) -> Run:
        """The run as carbonwatch knows it, with quality, intervals and shares."""
        return self._tracker.run

    @property
    def final_emissions(self) -> float:
        """kg of CO2e so far; after `stop()`, of the whole run."""
        return self.run.emissions_g / 1000

    @property
    def final_emissions_data(self) -> EmissionsData:
        """The row of emissions.csv, as an object."""
        return EmissionsData.of(self.run)

    def get_detected_hardware(self) -> dict[str, Any]:
        """RAM, CPU and GPU of this machine, as far as they can be seen."""
        facts = self.run.facts
        gpus = [d.source for d in self.run.domains if d.component == "gpu"]
        return {
            "ram_total_size": facts.get("ram_total_gb"),
            "cpu_count": facts.get("cpu_count"),
            "cpu_physical_count": facts.get("cpu_count"),
            "cpu_model": facts.get("cpu_model"),
            "gpu_count": len(gpus),
            "gpu_model": ", ".join(gpus),
            "gpu_ids": None,
        }

    def _stop(self, state: str) -> float | None:
        run = self._tracker.stop("failed" if state == "failed" else "finished")
        if not self._tracker.here:
            return None
        self._tasks.clear()
        self._hand_out(run)
        return run.emissions_g / 1000

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


class OfflineEmissionsTracker(EmissionsTracker):
    """The same, where the place is given: country_iso_code ("FRA"), region, or cloud_provider and cloud_region."""


class TaskEmissionsTracker:
    """A part of a run as a context manager: `with TaskEmissionsTracker("load", tracker=tracker): ...`."""

    def __init__(self, task_name: str, tracker: EmissionsTracker | None = None, **parameters: Any) -> None:
        self.task_name = task_name
        self._owned = tracker is None
        self.tracker = tracker or EmissionsTracker(**parameters)
        self.emissions_data: EmissionsData | None = None

    def __enter__(self) -> TaskEmissionsTracker:
        self.tracker.start_task(self.task_name)
        return self

    def __exit__(self, *_: object) -> None:
        self.emissions_data = self.tracker.stop_task(self.task_name)
        if self._owned:
            self.tracker.stop()


class EmissionsData:
    """One row of emissions.csv as an object: the columns are its attributes."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"emissions.csv has no column {name!r}")

    def __repr__(self) -> str:
        return f"EmissionsData({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"

    @classmethod
    def of(cls, run: Run) -> EmissionsData:
        """The row of a run."""
        from carbonwatch.exporters import emissions_csv

        return cls(**emissions_csv.row(run))

    @property
    def values(self) -> dict[str, Any]:
        """The columns and their values."""
        return dict(self.__dict__)

    def toJSON(self) -> str:  # noqa: N802 - their name
        """The columns as JSON."""
        import json

        return json.dumps(self.__dict__, sort_keys=True, indent=4, default=str)

    def since(self, before: EmissionsData | None) -> EmissionsData:
        """What came after an earlier state of the same run."""
        if before is None:
            return EmissionsData(**self.values)
        grown = dict(self.values)
        for name in ("duration", "emissions", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed"):
            if grown.get(name) is not None:
                grown[name] -= before.values.get(name) or 0.0
        grown["emissions_rate"] = grown["emissions"] / grown["duration"] if grown["duration"] else 0.0
        return EmissionsData(**grown)


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
            async for item in function(*args, **kwargs):
                yield item

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
            from difflib import get_close_matches

            from carbonwatch.errors import SettingsError

            near = get_close_matches(name, parameters(), 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"EmissionsTracker has no parameter {name!r}, so it would have no effect.{hint}")


def _from_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    prefix = "CODECARBON_"
    found = {k[len(prefix) :].lower(): v for k, v in (environ or os.environ).items() if k.startswith(prefix)}
    return {name: value for name, value in found.items() if name in parameters()}


def _from_files() -> dict[str, str]:
    """The section [codecarbon] of ~/.codecarbon.config, and over it that of ./.codecarbon.config."""
    paths = [os.path.join(folder, ".codecarbon.config") for folder in (os.path.expanduser("~"), os.curdir)]
    paths = [path for path in paths if os.path.isfile(path)]
    if not paths:
        return {}
    import configparser

    from carbonwatch.errors import SettingsError

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(paths, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise SettingsError(f"{', '.join(paths)} can't be read ({error}). Mend or remove it.") from error
    section = parser["codecarbon"] if parser.has_section("codecarbon") else {}
    return {name: value for name, value in section.items() if name in parameters()}


def _to_settings(given: Mapping[str, Any]) -> tuple[Settings, dict[str, Any]]:
    """Our settings, and the facts that only go along."""
    from carbonwatch.settings import resolve

    for name in given:
        if name in _WITHOUT_EFFECT and given[name] not in _OFF:
            _say_once(name)
    ours = {_SETTINGS[name]: value for name, value in given.items() if name in _SETTINGS}
    ours.update(_meanings(given))
    settings = resolve(ours, defaults={"project": "codecarbon", "scope": "machine", "exporters": ("emissions_csv",)})
    facts = {k: given[k] for k in ("experiment_id", "experiment_name", "metadata") if given.get(k) is not None}
    return settings, facts


def _meanings(given: Mapping[str, Any]) -> dict[str, Any]:
    ours: dict[str, Any] = {}
    if "country_iso_code" not in given and given.get("country_2letter_iso_code"):
        ours["country"] = given["country_2letter_iso_code"]
    if given.get("cloud_provider") and given.get("cloud_region"):
        ours["cloud"] = f"{given['cloud_provider']}/{given['cloud_region']}"
    if _is_on(given.get("force_mode_cpu_load")):
        ours["sensors"] = ("nvml", "cpu_model", "ram_model")
    gpus = given.get("gpu_ids")
    if gpus is not None and not isinstance(gpus, str):
        ours["gpus"] = tuple(str(gpu) for gpu in gpus)
    if given.get("output_methods") is not None:
        ours["exporters"] = tuple(_exporters(given["output_methods"]))
    elif not _is_on(given.get("save_to_file", True)):
        ours["exporters"] = ()
    if given.get("log_level") is not None:
        _set_log_level(given["log_level"])
    return ours


def _exporters(methods: Any) -> list[str]:
    """Exporters for CodeCarbon's output methods, given as text, enums or strings."""
    if isinstance(methods, str):
        methods = [part for part in methods.split(",") if part.strip()]
    found = []
    for method in methods:
        name = str(getattr(method, "value", method)).strip().lower()
        if name == "csv":
            found.append("emissions_csv")
        else:
            _log().warning("output method %r is not there yet and has no effect", name)
    return found


def _set_log_level(level: Any) -> None:
    import logging

    if isinstance(level, str):
        level = int(level) if level.isdigit() else level.upper()
    try:
        logging.getLogger("carbonwatch").setLevel(level)
    except ValueError as error:
        from carbonwatch.errors import SettingsError

        raise SettingsError(f"log_level is {level!r}; it must be debug, info, warning, error or critical.") from error


def _is_on(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "1", "yes", "on")


_said: set[str] = set()


def _say_once(name: str) -> None:
    if name not in _said:
        _said.add(name)
        _log().warning("%s has no effect: %s", name, _WITHOUT_EFFECT[name])


def _log() -> Any:
    import logging

    return logging.getLogger(__name__)
