"""Registers that wrap, as nanojoules that count up and never back.

Whole ticks are added up, and converted once from their sum: nothing is rounded away between two reads, and a
read that fails loses nothing, since the next one steps from the last value that was seen.
"""

from __future__ import annotations

from carbonwatch.units import NS_PER_S

# Registers are latched now and then (1 ms for RAPL, up to 1 s for some platform domains): two reads close
# together may see the energy of such an interval between them.
_LATCH_NS = NS_PER_S

# No register known wraps sooner than this (AMD's 65.5 kJ at 1 kW), so reads that are closer miss no wrap.
_SHORTEST_WRAP_NS = 60 * NS_PER_S


class WrappingCounter:
    """Nanojoules counted by a register that starts over at `modulus` ticks.

    A step that needs more than `max_power_w` is none: the register was set to something else (suspend, hot-plug,
    a moved virtual machine). That step is dropped, `resets` counts it, and counting goes on from the new value.
    """

    __slots__ = (
        "_last",
        "_last_ns",
        "_max_power_w",
        "_modulus",
        "_nj_per_tick",
        "_renewed",
        "_total",
        "doubt",
        "resets",
    )

    def __init__(self, modulus: int, *, max_power_w: int, nj_per_tick: tuple[int, int] = (1, 1)) -> None:
        self._modulus = modulus
        self._max_power_w = max_power_w
        self._nj_per_tick = nj_per_tick  # numerator and denominator: 2**-32 J is (10**9, 2**32)
        self._last: int | None = None
        self._last_ns = 0
        self._total = 0
        self._renewed = False
        self.resets = 0
        self.doubt = ""  # what is wrong with the last step; empty if nothing is

    def advance(self, value: int, ns: int) -> int:
        """Nanojoules counted since the first value, with `value` seen at the monotonic instant `ns`."""
        if self._last is not None:
            self._total += self._step(value - self._last, ns - self._last_ns)
        elif self._renewed:
            self.doubt = "it was opened anew and counts from there: what came before is not counted"
        self._last = value
        self._last_ns = ns
        numerator, denominator = self._nj_per_tick
        return self._total * numerator // denominator

    def forget(self) -> None:
        """The next value belongs to another register, or to this one begun anew: it is where counting goes on from."""
        self._last = None
        self._renewed = True

    def _step(self, difference: int, elapsed_ns: int) -> int:
        """Ticks gone by: the difference, one wrap more if it is negative, or 0 if neither can be true."""
        step = difference if difference >= 0 else difference % self._modulus
        numerator, denominator = self._nj_per_tick
        possible_nj = self._max_power_w * (max(0, elapsed_ns) + _LATCH_NS)  # 1 W is 1 nJ per ns
        if step * numerator > possible_nj * denominator:
            self.resets += 1
            self.doubt = f"its register was set {'back' if difference < 0 else 'forward'}: this step is not counted"
            return 0
        self.doubt = self._unseen_wraps(elapsed_ns) if elapsed_ns > _SHORTEST_WRAP_NS else ""
        return step

    def _unseen_wraps(self, elapsed_ns: int) -> str:
        numerator, denominator = self._nj_per_tick
        if elapsed_ns * self._max_power_w * denominator <= self._modulus * numerator:
            return ""
        return f"not read for {elapsed_ns / NS_PER_S:.0f} s, in which its register may have wrapped unseen"
