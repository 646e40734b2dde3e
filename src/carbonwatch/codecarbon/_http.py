"""Asks a server of CodeCarbon's API, or its identity provider: JSON, within a time, and with one kind of error.

A token is in no message, log or exception, and follows no redirect to another host.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from carbonwatch import redirects
from carbonwatch._version import __version__
from carbonwatch.errors import Unavailable, network_cause

TIMEOUT_S = 10.0
_LARGEST = 4_000_000  # bytes of an answer
_LONGEST = 200  # signs of what a server says of its refusal


class Refused(Unavailable):
    """The server answered, and did not do it: with which status, and in which words."""

    def __init__(self, host: str, status: int, said: str, remedy: str, code: str) -> None:
        words = f"{status}: {said}" if said else str(status)
        super().__init__(f"{host} refused it ({words}).", remedy)
        self.status = status
        self.said = said
        self.code = code  # OAuth's name of the error


def get(url: str, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> Any:
    """The answer's JSON. Raises Unavailable; Refused where there was an answer."""
    return _asked(url, None, headers or {}, timeout_s)


def post(url: str, value: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
    """The answer to JSON."""
    return _asked(url, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def post_form(url: str, fields: Mapping[str, str]) -> Any:
    """The answer to a form, as OAuth wants it."""
    from urllib.parse import urlencode

    return _asked(url, urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"})


def host(url: str) -> str:
    """Host and port of an address: no path, no query, no password."""
    from urllib.parse import urlsplit

    return urlsplit(url).netloc.rpartition("@")[2] or url


def _asked(url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> Any:
    answer = _answer(url, body, headers, timeout_s)
    # raised here and not where it was caught: an exception of the network holds the request, and so the token
    if isinstance(answer, Unavailable):
        raise answer
    try:
        return json.loads(answer) if answer.strip() else None
    except (ValueError, RecursionError):
        raise Unavailable(
            f"{host(url)} answers with something else than JSON, so it is not the server that it should be.",
            "Check the address.",
        ) from None


def _answer(url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float) -> bytes | Unavailable:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request

    agent = {"User-Agent": f"carbonwatch/{__version__}", "Accept": "application/json"}
    try:
        with redirects.opener().open(
            Request(url, data=body, headers={**agent, **headers}), timeout=timeout_s
        ) as response:
            return bytes(response.read(_LARGEST))
    except HTTPError as error:
        with error:
            return _refusal(url, error)
    except (OSError, ValueError, HTTPException) as error:
        return _unreached(url, error, timeout_s)


def _unreached(url: str, error: Exception, timeout_s: float) -> Unavailable:
    if isinstance(getattr(error, "reason", error), TimeoutError):
        return Unavailable(f"{host(url)} did not answer within {timeout_s:.0f} s.", "Try again later.")
    why = network_cause(error)
    return Unavailable(f"{host(url)} can't be reached ({why}).", "Check the address, and this machine's network.")


def _refusal(url: str, error: Any) -> Unavailable:
    if 300 <= error.code < 400:
        to = host(error.headers.get("Location") or "")
        return Unavailable(
            f"{host(url)} sends on to another address{f' ({to})' if to else ''}, and no token is sent after it.",
            "If that is the right one, give it instead.",
        )
    said, code = _said(error)
    return Refused(host(url), error.code, said, _remedy(error.code), code)


def _remedy(status: int) -> str:
    if status >= 500:
        return "The server is out of order: try again later."
    if status == 401:
        return "Sign in again: carbonwatch login."
    return "You may not do that there: ask who manages it." if status == 403 else ""


def _said(error: Any) -> tuple[str, str]:
    """What the server says of it, in a line: FastAPI's `detail`, or OAuth's error with its description."""
    try:
        answer = json.loads(error.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return "", ""
    if not isinstance(answer, dict):
        return "", ""
    code = str(answer.get("error") or "")
    words = str(answer.get("error_description") or answer.get("detail") or code)
    shown = "".join(sign if sign.isprintable() else " " for sign in words)
    return shown[:_LONGEST].strip(), code
