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
    )
    from carbonwatch.errors import (
        CarbonwatchError,
        GridUnavailable,
        SensorUnavailable,
        SettingsError,
        StoreError,
        Unavailable,
        WindowError,
    )
    from carbonwatch.estimate import PowerEstimate, estimate_power
    from carbonwatch.model import Run
    from carbonwatch.tracker import Measurement, begin_window, end_window, measure
    from carbonwatch.windows import Window

__all__ = [
    "CarbonwatchError",
    "EmissionsTracker",
    "GridUnavailable",
    "Measurement",
    "OfflineEmissionsTracker",
    "PowerEstimate",
    "Run",
    "SensorUnavailable",
    "SettingsError",
    "StoreError",
    "TaskEmissionsTracker",
    "Unavailable",
    "Window",
    "WindowError",
    "__version__",
    "begin_window",
    "end_window",
    "estimate_power",
    "measure",
    "track_emissions",
]

_HOMES = {
    "codecarbon": ("EmissionsTracker", "OfflineEmissionsTracker", "TaskEmissionsTracker", "track_emissions"),
    "errors": (
        "CarbonwatchError",
        "GridUnavailable",
        "SensorUnavailable",
        "SettingsError",
        "StoreError",
        "Unavailable",
        "WindowError",
    ),
    "estimate": ("PowerEstimate", "estimate_power"),
    "model": ("Run",),
    "tracker": ("Measurement", "begin_window", "end_window", "measure"),
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
