"""What every sensor of ours keeps to, found as the program finds them."""

from __future__ import annotations

import ast
import pathlib
import sys

import pytest

from carbonwatch import plugins
from carbonwatch.errors import SensorUnavailable
from carbonwatch.sampler import open_sampler
from carbonwatch.settings import Settings
from tests.sensors.trees import plant

SENSORS = pathlib.Path(plugins.__file__).parent / "sensors"
MODELS = {"cpu_model", "ram_model", "gpu_model", "rest_model"}
METERS = sorted(set(plugins.own_names("sensors")) - MODELS)
HERE = {"darwin": {"apple"}, "win32": {"windows_emi"}}.get(sys.platform, set())  # what a test can't take away
BY_HAND = {"nvml", "rapl_powercap"}  # their pages have more than a docstring


@pytest.mark.parametrize("name", [name for name in METERS if name not in HERE])
def test_a_meter_that_is_not_there_says_so_in_a_sentence(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no program either

    with pytest.raises(SensorUnavailable) as caught:
        plugins.load("sensors", name)(Settings(path_sysfs=str(tmp_path), path_procfs=str(tmp_path)))

    assert caught.value.reason.endswith(".")


@pytest.mark.parametrize("name", [name for name in METERS if name not in BY_HAND])
def test_a_meter_s_text_says_what_whoever_looks_it_up_asks(name: str) -> None:
    text = ast.get_docstring(ast.parse((SENSORS / f"{name}.py").read_text(encoding="utf-8"))) or ""
    asked = ("## What it reads", "## What it needs", "## How good it is", "## When it is missing")

    assert [line for line in text.splitlines() if line.startswith("## ")] == list(asked)


MODELLED = ["cpu:model", "ram:model"]


@pytest.mark.parametrize(
    ("trees", "counted"),
    [
        ((), MODELLED),
        (("laptop", "laptop-battery"), ["rapl:package-0", "ram:model"]),
        (("laptop-battery",), ["battery:machine"]),
        (("xeon-2socket", "server-acpi"), ["rapl:package-0", "rapl:package-1", "rapl:dram-0", "rapl:dram-1"]),
        (("server-acpi",), ["hwmon:power_meter:1"]),
        (("epyc-2socket", "epyc-amd-energy"), ["rapl:package-0", "rapl:package-1", "ram:model"]),
        (("epyc-amd-energy",), ["hwmon:amd_energy:Esocket0", "hwmon:amd_energy:Esocket1", "ram:model"]),
        (("grace-hopper",), ["hwmon:grace-cpu-0", "hwmon:grace-sysio-0", "hwmon:grace-memory-0"]),
        (("jetson-orin-nx",), ["hwmon:ina3221:VDD_IN"]),
        (("arc", "server-acpi"), ["intel_gpu:0000:03:00.0", "intel_gpu:0000:4d:00.0", *MODELLED]),
        (("mi250",), ["amdsmi:0000:29:00.0", "amdsmi:0000:63:00.0", *MODELLED]),
    ],
)
def test_nothing_on_a_machine_is_counted_twice(
    trees: tuple[str, ...], counted: list[str], tmp_path: pathlib.Path
) -> None:
    for tree in trees:
        plant(tmp_path, tree)
    for driver in ("xe", "amdgpu"):
        (tmp_path / "module" / driver / "parameters").mkdir(parents=True)
    sensors = tuple(name for name in Settings().sensors if name not in ("nvml", "pi5_pmic"))  # a real one may be here

    sampler = open_sampler(Settings(path_sysfs=str(tmp_path), sensors=sensors))
    sampler.close()

    assert sorted(d.id for d in sampler.domains) == sorted(counted)
