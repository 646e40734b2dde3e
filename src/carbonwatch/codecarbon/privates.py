"""What is private in CodeCarbon's trackers, by CodeCarbon's names: programs read it all the same.

`tracker._total_energy.kWh` stands in many of them, sentence-transformers calls `_prepare_emissions_data()`, and
CodeCarbon's own examples go through `_tasks`. Every figure is that of now; what is set here changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from carbonwatch.codecarbon import EmissionsTracker, parameters
from carbonwatch.codecarbon.data import EmissionsData, TaskEmissionsData
from carbonwatch.codecarbon.units import Energy, Power, Water

# parameters that have a value where none is given
_DEFAULTS: dict[str, Any] = {
    "allow_multiple_runs": True,
    "api_call_interval": 8,
    "api_endpoint": "https://api.codecarbon.io",
    "api_key": "api_key",
    "experiment_name": "base",
    "force_mode_cpu_load": False,
    "log_level": "info",
    "logger_preamble": "",
    "on_csv_write": "append",
    "output_dir": ".",
    "output_file": "emissions.csv",
    "prometheus_url": "localhost:9091",
    "pue": 1.0,
    "rapl_include_dram": False,
    "rapl_prefer_psys": False,
    "save_to_api": False,
    "save_to_file": True,
    "save_to_logfire": False,
    "save_to_logger": False,
    "save_to_prometheus": False,
    "wue": 0.0,
}
_NUMBERS = ("force_cpu_power", "force_ram_power", "force_carbon_intensity_g_co2e_kwh")


class Task:
    """A part of the run, as `_tasks` has it."""

    def __init__(self, task_name: str, measured: Any, ended: str | None) -> None:
        self.task_name = self.task_id = task_name
        self.is_active = ended is None
        self._measured, self._timestamp = measured, ended

    @property
    def emissions_data(self) -> EmissionsData:
        """What it alone used."""
        told = {} if self._timestamp is None else {"timestamp": self._timestamp}
        return EmissionsData.of(self._measured.run, **told)

    def out(self) -> TaskEmissionsData:
        """Its row in the tasks' file."""
        return TaskEmissionsData.of(self.task_name, self.emissions_data)


def look_up(tracker: EmissionsTracker, name: str) -> Any:
    """Raises AttributeError where CodeCarbon has no such attribute either, or where nothing here is like it."""
    plain = name[1:]
    if name in _FIGURES:
        return _FIGURES[name](tracker)
    if plain in parameters.parameters() and "_given" in vars(tracker):
        return _parameter(tracker, plain)
    raise AttributeError(f"{type(tracker).__name__!r} object has no attribute {name!r}")


def _parameter(tracker: EmissionsTracker, name: str) -> Any:
    """What was given, of the type that CodeCarbon makes of it, else its default."""
    if name in _KNOWN:
        return _KNOWN[name](tracker)
    default, value = _DEFAULTS.get(name), tracker._given.get(name)
    if value is None:
        return default
    if isinstance(default, bool):
        return str(value).strip().lower() in ("true", "1", "yes", "on")
    if name in _NUMBERS or isinstance(default, (int, float)):
        return type(default)(float(value)) if default is not None else float(value)
    return value


def _conf(tracker: EmissionsTracker) -> dict[str, Any]:
    """Every parameter's value, and the machine."""
    from carbonwatch.exporters import emissions_csv

    names = [name for name in parameters.parameters() if name not in parameters.OF_A_PLACE or name in tracker._given]
    facts, place = tracker._tracker.run.facts, tracker._tracker.run.place
    provider, _, region = (place.cloud or "").partition("/")
    return {
        **{name: _parameter(tracker, name) for name in names},
        "codecarbon_version": emissions_csv.row(tracker._tracker.run)["codecarbon_version"],
        **tracker.get_detected_hardware(),
        "os": facts.get("os"),
        "python_version": facts.get("python_version"),
        "hardware": [part.description() for part in _hardware(tracker)],
        "provider": provider or None,
        "region": region or None,
        "longitude": None,
        "latitude": None,
    }


def _hardware(tracker: EmissionsTracker) -> list[Any]:
    from carbonwatch.codecarbon import components

    mode = tracker._tracker.settings.scope
    found = components.found(tracker._domains(), lambda name: _figure(tracker, f"{name}_power"), mode)
    facts = tracker.get_detected_hardware()
    for part in found:
        if isinstance(part, components.CPU):
            part.model = facts["cpu_model"] or ""
        if isinstance(part, components.RAM):
            part.machine_memory_GB = facts["ram_total_size"] or 0.0
    return found


