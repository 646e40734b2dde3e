"""A training, measured epoch by epoch: figures for a framework's log, what the whole will come to, and a budget.

    with carbonwatch.Training("digits", epochs=20, budget_g=50) as training:
        for epoch in training:
            train_one_epoch()

It knows no framework. The callbacks of `carbonwatch.integrations` hold one and tell their framework what it says:
to stop is the framework's own business.
"""

from __future__ import annotations

import logging
import math
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType
from typing import Any, Literal, Protocol

from carbonwatch import prediction
from carbonwatch.errors import SettingsError
from carbonwatch.ledger import figures
from carbonwatch.model import Figure, Run
from carbonwatch.tracker import Measurement, measure
from carbonwatch.units import J_PER_KWH, NS_PER_S, energy_range, human_duration, human_energy, human_mass, mass_range

log = logging.getLogger(__name__)

STEP_S = 1.0  # a budget is looked at during an epoch no more often than this
_WAITING = 1.3  # others change how long a training takes by more than what it uses, which is little while it waits


class Log(Protocol):
    """Where a training's figures go besides the framework's own log: see integrations/mlflow.py."""

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        """After each epoch; the first is number 1."""

    def end(self, run: Run) -> None:
        """When the training has ended."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch used: from the end of the one before, or the start, to its own end."""

    energy_j: float
    emissions_g: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the whole training will come to, with intervals of about 90 %; emissions hold the grid's doubt too."""

    after: int  # epochs
    energy_j: Figure
    emissions_g: Figure
    duration_s: Figure
    ends_ns: int  # Unix time

    def __str__(self) -> str:
        energy, mass = self.energy_j, self.emissions_g
        until = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.ends_ns / NS_PER_S))
        epochs = "1 epoch" if self.after == 1 else f"{self.after} epochs"
        return (
            f"after {epochs} the training is predicted to use {human_energy(energy.value)} "
            f"({energy_range(energy.low, energy.high, energy.value)}) and to emit {human_mass(mass.value, 2)} CO2e "
            f"({mass_range(mass.low, mass.high, mass.value, 2)}) in "
            f"{human_duration(self.duration_s.value)}, until {until}"
        )


