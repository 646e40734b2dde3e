"""Meters at the wall: smart plugs, a server's own controller, a file of readings. Each gives watts when asked.

To add one: a function from its answer to watts in ANSWERS, and the path that it answers on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from carbonwatch.errors import SettingsError, Unavailable

WAIT_S = 5.0

Wall = Callable[[], float]  # watts now; raises Unavailable


def _tasmota(answer: Any) -> float:
    return float(answer["StatusSNS"]["ENERGY"]["Power"])


def _shelly(answer: Any) -> float:
    """Gen 2 and later answer `apower`, Gen 1 a list of meters."""
    if "apower" in answer:
        return float(answer["apower"])
    return float(answer["meters"][0]["power"])


def _redfish(answer: Any) -> float:
    return float(answer["PowerControl"][0]["PowerConsumedWatts"])


def _home_assistant(answer: Any) -> float:
    return float(answer["state"]) * (1000.0 if answer.get("attributes", {}).get("unit_of_measurement") == "kW" else 1.0)


# kind -> (path if the address has none, what its answer means)
ANSWERS: Mapping[str, tuple[str, Callable[[Any], float]]] = {
    "tasmota": ("/cm?cmnd=Status%208", _tasmota),
    "shelly": ("/rpc/Switch.GetStatus?id=0", _shelly),
    "shelly1": ("/status", _shelly),
    "redfish": ("/redfish/v1/Chassis/1/Power", _redfish),
    "home-assistant": ("", _home_assistant),
}


def open_plug(text: str, token: str | None = None) -> Wall:
    """The meter of `KIND=ADDRESS`: tasmota=http://192.168.1.20. `token` is a password or an access token."""
    kind, _, address = text.partition("=")
    if kind == "ipmitool":
        return _by_ipmitool
    if kind not in ANSWERS or not address.startswith(("http://", "https://")):
        raise SettingsError(
            f"{text!r} is no meter. Write KIND=ADDRESS, as in tasmota=http://192.168.1.20, where KIND is one of "
            f"{', '.join(ANSWERS)}; or ipmitool."
        )
    path, means = ANSWERS[kind]
    url = address if address.count("/") > 2 and address.rstrip("/").count("/") > 2 else address.rstrip("/") + path
    return lambda: _ask(url, means, token)


def _ask(url: str, means: Callable[[Any], float], token: str | None) -> float:
    import json
    import urllib.error
    import urllib.request

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=WAIT_S) as answer:
            return means(json.load(answer))
    except (OSError, urllib.error.URLError) as error:
        raise Unavailable(
            f"The meter at {url} does not answer ({error}).", "Check its address and its network."
        ) from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Unavailable(
            f"The meter at {url} answers something else than its kind does ({error!r}).", "Check which kind it is."
        ) from error


def _by_ipmitool() -> float:
    import subprocess

    try:
        done = subprocess.run(
            ["ipmitool", "dcmi", "power", "reading"], capture_output=True, text=True, timeout=WAIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"ipmitool gives no power ({error}).", "It needs root and a controller with DCMI.") from error
    return ipmi_w(done.stdout)


def ipmi_w(text: str) -> float:
    """The instantaneous reading in what `ipmitool dcmi power reading` prints."""
    for line in text.splitlines():
        label, _, value = line.partition(":")
        if label.strip().lower() == "instantaneous power reading":
            return float(value.split()[0])
    raise Unavailable("ipmitool's answer holds no power.", "The controller may not have DCMI.")
