"""Who worked: seconds of a device's time, of the run's process tree and of everybody.

To add one: a file with `follow(settings, pid) -> Activity`, which raises Unavailable where it can't work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from carbonwatch.model import Work


class Activity(Protocol):
    """What `follow(settings, pid)` gives: counts of the tree below one process."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a run is to note of how it was counted."""

    def read(self, ns: int) -> Mapping[str, Work]:
        """Work counted so far, at the monotonic instant `ns`; key "cpu", or the id of the domain worked on."""

    def settle(self) -> None:
        """Waits a little for what gets ready on a thread; a program is started after that."""

    def close(self) -> None:
        """Gives back what it holds open."""