class Training:
    """Measures from `start()` to `stop()`; `end_epoch()` in between. A wrong setting raises SettingsError here.

    `budget_g` (CO2e) and `budget_kwh` (without PUE) set `should_stop`, or with `on_budget="warn"` warn alone.
    `stop_and_confirm` asks once, after `predict_after` epochs, whether to go on: True in the terminal, or a function
    from the forecast's text to the answer. `sum_over_ranks` is for several processes that train together: a function
    that all of them call alike, and that gives the sum of what they called it with. Then a budget is that of all of
    them, and they stop together, at the end of an epoch.
    """

    def __init__(
        self,
        project: str | None = None,
        *,
        epochs: int | None = None,
        budget_g: float | None = None,
        budget_kwh: float | None = None,
        on_budget: Literal["stop", "warn"] = "stop",
        stop_and_confirm: bool | Callable[[str], bool] = False,
        predict_after: int = 3,
        log_to: Iterable[Log] = (),
        sum_over_ranks: Callable[[float], float] | None = None,
        measurement: Measurement | None = None,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        _check(budget_g=budget_g, budget_kwh=budget_kwh, epochs=epochs, predict_after=predict_after)
        if on_budget not in ("stop", "warn"):
            raise SettingsError(f"on_budget is {on_budget!r}, so nobody knows what to do. It is 'stop' or 'warn'.")
        self.measurement = measurement or measure(project, **options)
        self.epochs = epochs
        self.done: list[Epoch] = []
        self.should_stop = False
        self.sum_over_ranks = sum_over_ranks
        self._most_g = math.inf if budget_g is None else budget_g
        self._most_j = math.inf if budget_kwh is None else budget_kwh * J_PER_KWH
        self._stops = on_budget == "stop"
        self._ask = _asked if stop_and_confirm is True else stop_and_confirm or None
        self._predict_after = predict_after
        self._log_to = tuple(log_to)
        self._clock = clock
        self._looked_s = -math.inf
        self._lock = threading.RLock()
        self._said: set[str] = set()
        self._run: Run | None = None  # the final one

    def __enter__(self) -> Training:
        self.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        self._stop(error)

    def __str__(self) -> str:
        return f"{self.run}, {len(self.done)} epoch{'' if len(self.done) == 1 else 's'}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.measurement._repr_html_()

    def __iter__(self) -> Iterator[int]:
        """Numbers of epochs from 0, each ended when the next is asked for, until a budget or an answer stops it."""
        if self.epochs is None:
            raise SettingsError("How many epochs there are is not known, so none can be counted: Training(epochs=…).")
        for number in range(self.epochs):
            yield number
            self.end_epoch()
            if self.should_stop:
                return

    @property
    def run(self) -> Run:
        """The run as it stands; whole once the training has ended."""
        return self._run or self.measurement.run

    def start(self) -> None:
        """Begins to measure. Does nothing if it has begun already."""
        self.measurement.__enter__()

    def stop(self) -> Run:
        """Ends the training and gives its run. Later calls give the same again."""
        return self._stop(None)

    def end_epoch(self) -> dict[str, float]:
        """Ends an epoch and gives its metrics and those of the whole so far, by name; none where nothing is metered."""
        with self._lock:
            run = self.measurement.run
            before = [(e.energy_j, e.emissions_g, e.duration_s) for e in self.done]
            energy_j, emissions_g, duration_s = (
                (math.fsum(column) for column in zip(*before, strict=True)) if before else (0.0,) * 3
            )
            self.done.append(Epoch(run.energy_j - energy_j, run.emissions_g - emissions_g, run.duration_s - duration_s))
            self._judge(run)
            metrics = self._metrics(run)
            self._tell(lambda to: to.epoch(len(self.done), metrics))
            return metrics

    def step(self) -> bool:
        """Whether to stop, within an epoch: the budget is looked at once a second, and else this costs nothing."""
        now_s = self._clock()
        if now_s - self._looked_s < STEP_S or not self._has_budget or self.sum_over_ranks is not None:
            return self.should_stop
        self._looked_s = now_s
        with self._lock:
            run = self.measurement.run
            self._keep_within(run.energy_j, run.emissions_g, run.project)
        return self.should_stop

    @property
    def forecast(self) -> Forecast | None:
        """What the whole will come to; None where it is not known how many epochs there are, or nothing of them."""
        with self._lock:
            return self._forecast(self.run)

    def _forecast(self, run: Run) -> Forecast | None:
        if self.epochs is None or not self.done or run.energy_j <= 0:
            return None
        load = _load_of_others(run)
        energy_j = prediction.whole([epoch.energy_j for epoch in self.done], self.epochs, load)
        duration_s = prediction.whole([epoch.duration_s for epoch in self.done], self.epochs, _WAITING * load)
        return Forecast(
            after=len(self.done),
            energy_j=energy_j,
            emissions_g=_priced(energy_j, run),
            duration_s=duration_s,
            ends_ns=run.started_ns + round(duration_s.value * NS_PER_S),
        )

    def _metrics(self, run: Run) -> dict[str, float]:
        known = figures(run)
        if "energy_kwh" not in known:
            return {}
        last, forecast = self.done[-1], self._forecast(run)
        metrics = {name: known[name] for name in ("energy_kwh", "emissions_g")}
        metrics["epoch_energy_kwh"] = last.energy_j / J_PER_KWH
        metrics["epoch_emissions_g"] = last.emissions_g
        if forecast is not None:
            metrics["predicted_energy_kwh"] = forecast.energy_j.value / J_PER_KWH
            metrics["predicted_emissions_g"] = forecast.emissions_g.value
        return metrics

    def _judge(self, run: Run) -> None:
        """Looks at the budget and at what is to come."""
        energy_j, emissions_g = self._used(run)
        self._keep_within(energy_j, emissions_g, run.project)
        try:
            forecast = self._forecast(run)
            if forecast is not None and forecast.after >= self._predict_after and "forecast" not in self._said:
                self._said.add("forecast")
                self._tell_of(forecast, energy_j / run.energy_j)
        finally:  # the other ranks wait for this one, whatever happened here
            if self._has_budget or self._ask is not None:
                self.should_stop = self._over_ranks(float(self.should_stop)) > 0

    def _tell_of(self, forecast: Forecast, ranks: float) -> None:
        """Warns and asks, once; all ranks together use so many times as much as this one."""
        log.info("%s", forecast)
        if self.should_stop:
            return
        if self._is_over(forecast.energy_j.value * ranks, forecast.emissions_g.value * ranks):
            log.warning("%s: more than the budget of %s", forecast, self._budget())
        if self._ask is not None:
            self.should_stop = not self._ask(f"{forecast}. Go on?")

    def _used(self, run: Run) -> tuple[float, float]:
        """Joules and grams so far, of all ranks that train together."""
        if not self._has_budget:
            return run.energy_j, run.emissions_g
        return self._over_ranks(run.energy_j), self._over_ranks(run.emissions_g)

    def _over_ranks(self, value: float) -> float:
        if self.sum_over_ranks is None:
            return value
        try:
            return self.sum_over_ranks(value)
        # border: another library's, over a network; a rank that stopped alone would leave the others waiting
        except Exception as error:
            log.warning("the ranks' use could not be summed: %r; the budget is not looked at any more", error)
            self.sum_over_ranks, self._ask = None, None
            self._most_g = self._most_j = math.inf
            return 0.0

    def _keep_within(self, energy_j: float, emissions_g: float, project: str) -> None:
        if not self._is_over(energy_j, emissions_g):
            return
        if "budget" not in self._said:
            self._said.add("budget")
            then = "training stops" if self._stops else "training goes on"
            used = f"{human_mass(emissions_g, 2)} CO2e, {human_energy(energy_j)}"
            log.warning("%s of %s used: the budget of %s is spent, %s", used, project, self._budget(), then)
        self.should_stop = self.should_stop or self._stops

    @property
    def _has_budget(self) -> bool:
        return (self._most_g, self._most_j) != (math.inf, math.inf)

    def _is_over(self, energy_j: float, emissions_g: float) -> bool:
        return energy_j > self._most_j or emissions_g > self._most_g

    def _budget(self) -> str:
        parts = [] if self._most_g == math.inf else [f"{human_mass(self._most_g)} CO2e"]
        parts += [] if self._most_j == math.inf else [human_energy(self._most_j)]
        return " and ".join(parts)

    def _stop(self, error: BaseException | None) -> Run:
        with self._lock:
            if self._run is None:
                self.measurement.__exit__(type(error), error, None)
                self._run = self.measurement.run
                self._tell(lambda to: to.end(self.run))
            return self._run

    def _tell(self, say: Callable[[Log], None]) -> None:
        for to in self._log_to:
            try:
                say(to)
            # border: a log may be foreign code and far away; the training goes on without it
            except Exception as error:
                if type(to).__name__ not in self._said:
                    self._said.add(type(to).__name__)
                    log.warning("%s could not log the figures: %r; the training goes on", type(to).__name__, error)


def _check(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            raise SettingsError(f"{name} is {value!r}, which bounds nothing. It is a number above 0.")


def _load_of_others(run: Run) -> float:
    """The share of the devices that others kept busy, each device as heavy as what the run used of it."""
    used = [(e.usage.own_j, e.usage.work) for e in run.entries if e.usage.work and e.usage.work.capacity_s > 0]
    weight = math.fsum(own_j for own_j, _ in used)
    if weight <= 0:
        return 0.0
    others = (own_j * max(0.0, work.busy_s - work.own_s) / work.capacity_s for own_j, work in used)
    return min(1.0, math.fsum(others) / weight)


def _priced(energy_j: Figure, run: Run) -> Figure:
    """Grams for joules at the mean price so far; both doubts combined on the log scale, as in a run."""
    emitted = run.emissions(run.headline)
    value = energy_j.value * emitted.value / run.energy_j
    if value <= 0:
        return Figure(0.0, 0.0, energy_j.high * emitted.high / run.energy_j)
    down = math.hypot(_log(energy_j.value, energy_j.low), _log(emitted.value, emitted.low))
    up = math.hypot(_log(energy_j.high, energy_j.value), _log(emitted.high, emitted.value))
    return Figure(value, value * math.exp(-down), value * math.exp(up))


def _log(above: float, below: float) -> float:
    return math.log(above / below) if below > 0 else math.inf


def _asked(question: str) -> bool:
    """The answer of who sits there; without anybody the training goes on."""
    try:
        if _can_answer():
            return input(f"{question} [Y/n] ").strip().lower() not in ("n", "no")
    except EOFError:
        sys.stdout.write("\n")  # ends the line of the question
    except OSError:
        pass
    log.warning("nobody is there to confirm (%s): the training goes on", question)
    return True


def _can_answer() -> bool:
    """Whether an answer may come: not from a stdin that is closed, or is /dev/null."""
    if not isinstance(input, BuiltinFunctionType):  # a notebook asks in a way of its own, whatever stdin is
        return True
    if sys.stdin is None or sys.stdout is None or sys.stdin.closed:
        return False
    try:
        number = sys.stdin.fileno()
    except (OSError, AttributeError):  # one that a program has made
        return True
    return os.isatty(number) or not stat.S_ISCHR(os.fstat(number).st_mode)
