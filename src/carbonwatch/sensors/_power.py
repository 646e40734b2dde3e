"""Watts, read now and then, as nanojoules that count up."""

from __future__ import annotations


class PowerIntegral:
    """The area under power readings joined by straight lines.

    Summed in whole numbers and converted once, so that nothing is rounded away between two reads. Over a time
    without readings the line goes from the last one to the next.
    """

    __slots__ = ("_last_ns", "_last_uw", "_twice_fj")

    def __init__(self) -> None:
        self._last_uw: int | None = None
        self._last_ns = 0
        self._twice_fj = 0  # 1 µW is 1 fJ per ns

    def advance(self, power_uw: int, ns: int) -> int:
        """Nanojoules since the first reading, with `power_uw` seen at the monotonic instant `ns`."""
        if self._last_uw is not None:
            self._twice_fj += (self._last_uw + power_uw) * max(0, ns - self._last_ns)
        self._last_uw = power_uw
        self._last_ns = ns
        return self._twice_fj // 2_000_000

    def pause(self) -> None:
        """What happens until the next reading is not this meter's to count."""
        self._last_uw = None
