"""A row of emissions.csv, and one of a task, as objects with CodeCarbon's attributes; ours follow them.

NaN where a number is not known: a program can still count with it, and every format takes it.
"""

from __future__ import annotations

import dataclasses
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, ClassVar

from carbonwatch.exporters import emissions_csv
from carbonwatch.model import Run

_NAN = float("nan")
_COORDINATES = ("longitude", "latitude")  # None there, too, where they are not known
# what grows while a run goes on
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
_NOT_OF_TASKS = ("experiment_id", "pue", "wue", "state")


@dataclass
class EmissionsData:
    """One row of emissions.csv: durations in s, emissions in kg, energies in kWh, powers in W, PUE applied."""

    timestamp: str
    project_name: str
    run_id: str
    experiment_id: str
    duration: float
    emissions: float
    emissions_rate: float
    cpu_power: float
    gpu_power: float
    ram_power: float
    cpu_energy: float
    gpu_energy: float
    ram_energy: float
    energy_consumed: float
    water_consumed: float
    country_name: str
    country_iso_code: str
    region: str
    cloud_provider: str
    cloud_region: str
    os: str
    python_version: str
    codecarbon_version: str
    cpu_count: float
    cpu_model: str
    gpu_count: float
    gpu_model: str
    longitude: float | None
    latitude: float | None
    ram_total_size: float
    tracking_mode: str
    cpu_utilization_percent: float = _NAN
    gpu_utilization_percent: float = _NAN
    ram_utilization_percent: float = _NAN
    ram_used_gb: float = _NAN
    on_cloud: str = "N"
    pue: float = 1.0
    wue: float = 0.0
    state: str = ""
    emissions_low: float = _NAN
    emissions_high: float = _NAN
    measured_share: float = _NAN
    other_energy: float = _NAN
    energy_own: float = _NAN
    energy_idle: float = _NAN
    energy_others: float = _NAN
    carbon_intensity: float = _NAN
    carbon_intensity_zone: str = ""
    carbon_intensity_source: str = ""
    cpu_quality: str = ""
    gpu_quality: str = ""
    ram_quality: str = ""

    @classmethod
    def of(cls, run: Run, **otherwise: Any) -> EmissionsData:
        """The row of a run; with some of its columns otherwise, if given."""
        row = {**emissions_csv.row(run), **otherwise}
        return cls(**{field.name: _known(field.name, row[field.name]) for field in dataclasses.fields(cls)})

    @property
    def values(self) -> OrderedDict[str, Any]:
        """The columns and their values, in the file's order."""
        return OrderedDict(self.__dict__)

    def toJSON(self) -> str:  # noqa: N802 - their name
        """The columns as JSON; null where a number is not known."""
        return json.dumps(plain(self), sort_keys=True, indent=4)

    def since(self, before: EmissionsData | None) -> EmissionsData:
        """What came after an earlier state of the same run."""
        delta = dataclasses.replace(self)
        if before is not None:
            delta.compute_delta_emission(before)
        return delta

    def compute_delta_emission(self, previous_emission: EmissionsData) -> None:
        """Takes from this row what an earlier one of the same run had already."""
        for name in _GROWING:
            setattr(self, name, getattr(self, name) - getattr(previous_emission, name))
        self.emissions_rate = self.emissions / self.duration if self.duration > 0 else _NAN


_OF_TASKS = {field.name: field for field in dataclasses.fields(EmissionsData) if field.name not in _NOT_OF_TASKS}
_DEFAULTS = {name: field.default for name, field in _OF_TASKS.items() if field.default is not dataclasses.MISSING}


@dataclass
class _Named:
    task_name: str


class TaskEmissionsData:
    """A row of the tasks' file: `task_name`, then the run's columns as far as a task has them."""

    # a dataclass to whoever asks, without its columns being named a second time
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]] = {**_Named.__dataclass_fields__, **_OF_TASKS}

    def __init__(self, task_name: str, **columns: Any) -> None:
        missing = _OF_TASKS.keys() - _DEFAULTS.keys() - columns.keys()
        if missing:
            raise TypeError(f"a task's row has no {', '.join(sorted(missing))}")
        self.task_name = task_name
        self.__dict__.update({name: columns.get(name, _DEFAULTS.get(name)) for name in _OF_TASKS})

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a task's row has no column {name!r}")

    def __repr__(self) -> str:
        return f"TaskEmissionsData({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    @classmethod
    def of(cls, task_name: str, data: EmissionsData) -> TaskEmissionsData:
        return cls(task_name, **{name: value for name, value in data.values.items() if name not in _NOT_OF_TASKS})

    @property
    def values(self) -> OrderedDict[str, Any]:
        """The columns and their values, in the file's order."""
        return OrderedDict(self.__dict__)


def plain(data: EmissionsData | TaskEmissionsData) -> dict[str, Any]:
    """The columns as JSON can hold them: None where a number is not known."""
    return {name: None if _is_unknown(value) else value for name, value in data.values.items()}


def _is_unknown(value: Any) -> bool:
    return isinstance(value, float) and (value != value or value in (float("inf"), -float("inf")))


def _known(name: str, value: Any) -> Any:
    return _NAN if value is None and name not in _COORDINATES else value
