"""Signs a user in at the identity provider of CodeCarbon's API, and keeps who is signed in.

OpenID Connect's authorisation code with PKCE: the browser brings the answer to an address on this machine, or the user
pastes it; or the device flow (RFC 8628), where a browser anywhere takes a short code. The standard library does it: a
token is handed to the API and never read here, so there is no signature to check, which is what a library is for.

What was signed in is kept by the API's address, and sent to no other. The file is the user's alone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from carbonwatch import folders
from carbonwatch.codecarbon import _http
from carbonwatch.codecarbon._http import Refused
from carbonwatch.errors import SettingsError, Unavailable

_HOSTED = "codecarbon.io"
_WELL_KNOWN = "https://authentication.codecarbon.io/realms/codecarbon/.well-known/openid-configuration"
_CLIENT_ID = "codecarbon-cli"
_SCOPE = "openid offline_access"
PORT = 8090  # the address that CodeCarbon's client is registered with: http://localhost:8090/callback
PATIENCE_S = 300.0
_EARLY_S = 30.0  # a token that ends so soon is renewed before it is used
_LOOK_S = 0.1
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_AGAIN = "Run `carbonwatch login` again."

Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, as the tokens say."""

    client_id: str
    token_endpoint: str
    revocation_endpoint: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    ends_s: float  # of the access token, since 1970; 0 where the provider does not say


class Provider(NamedTuple):
    """An identity provider, as it describes itself."""

    client_id: str
    authorization_endpoint: str
    token_endpoint: str
    device_endpoint: str
    revocation_endpoint: str


