"""`import codecarbon` gives carbonwatch, also to libraries that import it themselves."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

from carbonwatch.codecarbon import parameters

VERSION = "3.3.2"  # what we stand for
_METADATA = f"Metadata-Version: 2.1\nName: codecarbon\nVersion: {VERSION}\nSummary: carbonwatch in its place\n"

_OURS = "carbonwatch.codecarbon"
_FILE = __file__
_FOR_CHILDREN = os.path.join(os.path.dirname(__file__), "for_children")
_TRACKERS = ("EmissionsTracker", "OfflineEmissionsTracker", "track_emissions")
_DATA = ("EmissionsData", "TaskEmissionsData")
_BASE = ("BaseOutput", "OutputMethod")
_FILES = ("FileOutput",)
_LOGGERS = ("LoggerOutput", "GoogleCloudLoggerOutput")
_HTTP = ("HTTPOutput", "CodeCarbonAPIOutput")
_HARDWARE = ("CPU", "GPU", "AppleSiliconChip", "BaseHardware", "MODE_CPU_LOAD")
_ASKED = ("is_linux_os", "is_mac_os", "is_windows_os", "count_cpus", "count_physical_cpus", "detect_cpu_model")
# their module -> where its names are, and which
_MODULES: dict[str, dict[str, Sequence[str]]] = {
    "codecarbon": {_OURS: _TRACKERS, f"{_OURS}.outputs": ("OutputMethod",)},
    "codecarbon._version": {},
    "codecarbon.emissions_tracker": {
        _OURS: (*_TRACKERS, "TaskEmissionsTracker", "track_task_emissions"),
        f"{_OURS}.parameters": ("NOT_GIVEN",),
    },
    "codecarbon.output": {
        f"{_OURS}.data": _DATA,
        f"{_OURS}.outputs": (*_BASE, *_FILES, *_LOGGERS, *_HTTP, "PrometheusOutput", "LogfireOutput", "BoAmpsOutput"),
    },
    "codecarbon.output_methods": {},
    "codecarbon.output_methods.base_output": {f"{_OURS}.data": _DATA, f"{_OURS}.outputs": _BASE},
    "codecarbon.output_methods.emissions_data": {f"{_OURS}.data": _DATA},
    "codecarbon.output_methods.boamps": {f"{_OURS}.outputs": ("BoAmpsOutput",)},
    "codecarbon.output_methods.file": {f"{_OURS}.outputs": _FILES},
    "codecarbon.output_methods.http": {f"{_OURS}.outputs": _HTTP},
    "codecarbon.output_methods.logger": {f"{_OURS}.outputs": _LOGGERS},
    "codecarbon.output_methods.metrics": {},
    "codecarbon.output_methods.metrics.logfire": {f"{_OURS}.outputs": ("LogfireOutput",)},
    "codecarbon.output_methods.metrics.prometheus": {f"{_OURS}.outputs": ("PrometheusOutput",)},
    "codecarbon.core": {},
    "codecarbon.core.cpu": {
        f"{_OURS}.system": ("is_powergadget_available", "is_psutil_available", "is_rapl_available"),
    },
    "codecarbon.core.emissions": {f"{_OURS}.places": ("Emissions",)},
    "codecarbon.core.gpu": {f"{_OURS}.system": ("is_gpu_details_available",)},
    "codecarbon.core.util": {f"{_OURS}.system": (*_ASKED, "backup", "resolve_path", "suppress")},
    "codecarbon.core.config": {f"{_OURS}.parameters": ("get_hierarchical_config",)},
    "codecarbon.core.units": {f"{_OURS}.units": ("Energy", "EmissionsPerKWh", "Power", "Time", "Water")},
    "codecarbon.external": {},
    "codecarbon.external.geography": {f"{_OURS}.places": ("CloudMetadata", "GeoMetadata")},
    "codecarbon.external.hardware": {f"{_OURS}.components": _HARDWARE},
    "codecarbon.external.ram": {f"{_OURS}.components": ("RAM",)},
    "codecarbon.external.scheduler": {f"{_OURS}.schedule": ("PeriodicScheduler",)},
    "codecarbon.external.task": {f"{_OURS}.privates": ("Task",)},
    "codecarbon.input": {f"{_OURS}.places": ("DataSource",)},
    "codecarbon.external.logger": {f"{_OURS}.stand_in": ("logger", "set_logger_format", "set_logger_level")},
}
# what has another name here
_NAMED_OTHERWISE = {
    "codecarbon.emissions_tracker": {"BaseEmissionsTracker": "EmissionsTracker", "_sentinel": "NOT_GIVEN"}
}


logger = logging.getLogger("carbonwatch")


class _Console(logging.StreamHandler[Any]):
    """Warnings to whatever stderr is then; more of them where a log level is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.setLevel(logging.WARNING)
        self.setFormatter(logging.Formatter("[%(name)s %(levelname)s @ %(asctime)s] %(message)s", "%H:%M:%S"))
        self.set_name(parameters.CONSOLE)
        self._found = self.stream

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream is self._found:  # else the program has set another
            self.stream = self._found = sys.stderr
        super().emit(record)


