"""Asks the address that a cloud answers on inside its machines, and reads short answers of any server.

Nobody is asked but by a setting that says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.client import HTTPConnection

URL = "http://169.254.169.254"
WAIT_S = 0.3
_LARGEST = 65_536


def instance(url: str = URL, wait_s: float = WAIT_S) -> str | None:
    """What the cloud calls this machine ("aws/m5.xlarge"); None where none of the three answers."""
    deadline_s = time.monotonic() + wait_s
    for provider, ask, what in (
        ("aws", aws, "/latest/meta-data/instance-type"),
        ("azure", azure, "compute/vmSize"),
        ("gcp", gcp, "machine-type"),
    ):
        try:
            return f"{provider}/{ask(url, what, deadline_s)}"
        except TimeoutError:
            break
        except (OSError, ValueError):  # refused, or an answer that is none of theirs
            continue
    return None


def aws(url: str, path: str, deadline_s: float) -> str:
    # version 2 of the service: a token first, so that a page in a browser can't ask
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = text(url, "/latest/api/token", ttl, deadline_s, method="PUT")
    return text(url, path, {"X-aws-ec2-metadata-token": token}, deadline_s)


def azure(url: str, what: str, deadline_s: float) -> str:
    path = f"/metadata/instance/{what}?api-version=2021-02-01&format=text"
    return text(url, path, {"Metadata": "true"}, deadline_s)


def gcp(url: str, what: str, deadline_s: float) -> str:
    """The last part of the answer: projects/1/zones/us-central1-a."""
    found = text(url, f"/computeMetadata/v1/instance/{what}", {"Metadata-Flavor": "Google"}, deadline_s)
    return found.rpartition("/")[2]


def text(url: str, path: str, headers: Mapping[str, str], deadline_s: float, method: str = "GET") -> str:
    """What a server answers with 200. A proxy is not asked, and no redirect followed: both would learn of it."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    from urllib.parse import urlsplit

    address = urlsplit(url)
    kind: Callable[..., HTTPConnection] = HTTPSConnection if address.scheme == "https" else HTTPConnection
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    try:
        connection = kind(address.hostname or "", address.port, timeout=left_s)
        try:
            connection.request(method, path, headers={"User-Agent": "carbonwatch", **headers})
            response = connection.getresponse()
            body = response.read(_LARGEST)
        finally:
            connection.close()
    except HTTPException as error:
        raise ValueError(type(error).__name__) from error
    if response.status != 200:
        raise ValueError(response.status)
    return body.decode().strip()
