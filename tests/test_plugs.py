import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from carbonwatch.calibration import collect, fit
from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.plugs import ipmi_w, open_plug
from carbonwatch.testing import Clock

A_W, B = 53.0, 1.142


class Answers(BaseHTTPRequestHandler):
    """Plugs of several makers at one address, all of which show `watts`."""

    watts: ClassVar[float] = 100.0

    def do_GET(self) -> None:
        shown = round(self.watts, 1)
        bodies: dict[str, Any] = {
            "/cm?cmnd=Status%208": {"StatusSNS": {"Time": "2026-11-25T04:00:00", "ENERGY": {"Power": shown}}},
            "/rpc/Switch.GetStatus?id=0": {"id": 0, "output": True, "apower": shown, "voltage": 230.1},
            "/status": {"meters": [{"power": shown, "is_valid": True}]},
            "/redfish/v1/Chassis/1/Power": {"PowerControl": [{"PowerConsumedWatts": shown}]},
            "/api/states/sensor.plug": {"state": str(shown / 1000), "attributes": {"unit_of_measurement": "kW"}},
            "/nonsense/": {"watts": shown},
        }
        body = json.dumps(bodies.get(self.path)).encode()
        self.send_response(200 if self.path in bodies else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


KINDS = ("tasmota={}", "shelly={}", "shelly1={}", "redfish={}", "home-assistant={}/api/states/sensor.plug")


@pytest.mark.parametrize("kind", KINDS)
def test_each_maker_s_answer_is_understood(address: str, kind: str) -> None:
    Answers.watts = 123.4

    assert open_plug(kind.format(address), "a token")() == pytest.approx(123.4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_behind_a_plug_is_calibrated_within_two_percent(address: str, kind: str) -> None:
    wall = open_plug(kind.format(address))
    clock = Clock()

    def inside_j() -> tuple[int, float]:
        """20 W that grow by 4.5 W a second."""
        seconds = clock.ns / 1e9
        return clock.ns, 20 * seconds + 2.25 * seconds**2

    def shown_w() -> float:
        Answers.watts = A_W + B * (20 + 4.5 * clock.ns / 1e9)
        return wall()

    line = fit(collect(inside_j, shown_w, lambda: clock.advance(1), 40))

    assert line.a_w == pytest.approx(A_W, rel=0.02)
    assert line.b == pytest.approx(B, rel=0.02)
    assert line.residual < 0.01


def test_a_meter_that_answers_something_else_is_said(address: str) -> None:
    with pytest.raises(Unavailable, match="Check which kind it is"):
        open_plug(f"tasmota={address}/nonsense/")()


def test_a_meter_that_is_not_there_is_said(address: str) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        open_plug(f"tasmota={address}/elsewhere")()


@pytest.mark.parametrize("text", ["", "tasmota", "tasmota=192.168.1.20", "kettle=http://192.168.1.20"])
def test_a_meter_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="Write KIND=ADDRESS"):
        open_plug(text)


def test_what_ipmitool_prints_is_understood() -> None:
    text = """
    Instantaneous power reading:                   220 Watts
    Minimum during sampling period:                 12 Watts
"""

    assert ipmi_w(text) == 220.0
    with pytest.raises(Unavailable, match="holds no power"):
        ipmi_w("DCMI request failed")
