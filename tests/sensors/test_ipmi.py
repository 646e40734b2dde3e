from __future__ import annotations

import os
import pathlib

import pytest

from carbonwatch.errors import SensorUnavailable, SettingsError, Unavailable
from carbonwatch.model import Domain
from carbonwatch.rights import SensorRefused
from carbonwatch.sampler import open_sampler
from carbonwatch.sensors.ipmi import detect, shown
from carbonwatch.settings import Settings, resolve
from tests.sensors.programs import put
from tests.sensors.trees import as_nobody

SECRET = "ADMIN-and-more"
READING = """\

    Instantaneous power reading:                   220 Watts
    Minimum during sampling period:                 12 Watts
    Maximum during sampling period:                468 Watts
    Average power reading over sample period:      216 Watts
    IPMI timestamp:                           Wed Nov 25 09:00:00 2026
    Sampling period:                          00000001 Seconds.
    Power reading state is:                   {}
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Where ipmitool notes how it was called."""
    (tmp_path / "reading").write_text(READING.format("activated"))
    script = f'echo "$@" >> {tmp_path}/arguments; echo "$IPMI_PASSWORD" >> {tmp_path}/password; cat {tmp_path}/reading'
    put(tmp_path / "bin", monkeypatch, "ipmitool", script)
    return tmp_path


def test_the_controller_of_this_machine_meters_all_of_it(folder: pathlib.Path) -> None:
    meter = detect(Settings())
    counts = meter.read(0)
    meter.close()

    assert meter.domains == (
        Domain("ipmi:server", "system", "measured", "server's controller (IPMI)", None, (-0.1, 0.1), period_s=5.0),
    )
    assert counts.keys() == {"ipmi:server"}
    assert (folder / "arguments").read_text().startswith("dcmi power reading\n")


def test_another_server_is_asked_with_the_password_where_no_list_of_processes_shows_it(folder: pathlib.Path) -> None:
    settings = Settings(ipmi_host="bmc.example", ipmi_user="monitor", ipmi_password=SECRET)

    detect(settings, environ=dict(os.environ)).close()

    asked = (folder / "arguments").read_text().splitlines()[0]
    assert asked == "-I lanplus -H bmc.example -U monitor -E dcmi power reading"
    assert (folder / "password").read_text().splitlines()[0] == SECRET


@pytest.mark.parametrize(("host", "read"), [("bmc.example", ["ipmi:server"]), (None, ["cpu:model"])])
def test_a_server_that_is_named_is_asked_and_one_that_is_not_is_left_alone(
    folder: pathlib.Path, host: str | None, read: list[str]
) -> None:
    sampler = open_sampler(Settings(sensors=("cpu_model",), ipmi_host=host, path_sysfs=str(folder)))
    sampler.close()

    assert [d.id for d in sampler.domains] == read


def test_a_reading_is_the_instantaneous_one() -> None:
    assert shown(READING.format("activated")).power_w == 220


def test_a_controller_that_does_not_measure_tells_no_zero() -> None:
    with pytest.raises(Unavailable, match="its state is 'deactivated'"):
        shown(READING.format("deactivated"))


def test_a_controller_that_refuses_is_said_in_its_own_words(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "bin", monkeypatch, "ipmitool", "echo 'Could not open device at /dev/ipmi0' >&2; exit 1")

    with pytest.raises(SensorUnavailable, match="ipmitool ended with 1: Could not open device at /dev/ipmi0"):
        detect(Settings())


def test_without_the_program_it_says_which_to_install(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SensorUnavailable) as caught:
        detect(Settings(), environ={"PATH": str(tmp_path)})

    assert (caught.value.reason, caught.value.remedy) == ("ipmitool is not installed.", "Install ipmitool.")


@pytest.mark.parametrize("name", ["ipmi_host", "ipmi_user"])
@pytest.mark.parametrize("given", ["-f/etc/shadow", "a b"])
def test_what_a_program_would_take_for_an_option_stops_the_start(name: str, given: str) -> None:
    with pytest.raises(SettingsError, match="a blank or a leading dash"):
        resolve({name: given}, environ={})


def test_a_device_that_this_user_may_not_open_is_refused_and_not_opened_to_users(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ipmi0").touch(0)
    with as_nobody(tmp_path), pytest.raises(SensorRefused) as caught:
        detect(Settings(), device="ipmi0")

    assert "over the network" in caught.value.remedy
    assert "chmod" not in caught.value.remedy
