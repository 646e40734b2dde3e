"""Where joules come from: one file per hardware interface, each a meter that counts up and never back.

To add one: a file with `detect(settings) -> Meter`, which raises SensorUnavailable where the interface is
not there. What the hardware offers instead of a count (a register that wraps, watts, a model's guess) is turned
into nanojoules counted up inside that file; nothing after it knows which it was. A meter may have an attribute
`tick_s`: so often it wants to be read during a run, also between two samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from carbonwatch.model import Domain


class Meter(Protocol):
    """What a sensor's `detect(settings)` gives."""

    domains: tuple[Domain, ...]
    rejected: Mapping[str, str]  # what is there and not counted, and why: {"rapl:psys": "contains package-0"}

    def read(self, ns: int) -> Mapping[str, int]:
        """Nanojoules counted so far by each domain, at the monotonic instant `ns`.

        A domain that can't be read now is left out and `failed` says why; its next count holds what was missed.
        """

    @property
    def failed(self) -> Mapping[str, str]:
        """Domains that the last read could not get, and why."""

    def close(self) -> None:
        """Gives back what the meter holds open."""
