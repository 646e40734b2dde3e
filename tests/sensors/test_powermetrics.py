from __future__ import annotations

import pathlib

import pytest

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.plugs import Shown
from carbonwatch.sensors.powermetrics import detect, shown
from carbonwatch.settings import Settings
from tests.sensors.programs import put

APPLE = """\
Machine model: MacBookPro18,1
*** Sampled system activity (Wed Nov 25 09:00:00 2026 +0100) (4003.02ms elapsed) ***

**** Processor usage ****

E-Cluster Power: 12 mW
E-Cluster HW active frequency: 1017 MHz
P0-Cluster Power: 3100 mW
CPU Power: 3214 mW
GPU Power: 56 mW
ANE Power: 0 mW
Combined Power (CPU + GPU + ANE): 3270 mW

**** GPU usage ****

GPU HW active frequency: 389 MHz
GPU Power: 56 mW
"""
INTEL = """\
**** Processor usage ****

Intel energy model derived package power (CPUs+GT+SA): 3.45W
LLC flushed residency: 62.5%
"""


def test_apple_s_parts_are_told_apart_and_their_sum_is_not_added() -> None:
    assert {id_: round(part.power_w, 9) for id_, part in shown(APPLE).items()} == {
        "powermetrics:cpu": 3.214,
        "powermetrics:gpu": 0.056,
        "powermetrics:ane": 0,
    }


def test_intel_s_package_is_told_whole() -> None:
    assert shown(INTEL) == {"powermetrics:package": Shown(3.45)}


def test_what_holds_no_power_is_said() -> None:
    with pytest.raises(Unavailable, match="prints no power"):
        shown("powermetrics must be invoked as the superuser\n")


def test_it_is_started_as_root_without_a_password_for_means_of_four_seconds(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "printed").write_text(APPLE)
    put(tmp_path / "bin", monkeypatch, "sudo", f'printf "%s " "$@" >> {tmp_path}/arguments; cat {tmp_path}/printed')

    meter = detect(Settings())
    counts = meter.read(0)
    meter.close()

    error = (-0.2, 0.2)
    assert meter.domains == (
        Domain("powermetrics:cpu", "cpu", "measured", "powermetrics, cpu power", "apple:cpu", error, period_s=4.0),
        Domain("powermetrics:gpu", "gpu", "measured", "powermetrics, gpu power", "apple:gpu", error, period_s=4.0),
        Domain("powermetrics:ane", "gpu", "measured", "powermetrics, ane power", "apple:ane", error, period_s=4.0),
    )
    assert counts.keys() == {"powermetrics:cpu", "powermetrics:gpu", "powermetrics:ane"}
    asked = (tmp_path / "arguments").read_text()
    assert asked.startswith("-n powermetrics --samplers cpu_power,gpu_power -n 1 -i 4000 ")


def test_a_password_that_is_asked_for_is_a_refusal_with_its_remedy(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "bin", monkeypatch, "sudo", "echo 'sudo: a password is required' >&2; exit 1")

    with pytest.raises(SensorUnavailable, match="a password is required") as caught:
        detect(Settings())

    assert "docs/reference/sensors/powermetrics.md" in caught.value.remedy
