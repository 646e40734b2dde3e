"""A run's totals in the summary of the Weights & Biases run that is active, `carbonwatch/…`; offline as well.

Epoch by epoch: integrations/wandb.py.
"""

from __future__ import annotations

from typing import Any

from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.ledger import figures
from carbonwatch.model import Run
from carbonwatch.settings import Settings


def check(settings: Settings) -> None:  # noqa: ARG001 - it takes what every exporter's does
    """Raises SettingsError where wandb is missing."""
    _wandb()


def export(run: Run, settings: Settings) -> None:  # noqa: ARG001
    """Puts the run as it stands into the summary. Raises Unavailable where no run of wandb is active."""
    active = _wandb().run
    if active is None:
        raise Unavailable("No run of wandb is active.", "End this one before wandb.finish().")
    active.summary.update({f"carbonwatch/{name}": value for name, value in figures(run).items()})
    active.summary["carbonwatch/run_id"] = run.id


def _wandb() -> Any:
    try:
        import wandb
    except ImportError:
        raise SettingsError(
            "exporters has 'wandb', and it is not installed: pip install 'carbonwatch[wandb]'"
        ) from None
    return wandb
