"""`import codecarbon` gives carbonwatch, also to libraries that import it themselves."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.metadata
import logging
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from carbonwatch.codecarbon import parameters

VERSION = "3.3.2"  # what we stand for
_METADATA = f"Metadata-Version: 2.1\nName: codecarbon\nVersion: {VERSION}\nSummary: carbonwatch in its place\n"

_OURS = "carbonwatch.codecarbon"
_TRACKERS = ("EmissionsTracker", "OfflineEmissionsTracker", "track_emissions")
_DATA = ("EmissionsData", "TaskEmissionsData")
_BASE = ("BaseOutput", "OutputMethod")
_FILE = ("FileOutput",)
_LOGGERS = ("LoggerOutput", "GoogleCloudLoggerOutput")
_HTTP = ("HTTPOutput", "CodeCarbonAPIOutput")
# their module -> where its names are, and which
_MODULES: dict[str, dict[str, Sequence[str]]] = {
    "codecarbon": {_OURS: _TRACKERS, f"{_OURS}.outputs": ("OutputMethod",)},
    "codecarbon._version": {},
    "codecarbon.emissions_tracker": {_OURS: (*_TRACKERS, "TaskEmissionsTracker", "track_task_emissions")},
    "codecarbon.output": {
        f"{_OURS}.data": _DATA,
        f"{_OURS}.outputs": (*_BASE, *_FILE, *_LOGGERS, *_HTTP, "PrometheusOutput", "LogfireOutput", "BoAmpsOutput"),
    },
    "codecarbon.output_methods": {},
    "codecarbon.output_methods.base_output": {f"{_OURS}.data": _DATA, f"{_OURS}.outputs": _BASE},
    "codecarbon.output_methods.emissions_data": {f"{_OURS}.data": _DATA},
    "codecarbon.output_methods.boamps": {f"{_OURS}.outputs": ("BoAmpsOutput",)},
    "codecarbon.output_methods.file": {f"{_OURS}.outputs": _FILE},
    "codecarbon.output_methods.http": {f"{_OURS}.outputs": _HTTP},
    "codecarbon.output_methods.logger": {f"{_OURS}.outputs": _LOGGERS},
    "codecarbon.output_methods.metrics": {},
    "codecarbon.output_methods.metrics.logfire": {f"{_OURS}.outputs": ("LogfireOutput",)},
    "codecarbon.output_methods.metrics.prometheus": {f"{_OURS}.outputs": ("PrometheusOutput",)},
    "codecarbon.core": {},
    "codecarbon.core.config": {f"{_OURS}.parameters": ("get_hierarchical_config",)},
    "codecarbon.core.units": {f"{_OURS}.units": ("Energy", "EmissionsPerKWh", "Power", "Time", "Water")},
    "codecarbon.external": {},
    "codecarbon.external.logger": {f"{_OURS}.stand_in": ("logger", "set_logger_format", "set_logger_level")},
}
# what has another name here
_NAMED_OTHERWISE = {"codecarbon.emissions_tracker": {"BaseEmissionsTracker": "EmissionsTracker"}}


logger = logging.getLogger("carbonwatch")


def set_logger_level(level: int | str | None = None) -> None:
    """Their way to set the level of our logger."""
    parameters.set_log_level("info" if level is None else level)


def set_logger_format(custom_preamble: str = "") -> None:
    """Does nothing: how lines look is for the program to say."""


def install_as_codecarbon() -> None:
    """From now on `import codecarbon` gives carbonwatch in this process, whether the real one is installed or not.

    Call it before whatever imports codecarbon; names that were imported from the real one before stay what they are.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "codecarbon"]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.metadata.DistributionFinder, importlib.abc.Loader):
    """Finds their modules, and their version, here."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _MODULES:
            return None
        is_package = any(name.startswith(f"{fullname}.") for name in _MODULES)
        return importlib.machinery.ModuleSpec(fullname, self, origin="carbonwatch", is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = "carbonwatch in CodeCarbon's place."
        module.__dict__["__version__"] = VERSION
        names = [name for ours in _MODULES[module.__name__].values() for name in ours]
        module.__dict__["__all__"] = sorted(names)
        module.__dict__["__getattr__"] = lambda name: _look_up(module, name)

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context | None = None
    ) -> Iterator[importlib.metadata.Distribution]:
        if context is not None and context.name == "codecarbon":
            yield _Distribution()


class _Distribution(importlib.metadata.Distribution):
    """What `importlib.metadata.version("codecarbon")` asks."""

    def read_text(self, filename: str) -> str | None:
        return _METADATA if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        raise FileNotFoundError(f"carbonwatch stands in for codecarbon and has no {path}")


def _look_up(module: ModuleType, name: str) -> Any:
    """A name of theirs, loaded when it is first asked for."""
    wanted = _NAMED_OTHERWISE.get(module.__name__, {}).get(name, name)
    for ours, names in _MODULES[module.__name__].items():
        if wanted in names:
            value = getattr(importlib.import_module(ours), wanted)
            module.__dict__[name] = value
            return value
    raise AttributeError(f"module {module.__name__!r}, in whose place carbonwatch stands, has no {name!r}")
