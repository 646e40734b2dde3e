"""Asks a network where this machine is, which happens only if the setting `locate` says so.

`metadata`: the cloud's own address inside the machine, 300 ms at most. `ip`: one request to a service on the internet,
which sees this network's public address. What is kept of an answer is the cloud's region, or the country and state.
The setting `grid_urls` gives other addresses for both: metadata=http://..., ip=https://...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from carbonwatch import linklocal, location
from carbonwatch.errors import Unavailable
from carbonwatch.model import Place
from carbonwatch.settings import Settings

IP_URL = "https://get.geojs.io/v1/ip/geo.json"


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
            return _from_metadata(urls.get("metadata", linklocal.URL)), ""
        return _from_ip(urls.get("ip", IP_URL), settings.grid_timeout_s), ""
    except Unavailable as error:
        return None, str(error)


def _from_metadata(url: str) -> Place:
    """The region that a cloud's machine is told: the three are asked in turn, as long as there is time."""
    deadline_s = time.monotonic() + linklocal.WAIT_S
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
    return linklocal.aws(url, "/latest/meta-data/placement/region", deadline_s)


def _azure(url: str, deadline_s: float) -> str:
    return linklocal.azure(url, "compute/location", deadline_s)


def _gcp(url: str, deadline_s: float) -> str:
    return linklocal.gcp(url, "zone", deadline_s)


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
    return json.loads(linklocal.text(url, path, {"Accept": "application/json"}, deadline_s))
