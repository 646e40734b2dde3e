"""A run's figures as OpenTelemetry metrics, to the meter provider that the program has set up (Logfire is one).

Counted are `carbonwatch.energy` in J and `carbonwatch.emissions` in g, by `project`, `component` and `part`, and
`carbonwatch.duration` in s. Without a provider they go nowhere, as OpenTelemetry has it.
"""

from __future__ import annotations

from typing import Any

from carbonwatch._version import __version__
from carbonwatch.errors import SettingsError
from carbonwatch.model import Part, Run
from carbonwatch.settings import Settings

_PARTS: tuple[Part, ...] = ("own", "idle", "others", "machine")


def check(settings: Settings) -> None:  # noqa: ARG001 - it takes what every exporter's does
    """Raises SettingsError where OpenTelemetry is missing."""
    _metrics()


def export(run: Run, settings: Settings) -> None:  # noqa: ARG001
    """Adds the run's figures to the counters, once it has ended: they can't be taken back."""
    if run.state == "running":
        return
    meter = _metrics().get_meter("carbonwatch", __version__)
    joules = meter.create_counter("carbonwatch.energy", unit="J", description="Energy of runs")
    grams = meter.create_counter("carbonwatch.emissions", unit="g", description="CO2e of runs, PUE applied")
    seconds = meter.create_counter("carbonwatch.duration", unit="s", description="Duration of runs")
    for component in run.components:
        for part in _PARTS:
            attributes = {"project": run.project, "component": component, "part": part}
            joules.add(run.energy(part, component).value, attributes)
            grams.add(run.emissions(part, component).value, attributes)
    seconds.add(run.duration_s, {"project": run.project})


def _metrics() -> Any:
    try:
        from opentelemetry import metrics
    except ImportError:
        raise SettingsError(
            "exporters has 'otel', and OpenTelemetry is not installed: pip install 'carbonwatch[otel]'"
        ) from None
    return metrics
