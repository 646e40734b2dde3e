"""A source of carbon intensity on this machine, which answers as the real ones do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from carbonwatch.model import Place
from carbonwatch.settings import Settings

ANSWERS = Path(__file__).parent.parent / "data" / "grid"
MIDNIGHT_NS = 1_741_046_400 * 10**9  # 2025-03-04, the day of all answers
TURN_NS = 60 * 10**9
HOUR_NS = 3600 * 10**9
MINUTE_NS = 60 * 10**9
SECRET = "s3cr3t-7f9a"
TOKYO = Place("JP", "JP-TK")


@dataclass(frozen=True)
class Asked:
    """A question as it came."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Source:
    """Answers by the beginning of the path; 404 for the others."""

    url: str
    answers: dict[str, tuple[int, bytes, Mapping[str, str]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    hangs: bool = False
    drips: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """From now on this is the answer there: JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path] = (status, content, headers or {})

    def answer_as(self, path: str, recorded: str) -> None:
        """The answer of a file."""
        answer = json.loads((ANSWERS / f"{recorded}.json").read_text())
        self.answer(path, answer["body"], answer["status"])

    def settings(self, provider: str, **more: Any) -> Settings:
        """Settings with which that provider is asked here."""
        given: dict[str, Any] = {
            "grid": (provider,),
            "grid_urls": (f"{provider}={self.url}",),
            "electricity_maps_token": SECRET,
            "eia_key": SECRET,
            "watttime_user": "somebody",
            "watttime_password": SECRET,
        }
        return Settings(**{**given, **more})

    def reply(self, path: str) -> tuple[int, bytes, Mapping[str, str]]:
        found = [answer for start, answer in self.answers.items() if path.startswith(start)]
        return found[-1] if found else (404, b"{}", {})


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """A server on loopback."""
    monkeypatch.setenv("no_proxy", "*")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            there.asked.append(Asked(parts.path, dict(parse_qsl(parts.query)), dict(self.headers)))
            if there.hangs:
                there.released.wait(30)
                return
            status, content, headers = there.reply(parts.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if there.drips:
                self.drip(content)
            else:
                self.wfile.write(content)

        def drip(self, content: bytes) -> None:
            for byte in content:
                if there.released.wait(0.02):
                    return
                try:
                    self.wfile.write(bytes((byte,)))
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there = Source(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield there
    there.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class Example:
    """A provider with a place that it has and a time of which there is an answer."""

    place: Place
    path: str  # where it is asked for that
    ends_ns: int
    boundary: str
    elsewhere: Place = TOKYO
    more: Mapping[str, str] = field(default_factory=dict)  # other paths -> their recorded answers


EXAMPLES = {
    "electricity_maps": Example(
        Place("DE"), "/v3/carbon-intensity/past-range", MIDNIGHT_NS + 3 * HOUR_NS, "lifecycle", Place("AQ")
    ),
    "neso": Example(Place("GB"), "/intensity/", MIDNIGHT_NS + 2 * HOUR_NS, "direct"),
    "energi_data_service": Example(
        Place("DK", "DK-DK1"), "/dataset/CO2Emis", MIDNIGHT_NS + 20 * MINUTE_NS, "direct", Place("DK")
    ),
    "rte": Example(Place("FR"), "/api/explore/v2.1/", MIDNIGHT_NS + HOUR_NS, "direct", Place("FR", "FR-COR")),
    "energy_charts": Example(Place("DE"), "/co2eq", MIDNIGHT_NS + HOUR_NS, "lifecycle"),
    "eia": Example(
        Place("US", "US-CAL-CISO"),
        "/v2/electricity/rto/fuel-type-data/data/",
        MIDNIGHT_NS + 2 * HOUR_NS,
        "lifecycle",
        Place("US", "US-AK-SEAPA"),
    ),
}


def this_hour_ns() -> int:
    """When the hour began that it really is. Near its end the next one is waited for: it must not turn in a test."""
    left_ns = HOUR_NS - time.time_ns() % HOUR_NS
    if left_ns < TURN_NS:
        time.sleep(left_ns / 1e9)
    now_ns = time.time_ns()
    return now_ns - now_ns % HOUR_NS


def foretell(there: Source, *g_per_kwh: float) -> None:
    """Half hours of Great Britain from this hour on, two of each figure."""
    form = "%Y-%m-%dT%H:%MZ"
    first = this_hour_ns() // 10**9
    slots = [
        {
            "from": time.strftime(form, time.gmtime(first + n * 1800)),
            "to": time.strftime(form, time.gmtime(first + n * 1800 + 1800)),
            "intensity": {"forecast": g_per_kwh[n // 2], "actual": None, "index": "low"},
        }
        for n in range(2 * len(g_per_kwh))
    ]
    there.answer("/intensity/", {"data": slots})
