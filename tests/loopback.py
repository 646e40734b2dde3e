"""A device on this machine's own network that answers HTTP as a test says."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any


class Device:
    """What it answers to each path, whom it lets in, and what it was asked."""

    challenge: Mapping[str, str] | None = None  # headers of a refusal

    def __init__(self) -> None:
        self.address = ""
        self.answers: dict[str, Any] = {}
        self.login: str | None = None  # what the Authorization header must be
        self.status: dict[str, int] = {}
        self.location = ""
        self.asked: list[tuple[str, str | None]] = []

    def let_in(self, user: str, password: str) -> None:
        self.login = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    def lets_in(self, path: str, authorization: str | None) -> bool:
        return self.login is None or authorization == self.login


@contextmanager
def serving(device: Device, certificate: Path | None = None) -> Iterator[Device]:
    """The device at an address of its own, with a certificate behind TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = self.headers.get("Authorization")
            device.asked.append((self.path, said))
            status = device.status.get(self.path, 200 if self.path in device.answers else 404)
            if not device.lets_in(self.path, said):
                status = 401
            self.send_response(status)
            for name, value in (device.challenge or {}).items() if status == 401 else ():
                self.send_header(name, value)
            if 300 <= status < 400:
                self.send_header("Location", device.location)
            self.end_headers()
            answer = device.answers.get(self.path)
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who does not believe it breaks off
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    device.address = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield device
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
