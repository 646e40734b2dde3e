"""What `monitor` shows, for Prometheus: text exposition format 0.0.4, over HTTP.

https://prometheus.io/docs/instrumenting/exposition_formats. By hand, as it is a dozen lines, and its own client would
bring a registry and threads for what one run holds already; tests read it with that client's parser.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from carbonwatch.cli import UsageError
from carbonwatch.cli.monitor import Row
from carbonwatch.model import Domain, Run, Usage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LOOPBACK = "127.0.0.1"


class Metric(NamedTuple):
    """A metric's name, kind and help, and its values by labels."""

    name: str
    kind: str
    help: str
    values: Sequence[tuple[Mapping[str, str], float]]


def page(run: Run, rows: list[Row]) -> str:
    """All metrics of a run as it stands; `rows` are what its components draw now."""
    return "".join(_lines(metric) for metric in metrics(run, rows) if metric.values)


def metrics(run: Run, rows: list[Row]) -> list[Metric]:
    """Counters begin at 0 with the run, as Prometheus expects of a program that starts."""
    used = _by_domain(run)
    intensity = run.intensities[-1] if run.intensities else None
    power = [({"component": row.name}, row.power_w) for row in rows if row.name != "all"]
    prices = [({"zone": intensity.zone, "source": intensity.source}, intensity.g_per_kwh)] if intensity else []
    emitted = [({"component": c}, run.emissions("machine", c).value) for c in run.components]
    return [
        Metric("energy_joules_total", "counter", "Energy of a meter.", [(_labels(d), u.machine_j) for d, u in used]),
        Metric(
            "idle_energy_joules_total",
            "counter",
            "The part of it that nobody's work accounts for.",
            [(_labels(d), u.idle_j) for d, u in used if u.is_split],
        ),
        Metric("power_watts", "gauge", "Mean power over the last interval.", power),
        Metric("emissions_grams_total", "counter", "CO2e of the energy, PUE applied.", emitted),
        Metric("carbon_intensity_grams_per_kwh", "gauge", "CO2e of a kilowatt-hour here.", prices),
        Metric("pue_ratio", "gauge", "Power usage effectiveness of the place.", [({}, run.pue)]),
        Metric("duration_seconds_total", "counter", "How long it has been measured.", [({}, run.duration_s)]),
        Metric("gaps", "gauge", "Intervals in which a meter could not be read.", [({}, float(len(run.gaps)))]),
        Metric("overhead_seconds_total", "counter", "CPU time of measuring.", [({}, run.overhead_s)]),
    ]


def _by_domain(run: Run) -> list[tuple[Domain, Usage]]:
    found: dict[Domain, Usage] = {}
    for entry in run.entries:
        domain = entry.usage.domain
        found[domain] = found[domain].plus(entry.usage) if domain in found else entry.usage
    return list(found.items())


def _labels(domain: Domain) -> dict[str, str]:
    return {"domain": domain.id, "component": domain.component, "quality": domain.quality}


def _lines(metric: Metric) -> str:
    name = f"carbonwatch_{metric.name}"
    values = "".join(f"{name}{_braces(labels)} {value!r}\n" for labels, value in metric.values)
    return f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n{values}"


def _braces(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def address(text: str) -> tuple[str, int]:
    """Host and port of PORT or HOST:PORT. Raises ValueError. Nobody else may look unless a host is named."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{text!r} is no port. Write 9110, or 0.0.0.0:9110 for all who can reach this machine")
    return host.strip("[]") or _LOOPBACK, int(port)


@contextmanager
def served(where: tuple[str, int], content: Callable[[], str]) -> Iterator[str]:
    """Answers /metrics there as long as the block runs, and gives the address. Raises UsageError where it is taken."""

    class Handler(BaseHTTPRequestHandler):
        """One answer for one path."""

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "It is at /metrics")
                return
            body = content().encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Who looks is nobody's business."""

    try:
        server = ThreadingHTTPServer(where, Handler)
    except OSError as error:
        raise UsageError(
            f"Nothing can be served at {where[0]}:{where[1]} ({error.strerror or error}), so Prometheus would find "
            "nothing. Choose another port."
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="carbonwatch-prometheus", daemon=True)
    thread.start()
    try:
        host, port = server.server_address[:2]
        yield f"http://{host!s}:{port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