def _tasks(tracker: EmissionsTracker) -> dict[str, Task]:
    """Those that are open and the latest that have ended; a name that came again has its number behind it."""
    found: dict[str, Task] = {}
    ended = list(tracker._latest)
    for name, measured, when in (*ended, *((name, measured, None) for name, measured in tracker._open)):
        key = name if name not in found else f"{name}_{len(found)}"
        found[key] = Task(name, measured, when)
    return found


def _scheduler(tracker: EmissionsTracker) -> Any:
    """One that has nothing to call, since readings have a clock of their own; None once the run has ended."""
    from carbonwatch.codecarbon.schedule import PeriodicScheduler

    return None if tracker._has_ended else PeriodicScheduler(lambda: None, 3600)


def _geo(tracker: EmissionsTracker) -> Any:
    from carbonwatch.codecarbon.places import GeoMetadata

    data = _data(tracker)
    code = tracker._tracker.run.place.country
    return GeoMetadata(data.country_iso_code, data.country_name, data.region or None, country_2letter_iso_code=code)


def _cloud(tracker: EmissionsTracker) -> Any:
    from carbonwatch.codecarbon.places import CloudMetadata

    data = _data(tracker)
    return CloudMetadata(data.cloud_provider or None, data.cloud_region or None)


def _emissions(tracker: EmissionsTracker) -> Any:
    from carbonwatch.codecarbon.places import DataSource, Emissions

    return Emissions(DataSource(), None, tracker._tracker.settings.g_per_kwh)


def _set_from_conf(tracker: EmissionsTracker) -> Callable[..., Any]:
    def set_one(var: Any, name: str, default: Any = None, *_: Any, **__: Any) -> Any:
        """Sets a parameter, as long as the run has not begun."""
        value = default if var is None else var
        if value is not None and not tracker._tracker.run.started_ns:
            parameters.refuse_unknown((name,))
            tracker._given = {**tracker._given, name: value}
            tracker._prepare()
        return value

    return set_one


def _data(tracker: EmissionsTracker) -> EmissionsData:
    return tracker.final_emissions_data


def _figure(tracker: EmissionsTracker, column: str) -> float:
    """0 before the start, as there; afterwards the column's, NaN where it is not known."""
    return float(getattr(_data(tracker), column)) if tracker._tracker.run.started_ns else 0.0


def _energy(column: str) -> Callable[[EmissionsTracker], Energy]:
    return lambda tracker: Energy.from_energy(_figure(tracker, column))


def _power(column: str) -> Callable[[EmissionsTracker], Power]:
    return lambda tracker: Power.from_watts(_figure(tracker, column))


def _started_s(tracker: EmissionsTracker) -> float | None:
    """By the clock that CodeCarbon takes; None where nothing runs."""
    run = tracker._tracker.run
    return time.perf_counter() - run.duration_s if run.started_ns and run.state == "running" else None


_KNOWN: dict[str, Callable[[EmissionsTracker], Any]] = {
    "experiment_id": lambda tracker: parameters.experiment_id(tracker._given),
    "gpu_ids": lambda tracker: list(tracker._tracker.settings.gpus) or None,
    "measure_power_secs": lambda tracker: tracker._tracker.settings.interval_s,
    "output_handlers": lambda tracker: tracker._outputs().listed,
    "output_methods": lambda tracker: parameters.methods(tracker._given),
    "project_name": lambda tracker: tracker._tracker.settings.project,
    "tracking_mode": lambda tracker: tracker._tracker.settings.scope,
}
_FIGURES: dict[str, Callable[[EmissionsTracker], Any]] = {
    "_active_task": lambda tracker: tracker._open[-1][0] if tracker._open else None,
    "_cloud": _cloud,
    "_conf": _conf,
    "_cpu_power": _power("cpu_power"),
    "_emissions": _emissions,
    "_external_conf": lambda _: parameters.get_hierarchical_config(),
    "_geo": _geo,
    "_get_cloud_metadata": lambda tracker: lambda: _cloud(tracker),
    "_get_geo_metadata": lambda tracker: lambda: _geo(tracker),
    "_gpu_power": _power("gpu_power"),
    "_hardware": _hardware,
    "_last_measured_time": lambda _: time.perf_counter(),  # a figure that is asked for is measured then
    "_measure_occurrence": lambda _: 0,
    "_ram_power": _power("ram_power"),
    "_scheduler": _scheduler,
    "_scheduler_monitor_power": _scheduler,
    "_set_from_conf": _set_from_conf,
    "_start_time": _started_s,
    "_tasks": _tasks,
    "_total_cpu_energy": _energy("cpu_energy"),
    "_total_emissions": lambda tracker: _figure(tracker, "emissions"),
    "_total_energy": _energy("energy_consumed"),
    "_total_gpu_energy": _energy("gpu_energy"),
    "_total_ram_energy": _energy("ram_energy"),
    "_total_water": lambda tracker: Water.from_litres(_figure(tracker, "water_consumed")),
}
