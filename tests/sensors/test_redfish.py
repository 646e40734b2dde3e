from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from carbonwatch.errors import SensorUnavailable, SettingsError
from carbonwatch.model import Domain
from carbonwatch.sensors.redfish import detect, watts
from carbonwatch.settings import Settings, resolve
from tests.loopback import Device, serving

SECRET = "calvin-and-more"
ROOT = "/redfish/v1/Chassis"


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


@pytest.fixture
def controller() -> Iterator[Device]:
    """A controller with a bay of disks that tells no power, and a server that does."""
    with serving(Device()) as device:
        device.answers = {
            ROOT: {"Members": [link(f"{ROOT}/Bay"), link(f"{ROOT}/1")]},
            f"{ROOT}/Bay": {"Id": "Bay", "Power": link(f"{ROOT}/Bay/Power")},
            f"{ROOT}/Bay/Power": {"PowerControl": []},
            f"{ROOT}/1": {"Id": "1", "Power": link(f"{ROOT}/1/Power")},
            f"{ROOT}/1/Power": {"PowerControl": [{"PowerConsumedWatts": 344, "PowerMetrics": {"IntervalInMin": 1}}]},
        }
        device.let_in("monitor", SECRET)
        yield device


def settings(device: Device, path: str = "", password: str = SECRET) -> Settings:
    return Settings(redfish_url=device.address + path, redfish_user="monitor", redfish_password=password)


def test_the_first_chassis_that_tells_a_power_meters_the_server(controller: Device) -> None:
    meter = detect(settings(controller))
    counts = meter.read(0)
    meter.close()

    source = "server's controller (Redfish)"
    assert meter.domains == (Domain("redfish:server", "system", "measured", source, None, (-0.1, 0.1), period_s=5.0),)
    assert counts.keys() == {"redfish:server"}
    assert [path for path, _ in controller.asked[:5]] == [
        ROOT,
        f"{ROOT}/Bay",
        f"{ROOT}/Bay/Power",
        f"{ROOT}/1",
        f"{ROOT}/1/Power",
    ]


def test_newer_controllers_tell_it_among_the_metrics_of_the_environment(controller: Device) -> None:
    controller.answers[f"{ROOT}/1"]["EnvironmentMetrics"] = link(f"{ROOT}/1/EnvironmentMetrics")
    controller.answers[f"{ROOT}/1/EnvironmentMetrics"] = {"PowerWatts": {"Reading": 351.5}}

    detect(settings(controller)).close()

    assert controller.asked[-1][0] == f"{ROOT}/1/EnvironmentMetrics"


def test_an_address_of_a_resource_is_asked_alone(controller: Device) -> None:
    detect(settings(controller, f"{ROOT}/1/Power")).close()

    assert {path for path, _ in controller.asked} == {f"{ROOT}/1/Power"}


@pytest.mark.parametrize(
    ("answer", "power_w"),
    [
        ({"PowerWatts": {"Reading": 351.5}}, 351.5),
        ({"PowerWatts": {"Reading": None}, "PowerControl": [{"PowerConsumedWatts": 300}]}, 300),
        ({"PowerControl": [{"PowerConsumedWatts": 0}]}, None),  # what controllers without a sensor say
        ({"PowerControl": []}, None),
        ([], None),
    ],
)
def test_a_power_that_is_not_told_is_none(answer: object, power_w: float | None) -> None:
    assert watts(answer) == power_w


def test_a_controller_that_tells_no_power_is_said(controller: Device) -> None:
    controller.answers[ROOT]["Members"].pop()

    with pytest.raises(SensorUnavailable, match=r"No chassis at .* tells its power"):
        detect(settings(controller))


def test_a_wrong_password_is_refused_and_not_repeated(controller: Device) -> None:
    with pytest.raises(SensorUnavailable, match="refuses who asks") as caught:
        detect(settings(controller, password="not-this-one"))

    assert "not-this-one" not in str(caught.value)


def test_a_controller_that_sends_elsewhere_is_not_followed_there(controller: Device) -> None:
    with serving(Device()) as other:
        controller.status[ROOT], controller.location = 302, f"{other.address}{ROOT}"
        with pytest.raises(SensorUnavailable, match=r"does not answer \(HTTP 302\)"):
            detect(settings(controller))

        assert other.asked == []


# made for this test, and known to nobody
CERTIFICATE = pathlib.Path(__file__).parent.parent / "data" / "controller.pem"


@pytest.mark.parametrize("verify", [True, False])
def test_a_certificate_that_nobody_knows_is_believed_only_if_asked_to(verify: bool) -> None:
    with serving(Device(), CERTIFICATE) as controller:
        controller.answers = {f"{ROOT}/1/Power": {"PowerControl": [{"PowerConsumedWatts": 344}]}}
        given = Settings(redfish_url=f"{controller.address}{ROOT}/1/Power", redfish_verify=verify)
        try:
            detect(given).close()
            refused = ""
        except SensorUnavailable as error:
            refused = error.reason

    assert ("certificate verify failed" in refused) is verify
    assert bool(controller.asked) is not verify


def test_without_an_address_there_is_none() -> None:
    with pytest.raises(SensorUnavailable, match="No controller is set"):
        detect(Settings())


@pytest.mark.parametrize("given", ["https://root:hunter2@host", "host", "https://", "https://a host"])
def test_what_is_no_address_stops_the_start(given: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve({"redfish_url": given}, environ={})

    assert "hunter2" not in str(caught.value)
