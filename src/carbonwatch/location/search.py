"""Asks a network where this machine is, which happens only if the setting `locate` says so.

`metadata`: the cloud's own address inside the machine, 300 ms at most. `ip`: one request to a service on the internet,
which sees this network's public address. What is kept of an answer is the cloud's region, or the country and state.
The setting `grid_urls` gives other addresses for both: metadata=http://..., ip=https://...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from carbonwatch import location
from carbonwatch.errors import Unavailable
from carbonwatch.model import Place
from carbonwatch.settings import Settings

METADATA_URL = "http://169.254.169.254"
IP_URL = "https://get.geojs.io/v1/ip/geo.json"

_METADATA_S = 0.3
_LARGEST = 65_536


class Search:
    """A question that has been asked, on a thread of its own; `answer()` waits for it as long as one may."""

    def __init__(self, settings: Settings) -> None:
        self._found: tuple[Place | None, str] = (None, f"locate={settings.locate} had no answer in time.")
        self._done = threading.Event()
        try:
            threading.Thread(target=self._ask, args=(settings,), name="carbonwatch-locate", daemon=True).start()
        except RuntimeError as error:  # no more threads here
            self._found = (None, f"locate={settings.locate} could not be asked: {error}.")
            self._done.set()

    def answer(self, wait_s: float) -> tuple[Place | None, str]:
        """The place; or None, and why."""
        self._done.wait(wait_s)
        return self._found

    def _ask(self, settings: Settings) -> None:
        self._found = ask(settings)
        self._done.set()


def ask(settings: Settings) -> tuple[Place | None, str]:
    """The place; or None, and why. Nothing is raised: a run goes on with what is known offline."""
    urls = dict(pair.split("=", 1) for pair in settings.grid_urls)
    try:
        if settings.locate == "metadata":
            return _from_metadata(urls.get("metadata", METADATA_URL)), ""
        return _from_ip(urls.get("ip", IP_URL), settings.grid_timeout_s), ""
    except Unavailable as error:
        return None, str(error)


def _from_metadata(url: str) -> Place:
    """The region that a cloud's machine is told: the three are asked in turn, as long as there is time."""
    deadline_s = time.monotonic() + _METADATA_S
    for provider, region_of in (("aws", _aws), ("azure", _azure), ("gcp", _gcp)):
        try:
            named = region_of(url, deadline_s)
        except TimeoutError:
            break
        except (OSError, ValueError):  # refused, or an answer that is none of theirs
            continue
        place = location.in_cloud(provider, named, f"the metadata of {provider}")
        if place is not None:
            return place
    raise Unavailable(
        "No cloud's metadata answered: this machine is none of AWS, Azure or Google Cloud, or may not ask.",
        "The place is what is known offline; cloud=PROVIDER/REGION sets it.",
    )


def _aws(url: str, deadline_s: float) -> str:
    # version 2 of the service: a token first, so that a page in a browser can't ask
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = _text(url, "/latest/api/token", ttl, deadline_s, method="PUT")
    return _text(url, "/latest/meta-data/placement/region", {"X-aws-ec2-metadata-token": token}, deadline_s)


def _azure(url: str, deadline_s: float) -> str:
    path = "/metadata/instance/compute/location?api-version=2021-02-01&format=text"
    return _text(url, path, {"Metadata": "true"}, deadline_s)


def _gcp(url: str, deadline_s: float) -> str:
    zone = _text(url, "/computeMetadata/v1/instance/zone", {"Metadata-Flavor": "Google"}, deadline_s)
    return zone.rpartition("/")[2]


def _from_ip(url: str, timeout_s: float) -> Place:
    host = url
    try:
        host = urlsplit(url).hostname or url
        found = _place_of(_json(url, time.monotonic() + timeout_s))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unavailable(
            f"{host} did not say where this network is ({type(error).__name__}).",
            "The place is what is known offline; country=FR sets it.",
        ) from error
    if found is None:
        raise Unavailable(f"{host} named no country that is known.", "country=FR sets it.")
    return Place(*found, candidates=() if found[1] else location.parts(found[0]), evidence=f"IP address, by {host}")


def _place_of(answer: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Country and state of an answer of geojs.io or of ipinfo.io, which call them by other names."""
    country = location.country_code(str(answer.get("country_code") or answer["country"]))
    if country is None:
        return None
    return country, location.region_code(str(answer.get("region") or ""), country)


def _json(url: str, deadline_s: float) -> Any:
    import json

    address = urlsplit(url)
    path = f"{address.path or '/'}{'?' + address.query if address.query else ''}"
    return json.loads(_text(url, path, {"Accept": "application/json"}, deadline_s))


def _text(url: str, path: str, headers: Mapping[str, str], deadline_s: float, method: str = "GET") -> str:
    """What a server answers with 200. A proxy is not asked, and no redirect followed: both would learn of it."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    address = urlsplit(url)
    kind: Callable[..., HTTPConnection] = HTTPSConnection if address.scheme == "https" else HTTPConnection
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    try:
        connection = kind(address.hostname or "", address.port, timeout=left_s)
        try:
            connection.request(method, path, headers={"User-Agent": "carbonwatch", **headers})
            response = connection.getresponse()
            body = response.read(_LARGEST)
        finally:
            connection.close()
    except HTTPException as error:
        raise ValueError(type(error).__name__) from error
    if response.status != 200:
        raise ValueError(response.status)
    return body.decode().strip()
