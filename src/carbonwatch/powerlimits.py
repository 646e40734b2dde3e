"""The power limit of GPUs, and which one does a piece of work with the least energy.

A board that may draw less works slower, and mostly saves more energy than it takes longer: where the least lies depends
on the program, so it is tried. Limits are the machine's and outlive whoever sets them. So those that were there are
written to a file before the first is changed, and put back whatever happens; after a kill -9, from that file.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from carbonwatch.errors import CarbonwatchError, SettingsError, Unavailable
from carbonwatch.folders import data_folder
from carbonwatch.model import Figure
from carbonwatch.nvidia import NO_PERMISSION, Board, Limits, NoAnswer, Nvml
from carbonwatch.units import energy_unit, human_duration

GOALS = {"energy": 0.0, "edp": 1.0, "ed2p": 2.0}  # what is to be least: energy x time to this power
_GOAL_NAMES = {"energy": "energy", "edp": "energy x time", "ed2p": "energy x time squared"}
_STEP_W = 5.0
_PICTURE = 24  # columns


class Trial(NamedTuple):
    """One piece of work at a limit."""

    limit_w: float
    batch: str  # size of a batch; empty where that was not varied
    duration_s: float
    energy: Figure  # joules of the machine

    def cost(self, goal: str) -> float:
        return float(self.energy.value * self.duration_s ** GOALS[goal])


class Kept:
    """Limits as they were before somebody changed them, in a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, float]:
        """Limit in watts by UUID; empty where none was changed."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return {str(uuid): float(limit_w) for uuid, limit_w in json.load(file).items()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise CarbonwatchError(
                f"{self.path} can't be read ({error}), so the power limits from before are not known. "
                "`carbonwatch powerlimit show` has the defaults; set them, and remove the file."
            ) from error

    def write(self, limits_w: Mapping[str, float]) -> None:
        """Raises CarbonwatchError where there are some already: they would be lost."""
        if self.read():
            raise CarbonwatchError(
                "A sweep goes on, or was killed and left its power limits behind. In the second case: "
                "carbonwatch powerlimit restore"
            )
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(self.path + ".new", "w", encoding="utf-8") as file:
                json.dump(dict(limits_w), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(self.path + ".new", self.path)
        except OSError as error:
            raise CarbonwatchError(
                f"{self.path} can't be written ({error.strerror}), so nothing could put the power limits back after a "
                "kill. Set XDG_DATA_HOME to a folder that can."
            ) from error

    def restore(self, nvml: Nvml) -> dict[str, float]:
        """Puts limits back and forgets them; gives those that were. Raises CarbonwatchError for what did not work."""
        limits_w = self.read()
        wrong = {}
        for uuid, limit_w in limits_w.items():
            try:
                nvml.set_limit(uuid, limit_w)
            except Unavailable as error:
                wrong[uuid] = f"{limit_w:g} W on {uuid} ({error.reason})"
        if wrong:
            raise CarbonwatchError(
                f"These power limits could not be put back: {', '.join(wrong.values())}. They are kept; try again as "
                "root: carbonwatch powerlimit restore"
            )
        if limits_w:
            os.unlink(self.path)
        return limits_w


def kept(environ: Mapping[str, str] | None = None) -> Kept:
    return Kept(os.path.join(data_folder(environ), "powerlimits.json"))


def limits(nvml: Nvml, boards: Iterable[Board]) -> dict[Board, Limits]:
    """What each board may draw. Raises Unavailable where that is not for anybody to set."""
    found = {}
    for board in boards:
        try:
            found[board] = nvml.limits(board.uuid)
        except Unavailable as error:
            raise Unavailable(f"{board.name} (GPU {board.number}) has no power limit ({error.reason}).") from error
    return found


def change(nvml: Nvml, board: Board, limit_w: float) -> None:
    """Sets a limit. Raises Unavailable, with what to do."""
    try:
        nvml.set_limit(board.uuid, limit_w)
    except NoAnswer as error:
        remedy = "Run it as root: sudo." if error.code == NO_PERMISSION else ""
        raise Unavailable(f"The power limit of GPU {board.number} can't be set ({error.reason}).", remedy) from error


def common(found: Mapping[Board, Limits], chosen_w: Sequence[float], count: int = 6) -> list[float]:
    """Limits to try on all boards, the highest first: those chosen, else even steps from default to least.

    Raises SettingsError for one that a board does not take.
    """
    least_w = max(each.least_w for each in found.values())
    most_w = min(each.most_w for each in found.values())
    for limit_w in chosen_w:
        if not least_w <= limit_w <= most_w:
            raise SettingsError(f"{limit_w:g} W is no power limit here; it must be from {least_w:g} to {most_w:g} W.")
    if chosen_w:
        return sorted(set(chosen_w), reverse=True)
    top_w = min(most_w, max(each.default_w for each in found.values()))
    between = (top_w - (top_w - least_w) * step / (count - 1) for step in range(1, count - 1))
    rounded = (min(top_w, max(least_w, round(each / _STEP_W) * _STEP_W)) for each in between)
    return sorted({top_w, *rounded, least_w}, reverse=True)


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


def advice(trials: Sequence[Trial], goal: str, boards: Iterable[Board]) -> list[str]:
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
        numbers = ",".join(str(board.number) for board in boards)
        said.append(f"To set it: sudo carbonwatch powerlimit set {best.limit_w:g} --gpus {numbers}")
    return said


def _named(trial: Trial) -> str:
    return f"{trial.limit_w:g} W" + (f" with batches of {trial.batch}" if trial.batch else "")


def _change(share: float) -> str:
    return f"{abs(share):.1%} {'less' if share < 0 else 'more'}"
