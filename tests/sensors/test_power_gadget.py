from __future__ import annotations

import pathlib

import pytest

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.plugs import Shown
from carbonwatch.sensors.power_gadget import detect, shown
from carbonwatch.settings import Settings
from tests.sensors.programs import put

LOG = """\
System Time,RDTSC,Elapsed Time (sec), CPU Utilization(%),Processor Power_0(Watt),\
Cumulative Processor Energy_0(Joules),Cumulative Processor Energy_0(mWh),IA Power_0(Watt),\
Cumulative IA Energy_0(Joules),DRAM Power_0(Watt),Cumulative DRAM Energy_0(Joules)
09:00:00:200,1000,0.200, 12.0, 10.0, 2.0, 0.55, 7.0, 1.4, 1.0, 0.2
09:00:00:400,2000,0.400, 13.0, 15.0, 5.0, 1.39, 9.0, 3.2, 1.5, 0.5

Total Elapsed Time (sec) = 0.400
Cumulative Processor Energy_0 (Joules) = 5.0
"""


def test_mean_power_is_energy_over_the_log_s_time() -> None:
    assert shown(LOG.splitlines()) == {"power_gadget:cpu": Shown(12.5), "power_gadget:dram": Shown(1.25)}


def test_processors_are_added_up() -> None:
    header = "Elapsed Time (sec),Cumulative Processor Energy_0(Joules),Cumulative Processor Energy_1(Joules)"

    assert shown([header, "2.0,10,30"]) == {"power_gadget:cpu": Shown(20)}


@pytest.mark.parametrize("log", [[], ["a,b", "1,2"], LOG.splitlines()[:1], ["Elapsed Time (sec)", "1"]])
def test_a_log_of_another_kind_is_said(log: list[str]) -> None:
    with pytest.raises(Unavailable, match="not as it should be"):
        shown(log)


def test_the_tool_writes_one_log_after_the_other(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").write_text(LOG)
    script = f'echo "$1 $2 $3 $4 $5" >> {tmp_path}/arguments; cat {tmp_path}/log > "$6"'
    put(tmp_path / "bin", monkeypatch, "PowerLog3.0", script)

    meter = detect(Settings())
    counts = meter.read(0)
    meter.close()

    error = (-0.05, 0.05)
    assert meter.domains == (
        Domain("power_gadget:cpu", "cpu", "measured", "Intel Power Gadget", "emi:package-0", error, period_s=2.0),
        Domain("power_gadget:dram", "ram", "measured", "Intel Power Gadget", "emi:dram-0", error, period_s=2.0),
    )
    assert counts.keys() == {"power_gadget:cpu", "power_gadget:dram"}
    assert (tmp_path / "arguments").read_text().startswith("-resolution 200 -duration 2 -file\n")


def test_a_tool_without_a_driver_is_said(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "bin", monkeypatch, "PowerLog3.0", "exit 0")

    with pytest.raises(SensorUnavailable, match="wrote no log"):
        detect(Settings())


def test_where_it_is_not_installed_it_says_so(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SensorUnavailable, match="is not installed"):
        detect(Settings())
