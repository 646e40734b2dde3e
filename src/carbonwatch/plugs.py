"""Meters at the wall: smart plugs, a server's own controller. Each tells its power when asked, some also an energy.

To add one: a function from its answer to what it shows in ANSWERS, and the path that it answers on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.units import J_PER_KWH

WAIT_S = 5.0

Wall = Callable[[], float]  # watts now; raises Unavailable


class Shown(NamedTuple):
    """What a meter answers."""

    power_w: float
    energy_j: float | None = None  # counted since whenever it began to
    step_j: float = 0.0  # how finely
    lag_s: float = 0.0  # how old that count may be


class Login(NamedTuple):
    """Who asks: a name and a password, or a token alone. It is in no message and no log line."""

    user: str | None = None
    secret: str | None = None

    def __repr__(self) -> str:
        return "Login(***)"


_MINUTE_S = 60.0  # plugs add up by the minute


def _tasmota(answer: Any) -> Shown:
    from decimal import Decimal

    energy = answer["StatusSNS"]["ENERGY"]
    total_kwh = energy.get("Total")
    if total_kwh is None:
        return Shown(float(energy["Power"]))
    # as many decimals of a kWh as its setting EnergyRes says
    step_j = 10.0 ** int(Decimal(total_kwh).as_tuple().exponent) * J_PER_KWH
    return Shown(float(energy["Power"]), float(total_kwh) * J_PER_KWH, step_j, _MINUTE_S)


def _shelly(answer: Any) -> Shown:
    """Gen 2 and later: `apower`, and `aenergy` in Wh with three decimals."""
    if "apower" not in answer:
        return _shelly1(answer)
    total_wh = answer.get("aenergy", {}).get("total")
    energy_j = None if total_wh is None else float(total_wh) * J_PER_KWH / 1000
    return Shown(float(answer["apower"]), energy_j, 3.6, _MINUTE_S)


def _shelly1(answer: Any) -> Shown:
    """Gen 1: a list of meters, with totals in watt-minutes."""
    meter = answer["meters"][0]
    total = meter.get("total")
    return Shown(float(meter["power"]), None if total is None else float(total) * 60, 60.0, _MINUTE_S)


def _redfish(answer: Any) -> Shown:
    return Shown(float(answer["PowerControl"][0]["PowerConsumedWatts"]))


def _home_assistant(answer: Any) -> Shown:
    """A sensor of power, whose unit may be changed by its owner; one of energy is none."""
    unit = answer.get("attributes", {}).get("unit_of_measurement", "W")
    return Shown(float(answer["state"]) * {"mW": 0.001, "W": 1.0, "kW": 1000.0}[unit])


# kind -> (path if the address has none, what its answer means)
ANSWERS: Mapping[str, tuple[str, Callable[[Any], Shown]]] = {
    "tasmota": ("/cm?cmnd=Status%208", _tasmota),
    "shelly": ("/rpc/Switch.GetStatus?id=0", _shelly),
    "shelly1": ("/status", _shelly1),
    "redfish": ("/redfish/v1/Chassis/1/Power", _redfish),
    "home-assistant": ("", _home_assistant),
}


def open_plug(text: str, token: str | None = None) -> Wall:
    """The watts of the meter `KIND=ADDRESS`: tasmota=http://192.168.1.20. `token`: a password or an access token."""
    if text.partition("=")[0] == "ipmitool":
        return _by_ipmitool
    ask = open_meter(text, Login(None, token))
    return lambda: ask().power_w


def open_meter(text: str, login: Login | None = None) -> Callable[[], Shown]:
    """What the meter `KIND=ADDRESS` shows, when asked. Raises SettingsError if that is no meter."""
    kind, _, address = text.partition("=")
    if kind not in ANSWERS or not address.startswith(("http://", "https://")):
        raise SettingsError(
            f"{text!r} is no meter. Write KIND=ADDRESS, as in tasmota=http://192.168.1.20, where KIND is one of "
            f"{', '.join(ANSWERS)}; or ipmitool."
        )
    if "@" in address.split("/")[2] or "password=" in address:
        raise SettingsError(
            f"The address of the {kind} holds a password, which would be seen wherever it is shown. Leave it out, and "
            "give user and password as settings of their own."
        )
    path, means = ANSWERS[kind]
    url = address if address.count("/") > 2 and address.rstrip("/").count("/") > 2 else address.rstrip("/") + path
    return lambda: _understood(url, means, ask_json(url, login, kind))


def _understood(url: str, means: Callable[[Any], Shown], answer: Any) -> Shown:
    try:
        shown = means(answer)
        if not math.isfinite(shown.power_w):
            raise ValueError(shown.power_w)
        return shown
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Unavailable(
            f"The meter at {_bare(url)} answers something else than its kind does ({error!r}).",
            "Check which kind it is.",
        ) from error


