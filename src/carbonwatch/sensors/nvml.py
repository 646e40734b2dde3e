"""NVIDIA GPUs, through the driver's management library (NVML).

From Volta on, a board counts its energy in millijoules since the driver was loaded. Of others the power is added up:
from the samples that the driver keeps, else from its mean of the last second, else as a process beside the program
reads it, 20 times a second. Where only the module of a Grace-Hopper machine tells its power, that is read, with the
CPU in it. A board is metered whole, also where MIG instances share it. Only boards that the program can see are read.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Component, Domain
from carbonwatch.nvidia import MEMORY, MODULE, Board, Choice, Nvml, choose, open_nvml
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.sensors._polled import Polled, started
from carbonwatch.sensors._power import PowerIntegral
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.sensors._polled import Poll

log = logging.getLogger(__name__)

# NVML promises power within 5 % (Fermi and Kepler) or 5 W; the counter adds up the same sensor, all of the time.
_COUNTER_ERROR = (-0.05, 0.05)
# Power that is read once a second misses what happens in between: newer boards tell the mean of the last second,
# A100 and H100 one that covers a quarter of the time (Yang, Adamek, Armour, "Part-time Power Measurements", arXiv
# 2312.02741, where good practice cut errors by 35 % on average, 65 % at most). Wide on purpose.
_POWER_ERROR = (-0.2, 0.2)

# Samples are 20 to 100 ms apart: what the sensor promises, and as much again for what lies between.
_SAMPLES_ERROR = (-0.1, 0.1)

_MAX_POWER_W = 5000  # no board draws as much; more than that is a counter set to something else
_NO_WRAP = 1 << 64  # millijoules: a step back is a driver that was loaded again
_NJ_PER_MJ = (1_000_000, 1)

# How often a counter is renewed is measured, as nobody publishes it: 10 ms (gpuopenanalytics/pynvml pull request 18),
# 20 and 100 ms were seen. One that stands still for long while power flows does not count.
_SHORTEST_S = 0.02  # less can't be told from what looks that far apart see
_RESTING_S = 0.1  # of one that stands still because no power flows
_LOOK_AGAIN_S = 0.005
_LOOKS = 50  # for each of two renewals: a program waits for them

_MEAN_OF_NS = NS_PER_S
_MEAN_TICK_S = 0.5  # half of what it is the mean of: no moment is left out, and none counts twice
_SAMPLES_TICK_S = 1.0  # the driver keeps some seconds of them
_POLL_S = 0.05  # single moments: about as often as the sensor is renewed
_SAMPLES_END_NS = 5 * NS_PER_S  # without any for so long, nobody takes samples any more


def detect(
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    sleep: Callable[[float], object] = time.sleep,
    wall_ns: Callable[[], int] = time.time_ns,
    clock: Callable[[], int] = time.monotonic_ns,
    poll: Poll = Polled,
) -> NvmlMeter:
    """A meter of every GPU that the program can see. Raises SettingsError if `gpus` names one that is not there."""
    environ = os.environ if environ is None else environ
    try:
        nvml = open_nvml(settings.path_procfs, environ)
    except Unavailable as error:
        remedy = error.remedy or ("Leave out the setting gpus." if settings.gpus else "")
        if not remedy:
            raise SensorUnavailable(error.reason) from error
        from carbonwatch import rights

        raise rights.Mendable(error.reason, worth={"gpu": _COUNTER_ERROR}, remedy=remedy) from error
    try:
        choice = choose(nvml, settings.gpus, environ)
        if choice.doubt:
            log.warning(choice.doubt)
        return _meter(nvml, choice, _periods_s(nvml, choice.boards, sleep, clock), wall_ns, poll)
    except BaseException:
        nvml.close()
        raise


class NvmlMeter:
    """The boards that are counted."""

    def __init__(
        self, nvml: Nvml, cards: list[Card], rejected: Mapping[str, str], polled: Polled | None = None
    ) -> None:
        self._polled = polled
        self.tick_s = min((card.tick_s for card in cards if card.tick_s), default=None)
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
        if self._polled is not None:
            self._polled.close()


class Card(Protocol):
    """A board, and how it is read."""

    domain: Domain

    @property
    def tick_s(self) -> float | None:
        """How often it has to be read; None: as often as anybody likes."""

    @property
    def doubt(self) -> str:
        """What is wrong with the last step; empty if nothing is."""

    def count(self, ns: int) -> int:
        """Nanojoules counted so far. Raises Unavailable."""


class EnergyCard:
    """A board that counts its energy."""

    tick_s: float | None = None

    def __init__(self, nvml: Nvml, board: Board, period_s: float) -> None:
        self.domain = _domain(board, "NVML energy counter", _COUNTER_ERROR, period_s=period_s)
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
    tick_s = None

    def __init__(self, nvml: Nvml, board: Board) -> None:
        self.domain = _domain(board, "NVML power, integrated between reads", _POWER_ERROR)
        self.board = board
        self._nvml = nvml
        self._integral = PowerIntegral()

    def count(self, ns: int) -> int:
        return self._integral.advance(self._nvml.power_mw(self.board.uuid, ns) * 1000, ns)


class PolledCard:
    """A board that tells its power alone, read often by a process of its own."""

    doubt = ""
    tick_s = None

    def __init__(self, board: Board, polled: Polled, index: int) -> None:
        self.domain = _domain(board, "NVML power, integrated from 20 reads a second", _SAMPLES_ERROR)
        self._polled = polled
        self._index = index

    def count(self, ns: int) -> int:
        return self._polled.count(self._index, ns)


class MeanCard:
    """A board, or the module that it is on, of which the mean power of the last second is told."""

    doubt = ""
    tick_s = _MEAN_TICK_S

    def __init__(self, domain: Domain, power_mw: Callable[[int], int]) -> None:
        self.domain = domain
        self._power_mw = power_mw
        self._integral = PowerIntegral(_MEAN_OF_NS)

    def count(self, ns: int) -> int:
        return self._integral.advance(self._power_mw(ns) * 1000, ns)


class SampledCard:
    """A board of whose power the driver keeps samples."""

    doubt = ""
    tick_s = _SAMPLES_TICK_S

    def __init__(self, nvml: Nvml, board: Board, wall_ns: Callable[[], int]) -> None:
        self.domain = _domain(board, "NVML power samples, integrated", _SAMPLES_ERROR)
        self._nvml = nvml
        self._uuid = board.uuid
        self._wall_ns = wall_ns
        self._integral = PowerIntegral()
        self._last_us = 0
        self._last_ns: int | None = None
        self._last_mw = self._known_nj = self._shown_nj = 0

    def count(self, ns: int) -> int:
        """Up to the newest sample it is known; from there on, power is taken to have gone on."""
        now_us = self._wall_ns() // 1000
        self._last_us = min(self._last_us, now_us)  # a clock that was set back
        samples = self._nvml.power_samples(self._uuid, ns, self._last_us)
        for at_us, power_mw in samples[-1:] if self._last_ns is None else samples:
            # counting begins with the first reading, at the power that was told last
            earliest_ns = ns if self._last_ns is None else self._last_ns
            at_ns = max(earliest_ns, min(ns, ns - (now_us - at_us) * 1000))
            self._known_nj = self._integral.advance(power_mw * 1000, at_ns)
            self._last_us, self._last_ns, self._last_mw = at_us, at_ns, power_mw
        if self._last_ns is None or ns - self._last_ns > _SAMPLES_END_NS:
            raise Unavailable("NVML: the driver takes no samples of its power")
        self._shown_nj = max(self._shown_nj, self._known_nj + self._last_mw * (ns - self._last_ns) // 1000)
        return self._shown_nj


def _meter(
    nvml: Nvml, choice: Choice, periods_s: Mapping[Board, float], wall_ns: Callable[[], int], poll: Poll
) -> NvmlMeter:
    rejected = dict(choice.rejected)
    cards: list[Card] = []
    for board in choice.boards:
        try:
            period_s = periods_s.get(board)
            cards.append(EnergyCard(nvml, board, period_s) if period_s else _by_power(nvml, board, wall_ns))
            rejected.update(_other_scopes(nvml, board, cards[-1].domain))
        except Unavailable as error:
            rejected[board.id] = f"it tells neither energy nor power ({error.reason})"
    if not cards:
        reasons = "; ".join(f"{id_}: {why}" for id_, why in rejected.items())
        raise SensorUnavailable(f"None of the NVIDIA GPUs is read ({reasons or 'the driver lists none'}).")
    cards, polled = _polled(cards, poll)
    return NvmlMeter(nvml, cards, rejected, polled)


def _polled(cards: list[Card], poll: Poll) -> tuple[list[Card], Polled | None]:
    """The cards, with those that tell single moments alone read by a process of its own, where that can be."""
    moments = [card for card in cards if isinstance(card, PowerCard)]
    if not moments:
        return cards, None
    polled = started([[[f"nvml:{card.board.uuid}"]] for card in moments], _POLL_S, 0.0, poll)
    if polled is None:
        return cards, None
    found = (PolledCard(c.board, polled, moments.index(c)) if isinstance(c, PowerCard) else c for c in cards)
    return list(found), polled


def _by_power(nvml: Nvml, board: Board, wall_ns: Callable[[], int]) -> Card:
    """The best way to add up the power of a board that has no counter. Raises Unavailable if it does not tell it."""
    uuid = board.uuid
    if _answers(lambda: nvml.power_samples(uuid, 0, 0)):
        return SampledCard(nvml, board, wall_ns)
    if _answers(lambda: nvml.average_mw(uuid)):
        domain = _domain(board, "NVML mean power of each second, integrated", _POWER_ERROR)
        return MeanCard(domain, lambda ns: nvml.average_mw(uuid, ns))
    try:
        nvml.power_mw(uuid)
    except Unavailable:
        return _module(nvml, board)
    return PowerCard(nvml, board)


def _module(nvml: Nvml, board: Board) -> Card:
    """The module of a Grace-Hopper machine whose GPU tells nothing of itself."""
    nvml.average_mw(board.uuid, 0, MODULE)
    way = "NVML mean power of its module, with the CPU and its memory, integrated"
    domain = _domain(board, way, _POWER_ERROR, component="system", scope=":module")
    return MeanCard(domain, lambda ns: nvml.average_mw(board.uuid, ns, MODULE))


def _other_scopes(nvml: Nvml, board: Board, counted: Domain) -> dict[str, str]:
    """Parts of the board, and what it is a part of, that could be read too and may not be added."""
    found = {}
    if counted.component == "gpu" and _answers(lambda: nvml.instant_mw(board.uuid, 0, MODULE)):
        found[f"{board.id}:module"] = f"holds {board.id} and a CPU with its memory, which are counted for themselves"
    if _answers(lambda: nvml.instant_mw(board.uuid, 0, MEMORY)):
        found[f"{board.id}:memory"] = f"inside {counted.id}"
    return found


def _answers(question: Callable[[], object]) -> bool:
    try:
        return question() != []
    except Unavailable:
        return False


def _periods_s(
    nvml: Nvml, boards: Iterable[Board], sleep: Callable[[float], object], clock: Callable[[], int]
) -> dict[Board, float]:
    """Boards with an energy counter that counts, and how long it shows the same at most, from two renewals in a row.

    It is the time from the last look before the first one to the look after the second one, and so never too short.
    """
    now_ns = clock()
    shown_mj = {board: count for board in boards if (count := _energy_mj(nvml, board)) is not None}
    found = {board: _RESTING_S for board in shown_mj if _is_off(nvml, board)}
    since_ns: dict[Board, int] = {}
    for look in range(2 * _LOOKS):
        waiting = shown_mj.keys() - found.keys()
        if not waiting or (look >= _LOOKS and not waiting & since_ns.keys()):
            break
        sleep(_LOOK_AGAIN_S)
        before_ns, now_ns = now_ns, clock()
        for board in waiting:
            count_mj = _energy_mj(nvml, board)
            if count_mj is None or count_mj == shown_mj[board]:
                continue
            if board in since_ns:
                found[board] = max(_SHORTEST_S, math.ceil((clock() - since_ns[board]) / 1e6) / 1e3)
            since_ns.setdefault(board, before_ns)
            shown_mj[board] = count_mj
    stuck = shown_mj.keys() - found.keys()
    if stuck:
        log.warning("energy counters stand still, so power is read instead: %s", sorted(b.id for b in stuck))
    return found


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


def _domain(
    board: Board,
    way: str,
    error: tuple[float, float],
    *,
    component: Component = "gpu",
    scope: str = "",
    period_s: float = 0.0,
) -> Domain:
    shared = "; shared_device: the whole board, of which MIG instances have parts" if board.shared else ""
    source = f"{board.name} ({way}{shared})"
    return Domain(board.id + scope, component, "measured", source, error=error, period_s=period_s)
