"""JSON by POST, within a time. Modules of the network are imported when something is sent, never at a start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from carbonwatch import redirects
from carbonwatch._version import __version__
from carbonwatch.errors import Unavailable, network_cause

TIMEOUT_S = 3.0  # the program that was measured waits no longer
_LARGEST = 1_000_000  # bytes of an answer


def post_json(url: str, value: Any, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> Any:
    """The answer's JSON, None where it has none. Raises Unavailable, in whose words no header and no query stands."""
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or url
    answer = _posted(url, host, json.dumps(value, allow_nan=False).encode(), headers or {}, timeout_s)
    # raised here and not where it was caught: an exception of the network holds the address, and so perhaps a key
    if isinstance(answer, Unavailable):
        raise answer
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return None


def _posted(url: str, host: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> bytes | Unavailable:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request

    agent = {"User-Agent": f"carbonwatch/{__version__}", "Content-Type": "application/json"}
    try:
        request = Request(url, data=body, headers={**agent, **headers}, method="POST")
        with redirects.opener().open(request, timeout=timeout_s) as response:
            return bytes(response.read(_LARGEST))
    except HTTPError as error:
        error.close()
        return Unavailable(f"{host} refused it ({error.code}).", "Check the address and, if it wants one, the key.")
    except (OSError, ValueError, HTTPException) as error:
        return Unavailable(f"{host} can't be reached ({network_cause(error)}).")
