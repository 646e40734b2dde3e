"""NVIDIA GPUs, through the driver's management library (NVML).

From Volta on, a board counts its energy in millijoules since the driver was loaded; older ones, and some parts of
Grace-Hopper machines, tell their power alone, which is integrated between reads. A board is metered whole, also
where MIG instances share it. Only boards that the program can see are read.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.nvidia import Board, Nvml, choose, open_nvml
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.sensors._power import PowerIntegral
from carbonwatch.settings import Settings

log = logging.getLogger(__name__)

# NVML promises power within 5 % (Fermi and Kepler) or 5 W; the counter adds up the same sensor, all of the time.
_COUNTER_ERROR = (-0.05, 0.05)
# Power that is read once a second misses what happens in between: newer boards tell the mean of the last second,
# A100 and H100 one that covers a quarter of the time (Yang, Adamek, Armour, "Part-time Power Measurements", arXiv
# 2312.02741, where good practice cut errors by 35 % on average, 65 % at most). Wide on purpose.
_POWER_ERROR = (-0.2, 0.2)

_MAX_POWER_W = 5000  # no board draws as much; more than that is a counter set to something else
_NO_WRAP = 1 << 64  # millijoules: a step back is a driver that was loaded again
_NJ_PER_MJ = (1_000_000, 1)

# Counters are renewed every 20 to 100 ms. One that stands still for longer while power flows does not count.
_PATIENCE_S = 0.25
_LOOK_AGAIN_S = 0.005


def detect(
    settings: Settings, *, environ: Mapping[str, str] | None = None, sleep: Callable[[float], object] = time.sleep
) -> NvmlMeter:
    """A meter of every GPU that the program can see. Raises SettingsError if `gpus` names one that is not there."""
    environ = os.environ if environ is None else environ
    try:
        nvml = open_nvml(settings.path_procfs, environ)
    except Unavailable as error:
        remedy = error.remedy or ("Leave out the setting gpus." if settings.gpus else "")
        raise SensorUnavailable(error.reason, remedy) from error
    try:
        return _meter(nvml, settings, environ, sleep)
    except BaseException:
        nvml.close()
        raise


class NvmlMeter:
    """The boards that are counted."""

    def __init__(self, nvml: Nvml, cards: list[EnergyCard | PowerCard], rejected: Mapping[str, str]) -> None:
        self.domains = tuple(card.domain for card in cards)
        self.rejected = rejected
        self.failed: Mapping[str, str] = {}
        self._nvml = nvml
        self._cards = cards

    def read(self, ns: int) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        failed: dict[str, str] = {}
        for card in self._cards:
            try:
                counts[card.domain.id] = card.count(ns)
            except Unavailable as error:
                failed[card.domain.id] = error.reason
            else:
                if card.doubt:
                    failed[card.domain.id] = card.doubt
        if failed and failed != self.failed:
            log.warning("GPUs with a gap: %s", failed)
        self.failed = failed
        return counts

    def close(self) -> None:
        """Gives the library back."""
        self._cards = []
        self._nvml.close()


class EnergyCard:
    """A board that counts its energy."""

    def __init__(self, nvml: Nvml, board: Board) -> None:
        self.domain = _domain(board, "NVML energy counter", _COUNTER_ERROR)
        self._nvml = nvml
        self._uuid = board.uuid
        self._counter = WrappingCounter(_NO_WRAP, max_power_w=_MAX_POWER_W, nj_per_tick=_NJ_PER_MJ)

    @property
    def doubt(self) -> str:
        return self._counter.doubt

    def count(self, ns: int) -> int:
        return self._counter.advance(self._nvml.energy_mj(self._uuid, ns), ns)


class PowerCard:
    """A board that tells its power alone."""

    doubt = ""

    def __init__(self, nvml: Nvml, board: Board) -> None:
        self.domain = _domain(board, "NVML power, integrated between reads", _POWER_ERROR)
        self._nvml = nvml
        self._uuid = board.uuid
        self._integral = PowerIntegral()

    def count(self, ns: int) -> int:
        return self._integral.advance(self._nvml.power_mw(self._uuid, ns) * 1000, ns)


def _meter(nvml: Nvml, settings: Settings, environ: Mapping[str, str], sleep: Callable[[float], object]) -> NvmlMeter:
    choice = choose(nvml, settings.gpus, environ)
    if choice.doubt:
        log.warning(choice.doubt)
    rejected = dict(choice.rejected)
    moving = _moving(nvml, choice.boards, sleep)
    cards: list[EnergyCard | PowerCard] = []
    for board in choice.boards:
        if board in moving:
            cards.append(EnergyCard(nvml, board))
            continue
        try:
            nvml.power_mw(board.uuid)
        except Unavailable as error:
            rejected[board.id] = f"it tells neither energy nor power ({error.reason})"
        else:
            cards.append(PowerCard(nvml, board))
    if not cards:
        reasons = "; ".join(f"{id_}: {why}" for id_, why in rejected.items())
        raise SensorUnavailable(f"None of the NVIDIA GPUs is read ({reasons or 'the driver lists none'}).")
    return NvmlMeter(nvml, cards, rejected)


def _moving(nvml: Nvml, boards: Iterable[Board], sleep: Callable[[float], object]) -> set[Board]:
    """Boards with an energy counter that counts. It may stand still where no power flows."""
    first_mj = {board: count for board in boards if (count := _energy_mj(nvml, board)) is not None}
    waiting = set(first_mj)
    waited_s = 0.0
    while waiting and waited_s < _PATIENCE_S:
        sleep(_LOOK_AGAIN_S)
        waited_s += _LOOK_AGAIN_S
        waiting = {board for board in waiting if _energy_mj(nvml, board) == first_mj[board]}
    stuck = {board for board in waiting if not _is_off(nvml, board)}
    if stuck:
        log.warning("energy counters stand still, so power is read instead: %s", sorted(b.id for b in stuck))
    return first_mj.keys() - stuck


def _energy_mj(nvml: Nvml, board: Board) -> int | None:
    try:
        return nvml.energy_mj(board.uuid)
    except Unavailable:
        return None


def _is_off(nvml: Nvml, board: Board) -> bool:
    try:
        return nvml.power_mw(board.uuid) == 0
    except Unavailable:
        return False


def _domain(board: Board, way: str, error: tuple[float, float]) -> Domain:
    shared = "; shared_device: the whole board, of which MIG instances have parts" if board.shared else ""
    return Domain(board.id, "gpu", "measured", f"{board.name} ({way}{shared})", error=error)
