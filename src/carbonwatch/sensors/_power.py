"""Watts, read now and then, as nanojoules that count up."""

from __future__ import annotations


class PowerIntegral:
    """The area under power readings joined by straight lines.

    Summed in whole numbers and converted once, so that nothing is rounded away between two reads. Over a time
    without readings the line goes from the last one to the next. A reading that is the mean of the time before it
    (`mean_ns`) is known of the middle of that time; from there on, power is taken to have gone on.
    """

    __slots__ = ("_lag_ns", "_last_ns", "_last_uw", "_shown_nj", "_twice_fj")

    def __init__(self, mean_ns: int = 0) -> None:
        self._lag_ns = mean_ns // 2
        self._last_uw: int | None = None
        self._last_ns = 0
        self._twice_fj = 0  # 1 µW is 1 fJ per ns
        self._shown_nj = 0

    def advance(self, power_uw: int, ns: int) -> int:
        """Nanojoules since the first reading, with `power_uw` seen at the monotonic instant `ns`."""
        if self._last_uw is not None:
            self._twice_fj += (self._last_uw + power_uw) * max(0, ns - self._last_ns)
        self._last_uw = power_uw
        self._last_ns = ns
        # the time that the first reading is of lies before it: as much is ahead of the count then as at the end
        ahead_nj = power_uw * self._lag_ns // 1_000_000
        self._shown_nj = max(self._shown_nj, self._twice_fj // 2_000_000 + ahead_nj)
        return self._shown_nj

    def pause(self) -> None:
        """What happens until the next reading is not this meter's to count."""
        self._last_uw = None
