"""Optuna: each trial's energy as its user attribute, the study's total, a budget, and energy as an objective.

    carbon = CarbonCallback("search", budget_g=50)
    study.optimize(carbon.measured(objective), n_trials=100, callbacks=[carbon])

`carbon.measured(objective, with_energy=True)` gives (value, kWh), for a study of two `directions`, the last "minimize".
Trials that run side by side share what the process uses in equal parts.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import carbonwatch
from carbonwatch.integrations._border import missing, quietly

try:
    import optuna
except ImportError as error:
    raise missing("optuna", "optuna") from error

log = logging.getLogger(__name__)


class CarbonCallback:
    """Measures a study from its first trial until `stop()` or the program's end. A spent budget ends the study.

    Other options are carbonwatch's settings; a wrong one raises SettingsError here.
    """

    def __init__(
        self,
        project: str | None = None,
        *,
        budget_g: float | None = None,
        budget_kwh: float | None = None,
        **options: Any,
    ) -> None:
        self.measurement = carbonwatch.measure(project, **options)
        self._most_g = math.inf if budget_g is None else budget_g
        self._most_kwh = math.inf if budget_kwh is None else budget_kwh

    def measured(
        self, objective: Callable[[optuna.Trial], Any], with_energy: bool = False
    ) -> Callable[[optuna.Trial], Any]:
        """The objective, whose trials know what they used; with the energy as a last objective if that is wanted."""

        def call(trial: optuna.Trial) -> Any:
            self.measurement.__enter__()
            task = self.measurement.task(f"trial {trial.number}")
            try:
                value = objective(trial)
            finally:  # a trial that was pruned or failed has used it all the same
                task.__exit__(None, None, None)
                known = carbonwatch.figures(task.run)
                self._note(trial, known)
            if not with_energy:
                return value
            return (*(value if isinstance(value, tuple) else (value,)), known.get("energy_kwh", math.nan))

        return call

    @quietly
    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:  # noqa: ARG002
        known = carbonwatch.figures(self.measurement.run)
        for name in ("energy_kwh", "emissions_g"):
            if name in known:
                study.set_user_attr(name, known[name])
        if known.get("emissions_g", 0.0) > self._most_g or known.get("energy_kwh", 0.0) > self._most_kwh:
            log.warning("the budget of the study is spent: %s", {k: v for k, v in known.items() if k in _SHOWN})
            study.stop()

    def stop(self) -> carbonwatch.Run:
        """Ends the measurement and gives its run, each trial a task of it."""
        self.measurement.__exit__(None, None, None)
        return self.measurement.run

    @quietly
    def _note(self, trial: optuna.Trial, known: dict[str, float]) -> None:
        for name in _SHOWN:
            if name in known:
                trial.set_user_attr(name, known[name])


_SHOWN = ("energy_kwh", "emissions_g")
