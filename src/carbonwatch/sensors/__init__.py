"""Where joules come from: one file per hardware interface, each a meter that counts up and never back.

To add one: a file with `detect(settings) -> Meter`, which raises SensorUnavailable where the interface is
not there. What the hardware offers instead of a count (a register that wraps, watts, a model's guess) is turned
into nanojoules counted up inside that file; nothing after it knows which it was. A meter may have an attribute
`tick_s`: so often it wants to be read during a run, also between two samples; and `facts`, what a run is to note of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Protocol

from carbonwatch.model import Domain

# Where the hardware of a sensor shows, if it does anywhere: below /sys, an absolute path, or a system's name. Where
# nothing shows, its file is not even loaded, which takes more of a start's time than to look.
_SIGNS: dict[str, tuple[str, ...]] = {
    "amdsmi": ("module/amdgpu",),
    "intel_gpu": ("module/i915", "module/xe"),
    "apple": ("darwin",),
    "windows_emi": ("win32",),
    "hwmon": ("class/hwmon", "bus/i2c/drivers/ina3221", "bus/i2c/drivers/ina3221x"),
    "hwmon_system": ("class/hwmon",),
    "pi5_pmic": ("/dev/vcio",),
    "battery": ("class/power_supply",),
}


def is_absent(name: str, path_sysfs: str) -> bool:
    """Whether nothing shows what a sensor of ours reads; False where only the sensor itself can tell."""
    signs = _SIGNS.get(name)
    return signs is not None and not any(sign == sys.platform or _is_there(path_sysfs, sign) for sign in signs)


def _is_there(path_sysfs: str, sign: str) -> bool:
    """Whether there is such a file, or such a folder with anything in it."""
    try:
        return bool(os.listdir(os.path.join(path_sysfs, sign)))
    except NotADirectoryError:
        return True
    except OSError:
        return False


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
