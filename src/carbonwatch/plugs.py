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
_LONGEST = 1 << 20  # bytes of an answer

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
    power_w, total_wh = float(answer["apower"]), answer.get("aenergy", {}).get("total")
    return Shown(power_w) if total_wh is None else Shown(power_w, float(total_wh) * J_PER_KWH / 1000, 3.6, _MINUTE_S)


def _shelly1(answer: Any) -> Shown:
    """Gen 1: a list of meters, with totals in watt-minutes."""
    meter = answer["meters"][0]
    power_w, total = float(meter["power"]), meter.get("total")
    return Shown(power_w) if total is None else Shown(power_w, float(total) * 60, 60.0, _MINUTE_S)


def _redfish(answer: Any) -> Shown:
    return Shown(float(answer["PowerControl"][0]["PowerConsumedWatts"]))


def _home_assistant(answer: Any) -> Shown:
    """A sensor of power, whose unit may be changed by its owner; one of energy is none."""
    unit = answer.get("attributes", {}).get("unit_of_measurement", "W")
    return Shown(float(answer["state"]) * {"mW": 0.001, "W": 1.0, "kW": 1000.0}[unit])


# those that take a password in their address, or never itself but a proof of it
_OTHERWISE = ("tasmota", "shelly")

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
    if "@" in address or "password=" in address:
        raise SettingsError(
            f"The address of the {kind} holds a password, which would be seen wherever it is shown. Leave it out, and "
            "give user and password as settings of their own."
        )
    if kind not in ANSWERS or not address.startswith(("http://", "https://")):
        raise SettingsError(
            f"{text!r} is no meter. Write KIND=ADDRESS, as in tasmota=http://192.168.1.20, where KIND is one of "
            f"{', '.join(ANSWERS)}; or ipmitool."
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
    """What an address answers, as JSON. Raises Unavailable, with the address and without who asks."""
    import urllib.error
    from http.client import HTTPException

    meter = f"The meter at {_bare(url)}"
    try:
        return _answer(url, login or Login(), kind, verify)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            reason, remedy = f"refuses who asks (HTTP {error.code})", "Check user, password or token."
        else:
            reason, remedy = f"does not answer (HTTP {error.code})", "Check its address."
        raise Unavailable(f"{meter} {reason}.", remedy) from None
    except (OSError, HTTPException) as error:
        raise Unavailable(f"{meter} does not answer ({error}).", "Check its address and its network.") from None
    except ValueError as error:
        raise Unavailable(
            f"{meter} answers something else than its kind does ({error!r}).", "Check which kind it is."
        ) from None


def _answer(url: str, login: Login, kind: str, verify: bool) -> Any:
    """The answer, asked again where a proof is wanted.

    A redirection would carry the password to another host, and a proxy has no business with a meter nearby.
    """
    import json
    import urllib.error
    import urllib.request
    from decimal import Decimal

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any, **__: Any) -> None:
            """Never."""

    opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}), *_unverified(verify))

    def load(request: urllib.request.Request) -> Any:
        with opener.open(request, timeout=WAIT_S) as answer:
            return json.loads(answer.read(_LONGEST), parse_float=Decimal)

    try:
        return load(_request(url, kind, login))
    except urllib.error.HTTPError as refusal:
        proof = _digest(refusal.headers.get("WWW-Authenticate", ""), url, login) if refusal.code == 401 else ""
        if not proof:
            raise
        refusal.close()
    proven = urllib.request.Request(url)
    proven.add_unredirected_header("Authorization", proof)
    return load(proven)


def _request(url: str, kind: str, login: Login) -> Any:
    import urllib.parse
    import urllib.request

    if kind == "tasmota" and login.secret:
        url += "&" + urllib.parse.urlencode({"user": login.user or "admin", "password": login.secret})
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    if kind not in _OTHERWISE and login.secret:
        request.add_unredirected_header("Authorization", _said(login.user, login.secret))
    return request


def _said(user: str | None, secret: str) -> str:
    """The header of who asks: a token where there is no name, else name and password."""
    if user is None:
        return f"Bearer {secret}"
    import base64

    return f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"


def _digest(challenge: str, url: str, login: Login) -> str:
    """The answer to a challenge by RFC 7616, as Shelly's second generation asks; empty to another challenge."""
    if not challenge.startswith("Digest ") or not login.secret:
        return ""
    import secrets
    import urllib.parse
    import urllib.request

    asked = urllib.request.parse_keqv_list(urllib.request.parse_http_list(challenge.partition(" ")[2]))
    address = urllib.parse.urlsplit(url)
    path = f"{address.path}?{address.query}" if address.query else address.path
    user, once = login.user or "admin", secrets.token_hex(8)
    mine = _hashed(asked, user, asked.get("realm", ""), login.secret)
    asks = _hashed(asked, "GET", path)
    response = _hashed(asked, mine, asked.get("nonce", ""), "00000001", once, "auth", asks)
    said: dict[str, str] = {key: asked[key] for key in ("realm", "nonce", "opaque", "algorithm") if key in asked}
    said |= {"username": user, "uri": path, "cnonce": once, "response": response}
    pairs = ", ".join(f'{key}="{value}"' for key, value in said.items())
    return f"Digest {pairs}, qop=auth, nc=00000001"


def _hashed(asked: Mapping[str, str], *parts: str) -> str:
    import hashlib

    algorithm = asked.get("algorithm", "MD5").replace("-", "").lower()
    if algorithm not in ("md5", "sha256"):
        raise ValueError(f"it asks for {asked['algorithm']}, which is not known here")
    return hashlib.new(algorithm, ":".join(parts).encode(), usedforsecurity=False).hexdigest()


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
