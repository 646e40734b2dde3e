from __future__ import annotations

import json
import logging
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from carbonwatch.errors import SensorUnavailable, SettingsError
from carbonwatch.model import Domain
from carbonwatch.sampler import open_sampler
from carbonwatch.sensors.plug import detect
from carbonwatch.settings import Settings, resolve
from carbonwatch.tracker import Tracker
from tests.loopback import Device, serving

SECRET = "hunter2-and-more"
SHELLY = "/rpc/Switch.GetStatus?id=0"
TASMOTA = "/cm?cmnd=Status%208"


@pytest.fixture
def device() -> Iterator[Device]:
    with serving(Device()) as device:
        device.answers = {
            SHELLY: {"id": 0, "output": True, "apower": 42.5, "aenergy": {"total": 1234.567, "by_minute": [1, 2, 3]}},
            "/status": {"meters": [{"power": 42.5, "is_valid": True, "total": 1234}]},
            TASMOTA: {"StatusSNS": {"ENERGY": {"Power": 42.5, "Total": 12.345}}},
            "/api/states/sensor.pc": {"state": "42.5", "attributes": {"unit_of_measurement": "W"}},
        }
        yield device


def address(device: Device, kind: str) -> str:
    return f"{kind}={device.address}{'/api/states/sensor.pc' if kind == 'home-assistant' else ''}"


@pytest.mark.parametrize("kind", ["shelly", "shelly1", "tasmota", "home-assistant"])
def test_each_kind_of_plug_meters_the_whole_machine(device: Device, kind: str) -> None:
    meter = detect(Settings(plug=address(device, kind)))
    counts = meter.read(0)
    meter.close()

    source = f"smart plug ({kind})"
    assert meter.domains == (Domain("plug:wall", "system", "measured", source, None, (-0.03, 0.03), period_s=1.0),)
    assert counts.keys() == {"plug:wall"}


def test_a_plug_is_read_because_it_is_set_and_nothing_is_added_to_it(device: Device, tmp_path: pathlib.Path) -> None:
    settings = Settings(plug=address(device, "shelly"), sensors=("cpu_model", "ram_model"), path_sysfs=str(tmp_path))

    sampler = open_sampler(settings)
    sampler.close()

    assert [d.id for d in sampler.domains] == ["plug:wall"]
    assert sampler.missing == {}


def test_without_a_plug_there_is_none() -> None:
    with pytest.raises(SensorUnavailable, match="No plug is set"):
        detect(Settings())


def test_a_plug_that_is_not_there_is_said_before_the_run(device: Device) -> None:
    with pytest.raises(SensorUnavailable, match=r"does not answer \(HTTP 404\)"):
        detect(Settings(plug=f"shelly={device.address}/elsewhere"))


def test_a_kind_that_is_not_known_stops_the_start(device: Device) -> None:
    with pytest.raises(SettingsError, match="KIND is one of tasmota, shelly"):
        detect(Settings(plug=f"kettle={device.address}"))


# who asks


def test_a_name_and_a_password_go_with_the_question(device: Device) -> None:
    device.let_in("admin", SECRET)

    detect(Settings(plug=address(device, "shelly1"), plug_user="admin", plug_password=SECRET)).close()

    assert device.asked[0] == ("/status", device.login)


def test_a_token_goes_with_the_question(device: Device) -> None:
    device.login = f"Bearer {SECRET}"

    detect(Settings(plug=address(device, "home-assistant"), plug_password=SECRET)).close()

    assert device.asked[0][1] == device.login


def test_a_wrong_password_is_refused_and_shown_nowhere(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    device.let_in("admin", "another")
    caplog.set_level(logging.DEBUG)

    with pytest.raises(SensorUnavailable) as caught:
        detect(Settings(plug=address(device, "shelly1"), plug_user="admin", plug_password=SECRET))

    assert caught.value.reason == f"The meter at {device.address}/status refuses who asks (HTTP 401)."
    assert SECRET not in caplog.text + str(caught.value) + repr(caught.getrepr(chain=True, funcargs=False))


@pytest.mark.parametrize("given", ["shelly=http://admin:hunter2@192.168.1.20", "tasmota=http://h/cm?password=hunter2"])
def test_a_password_in_an_address_stops_the_start_and_is_not_repeated(given: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve({"plug": given}, environ={})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("given", ["shelly", "shelly=", "=http://h", "shelly=192.168.1.20", "shelly=http://"])
def test_what_is_no_address_of_a_plug_stops_the_start(given: str) -> None:
    with pytest.raises(SettingsError, match="plug"):
        resolve({"plug": given}, environ={})


def test_a_run_behind_a_plug_holds_its_energy_and_no_password(device: Device, tmp_path: pathlib.Path) -> None:
    device.let_in("admin", SECRET)
    given: dict[str, Any] = {
        "plug": address(device, "shelly1"),
        "plug_user": "admin",
        "plug_password": SECRET,
        "store": str(tmp_path / "runs.db"),
        "exporters": ("json",),
        "output_dir": str(tmp_path),
        "g_per_kwh": 100.0,
    }
    with Tracker(resolve(given, environ={})) as tracker:
        began = time.monotonic()
        while not tracker.run.energy_j and time.monotonic() < began + 60:
            pass
    run = tracker.run
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    assert [d.id for d in run.domains] == ["plug:wall"]
    assert run.energy("machine").value > 0
    assert SECRET.encode() not in kept
    assert SECRET not in json.dumps(run.facts, default=str) + repr(run) + repr(tracker.settings)
