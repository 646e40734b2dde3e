"""Which power limit of the GPUs, and which size of batch, does a piece of work with the least energy.

A board that may draw less works slower, and mostly saves more energy than it takes longer: where the least lies depends
on the program, so it is tried. Every run of a sweep carries those before it among its facts, so that the last one's
report can say what came of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from carbonwatch.model import Figure, Run
from carbonwatch.units import energy_unit, human_duration

GOALS = {"energy": 0.0, "edp": 1.0, "ed2p": 2.0}  # what is to be least: energy x time to this power
_GOAL_NAMES = {"energy": "energy", "edp": "energy x time", "ed2p": "energy x time squared"}
_PICTURE = 24  # columns


class Trial(NamedTuple):
    """One piece of work at a limit."""

    limit_w: float
    batch: str  # size of a batch; empty where that was not varied
    duration_s: float
    energy: Figure  # joules of the machine

    def cost(self, goal: str) -> float:
        return float(self.energy.value * self.duration_s ** GOALS[goal])


def trial(run: Run, limit_w: float, batch: str) -> Trial:
    """A run as a trial. Its energy is all that the machine used: a slower run keeps the rest of it waiting."""
    return Trial(limit_w, batch, run.duration_s, run.energy("machine"))


def facts(limit_w: float, batch: str, goal: str, gpus: str, before: Iterable[Trial]) -> dict[str, Any]:
    """What a run of a sweep notes of it."""
    earlier = [[t.limit_w, t.batch, t.duration_s, t.energy.value, t.energy.low, t.energy.high] for t in before]
    sweep = {"limit_w": limit_w, "batch": batch, "goal": goal, "gpus": gpus, "before": earlier}
    return {"power_limit_w": limit_w, "sweep": sweep}


def told(run: Run) -> list[str]:
    """What a sweep has shown up to this run of it; nothing if it is of none, or the first."""
    sweep: Mapping[str, Any] | None = run.facts.get("sweep")
    if not sweep or not sweep["before"] or run.state != "finished":
        return []
    before = [Trial(limit_w, batch, s, Figure(*ends)) for limit_w, batch, s, *ends in sweep["before"]]
    return advice([*before, trial(run, sweep["limit_w"], sweep["batch"])], sweep["goal"], sweep["gpus"])


def together(trials: Iterable[Trial]) -> list[Trial]:
    """One for each limit and batch size: the mean of its repetitions."""
    alike: dict[tuple[float, str], list[Trial]] = {}
    for trial in trials:
        alike.setdefault((trial.limit_w, trial.batch), []).append(trial)
    return [_mean(each) for each in alike.values()]


def _mean(trials: list[Trial]) -> Trial:
    share = 1 / len(trials)
    energy = Figure(0.0, 0.0, 0.0)
    for trial in trials:
        energy = energy.plus(trial.energy)
    return Trial(trials[0].limit_w, trials[0].batch, sum(t.duration_s for t in trials) * share, energy.times(share))


def spread(trials: Sequence[Trial]) -> float | None:
    """Relative standard deviation of a repetition's energy; None where nothing was repeated."""
    means = {(t.limit_w, t.batch): t.energy.value for t in together(trials)}
    freedom = len(trials) - len(means)
    if not freedom:
        return None
    squares = ((t.energy.value / means[t.limit_w, t.batch] - 1) ** 2 for t in trials)
    return math.sqrt(sum(squares) / freedom)


def table(trials: Sequence[Trial], goal: str) -> list[str]:
    """A line for each limit, with a picture of what is to be least; the best one is marked."""
    means = together(trials)
    best = cheapest(means, goal)
    most = max(trial.cost(goal) for trial in means)
    unit, size_j = energy_unit(max(trial.energy.value for trial in means))
    batches = any(trial.batch for trial in means)
    lines = [
        f"{'limit':>7}  {'batch  ' if batches else ''}{'time':>9}  {'energy':>9}  {'mean':>7}  {_GOAL_NAMES[goal]}"
    ]
    for trial in means:
        bar = "█" * max(1, round(trial.cost(goal) / most * _PICTURE)) if most > 0 else ""
        batch = f"{trial.batch:>5}  " if batches else ""
        mean = f"{trial.energy.value / trial.duration_s:.4g} W" if trial.duration_s else ""
        lines.append(
            f"{trial.limit_w:>5.4g} W  {batch}{human_duration(trial.duration_s):>9}  "
            f"{trial.energy.value / size_j:>6.4g} {unit:<2}  {mean:>7}  {bar}{' least' if trial is best else ''}"
        )
    return lines


def cheapest(means: Iterable[Trial], goal: str) -> Trial:
    return min(means, key=lambda trial: trial.cost(goal))


def advice(trials: Sequence[Trial], goal: str, gpus: str) -> list[str]:
    """What to do with it, against the highest limit and the first batch size that were tried."""
    means = together(trials)
    best, usual = cheapest(means, goal), means[0]
    if best is usual or usual.energy.value <= 0:
        return [f"Nothing that was tried needs less {_GOAL_NAMES[goal]} than {_named(usual)}: leave it."]
    saved = 1 - best.energy.value / usual.energy.value
    slower = best.duration_s / usual.duration_s - 1
    said = [f"{_named(best)} used {_change(-saved)} energy and took {_change(slower)} time than {_named(usual)}."]
    noise = spread(trials)
    if noise is None:
        said.append("Each was run once, so chance is in it: --repeat 3 shows how much.")
    elif abs(saved) < 2 * noise:
        said.append(f"That is within the spread of repetitions ({noise:.1%}): it may be chance.")
    if best.limit_w != usual.limit_w:
        said.append(f"To set it: sudo carbonwatch powerlimit set {best.limit_w:g} --gpus {gpus}")
    return said


def _named(trial: Trial) -> str:
    return f"{trial.limit_w:g} W" + (f" with batches of {trial.batch}" if trial.batch else "")


def _change(share: float) -> str:
    return f"{abs(share):.1%} {'less' if share < 0 else 'more'}"
