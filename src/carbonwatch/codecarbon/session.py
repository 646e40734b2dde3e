"""Keeps who is signed in at a server of CodeCarbon's API, and renews what has ended.

A session is kept by the API's address, and sent to no other. The file is the user's alone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from carbonwatch import folders
from carbonwatch.codecarbon import _http
from carbonwatch.codecarbon._http import Refused
from carbonwatch.errors import SettingsError, Unavailable

AGAIN = "Run `carbonwatch login` again."
_EARLY_S = 30.0  # a token that ends so soon is renewed before it is used


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, as the tokens say."""

    client_id: str
    token_endpoint: str
    revocation_endpoint: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    ends_s: float  # of the access token, since 1970; 0 where the provider does not say


def of(answer: Any, client_id: str, token_endpoint: str, revocation_endpoint: str, refresh_token: str = "") -> Session:
    """The session of a provider's answer; without a token to renew it in there the former one stays."""
    if not isinstance(answer, dict) or not texts(answer, "access_token"):
        raise Unavailable("The identity provider gave no token, so nobody is signed in.", AGAIN)
    lasts_s = seconds(answer.get("expires_in"), 0.0)
    return Session(
        client_id=client_id,
        token_endpoint=token_endpoint,
        revocation_endpoint=revocation_endpoint,
        access_token=answer["access_token"],
        refresh_token=str(answer.get("refresh_token") or refresh_token),
        ends_s=time.time() + lasts_s if lasts_s else 0.0,
    )


def access_token(endpoint: str, path: str | None = None) -> str:
    """The token of who is signed in at an API, renewed where it has ended. Raises Unavailable where nobody is."""
    session = kept(path).get(_key(endpoint))
    if session is None:
        raise Unavailable(f"Nobody is signed in at {_http.host(endpoint)}.", "Sign in: carbonwatch login.")
    if not session.ends_s or time.time() < session.ends_s - _EARLY_S:
        return session.access_token
    return _renewed(endpoint, session, path).access_token


def check_file(path: str | None = None) -> None:
    """Raises SettingsError where a session could not be kept, before somebody signs in."""
    path = path or file()
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{folder} can't be made ({error.strerror}), so a session could not be kept.") from None
    if not os.access(folder, os.W_OK):
        raise SettingsError(f"{folder} may not be written to by this user, so a session could not be kept.")
    kept(path)


def keep(endpoint: str, session: Session, path: str | None = None) -> str:
    """Keeps a session, in a file that no other user may read, and gives the file's path. Raises SettingsError."""
    return _write({**kept(path), _key(endpoint): session}, path)


def forget(endpoint: str, path: str | None = None) -> bool:
    """Signs out: forgets the session here, and tells the provider. False where nobody was signed in."""
    sessions = dict(kept(path))
    session = sessions.pop(_key(endpoint), None)
    if session is None:
        return False
    _write(sessions, path)
    if session.revocation_endpoint and session.refresh_token:
        try:
            _http.post_form(
                session.revocation_endpoint, {"client_id": session.client_id, "token": session.refresh_token}
            )
        except Unavailable:  # it ends by itself; here it is gone
            pass
    return True


def kept(path: str | None = None) -> dict[str, Session]:
    """Sessions by the address of their API. Raises SettingsError where the file can't be read."""
    path = path or file()
    try:
        with open(path, encoding="utf-8") as opened:
            return {str(endpoint): Session(**values) for endpoint, values in json.load(opened).items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path} can't be read ({error.strerror}), so it is not known who is signed in.") from None
    except (ValueError, TypeError, AttributeError):  # without what stands there
        raise SettingsError(
            f"{path} is not as carbonwatch writes it, so it is not known who is signed in. Remove it, and sign in: "
            "carbonwatch login."
        ) from None


def file(environ: Mapping[str, str] | None = None) -> str:
    """Where sessions are kept."""
    return os.path.join(folders.settings_folder(environ), "sessions.json")


def texts(answer: Mapping[str, Any], *names: str) -> bool:
    """Whether an answer has all of these as texts."""
    return all(isinstance(answer.get(name), str) and answer[name] for name in names)


def seconds(value: Any, otherwise_s: float) -> float:
    """A time of an answer, or another where it is none."""
    return float(value) if isinstance(value, int | float) and 0 < value < float("inf") else otherwise_s


def _renewed(endpoint: str, session: Session, path: str | None) -> Session:
    over = Unavailable(f"The session at {_http.host(endpoint)} has ended.", "Sign in again: carbonwatch login.")
    if not session.refresh_token:
        raise over
    fields = {"grant_type": "refresh_token", "refresh_token": session.refresh_token, "client_id": session.client_id}
    try:
        answer = _http.post_form(session.token_endpoint, fields)
    except Refused as error:
        if error.status in (400, 401):  # RFC 6749, 5.2
            raise over from None
        raise
    renewed = of(answer, session.client_id, session.token_endpoint, session.revocation_endpoint, session.refresh_token)
    keep(endpoint, renewed, path)
    return renewed


def _write(sessions: Mapping[str, Session], path: str | None) -> str:
    path = path or file()
    check_file(path)
    new = f"{path}.{os.getpid()}.tmp"
    try:
        with open(new, "w", encoding="utf-8", opener=_for_the_user_alone) as opened:
            json.dump({endpoint: asdict(session) for endpoint, session in sessions.items()}, opened)
        os.replace(new, path)
    except OSError as error:
        raise SettingsError(f"{path} can't be written ({error.strerror}), so who is signed in is not kept.") from None
    return path


def _for_the_user_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _key(endpoint: str) -> str:
    return endpoint.rstrip("/")