def ask_json(url: str, login: Login | None = None, kind: str = "", *, verify: bool = True) -> Any:
    """What an address answers, as JSON. Raises Unavailable, with the address and without who asks.

    It follows no redirection, which would carry the password to another host.
    """
    import json
    import urllib.error
    import urllib.request
    from decimal import Decimal

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any, **__: Any) -> None:
            """Never."""

    opener = urllib.request.build_opener(Stay, *_unverified(verify))
    try:
        try:
            with opener.open(_request(url, kind, login), timeout=WAIT_S) as answer:
                return json.load(answer, parse_float=Decimal)
        except urllib.error.HTTPError as error:
            with error:
                challenge = error.headers.get("WWW-Authenticate", "")
                if error.code != 401 or not challenge.startswith("Digest ") or login is None:
                    raise
            proof = _digest(challenge, url, login)
            with opener.open(_request(url, "", None, proof), timeout=WAIT_S) as answer:
                return json.load(answer, parse_float=Decimal)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise Unavailable(
                f"The meter at {_bare(url)} refuses who asks (HTTP {error.code}).", "Check user, password or token."
            ) from None
        raise Unavailable(
            f"The meter at {_bare(url)} does not answer (HTTP {error.code}).", "Check its address."
        ) from None
    except OSError as error:
        raise Unavailable(
            f"The meter at {_bare(url)} does not answer ({error}).", "Check its address and its network."
        ) from None
    except ValueError as error:
        raise Unavailable(
            f"The meter at {_bare(url)} answers something else than its kind does ({error!r}).",
            "Check which kind it is.",
        ) from None


def _request(url: str, kind: str, login: Login | None, proof: str = "") -> Any:
    import urllib.parse
    import urllib.request

    if kind == "tasmota" and login is not None and login.secret:
        url += "&" + urllib.parse.urlencode({"user": login.user or "admin", "password": login.secret})
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    said = proof or _said(kind, login)
    if said:
        request.add_unredirected_header("Authorization", said)
    return request


def _said(kind: str, login: Login | None) -> str:
    """The header of who asks: a token where there is no name, else name and password."""
    if login is None or not login.secret or kind == "tasmota":
        return ""
    if login.user is None:
        return f"Bearer {login.secret}"
    import base64

    return f"Basic {base64.b64encode(f'{login.user}:{login.secret}'.encode()).decode()}"


def _digest(challenge: str, url: str, login: Login) -> str:
    """The answer to a challenge by RFC 7616, which Shelly's second generation asks with SHA-256."""
    import hashlib
    import secrets
    import urllib.parse
    import urllib.request

    asked = urllib.request.parse_keqv_list(urllib.request.parse_http_list(challenge.partition(" ")[2]))
    algorithm = asked.get("algorithm", "MD5")
    if algorithm not in ("MD5", "SHA-256"):
        raise Unavailable(f"The meter at {_bare(url)} asks for {algorithm}, which is not known here.")

    def hashed(*parts: str) -> str:
        return hashlib.new(algorithm.replace("-", ""), ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    address = urllib.parse.urlsplit(url)
    path = f"{address.path}?{address.query}" if address.query else address.path
    user, nonce, once = login.user or "admin", asked["nonce"], secrets.token_hex(8)
    mine = hashed(user, asked["realm"], login.secret or "")
    response = hashed(mine, nonce, "00000001", once, "auth", hashed("GET", path))
    said = {"username": user, "realm": asked["realm"], "nonce": nonce, "uri": path, "response": response}
    said |= {"algorithm": algorithm, "cnonce": once} | ({"opaque": asked["opaque"]} if "opaque" in asked else {})
    return "Digest " + ", ".join(f'{key}="{value}"' for key, value in said.items()) + ", qop=auth, nc=00000001"


def _unverified(verify: bool) -> list[Any]:
    """A controller's certificate is its own: not believed by anybody else."""
    if verify:
        return []
    import ssl
    import urllib.request

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return [urllib.request.HTTPSHandler(context=context)]


def _bare(url: str) -> str:
    return url.partition("?")[0]


def _by_ipmitool() -> float:
    return ipmi_w(run("ipmitool", "dcmi", "power", "reading"))


def run(*command: str, env: Mapping[str, str] | None = None, timeout_s: float = WAIT_S) -> str:
    """What a program prints. Raises Unavailable if it does not end well, or not in time."""
    import subprocess

    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=True,
            env=env,
        )
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not installed.", f"Install {command[0]}.") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip().splitlines()
        raise Unavailable(
            f"{command[0]} ended with {error.returncode}: {said[-1] if said else 'it said nothing'}"
        ) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{command[0]} gives no answer ({error}).") from error
    return done.stdout


def ipmi_w(text: str) -> float:
    """The instantaneous reading in what `ipmitool dcmi power reading` prints."""
    for line in text.splitlines():
        label, _, value = line.partition(":")
        if label.strip().lower() == "instantaneous power reading":
            return float(value.split()[0])
    raise Unavailable("ipmitool's answer holds no power.", "The controller may not have DCMI.")
