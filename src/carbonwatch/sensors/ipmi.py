"""The whole server, by its controller through IPMI (DCMI, `ipmitool dcmi power reading`).

## What it reads

The instantaneous reading, every five seconds by a thread of its own; a question takes 50 to 500 ms. It holds all that
the server uses, so that no other meter is added to it.

## What it needs

`ipmi` among the sensors, the program ipmitool, and root for the controller of this machine (/dev/ipmi0). Over the
network: `ipmi_host`, `ipmi_user` and `ipmi_password`, which is handed to ipmitool in its environment.

## How good it is

±10 %, an assumption: whole watts, means over a second or more, and vendors say little of their sensors.

## When it is missing

| it says | do |
|---|---|
| could not open device | `sudo modprobe ipmi_devintf` |
| this user may not open it | ask over the network: `ipmi_host`, and a user of the controller who may only read |
| invalid command | the controller has no DCMI: try `redfish` |
| its state is 'deactivated' | switch power measurement on in the controller's settings |
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from carbonwatch.errors import Unavailable
from carbonwatch.model import Domain
from carbonwatch.plugs import WAIT_S, Shown, ipmi_w, run
from carbonwatch.sensors._slow import SlowMeter, is_closed
from carbonwatch.settings import Settings

_ERROR = (-0.10, 0.10)
_EVERY_S = 5.0
_OVER_THE_NETWORK = (
    "Ask the controller over the network: ipmi_host, and a user who may only read. Who may open the device can switch "
    "the server off, so leave it to root."
)
_READING = ("dcmi", "power", "reading")


def detect(settings: Settings, *, environ: Mapping[str, str] | None = None, device: str = "/dev/ipmi0") -> SlowMeter:
    """A meter of the server, whose controller is asked before the run begins."""
    environ = os.environ if environ is None else environ
    if settings.ipmi_host is None and is_closed(device, os.O_RDWR):
        from carbonwatch import rights

        reason = f"{device} is there, but this user may not open it."
        raise rights.SensorRefused(reason, worth={"system": _ERROR}, remedy=_OVER_THE_NETWORK)
    domain = Domain("ipmi:server", "system", "measured", "server's controller (IPMI)", None, _ERROR, period_s=_EVERY_S)
    command = ("ipmitool", *_remote(settings), *_READING)
    secret = {"IPMI_PASSWORD": settings.ipmi_password} if settings.ipmi_password else {}
    env = {**environ, **secret}
    return SlowMeter([domain], lambda: {domain.id: shown(run(*command, env=env))}, _EVERY_S).expect(WAIT_S)


def shown(text: str) -> Shown:
    """What ipmitool prints, as power. Raises Unavailable where the controller does not measure."""
    for line in text.splitlines():
        label, _, value = line.partition(":")
        if label.strip().lower() == "power reading state is" and value.strip() != "activated":
            raise Unavailable(f"The controller does not measure power: its state is {value.strip()!r}.")
    return Shown(ipmi_w(text))


def _remote(settings: Settings) -> tuple[str, ...]:
    """-E: the password is in the environment, where no list of processes shows it."""
    if settings.ipmi_host is None:
        return ()
    user = ("-U", settings.ipmi_user) if settings.ipmi_user else ()
    return ("-I", "lanplus", "-H", settings.ipmi_host, *user, "-E")
