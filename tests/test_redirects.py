from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from carbonwatch.redirects import opener


class Answers(BaseHTTPRequestHandler):
    """/here sends on to /there, /away to the same server by another name; /there tells the token that came."""

    def do_GET(self) -> None:
        to = {"/here": "/there", "/away": f"http://localhost:{self.headers['Host'].partition(':')[2]}/there"}.get(
            self.path
        )
        self.send_response(302 if to else 200)
        if to:
            self.send_header("Location", to)
        self.end_headers()
        self.wfile.write(self.headers.get("Authorization", "").encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def asked(url: str, body: bytes | None = None) -> str:
    with opener().open(Request(url, data=body, headers={"Authorization": "a token"}), timeout=60) as answer:
        return str(answer.read().decode())


def test_a_question_is_asked_again_on_the_same_host(url: str) -> None:
    assert asked(f"{url}/here") == "a token"


@pytest.mark.parametrize(("path", "body"), [("/away", None), ("/here", b"{}"), ("/away", b"{}")])
def test_another_host_is_told_nothing_and_nothing_is_sent_twice(url: str, path: str, body: bytes | None) -> None:
    with pytest.raises(HTTPError) as refusal:
        asked(url + path, body)

    refusal.value.close()
    assert refusal.value.code == 302
