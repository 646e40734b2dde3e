"""Serves the board's pages to this machine's browser, and to nobody else.

It listens on the loopback address alone, and every address begins with a secret made for the occasion, as other users
of the machine can reach that address too. A request has to name this very host (or another site could point its own
name at it) and may not come from a page of another origin. Nothing is written, but for files that are dropped onto the
page, which are read into a temporary folder. No path of a request ever becomes a path of a file.
"""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from carbonwatch import pages
from carbonwatch.board import answers
from carbonwatch.board.sources import Sources
from carbonwatch.errors import CarbonwatchError, StoreError

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
# what a page is called in its address, and by whom it is drawn
PAGES = {"": ("board", "carbonwatch board"), "calculator": ("calculator", "carbonwatch calculator")}
LARGEST_FILE = 1 << 28

_HEADERS = {
    "Content-Security-Policy": pages.POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
_TYPES = {"js": "text/javascript", "css": "text/css", "txt": "text/plain"}
_SECONDS_OF_SILENCE = 60


class Server(ThreadingHTTPServer):
    """The board on a port of the loopback address; 0 takes a free one. Raises OSError where it can't have it."""

    daemon_threads = True

    def __init__(self, sources: Sources, port: int = 0, secret: str | None = None) -> None:
        self.sources = sources
        self.secret = secrets.token_urlsafe(16) if secret is None else secret
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a request of ours calls this server."""
        return tuple(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))

    @property
    def address(self) -> str:
        """What to open in the browser."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.secret}/"

    def server_bind(self) -> None:
        # HTTPServer would look for this host's name, which may take seconds
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's own
        """A browser that went away is no error of ours."""
        log.debug("a request from %s broke off", client_address, exc_info=True)


class _Refusal(Exception):
    def __init__(self, status: HTTPStatus, text: str) -> None:
        self.status = status
        super().__init__(text)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "carbonwatch"
    sys_version = ""
    timeout = _SECONDS_OF_SILENCE

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server calls it so
        log.debug(format, *args)

    def _answered(self, answer: Callable[[str, Mapping[str, str]], None]) -> None:
        """Answers, once it is clear who asks."""
        try:
            path = self._path()
            self._check_sender(is_page=path in PAGES)
            answer(path, dict(parse_qsl(urlsplit(self.path).query)))
        except _Refusal as refusal:
            self._send_error_text(refusal.status, str(refusal))
        except StoreError as error:
            self._send_error_text(HTTPStatus.NOT_FOUND, str(error))
        except CarbonwatchError as error:
            self._send_error_text(HTTPStatus.BAD_REQUEST, str(error))
        except ConnectionError:
            raise
        # border: whatever breaks in one answer, the next one is given
        except Exception as error:
            log.warning("the board can't answer %s", self.path, exc_info=True)
            self._send_error_text(HTTPStatus.INTERNAL_SERVER_ERROR, f"The board can't answer that: {error!r}")

    def _path(self) -> str:
        """What follows the secret."""
        try:
            secret, _, rest = urlsplit(self.path).path.removeprefix("/").partition("/")
        except ValueError as error:
            raise _Refusal(HTTPStatus.BAD_REQUEST, f"That is no address: {error}.") from error
        if not secrets.compare_digest(secret.encode(), self.server.secret.encode()):
            raise _Refusal(HTTPStatus.NOT_FOUND, "Open the address that `carbonwatch board` shows; it is another one.")
        return rest

    def _check_sender(self, is_page: bool) -> None:
        hosts = self.server.hosts
        if self.headers.get("Host") not in hosts:
            raise _Refusal(HTTPStatus.MISDIRECTED_REQUEST, "This host goes by another name.")
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "same-origin")
        foreign = origin is not None and origin not in [f"http://{host}" for host in hosts]
        # a link may lead to a page; whatever else another site asks for is not its own
        if foreign or (site not in ("same-origin", "none") and not is_page):
            raise _Refusal(HTTPStatus.FORBIDDEN, "Only the board's own pages may ask that.")

    def _get(self, path: str, words: Mapping[str, str]) -> None:
        if path in PAGES:
            name, title = PAGES[path]
            self._send("text/html", pages.linked(name, title, self._carried(name)).encode())
        elif path in _FILES:
            self._send(_TYPES[path.rpartition(".")[2]], pages.read(path).encode())
        elif path == "api/sources":
            self._send_json(self.server.sources.listed())
        elif path.removeprefix("api/") in answers.QUESTIONS and path.startswith("api/"):
            with self.server.sources.open(words.get("source", "")) as store:
                self._send_json(answers.QUESTIONS[path.removeprefix("api/")](store, words))
        else:
            raise _Refusal(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def _carried(self, name: str) -> object:
        """What a page has with it, so that it need not ask for it first."""
        if name == "board":
            return {"sources": self.server.sources.listed()}
        from carbonwatch.calculator import page  # its tables take a while

        return {"table": page.table(), "board": True}

    def _post(self, path: str, words: Mapping[str, str]) -> None:
        """A file of runs that was dropped onto the page."""
        length = self.headers.get("Content-Length", "")
        if path != "api/sources" or not length.isdecimal():
            self.close_connection = True  # what was sent along is not read
            raise _Refusal(HTTPStatus.NOT_FOUND, "Only files of runs can be sent here.")
        if int(length) > LARGEST_FILE:
            self.close_connection = True
            raise _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That file is too large: give it with --csv.")
        content = self.rfile.read(int(length))
        self._send_json(self.server.sources.add(content, words.get("name", "a file")))

    def _send_json(self, data: object) -> None:
        self._send("application/json", pages.as_json(data).encode())

    def _send_error_text(self, status: HTTPStatus, text: str) -> None:
        self._send("application/json", pages.as_json({"error": text}).encode(), status)

    def _send(self, kind: str, content: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


# the only files that are served, by name
_FILES = {"licences.txt", *(part for name, _ in PAGES.values() for part in pages.parts(name))}
