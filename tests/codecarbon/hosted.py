"""A server of CodeCarbon's API and its identity provider, on loopback: they answer as the real ones' documents say."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode

from carbonwatch.codecarbon import session
from carbonwatch.codecarbon import sign_in as signing_in

USER = {"sub": "4a7f", "email": "ada@example.org", "name": "Ada"}


class Hosted:
    """What is there, who is let in, and what was asked of it."""

    def __init__(self) -> None:
        self.address = ""
        self.organizations = [{"id": "org-1", "name": "Lab"}]
        self.projects = [{"id": "project-1", "name": "nightly", "organization_id": "org-1"}]
        self.experiments = [{"id": "experiment-1", "name": "a100", "project_id": "project-1"}]
        self.tokens: set[str] = set()  # of sessions that have not ended
        self.refresh_tokens: set[str] = set()
        self.keys: dict[str, str] = {}  # of projects
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.sent: list[tuple[str, Any]] = []
        self.emissions = threading.Semaphore(0)  # of a run, one for each time
        # how it goes wrong
        self.denies = ""  # OAuth's error of the page
        self.state: str | None = None  # in place of the one that it was given
        self.device_errors: list[str] = []  # answers to the first questions for the device's token
        self.answers: dict[str, tuple[int, bytes]] = {}  # to a path, whatever it should be
        self._codes: dict[str, dict[str, str]] = {}
        self._made = 0

    @property
    def well_known(self) -> str:
        return f"{self.address}/realms/x/.well-known/openid-configuration"

    def browse(self, page: str) -> None:
        """A user's browser: signs in on the page, and brings the answer to where the page sends it on to."""
        urllib.request.urlopen(self.answer_of(page), timeout=60).close()

    def answer_of(self, page: str) -> str:
        """The address that the page sends a browser on to."""
        try:
            urllib.request.build_opener(_Stays).open(page, timeout=60)
        except HTTPError as sent_on:
            with sent_on:
                return str(sent_on.headers["Location"])
        raise AssertionError(page)

    # the identity provider

    def describe(self) -> dict[str, str]:
        realm = f"{self.address}/realms/x"
        return {
            "issuer": realm,
            "authorization_endpoint": f"{realm}/auth",
            "token_endpoint": f"{realm}/token",
            "device_authorization_endpoint": f"{realm}/device",
            "revocation_endpoint": f"{realm}/revoke",
        }

    def page(self, asked: dict[str, str]) -> str:
        said = {"state": asked["state"] if self.state is None else self.state}
        if self.denies:
            said["error"] = self.denies
        else:
            said["code"] = self._new("code")
            self._codes[said["code"]] = asked
        return f"{asked['redirect_uri']}?{urlencode(said)}"

    def token(self, asked: dict[str, str]) -> tuple[int, Any]:
        kind = asked["grant_type"]
        if kind == "authorization_code":
            return self._redeemed(asked)
        if kind == "refresh_token":
            known = asked["refresh_token"] in self.refresh_tokens
            wrong = {"error": "invalid_grant", "error_description": "Session not active"}
            return (200, self._granted()) if known else (400, wrong)
        if self.device_errors:
            return 400, {"error": self.device_errors.pop(0)}
        return (200, self._granted()) if asked["device_code"] == "device-1" else (400, {"error": "invalid_grant"})

    def _redeemed(self, asked: dict[str, str]) -> tuple[int, Any]:
        page = self._codes.pop(asked["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(asked["code_verifier"].encode()).digest()).rstrip(b"=")
        if (
            page is None
            or page["code_challenge"] != challenge.decode()
            or page["redirect_uri"] != asked["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant", "error_description": "Code not valid"}
        return 200, self._granted()

    def _granted(self) -> dict[str, Any]:
        token, refresh = self._new("token"), self._new("refresh")
        self.tokens.add(token)
        self.refresh_tokens.add(refresh)
        return {"access_token": token, "refresh_token": refresh, "expires_in": 300, "token_type": "Bearer"}

    # the API

    def api(self, method: str, path: str, headers: dict[str, str], value: Any) -> tuple[int, Any]:
        if path == "/":
            return 200, {"status": "OK"}
        if path in ("/runs", "/emissions"):
            return self._run(path, headers, value)
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return 401, {"detail": "Invalid token"}
        if path == "/auth/check":
            return 200, {"user": USER}
        return self._made_one(path, value) if method == "POST" else self._listed(path.strip("/").split("/"))

    def _listed(self, parts: list[str]) -> tuple[int, Any]:
        if parts == ["organizations"]:
            return 200, self.organizations
        if parts[2:] == ["projects"]:
            return 200, [each for each in self.projects if each["organization_id"] == parts[1]]
        if parts[2:] == ["experiments"]:
            return 200, [each for each in self.experiments if each["project_id"] == parts[1]]
        found = [each for each in self.experiments if each["id"] == parts[-1]]
        return (200, found[0]) if found else (404, {"detail": f"Experiment {parts[-1]} not found"})

    def _made_one(self, path: str, value: Any) -> tuple[int, Any]:
        self.sent.append((path, value))
        if path.endswith("/api-tokens"):
            key = self._new("pt")
            self.keys[key] = path.split("/")[2]
            return 201, {"id": "1", "project_id": self.keys[key], "name": value["name"], "token": key}
        made = {**value, "id": self._new(path.strip("/"))}
        getattr(self, path.strip("/")).append(made)
        return 201, made

    def _run(self, path: str, headers: dict[str, str], value: Any) -> tuple[int, Any]:
        project = self.keys.get(headers.get("x-api-token", ""))
        if project is None:
            return 403, {"detail": "Not allowed to perform this action"}
        if path == "/runs" and [project] != [
            e["project_id"] for e in self.experiments if e["id"] == value["experiment_id"]
        ]:
            return 404, {"detail": "Project token not found"}
        self.sent.append((path, value))
        if path == "/emissions":
            self.emissions.release()
        return 201, {"id": "run-1"}

    def _new(self, what: str) -> str:
        self._made += 1
        return f"{what}-{self._made}"


@contextmanager
def hosted() -> Iterator[Hosted]:
    """Both at an address of their own."""
    there = Hosted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/realms/x/auth":
                self._send_on(there.page({name: values[0] for name, values in parse_qs(query).items()}))
                return
            self._answer(path, None)

        def do_POST(self) -> None:
            self._answer(self.path, self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, path: str, body: bytes | None) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            there.asked.append((self.command, path, headers))
            if path in there.answers:
                self._write(*there.answers[path])
            else:
                status, value = self._value(path, headers, body)
                self._write(status, json.dumps(value).encode())

        def _value(self, path: str, headers: dict[str, str], body: bytes | None) -> tuple[int, Any]:
            if path.endswith("openid-configuration"):
                return 200, there.describe()
            if not path.startswith("/realms/"):
                return there.api(self.command, path, headers, json.loads(body) if body else None)
            form = {name: values[0] for name, values in parse_qs((body or b"").decode()).items()}
            if path.endswith("/token"):
                return there.token(form)
            if path.endswith("/revoke"):
                there.refresh_tokens.discard(form["token"])
                return 200, None
            code = {"device_code": "device-1", "user_code": "WDJB-MJHT", "interval": 5, "expires_in": 600}
            return 200, {**code, "verification_uri": f"{there.address}/device"}

        def _write(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", body.decode())
            self.end_headers()
            self.wfile.write(body)

        def _send_on(self, address: str) -> None:
            self._write(302, address.encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    there.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Stays(urllib.request.HTTPRedirectHandler):
    """Looks where it is sent on to, and does not go there."""

    def redirect_request(self, *_: Any) -> None:
        return None


def sign_in(there: Hosted, folder: Path) -> str:
    """A user's session, kept in a settings' folder of his; gives its token."""
    provider = signing_in.provider(there.address, there.well_known, environ={})
    signed_in = signing_in.with_browser(provider, there.browse, port=0)
    session.keep(there.address, signed_in, str(folder / "carbonwatch" / "sessions.json"))
    return signed_in.access_token
