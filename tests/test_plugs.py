import hashlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar
from urllib.request import parse_http_list, parse_keqv_list

import pytest

from carbonwatch.calibration import collect, fit
from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.plugs import Login, Shown, ipmi_w, open_meter, open_plug
from carbonwatch.testing import Clock
from tests.loopback import Device, serving

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

    assert open_plug(kind.format(address))() == pytest.approx(123.4)


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


# what they count


@pytest.fixture
def device() -> Iterator[Device]:
    with serving(Device()) as device:
        yield device


@pytest.mark.parametrize(
    ("kind", "path", "answer", "shown"),
    [
        (
            "shelly",
            "/rpc/Switch.GetStatus?id=0",
            b'{"apower": 42.5, "aenergy": {"total": 1000.5}}',
            Shown(42.5, 3_601_800, 3.6, 60),
        ),
        ("shelly", "/rpc/Switch.GetStatus?id=0", b'{"apower": 0}', Shown(0)),
        ("shelly1", "/status", b'{"meters": [{"power": 7.0, "total": 90}]}', Shown(7, 5400, 60, 60)),
        (
            "tasmota",
            "/cm?cmnd=Status%208",
            b'{"StatusSNS": {"ENERGY": {"Power": 5, "Total": 2.500}}}',
            Shown(5, 9_000_000, 3600, 60),
        ),
        (
            "tasmota",
            "/cm?cmnd=Status%208",
            b'{"StatusSNS": {"ENERGY": {"Power": 5, "Total": 2.50}}}',
            Shown(5, 9_000_000, 36_000, 60),
        ),
        ("tasmota", "/cm?cmnd=Status%208", b'{"StatusSNS": {"ENERGY": {"Power": 5}}}', Shown(5)),
    ],
)
def test_a_plug_that_counts_tells_how_much_and_how_finely(
    device: Device, kind: str, path: str, answer: bytes, shown: Shown
) -> None:
    device.answers[path] = answer

    assert open_meter(f"{kind}={device.address}")() == shown


@pytest.mark.parametrize(
    ("state", "unit", "power_w"), [("42.5", "W", 42.5), ("0.0425", "kW", 42.5), ("42500", "mW", 42.5)]
)
def test_a_sensor_of_home_assistant_has_a_unit_of_power(device: Device, state: str, unit: str, power_w: float) -> None:
    device.answers["/api/states/sensor.pc"] = {"state": state, "attributes": {"unit_of_measurement": unit}}

    assert open_meter(f"home-assistant={device.address}/api/states/sensor.pc")().power_w == pytest.approx(power_w)


@pytest.mark.parametrize(("state", "unit"), [("12.5", "kWh"), ("unavailable", "W"), ("nan", "W"), ("inf", "W")])
def test_what_is_no_power_is_not_taken_for_one(device: Device, state: str, unit: str) -> None:
    device.answers["/api/states/sensor.pc"] = {"state": state, "attributes": {"unit_of_measurement": unit}}

    with pytest.raises(Unavailable, match="answers something else than its kind does"):
        open_meter(f"home-assistant={device.address}/api/states/sensor.pc")()


# who asks


def test_tasmota_takes_name_and_password_in_its_address_which_no_message_shows(device: Device) -> None:
    path = "/cm?cmnd=Status%208&user=admin&password=a%26b"
    device.answers[path] = {"StatusSNS": {"ENERGY": {"Power": 5}}}

    power_w = open_meter(f"tasmota={device.address}", Login(None, "a&b"))().power_w
    with pytest.raises(Unavailable) as caught:
        open_meter(f"tasmota={device.address}", Login(None, "wrong"))()

    assert power_w == 5
    assert "wrong" not in str(caught.value)


class Gen2(Device):
    """A Shelly of the second generation: it takes a proof by SHA-256, and no password itself."""

    challenge: Mapping[str, str] | None = {
        "WWW-Authenticate": 'Digest qop="auth", realm="shellyplus1", nonce="60dc2c69", algorithm=SHA-256'
    }

    def lets_in(self, path: str, authorization: str | None) -> bool:
        if not (authorization or "").startswith("Digest "):
            return False
        said = parse_keqv_list(parse_http_list((authorization or "")[7:]))
        mine = self.sha256("admin:shellyplus1:hunter2")
        asked = self.sha256(f"GET:{path}")
        proof = self.sha256(f"{mine}:60dc2c69:{said['nc']}:{said['cnonce']}:{said['qop']}:{asked}")
        return bool(said["response"] == proof and said["uri"] == path and said["username"] == "admin")

    @staticmethod
    def sha256(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()


def test_a_plug_that_asks_for_a_proof_is_given_one_and_never_the_password() -> None:
    with serving(Gen2()) as device:
        device.answers["/rpc/Switch.GetStatus?id=0"] = {"apower": 8.0}

        power_w = open_meter(f"shelly={device.address}", Login(None, "hunter2"))().power_w
        with pytest.raises(Unavailable, match="refuses who asks"):
            open_meter(f"shelly={device.address}", Login(None, "hunter3"))()

    assert power_w == 8
    assert not any((said or "").startswith(("Basic", "Bearer")) for _, said in device.asked)


def test_a_proof_of_another_kind_is_not_known(device: Device) -> None:
    device.challenge = {"WWW-Authenticate": 'Digest realm="x", nonce="y", algorithm=SHA-512-256'}
    device.login = "nobody"

    with pytest.raises(Unavailable, match="SHA-512-256"):
        open_meter(f"shelly={device.address}", Login(None, "hunter2"))()


def test_a_proxy_is_not_told_of_a_meter_nearby(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.answers["/status"] = {"meters": [{"power": 3.5}]}
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody answers

    assert open_meter(f"shelly1={device.address}")().power_w == 3.5


def test_what_is_no_http_at_all_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Unavailable, match="does not answer"):
            open_meter(f"shelly1=http://127.0.0.1:{server.getsockname()[1]}")()
        thread.join(60)


def test_who_asks_is_shown_nowhere() -> None:
    assert "hunter2" not in repr(Login("admin", "hunter2"))


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
