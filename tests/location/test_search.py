from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from carbonwatch.location import may_search
from carbonwatch.location.search import Search, ask
from carbonwatch.model import Place
from carbonwatch.settings import Settings

# as geojs.io and ipinfo.io answer: all of it but accuracy is text, and the region may be missing
GEOJS = {
    "region": "Illinois",
    "accuracy": 1,
    "timezone": "America/Chicago",
    "longitude": "88",
    "country_code3": "USA",
    "ip": "192.0.2.1",
    "city": "Chicago",
    "country": "United States",
    "country_code": "US",
    "latitude": "0",
}
IPINFO = {"ip": "192.0.2.1", "city": "Chicago", "region": "Illinois", "country": "US", "loc": "41.85,-87.65"}
ILLINOIS = Place("US", "US-IL", evidence="IP address, by 127.0.0.1")


class Server:
    """Answers by method, path and headers; counts what was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, str, Mapping[str, str]]] = {}
        self.asked: list[str] = []
        self.hangs = False
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(f"{self.command} {self.path}")
                if server.hangs:
                    server.released.wait(10)
                status, body, needed = server.answers.get((self.command, self.path), (404, "", {}))
                if any(self.headers.get(name) != value for name, value in needed.items()):
                    status, body = 401, ""
                self.send_response(status)
                self.end_headers()
                try:
                    self.wfile.write(body.encode())
                except OSError:
                    pass

            do_PUT = do_GET  # noqa: N815 - the base class has such names

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, path: str, body: str, needed: Mapping[str, str] | None = None, method: str = "GET") -> None:
        self.answers[method, path] = (200, body, needed or {})

    def settings(self, locate: str, path: str = "") -> Settings:
        return Settings(locate=locate, grid_urls=(f"{locate}={self.url}{path}",), grid_timeout_s=0.3)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.released.set()
    made.http.shutdown()
    made.http.server_close()
    thread.join()


def aws(server: Server, region: str = "eu-west-3") -> None:
    server.answer("/latest/api/token", "t0k", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
    server.answer("/latest/meta-data/placement/region", region, {"X-aws-ec2-metadata-token": "t0k"})


def test_aws_gives_its_region_for_a_token(server: Server) -> None:
    aws(server)

    assert ask(server.settings("metadata"))[0] == Place("FR", cloud="aws/eu-west-3", evidence="the metadata of aws")


def test_azure_gives_its_region_to_who_sends_its_header(server: Server) -> None:
    path = "/metadata/instance/compute/location?api-version=2021-02-01&format=text"
    server.answer(path, "westeurope", {"Metadata": "true"})
    place, _ = ask(server.settings("metadata"))

    assert place == Place("NL", cloud="azure/westeurope", evidence="the metadata of azure")


def test_google_gives_its_zone_to_who_sends_its_header(server: Server) -> None:
    zone = "projects/123/zones/europe-west9-b"
    server.answer("/computeMetadata/v1/instance/zone", zone, {"Metadata-Flavor": "Google"})
    place, _ = ask(server.settings("metadata"))

    assert place == Place("FR", cloud="gcp/europe-west9", evidence="the metadata of gcp")


def test_a_region_that_is_newer_than_the_tables_gives_its_country(server: Server) -> None:
    aws(server, "ca-north-7")
    place, _ = ask(server.settings("metadata"))

    assert place is not None
    assert (place.country, place.cloud, len(place.candidates)) == ("CA", "aws/ca-north-7", 13)


@pytest.mark.parametrize("answer", ["", "<html>Log in</html>", "\u00fc", "a" * 100])
def test_what_is_no_region_is_no_place(server: Server, answer: str) -> None:
    aws(server, answer)
    place, why_not = ask(server.settings("metadata"))

    assert place is None
    assert why_not.startswith("No cloud's metadata answered")


def test_metadata_that_hang_are_given_up(server: Server) -> None:
    server.hangs = True
    began_s = time.monotonic()
    place, _ = ask(server.settings("metadata"))

    assert place is None
    assert time.monotonic() - began_s < 1.5  # of which 0.3 s are allowed


@pytest.mark.parametrize("answer", [GEOJS, IPINFO], ids=["geojs", "ipinfo"])
def test_a_service_tells_country_and_state_of_this_network(server: Server, answer: Mapping[str, object]) -> None:
    server.answer("/v1/ip/geo.json", json.dumps(answer))

    assert ask(server.settings("ip", "/v1/ip/geo.json")) == (ILLINOIS, "")
    assert server.asked == ["GET /v1/ip/geo.json"]


def test_without_a_state_it_may_be_any(server: Server) -> None:
    server.answer("/", json.dumps({"country": "US"}))
    place, _ = ask(server.settings("ip", "/"))

    assert place is not None
    assert (place.country, place.subdivision, len(place.candidates)) == ("US", None, 52)


@pytest.mark.parametrize("answer", ["", "no JSON", "[]", "{}", '{"country": null}', '{"country": "Atlantis"}', "7"])
def test_an_answer_that_says_nothing_leaves_the_place_as_it_was(server: Server, answer: str) -> None:
    server.answer("/", answer)
    place, why_not = ask(server.settings("ip", "/"))

    assert place is None
    assert "country=FR sets it" in why_not


def test_a_service_that_is_not_there_is_no_error() -> None:
    place, why_not = ask(Settings(locate="ip", grid_urls=("ip=http://127.0.0.1:9/",)))

    assert place is None
    assert why_not.startswith("127.0.0.1 did not say where this network is")


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:port/", "https://", "http://a b/"])
def test_an_address_that_is_none_is_no_error(url: str) -> None:
    for locate in ("ip", "metadata"):
        assert ask(Settings(locate=locate, grid_urls=(f"{locate}={url}",), grid_timeout_s=0.2))[0] is None


def test_the_asker_waits_only_as_long_as_it_says(server: Server) -> None:
    server.hangs = True
    search = Search(server.settings("ip", "/"))

    assert search.answer(0.0) == (None, "locate=ip had no answer in time.")


def test_an_answer_is_there_when_it_has_come(server: Server) -> None:
    server.answer("/", json.dumps(IPINFO))

    assert Search(server.settings("ip", "/")).answer(5.0) == (ILLINOIS, "")


def test_nobody_is_asked_unless_the_setting_says_so_and_nothing_else_tells() -> None:
    assert not may_search(Settings(), {})
    assert not may_search(Settings(locate="ip", country="FR"), {})
    assert not may_search(Settings(locate="metadata"), {"AWS_REGION": "eu-west-3"})
    assert may_search(Settings(locate="ip"), {"TZ": "Europe/Paris"})
