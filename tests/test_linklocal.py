import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from carbonwatch import linklocal

NEEDED = {
    "/latest/meta-data/instance-type": ("X-aws-ec2-metadata-token", "a token"),
    "/metadata/instance/compute/vmSize?api-version=2021-02-01&format=text": ("Metadata", "true"),
    "/computeMetadata/v1/instance/machine-type": ("Metadata-Flavor", "Google"),
}


class Cloud:
    """Answers as one cloud's address does, and refuses who does not ask as it wants."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = cloud.answers.get(self.path, "")
                name, value = NEEDED.get(self.path, ("", None))
                self.send_response(200 if body and self.headers.get(name) == value else 404)
                self.end_headers()
                self.wfile.write(body.encode())

            def do_PUT(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    thread = threading.Thread(target=made.http.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        ({"/latest/api/token": "a token", "/latest/meta-data/instance-type": "m5.xlarge"}, "aws/m5.xlarge"),
        ({[*NEEDED][1]: "Standard_D4s_v5"}, "azure/Standard_D4s_v5"),
        ({[*NEEDED][2]: "projects/1/machineTypes/n2-standard-8"}, "gcp/n2-standard-8"),
        ({}, None),
    ],
)
def test_each_cloud_says_what_it_calls_the_machine(cloud: Cloud, answers: dict[str, str], name: str | None) -> None:
    cloud.answers = answers

    assert linklocal.instance(cloud.url, wait_s=60.0) == name


def test_an_address_that_nobody_answers_on_is_none() -> None:
    assert linklocal.instance("http://127.0.0.1:9") is None