def provider(
    endpoint: str,
    well_known: str | None = None,
    client_id: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Provider:
    """The provider of an API: the one named, else that of AUTH_SERVER_WELL_KNOWN, else CodeCarbon's own.

    Raises SettingsError where none is known for it, and Unavailable where it does not answer.
    """
    environ = os.environ if environ is None else environ
    address = well_known or environ.get("AUTH_SERVER_WELL_KNOWN") or _own(endpoint)
    _check_private(address)
    found = _http.get(address)
    if not isinstance(found, dict) or not _texts(found, "authorization_endpoint", "token_endpoint"):
        raise Unavailable(
            f"{_http.host(address)} does not describe an identity provider there, so nobody can sign in.",
            "Check its address: it ends in /.well-known/openid-configuration.",
        )
    names = ("authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "revocation_endpoint")
    addresses = [str(found.get(name) or "") for name in names]
    for each in addresses:
        _check_private(each)
    return Provider(client_id or environ.get("AUTH_CLIENT_ID") or _CLIENT_ID, *addresses)


def sign_in(
    provider: Provider,
    show: Show,
    *,
    port: int = PORT,
    pasted: Callable[[], str] | None = None,
    patience_s: float = PATIENCE_S,
) -> Session:
    """Waits until a user has signed in with a browser. `show` gets the page's address; `pasted` what the user types.

    Raises Unavailable where nobody does, the user or the provider says no, or the answer is another one's.
    """
    import base64
    import hashlib
    import secrets
    from urllib.parse import urlencode

    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with _listening(port) as (came, address):
        asked = {"response_type": "code", "client_id": provider.client_id, "redirect_uri": address, "scope": _SCOPE}
        asked |= {"state": state, "code_challenge": challenge, "code_challenge_method": "S256"}
        show(f"{provider.authorization_endpoint}?{urlencode(asked)}")
        code = _code(_waited(came, pasted, patience_s), state)
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": address, "code_verifier": verifier}
    try:
        return _tokens(provider, fields)
    except Refused as error:
        raise Unavailable(f"{error.reason} So nobody is signed in.", _AGAIN) from None


def sign_in_elsewhere(
    provider: Provider,
    show: Callable[[str, str], None],
    *,
    wait: Callable[[float], None] = time.sleep,
) -> Session:
    """Waits until a user has typed a code on a page, on whatever machine. `show` gets the page's address and the code.

    Raises Unavailable as sign_in() does, and where the provider knows no such way.
    """
    if not provider.device_endpoint:
        raise Unavailable("The identity provider has no sign-in by code.", "Leave out --device.")
    try:
        asked = _http.post_form(provider.device_endpoint, {"client_id": provider.client_id, "scope": _SCOPE})
    except Refused as error:
        raise Unavailable(f"{error.reason} So it lets nobody sign in by code.", "Leave out --device.") from None
    if not isinstance(asked, dict) or not _texts(asked, "device_code", "user_code", "verification_uri"):
        raise Unavailable("The identity provider gave no code to sign in with.", "Leave out --device.")
    show(str(asked.get("verification_uri_complete") or asked["verification_uri"]), asked["user_code"])
    fields = {"grant_type": _DEVICE_GRANT, "device_code": asked["device_code"]}
    every_s, left_s = _number(asked.get("interval"), 5.0), _number(asked.get("expires_in"), 600.0)
    while left_s > 0:
        wait(every_s)
        left_s -= every_s
        try:
            return _tokens(provider, fields)
        except Refused as error:
            every_s += _longer(error)
    raise Unavailable("Nobody typed the code before it ended, so nobody is signed in.", _AGAIN)


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


def _own(endpoint: str) -> str:
    """CodeCarbon's own provider, for its own API alone: a token of its users is nobody else's business."""
    from urllib.parse import urlsplit

    name = urlsplit(endpoint).hostname or ""
    if name == _HOSTED or name.endswith(f".{_HOSTED}"):
        return _WELL_KNOWN
    raise SettingsError(
        f"{_http.host(endpoint)} is not CodeCarbon's own API, so it is not known where its users sign in. Give the "
        "identity provider: --provider https://HOST/realms/NAME/.well-known/openid-configuration, or "
        "AUTH_SERVER_WELL_KNOWN."
    )


def _check_private(url: str) -> None:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme == "https" or not url or parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return
    raise SettingsError(
        f"The identity provider's address {_http.host(url)} is not https, so passwords and tokens could be read on the "
        "way. Give an address with https://."
    )


@contextmanager
def _listening(port: int) -> Iterator[tuple[list[str], str]]:
    """Answers that a browser brings, as they come, and the address that it brings them to."""
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_S

        def do_GET(self) -> None:
            is_answer = self.path.partition("?")[0] == "/callback"
            self.send_response(200 if is_answer else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>carbonwatch</title><p>Back to the terminal: it says how it went.")
            if is_answer:
                came.append(self.path)

        def log_message(self, *_: object) -> None:
            """Says nothing: the address holds the code."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise Unavailable(
            f"Another program has port {port} of this machine ({error.strerror}), so a browser can't bring its answer.",
            "End that program, or sign in by code: carbonwatch login --device.",
        ) from None
    threading.Thread(target=server.serve_forever, args=(_LOOK_S,), name="carbonwatch-login", daemon=True).start()
    try:
        yield came, f"http://localhost:{server.server_port}/callback"
    finally:
        server.shutdown()
        server.server_close()


def _waited(came: list[str], pasted: Callable[[], str] | None, patience_s: float) -> str:
    """The address with the answer, from the browser or the user, whichever is first."""
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        if came:
            return came[0]
        if pasted is not None and (text := pasted().strip()):
            return text
        time.sleep(_LOOK_S)
    raise Unavailable(f"Nobody signed in within {patience_s / 60:.0f} min.", _AGAIN)


def _code(address: str, state: str) -> str:
    """The code in an answer's address. Raises Unavailable where it says no, or answers something else."""
    import secrets
    from urllib.parse import parse_qs, urlsplit

    said = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    if not secrets.compare_digest(said.get("state", "").encode(), state.encode()):
        raise Unavailable(
            "The answer does not belong to this sign-in, so it was not taken.",
            f"{_AGAIN} Use the address that it shows then, and close older pages.",
        )
    if said.get("error") == "access_denied":
        raise Unavailable("The sign-in was refused in the browser, so nobody is signed in.", _AGAIN)
    if "code" not in said:
        why = "".join(sign for sign in said.get("error_description", said.get("error", "")) if sign.isprintable())
        raise Unavailable(f"The identity provider did not sign you in ({why[:200] or 'it gave no code'}).", _AGAIN)
    return said["code"]


def _tokens(provider: Provider, fields: Mapping[str, str]) -> Session:
    answer = _http.post_form(provider.token_endpoint, {"client_id": provider.client_id, **fields})
    return _session(answer, provider.client_id, provider.token_endpoint, provider.revocation_endpoint, "")


def _session(answer: Any, client_id: str, token_endpoint: str, revocation_endpoint: str, refresh_token: str) -> Session:
    if not isinstance(answer, dict) or not _texts(answer, "access_token"):
        raise Unavailable("The identity provider gave no token, so nobody is signed in.", _AGAIN)
    lasts_s = _number(answer.get("expires_in"), 0.0)
    return Session(
        client_id=client_id,
        token_endpoint=token_endpoint,
        revocation_endpoint=revocation_endpoint,
        access_token=answer["access_token"],
        refresh_token=str(answer.get("refresh_token") or refresh_token),
        ends_s=time.time() + lasts_s if lasts_s else 0.0,
    )


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
    renewed = _session(
        answer, session.client_id, session.token_endpoint, session.revocation_endpoint, session.refresh_token
    )
    keep(endpoint, renewed, path)
    return renewed


def _longer(error: Refused) -> float:
    """Seconds by which to ask less often; raises where asking again is of no use."""
    if error.code == "authorization_pending":
        return 0.0
    if error.code == "slow_down":
        return 5.0
    if error.code == "access_denied":
        raise Unavailable("The sign-in was refused in the browser, so nobody is signed in.", _AGAIN) from None
    if error.code == "expired_token":
        raise Unavailable("Nobody typed the code before it ended, so nobody is signed in.", _AGAIN) from None
    raise error


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


def _texts(answer: Mapping[str, Any], *names: str) -> bool:
    return all(isinstance(answer.get(name), str) and answer[name] for name in names)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < float("inf") else otherwise
