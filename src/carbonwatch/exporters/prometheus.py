"""A run's figures to a Prometheus push gateway: the setting prometheus_url.

Pushed are `carbonwatch_energy_joules` and `carbonwatch_emissions_grams` by project, component and part (own, idle,
others, machine; emissions with PUE), and `carbonwatch_duration_seconds`, in the group of the job `carbonwatch` and the
project. To be scraped while something runs: `carbonwatch monitor --prometheus PORT`.
"""

from __future__ import annotations

from typing import Any

from carbonwatch.errors import SettingsError
from carbonwatch.exporters._http import TIMEOUT_S
from carbonwatch.model import Part, Run
from carbonwatch.settings import Settings

_PARTS: tuple[Part, ...] = ("own", "idle", "others", "machine")


def check(settings: Settings) -> None:
    """Raises SettingsError where the client or the address is missing."""
    if not settings.prometheus_url:
        raise SettingsError("exporters has 'prometheus', and prometheus_url is not set. Set it, as in localhost:9091.")
    _client()


def export(run: Run, settings: Settings) -> None:
    """Pushes the run's figures. Raises OSError."""
    client = _client()
    registry = client.CollectorRegistry()
    names = ["project", "component", "part"]
    joules = client.Gauge("carbonwatch_energy_joules", "Energy of the last run", names, registry=registry)
    grams = client.Gauge("carbonwatch_emissions_grams", "CO2e of the last run, PUE applied", names, registry=registry)
    seconds = client.Gauge("carbonwatch_duration_seconds", "Duration of the last run", ["project"], registry=registry)
    for component in run.components:
        for part in _PARTS:
            joules.labels(run.project, component, part).set(run.energy(part, component).value)
            grams.labels(run.project, component, part).set(run.emissions(part, component).value)
    seconds.labels(run.project).set(run.duration_s)
    group = {"project": run.project}
    client.push_to_gateway(settings.prometheus_url, "carbonwatch", registry, grouping_key=group, timeout=TIMEOUT_S)


def _client() -> Any:
    try:
        import prometheus_client
    except ImportError:
        raise SettingsError(
            "exporters has 'prometheus', and its client is not installed: pip install 'carbonwatch[prometheus]'"
        ) from None
    return prometheus_client
