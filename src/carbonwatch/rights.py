"""What lets a user read a meter for good: changes of a machine that root makes, shows first, and can take back.

`carbonwatch doctor` prints them, `doctor --fix` makes them, `doctor --undo` takes them back, and pages of the docs
have their text from here. To add one: a Fix in FIXES, and a sensor that raises SensorRefused with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from carbonwatch.errors import SensorUnavailable


@dataclass(frozen=True, slots=True)
class Fix:
    """A lasting change: a file that the system reads at every boot, and commands that make it true now.

    A change for a group makes it, and the user a member. Whom it has made one stands in the file, as a comment, so that
    taking it back leaves those in the group who were in it before.
    """

    name: str
    sensors: tuple[str, ...]  # which of ours it is for
    purpose: str
    path: str
    text: str  # of the file, a single line
    after: tuple[str, ...]  # commands of a shell, as root
    undo: tuple[str, ...]  # once the file is gone
    exposes: str
    group: str = ""  # whose members are to read
    then: str = ""  # what the user does himself

    @property
    def before(self) -> tuple[str, ...]:
        """Commands that come before the file; $USER is who is to read."""
        return (f"groupadd -f {self.group}", f'usermod -aG {self.group} "$USER"') if self.group else ()

    def shell(self) -> str:
        """The change as commands to copy."""
        write = f"echo '{self.text}' | sudo tee {self.path}"
        lines = [*(f"sudo {line}" for line in self.before), write, *(f"sudo {line}" for line in self.after)]
        return "\n".join(f"  {line}" for line in lines)

    def shell_undo(self, users: Iterable[str]) -> tuple[str, ...]:
        """What takes it back, as commands to copy, where it has made these users members of its group."""
        leave = (f"gpasswd -d {user} {self.group}" for user in users)
        return tuple(f"sudo {line}" for line in (*leave, f"rm -f {self.path}", *self.undo))

    def remedy(self) -> str:
        """The change for people: what it does, its commands, what to do then."""
        return "\n".join(filter(None, (f"{self.purpose}:", self.shell(), self.then)))

    def script(self, root: str = "") -> str:
        """The same for a shell that runs as root; `root` goes before the file's path."""
        path = root + self.path
        write = f"mkdir -p '{_folder(path)}'\nprintf '%s\\n' '{self.text}' > '{path}'"
        noted = (_NOTED.format(path=path, mark=self._mark, group=self.group), _NOTE.format(path=path))
        begin, end = noted if self.group else ("", "")
        return "\n".join(filter(None, ("set -e", begin, *self.before, write, end, *self.after)))

    def undo_script(self, root: str = "") -> str:
        """Takes it back, as root."""
        path = root + self.path
        leave = _LEAVE.format(path=path, mark=self._mark, group=self.group) if self.group else ""
        return "\n".join(filter(None, ("set -e", leave, f"rm -f '{path}'", *self.undo)))

    def stands_in(self, text: str) -> bool:
        """Whether a file's text is this change's."""
        return [line for line in text.splitlines() if not line.startswith("#")] == [self.text]

    def members(self, text: str) -> list[str]:
        """Whom it has made members of its group, from the text of its file."""
        marked = (line for line in text.splitlines() if self.group and line.startswith(self._mark))
        return [line.removeprefix(self._mark) for line in marked]

    @property
    def _mark(self) -> str:
        return f"# made a member of {self.group}: "


# what the file has noted so far, and the user, unless he is in the group already
_NOTED = """\
noted=$(grep -s '^{mark}' '{path}' || true)
id -nG "$USER" | tr ' ' '\\n' | grep -qx {group} || noted=$(printf '%s\\n%s' "$noted" "{mark}$USER")"""
_NOTE = """\
printf '%s\\n' "$noted" | sed '/^$/d' >> '{path}'"""
_LEAVE = """\
sed -n 's/^{mark}//p' '{path}' | while read -r user; do
  if id -nG "$user" | tr ' ' '\\n' | grep -qx {group}; then gpasswd -d "$user" {group}; fi
done"""


class Mendable(SensorUnavailable):
    """A meter that could be read here if the machine were changed: `fix` does that, `worth` says how well it meters.

    worth: relative interval by component, for what the sensor would count. remedy: what helps where there is no fix.
    """

    def __init__(
        self,
        reason: str,
        fix: Fix | None = None,
        worth: Mapping[str, tuple[float, float]] | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(reason, fix.remedy() if fix else remedy)
        self.args = (reason, fix, worth, remedy)  # so that it comes whole through a pickle
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
    after=("udevadm control --reload", "udevadm trigger --action=add --subsystem-match=powercap", "udevadm settle"),
    undo=(
        "udevadm control --reload",
        "find /sys/devices/virtual/powercap -name energy_uj -exec chgrp root {} + -exec chmod 0400 {} +",
    ),
    exposes=f"The group `energy` gets the counters, nobody else. Know that {_PLATYPUS}.",
    group="energy",
    then="and log in again.",
)

HWMON_FOR_A_GROUP = Fix(
    name="hwmon-group",
    sensors=("hwmon", "intel_gpu"),
    purpose="To let the members of a group read it, now and after every boot",
    path="/etc/udev/rules.d/70-energy-hwmon.rules",
    text='ACTION=="add", SUBSYSTEM=="hwmon", RUN+="/usr/bin/find /sys%p -maxdepth 1 '
    "( -name energy*_input -o -name power*_input -o -name power*_average ) "
    '-exec chgrp energy {} + -exec chmod g+r {} +"',
    after=("udevadm control --reload", "udevadm trigger --action=add --subsystem-match=hwmon", "udevadm settle"),
    undo=("udevadm control --reload", "find -L /sys/class/hwmon -maxdepth 2 -group energy -exec chgrp root {} +"),
    exposes=f"The group `energy` gets the energy and power of these chips, nobody else. Know that {_PLATYPUS}.",
    group="energy",
    then="and log in again.",
)

LOAD_THE_DRIVER = Fix(
    name="rapl-driver",
    sensors=("rapl_powercap",),
    purpose="To load the driver of the counters (for AMD too), now and at every boot",
    path="/etc/modules-load.d/70-energy.conf",
    text="intel_rapl_msr",
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
    after=("sysctl -q -p /etc/sysctl.d/70-energy.conf",),
    undo=("sysctl -q kernel.perf_event_paranoid=2",),
    exposes="All users get all events of the machine, not the energy alone. Less is opened by `sudo carbonwatch "
    "grant`, for one program, and by the driver intel_rapl_msr, whose files can be a group's. "
    f"Know that {_PLATYPUS}.",
)

GRACE_POWER_METER = Fix(
    name="grace-power-meter",
    sensors=("hwmon",),
    purpose="To give the driver of Grace's power meters the option that some systems need to show them, at every boot",
    path="/etc/modprobe.d/70-energy.conf",
    text="options acpi_power_meter force_cap_on=y",
    after=("modprobe -r acpi_power_meter", "modprobe acpi_power_meter"),
    undo=("modprobe -r acpi_power_meter", "modprobe acpi_power_meter"),
    exposes="Every user may read mean power of the last 50 ms, too slow for what PLATYPUS does, and root may cap it.",
)

FIXES = (POWERCAP_FOR_A_GROUP, HWMON_FOR_A_GROUP, LOAD_THE_DRIVER, PERF_FOR_ALL, GRACE_POWER_METER)
