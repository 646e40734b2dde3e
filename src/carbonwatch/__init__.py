"""carbonwatch: the energy and CO2e of code, measured the same way you time it.

    import carbonwatch

    with carbonwatch.measure("train") as m:
        train()
    print(m)

Names are loaded when first used: `import carbonwatch` costs next to nothing.
"""

from __future__ import annotations

from carbonwatch._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.codecarbon import (
        EmissionsTracker,
        OfflineEmissionsTracker,
        TaskEmissionsTracker,
        track_emissions,
        track_task_emissions,
    )
    from carbonwatch.codecarbon.outputs import OutputMethod
    from carbonwatch.codecarbon.stand_in import install_as_codecarbon
    from carbonwatch.errors import (
        CarbonwatchError,
        GridUnavailable,
        HardwareMismatch,
        SensorUnavailable,
        SettingsError,
        StoreError,
        Unavailable,
        WindowError,
    )
    from carbonwatch.estimate import PowerEstimate, estimate_power
    from carbonwatch.ledger import figures
    from carbonwatch.model import Run
    from carbonwatch.reports import render
    from carbonwatch.requirements import require
    from carbonwatch.tracker import Measurement, begin_window, end_window, measure
    from carbonwatch.training import Forecast, Training
    from carbonwatch.units import human_energy, human_mass
    from carbonwatch.windows import Window

__all__ = [
    "CarbonwatchError",
    "EmissionsTracker",
    "Forecast",
    "GridUnavailable",
    "HardwareMismatch",
    "Measurement",
    "OfflineEmissionsTracker",
    "OutputMethod",
    "PowerEstimate",
    "Run",
    "SensorUnavailable",
    "SettingsError",
    "StoreError",
    "TaskEmissionsTracker",
    "Training",
    "Unavailable",
    "Window",
    "WindowError",
    "__version__",
    "begin_window",
    "end_window",
    "estimate_power",
    "figures",
    "human_energy",
    "human_mass",
    "install_as_codecarbon",
    "measure",
    "render",
    "require",
    "track_emissions",
    "track_task_emissions",
]

_HOMES = {
    "codecarbon": (
        "EmissionsTracker",
        "OfflineEmissionsTracker",
        "TaskEmissionsTracker",
        "track_emissions",
        "track_task_emissions",
    ),
    "codecarbon.outputs": ("OutputMethod",),
    "codecarbon.stand_in": ("install_as_codecarbon",),
    "errors": (
        "CarbonwatchError",
        "GridUnavailable",
        "HardwareMismatch",
        "SensorUnavailable",
        "SettingsError",
        "StoreError",
        "Unavailable",
        "WindowError",
    ),
    "estimate": ("PowerEstimate", "estimate_power"),
    "ledger": ("figures",),
    "model": ("Run",),
    "reports": ("render",),
    "requirements": ("require",),
    "tracker": ("Measurement", "begin_window", "end_window", "measure"),
    "training": ("Forecast", "Training"),
    "units": ("human_energy", "human_mass"),
    "windows": ("Window",),
}


def __getattr__(name: str) -> object:
    for module, exported in _HOMES.items():
        if name in exported:
            import importlib

            value: object = getattr(importlib.import_module(f"carbonwatch.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'carbonwatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
