"""What carbonwatch raises: all but WindowError before a run, and never during one.

CarbonwatchError
├── SettingsError      a setting that makes no sense (also a ValueError)
├── Unavailable        something asked for is not here: reason, and remedy
│   ├── SensorUnavailable
│   └── GridUnavailable
├── HardwareMismatch   this is not the machine that an experiment asks for
├── WindowError        a window that is not there was to be ended (also a ValueError)
└── StoreError         the file of runs can't be read or written
"""

from __future__ import annotations


class CarbonwatchError(Exception):
    """Every error of this library: catch this one to catch them all."""


class SettingsError(CarbonwatchError, ValueError):
    """A setting that makes no sense; the message says which, why and what would."""


class Unavailable(CarbonwatchError):
    """Something asked for is not here. `reason` says why, `remedy` what to do about it."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason, remedy)  # both, so that it comes whole through a pickle
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.reason} {self.remedy}".strip()


class SensorUnavailable(Unavailable):
    """A meter that can't be read on this machine or by this user."""


class GridUnavailable(Unavailable):
    """No carbon intensity for this place from this provider."""


class HardwareMismatch(CarbonwatchError):
    """This is not the machine that an experiment asks for; the message says what is different."""


class WindowError(CarbonwatchError, ValueError):
    """A window was ended that is not open, or begun where nothing measures."""


class StoreError(CarbonwatchError):
    """The file of runs can't be read or written."""


def cause(error: BaseException) -> str:
    """What another's error says, without the path that our message names already."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def network_cause(error: BaseException) -> str:
    """What the system says of a server that can't be reached; never an address, in which there may be a key."""
    reason = getattr(error, "reason", error)
    return reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
