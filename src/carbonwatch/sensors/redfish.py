"""The whole server, by its controller's Redfish service (DMTF DSP0266: iDRAC, iLO, XCC, OpenBMC and others).

## What it reads

`EnvironmentMetrics` (PowerWatts), else `Power` (PowerConsumedWatts), of the first chassis that has one; asked every
five seconds over the network by a thread of its own. It holds all that the server uses, so that no other meter is added
to it.

## What it needs

`redfish_url = "https://controller"`, `redfish_user` and `redfish_password`; a user that may only read (role ReadOnly)
is enough. The address of a resource itself (…/redfish/v1/Chassis/2/Power) names another chassis.

## How good it is

±10 %, an assumption: vendors say little of the sensor, and the controller tells means of up to a minute, so that runs
of a few minutes are worse.

## When it is missing

| it says | do |
|---|---|
| certificate verify failed | if the controller's certificate is its own: `redfish_verify = false` |
| refuses who asks | check `redfish_user` and `redfish_password`; the account may be locked |
| no chassis tells its power | name the resource in `redfish_url`; some vendors ask for a licence |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.plugs import WAIT_S, Login, Shown, ask_json
from carbonwatch.sensors._slow import SlowMeter
from carbonwatch.settings import Settings

_ERROR = (-0.10, 0.10)
_EVERY_S = 5.0
_PATIENCE_S = 2 * WAIT_S  # the first answer takes several questions
_CHASSIS = "/redfish/v1/Chassis"


def detect(settings: Settings) -> SlowMeter:
    """A meter of the server, whose controller is asked before the run begins."""
    url = settings.redfish_url
    if url is None:
        raise SensorUnavailable("No controller is set.", 'Say which: redfish_url = "https://controller".')
    controller = Controller(url, Login(settings.redfish_user, settings.redfish_password), settings.redfish_verify)
    domain = Domain(
        "redfish:server", "system", "measured", "server's controller (Redfish)", None, _ERROR, period_s=_EVERY_S
    )
    return SlowMeter([domain], lambda: {domain.id: controller()}, _EVERY_S).expect(_PATIENCE_S)


class Controller:
    """Watts of a server, from the resource that has shown some at first."""

    def __init__(self, url: str, login: Login, verify: bool) -> None:
        self._root = "/".join(url.split("/")[:3])
        path = url[len(self._root) :].rstrip("/")
        self._path = path if path.startswith("/redfish/v1/") and path != _CHASSIS else None
        self._login = login
        self._verify = verify

    def __call__(self) -> Shown:
        """What it uses now. Raises Unavailable."""
        if self._path is None:
            self._path = self._found()
        power_w = watts(self._ask(self._path))
        if power_w is None:
            raise Unavailable(f"{self._root}{self._path} tells no power.", "Name another resource in redfish_url.")
        return Shown(power_w)

    def _ask(self, path: str) -> Any:
        return ask_json(self._root + path, self._login, "redfish", verify=self._verify)

    def _found(self) -> str:
        for path in self._resources():
            if watts(self._ask(path)) is not None:
                return path
        raise Unavailable(f"No chassis at {self._root} tells its power.", "The controller may lack a licence for it.")

    def _resources(self) -> Iterator[str]:
        """What may tell the power of each chassis, the newer kind first."""
        for member in linked(self._ask(_CHASSIS), "Members"):
            chassis = self._ask(member)
            for kind in ("EnvironmentMetrics", "Power"):
                yield from linked(chassis, kind)


def linked(resource: Any, name: str) -> list[str]:
    """Paths of the resources that one links to by a name."""
    links = resource.get(name, []) if isinstance(resource, dict) else []
    each = links if isinstance(links, list) else [links]
    paths = (link.get("@odata.id") for link in each if isinstance(link, dict))
    return [path for path in paths if isinstance(path, str) and path.startswith("/")]


def watts(resource: Any) -> float | None:
    """The power that a resource of either kind tells; None if it tells none."""
    if not isinstance(resource, dict):
        return None
    control = resource.get("PowerControl") or [{}]
    for holder, name in ((resource.get("PowerWatts"), "Reading"), (control[0], "PowerConsumedWatts")):
        value = holder.get(name) if isinstance(holder, dict) else None
        if value is not None and float(value) > 0:
            return float(value)
    return None
