"""Signs a user in at the identity provider of CodeCarbon's API.

OpenID Connect's authorisation code with PKCE: the browser brings the answer to an address on this machine, or the user
pastes it; or the device flow (RFC 8628), where a browser anywhere takes a short code. The standard library does it: a
token is handed to the API and never read here, so there is no signature to check, which is what a library is for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from carbonwatch.codecarbon import _http, session
from carbonwatch.codecarbon._http import Refused
from carbonwatch.codecarbon.session import AGAIN, Session
from carbonwatch.errors import SettingsError, Unavailable

PORT = 8090  # the address that CodeCarbon's client is registered with: http://localhost:8090/callback
_HOSTED = "codecarbon.io"
_WELL_KNOWN = "https://authentication.codecarbon.io/realms/codecarbon/.well-known/openid-configuration"
_CLIENT_ID = "codecarbon-cli"
_SCOPE = "openid offline_access"
_PATIENCE_S = 300.0
_LOOK_S = 0.1
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


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
    if not isinstance(found, dict) or not session.texts(found, "authorization_endpoint", "token_endpoint"):
        raise Unavailable(
            f"{_http.host(address)} does not describe an identity provider there, so nobody can sign in.",
            "Check its address: it ends in /.well-known/openid-configuration.",
        )
    names = ("authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "revocation_endpoint")
    addresses = [str(found.get(name) or "") for name in names]
    for each in addresses:
        _check_private(each)
    return Provider(client_id or environ.get("AUTH_CLIENT_ID") or _CLIENT_ID, *addresses)


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent there."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


def with_browser(
    provider: Provider,
    show: Callable[[str], None],
    *,
    port: int = PORT,
    pasted: Callable[[], str] | None = None,
    patience_s: float = _PATIENCE_S,
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
        raise Unavailable(f"{error.reason} So nobody is signed in.", AGAIN) from None


def with_code(
    provider: Provider,
    show: Callable[[str, str], None],
    *,
    wait: Callable[[float], None] = time.sleep,
) -> Session:
    """Waits until a user has typed a code on a page, on whatever machine. `show` gets the page's address and the code.

    Raises Unavailable as with_browser() does, and where the provider knows no such way.
    """
    if not provider.device_endpoint:
        raise Unavailable("The identity provider has no sign-in by code.", "Leave out --device.")
    try:
        asked = _http.post_form(provider.device_endpoint, {"client_id": provider.client_id, "scope": _SCOPE})
    except Refused as error:
        raise Unavailable(f"{error.reason} So it lets nobody sign in by code.", "Leave out --device.") from None
    if not isinstance(asked, dict) or not session.texts(asked, "device_code", "user_code", "verification_uri"):
        raise Unavailable("The identity provider gave no code to sign in with.", "Leave out --device.")
    show(str(asked.get("verification_uri_complete") or asked["verification_uri"]), asked["user_code"])
    fields = {"grant_type": _DEVICE_GRANT, "device_code": asked["device_code"]}
    every_s, left_s = session.seconds(asked.get("interval"), 5.0), session.seconds(asked.get("expires_in"), 600.0)
    while left_s > 0:
        wait(every_s)
        left_s -= every_s
        try:
            return _tokens(provider, fields)
        except Refused as error:
            every_s += _longer(error)
    raise Unavailable("Nobody typed the code before it ended, so nobody is signed in.", AGAIN)


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
    if not url or is_private(url):
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
        timeout = _PATIENCE_S

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
    raise Unavailable(f"Nobody signed in within {patience_s / 60:.0f} min.", AGAIN)


def _code(address: str, state: str) -> str:
    """The code in an answer's address. Raises Unavailable where it says no, or answers something else."""
    import secrets
    from urllib.parse import parse_qs, urlsplit

    said = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    if not secrets.compare_digest(said.get("state", "").encode(), state.encode()):
        raise Unavailable(
            "The answer does not belong to this sign-in, so it was not taken.",
            f"{AGAIN} Use the address that it shows then, and close older pages.",
        )
    if said.get("error") == "access_denied":
        raise Unavailable("The sign-in was refused in the browser, so nobody is signed in.", AGAIN)
    if "code" not in said:
        why = "".join(sign for sign in said.get("error_description", said.get("error", "")) if sign.isprintable())
        raise Unavailable(f"The identity provider did not sign you in ({why[:200] or 'it gave no code'}).", AGAIN)
    return said["code"]


def _tokens(provider: Provider, fields: Mapping[str, str]) -> Session:
    answer = _http.post_form(provider.token_endpoint, {"client_id": provider.client_id, **fields})
    return session.of(answer, provider.client_id, provider.token_endpoint, provider.revocation_endpoint)


def _longer(error: Refused) -> float:
    """Seconds by which to ask less often; raises where asking again is of no use."""
    if error.code == "authorization_pending":
        return 0.0
    if error.code == "slow_down":
        return 5.0
    if error.code == "access_denied":
        raise Unavailable("The sign-in was refused in the browser, so nobody is signed in.", AGAIN) from None
    if error.code == "expired_token":
        raise Unavailable("Nobody typed the code before it ended, so nobody is signed in.", AGAIN) from None
    raise error
