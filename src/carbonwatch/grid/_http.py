"""Asks a source of carbon intensity over the network: JSON by GET, within a time, and with one kind of error.

A token is in no message, log or exception, and follows no redirect to another host. Modules of the network are
imported when something is asked, never at a start.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from carbonwatch import redirects
from carbonwatch._version import __version__
from carbonwatch.errors import GridUnavailable, network_cause
from carbonwatch.settings import Settings

_LARGEST = 16_000_000  # bytes; a month of five-minute slots is less than one million
_CHUNK = 65_536
LATER = "Ask again later."  # of whatever command asks; a run's notes name `carbonwatch reprice`


class NoAnswer(GridUnavailable):
    """The source was asked, and gave nothing of use: it is left alone for a while."""


class NoFigures(GridUnavailable):
    """The source has none of that time, or not yet: there is no need to ask again at once."""


def get_json(
    provider: str,
    default_url: str,
    path: str,
    settings: Settings,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """The answer as JSON. Raises NoAnswer, and nothing else, within the setting `grid_timeout_s`."""
    answer = _asked(provider, _address(provider, default_url, path, query or {}, settings), headers or {}, settings)
    # raised here and not where it was caught: an exception of the network holds the address, and so perhaps a key
    if isinstance(answer, NoAnswer):
        raise answer
    return answer


def _address(provider: str, default_url: str, path: str, query: Mapping[str, str], settings: Settings) -> str:
    urls = dict(pair.split("=", 1) for pair in settings.grid_urls)
    address = urls.get(provider, default_url).rstrip("/") + path
    return f"{address}?{urlencode(query)}" if query else address


def _asked(provider: str, address: str, headers: Mapping[str, str], settings: Settings) -> Any:
    headers = {"User-Agent": f"carbonwatch/{__version__}", **headers}
    deadline_s = time.monotonic() + settings.grid_timeout_s
    answer, may_pass = _attempt(provider, address, headers, deadline_s)
    if may_pass and time.monotonic() < deadline_s:
        answer, _ = _attempt(provider, address, headers, deadline_s)
    return answer


def _attempt(provider: str, address: str, headers: Mapping[str, str], deadline_s: float) -> tuple[Any, bool]:
    """The answer or a NoAnswer, and whether it is worth to ask once more."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request

    try:
        request = Request(address, headers=dict(headers))
        with redirects.opener().open(request, timeout=max(0.01, deadline_s - time.monotonic())) as response:
            return json.loads(_read(response, deadline_s)), False
    except HTTPError as error:
        error.close()
        return _refused(provider, error.code), error.code in (500, 502, 503, 504)
    except TimeoutError:
        return NoAnswer(f"{provider} did not answer in time.", f"{LATER} `grid_timeout_s` gives it longer."), False
    except OSError as error:
        if isinstance(getattr(error, "reason", None), TimeoutError):
            return NoAnswer(f"{provider} could not be reached in time.", LATER), False
        return NoAnswer(f"{provider} can't be reached ({network_cause(error)}).", LATER), True
    # what is no JSON, no text or no HTTP; a header that is none would have the token in its message
    except (ValueError, HTTPException, RecursionError):
        return NoAnswer(f"{provider} can't be asked, or did not answer as it should.", LATER), False


def _refused(provider: str, code: int) -> NoAnswer:
    if code in (401, 403):
        return NoAnswer(
            f"{provider} refused ({code}): the token is wrong, or does not allow this.",
            "Check its setting, and what its plan holds.",
        )
    if code == 429:
        return NoAnswer(f"{provider} was asked too often (429).", LATER)
    if code >= 500:
        return NoAnswer(f"{provider} is out of order ({code}).", LATER)
    if code < 400:
        return NoAnswer(f"{provider} has moved to another host ({code}).", "Give the new address: `grid_urls`.")
    return NoAnswer(f"{provider} does not understand what it is asked ({code}).", "Upgrade carbonwatch, or report it.")


def _read(response: Any, deadline_s: float) -> bytes:
    """The whole body; one that comes in drops is given up at the deadline."""
    parts, size = [], 0
    while part := response.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if time.monotonic() > deadline_s:
            raise TimeoutError
        if size > _LARGEST:
            raise ValueError("too large")
    return b"".join(parts)
