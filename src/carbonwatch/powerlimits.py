"""The power limits of GPUs: what they are, setting them, and having the old ones back.

Limits are the machine's and outlive whoever sets them. So those that were there are written to a file before the
first is changed, and put back whatever happens; after a kill -9, from that file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence

from carbonwatch.errors import CarbonwatchError, SettingsError, Unavailable
from carbonwatch.folders import data_folder
from carbonwatch.nvidia import NO_PERMISSION, Board, Limits, NoAnswer, Nvml

_STEP_W = 5.0


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

    Raises SettingsError for one that a board does not take, and where there is none.
    """
    least_w = max(each.least_w for each in found.values())
    most_w = min(each.most_w for each in found.values())
    if least_w > most_w:
        raise SettingsError("These GPUs have no power limit in common. Name some that are alike: --gpus 0,1.")
    for limit_w in chosen_w:
        if not least_w <= limit_w <= most_w:
            raise SettingsError(f"{limit_w:g} W is no power limit here; it must be from {least_w:g} to {most_w:g} W.")
    if chosen_w:
        return sorted(set(chosen_w), reverse=True)
    top_w = min(most_w, max(each.default_w for each in found.values()))
    between = (top_w - (top_w - least_w) * step / (count - 1) for step in range(1, count - 1))
    rounded = (min(top_w, max(least_w, round(each / _STEP_W) * _STEP_W)) for each in between)
    return sorted({top_w, *rounded, least_w}, reverse=True)