def _share_logger() -> None:
    """`logging.getLogger("codecarbon")` is ours, with a handler of its own and apart from the root's, as theirs is."""
    known = logging.Logger.manager.loggerDict
    before = known.get("codecarbon")
    if before is logger:
        return
    logger.propagate = False
    logger.addHandler(_Console())
    logger.setLevel(logger.level or logging.INFO)
    if isinstance(before, logging.Logger):  # a program has set it up already
        logger.setLevel(before.level or logger.level)
        for handler in before.handlers:
            logger.addHandler(handler)
    known["codecarbon"] = logger


def set_logger_level(level: int | str | None = None) -> None:
    """Their way to set the level of our logger."""
    parameters.set_log_level("info" if level is None else level)


def set_logger_format(custom_preamble: str = "") -> None:
    """Does nothing: how lines look is for the program to say."""


def install_as_codecarbon() -> None:
    """From now on `import codecarbon` gives carbonwatch, whether the real one is installed or not.

    So it does in the processes that multiprocessing and joblib start, forked or afresh. Call it before whatever
    imports codecarbon; names that were imported from the real one before stay what they are.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "codecarbon"]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder())
    if _FOR_CHILDREN not in sys.path:
        sys.path.insert(1, _FOR_CHILDREN)  # not before the program's own folder, which it may look for
    _share_logger()


class _Finder:
    """Finds their modules, and their version, here."""  # without importlib.metadata, which takes 50 ms to import

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _MODULES:
            return None
        is_package = any(name.startswith(f"{fullname}.") for name in _MODULES)
        spec = ModuleSpec(fullname, cast(Any, self), origin=_FILE, is_package=is_package)
        spec.has_location = True  # some look for its file
        return spec

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = "carbonwatch in CodeCarbon's place."
        module.__dict__["__version__"] = VERSION
        module.__dict__["__app_name__"] = "codecarbon"
        names = [name for ours in _MODULES[module.__name__].values() for name in ours]
        module.__dict__["__all__"] = sorted(names)
        module.__dict__["__getattr__"] = lambda name: _look_up(module, name)

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary one will do."""

    def find_distributions(self, context: Any = None) -> Iterator[Any]:
        """What `importlib.metadata.version("codecarbon")` asks."""
        if context is not None and context.name == "codecarbon":
            yield _distribution()


def _distribution() -> Any:
    from importlib.metadata import Distribution

    class StandIn(Distribution):
        def read_text(self, filename: str) -> str | None:
            return _METADATA if filename == "METADATA" else None

        def locate_file(self, path: Any) -> Any:
            raise FileNotFoundError(f"carbonwatch stands in for codecarbon and has no {path}")

    return StandIn()


def _signed(value: Any) -> Any:
    """A tracker, or what makes one, with their parameters in its signature: programs choose by it what to give."""
    names = {"track_emissions": "fn", "EmissionsTracker": "self", "OfflineEmissionsTracker": "self"}
    first = names.get(getattr(value, "__name__", ""))
    if first is None:
        return value
    import inspect

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    more = ("offline",) if first == "fn" else ()
    taken = [inspect.Parameter(name, kind, default=None) for name in (*parameters.parameters(), *more)]
    called = value if first == "fn" else value.__init__
    default = None if first == "fn" else inspect.Parameter.empty
    called.__signature__ = inspect.Signature([inspect.Parameter(first, kind, default=default), *taken])
    return value


def _look_up(module: ModuleType, name: str) -> Any:
    """A name of theirs, loaded when it is first asked for."""
    wanted = _NAMED_OTHERWISE.get(module.__name__, {}).get(name, name)
    for ours, names in _MODULES[module.__name__].items():
        if wanted in names:
            value = _signed(getattr(importlib.import_module(ours), wanted))
            module.__dict__[name] = value
            return value
    if f"{module.__name__}.{name}" in _MODULES:  # theirs imports its own
        return importlib.import_module(f"{module.__name__}.{name}")
    raise AttributeError(f"module {module.__name__!r}, in whose place carbonwatch stands, has no {name!r}")
