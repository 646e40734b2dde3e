"""What lets a user read a meter for good: changes of a machine that root makes, shows first, and can take back.

`carbonwatch doctor` prints them, `doctor --fix` makes them, `doctor --undo` takes them back, and pages of the docs
have their text from here. To add one: a Fix in FIXES, and a sensor that raises SensorRefused with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from carbonwatch.errors import SensorUnavailable


@dataclass(frozen=True, slots=True)
class Fix:
    """A lasting change: a file that the system reads at every boot, and commands that make it true now."""

    name: str
    sensors: tuple[str, ...]  # which of ours it is for
    purpose: str
    path: str
    text: str  # of the file, a single line
    before: tuple[str, ...]  # commands of a shell, as root; $USER is who is to read
    after: tuple[str, ...]
    undo: tuple[str, ...]  # once the file is gone
    exposes: str
    then: str = ""  # what the user does himself

    def shell(self) -> str:
        """The change as commands to copy."""
        write = f"echo '{self.text}' | sudo tee {self.path}"
        lines = [*(f"sudo {line}" for line in self.before), write, *(f"sudo {line}" for line in self.after)]
        return "\n".join(f"  {line}" for line in lines)

    def remedy(self) -> str:
        """The change for people: what it does, its commands, what to do then."""
        return "\n".join(filter(None, (f"{self.purpose}:", self.shell(), self.then)))

    def script(self, root: str = "") -> str:
        """The same for a shell that runs as root; `root` goes before the file's path."""
        write = f"mkdir -p '{_folder(root + self.path)}'\nprintf '%s\\n' '{self.text}' > '{root}{self.path}'"
        return "\n".join(("set -e", *self.before, write, *self.after))

    def undo_script(self, root: str = "") -> str:
        """Takes it back, as root."""
        return "\n".join(("set -e", f"rm -f '{root}{self.path}'", *self.undo))


class Mendable(SensorUnavailable):
    """A meter that could be read here if the machine were changed: `fix` does that, `worth` says how well it meters.

    worth: relative interval by component, for what the sensor would count.
    """

    def __init__(
        self, reason: str, fix: Fix | None = None, worth: Mapping[str, tuple[float, float]] | None = None
    ) -> None:
        super().__init__(reason, fix.remedy() if fix else "")
        self.args = (reason, fix, worth)  # so that it comes whole through a pickle
        self.fix = fix
        self.worth = dict(worth or {})


class SensorRefused(Mendable):
    """A meter that is here and that this user may not read."""


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


_PLATYPUS = (
    "who may read these counters a thousand times a second can tell some of what other programs compute, down to keys "
    "(PLATYPUS, CVE-2020-8694): do it where users trust each other"
)

POWERCAP_FOR_A_GROUP = Fix(
    name="powercap-group",
    sensors=("rapl_powercap",),
    purpose="To let the members of a group read it, now and after every boot",
    path="/etc/udev/rules.d/70-energy.rules",
    text='ACTION=="add", SUBSYSTEM=="powercap", KERNEL=="intel-rapl*:*", '
    'RUN+="/bin/chgrp energy /sys%p/energy_uj", RUN+="/bin/chmod 0440 /sys%p/energy_uj"',
    before=("groupadd -f energy", 'usermod -aG energy "$USER"'),
    after=("udevadm control --reload", "udevadm trigger --action=add --subsystem-match=powercap", "udevadm settle"),
    undo=(
        "udevadm control --reload",
        "find /sys/devices/virtual/powercap -name energy_uj -exec chgrp root {} + -exec chmod 0400 {} +",
    ),
    exposes=f"The group `energy` gets the counters, nobody else. Know that {_PLATYPUS}.",
    then="and log in again.",
)

LOAD_THE_DRIVER = Fix(
    name="rapl-driver",
    sensors=("rapl_powercap",),
    purpose="To load the driver of the counters (for AMD too), now and at every boot",
    path="/etc/modules-load.d/70-energy.conf",
    text="intel_rapl_msr",
    before=(),
    after=("modprobe intel_rapl_msr",),
    undo=("modprobe -r intel_rapl_msr",),
    exposes="The kernel then offers the counters to root alone.",
)

PERF_FOR_ALL = Fix(
    name="perf-for-all",
    sensors=("rapl_perf",),
    purpose="To let every user open the kernel's events, now and after every boot",
    path="/etc/sysctl.d/70-energy.conf",
    text="kernel.perf_event_paranoid = 0",
    before=(),
    after=("sysctl -q -p /etc/sysctl.d/70-energy.conf",),
    undo=("sysctl -q kernel.perf_event_paranoid=2",),
    exposes="All users get all events of the machine, not the energy alone. Less is opened by `sudo carbonwatch "
    "grant`, for one program, and by the driver intel_rapl_msr, whose files can be a group's. "
    f"Know that {_PLATYPUS}.",
)

GRACE_POWER_METER = Fix(
    name="grace-power-meter",
    sensors=("hwmon",),
    purpose="To have the firmware of a Grace machine show its power meters, now and after every boot",
    path="/etc/modprobe.d/70-energy.conf",
    text="options acpi_power_meter force_cap_on=y",
    before=(),
    after=("modprobe -r acpi_power_meter", "modprobe acpi_power_meter"),
    undo=("modprobe -r acpi_power_meter", "modprobe acpi_power_meter"),
    exposes="Every user may read mean power of the last 50 ms, too slow for what PLATYPUS does.",
)

FIXES = (POWERCAP_FOR_A_GROUP, LOAD_THE_DRIVER, PERF_FOR_ALL, GRACE_POWER_METER)
