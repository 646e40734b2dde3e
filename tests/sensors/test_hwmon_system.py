from __future__ import annotations

import pathlib
from dataclasses import replace

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sampler import open_sampler
from carbonwatch.sensors.hwmon_system import detect
from carbonwatch.settings import Settings
from tests.sensors.trees import plant

S = 10**9


def test_a_server_s_firmware_meters_the_whole_of_it(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "server-acpi"))
    before = meter.read(0)["hwmon:power_meter:1"]

    source = "power_meter (hwmon power, integrated between reads)"
    assert meter.domains == (Domain("hwmon:power_meter:1", "system", "measured", source, None, (-0.1, 0.1)),)
    assert meter.read(10 * S) == {"hwmon:power_meter:1": before + 2120 * S}


def test_power_s_system_sensor_is_the_whole_of_it(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "power9"))

    assert [(d.id, d.component) for d in meter.domains] == [("hwmon:ibmpowernv:System", "system")]


@pytest.mark.parametrize("name", ["grace-hopper", "altra", "laptop-battery"])
def test_meters_of_parts_are_none_of_the_whole(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(SensorUnavailable) as caught:
        detect(plant(tmp_path, name))

    assert caught.value.remedy == ""


def test_of_two_meters_of_the_whole_one_is_counted(tmp_path: pathlib.Path) -> None:
    settings = plant(tmp_path, "server-acpi")
    second = tmp_path / "class" / "hwmon" / "hwmon2"
    second.mkdir()
    (second / "name").write_text("power_meter\n")
    (second / "power1_average").write_text("212000000\n")

    meter = detect(settings)

    assert [d.id for d in meter.domains] == ["hwmon:power_meter:1"]
    assert meter.rejected == {
        "hwmon:power_meter:1#2": "nothing says whether it adds to hwmon:power_meter:1 or shows the same"
    }


def test_a_machine_that_draws_nothing_is_not_believed(tmp_path: pathlib.Path) -> None:
    settings = plant(tmp_path, "server-acpi")
    (tmp_path / "class" / "hwmon" / "hwmon1" / "power1_average").write_text("0\n")

    with pytest.raises(SensorUnavailable, match="shows 0 W and does not move"):
        detect(settings)


# beside others

SENSORS = ("hwmon", "hwmon_system")


def counted(settings: Settings) -> list[str]:
    sampler = open_sampler(settings)
    sampler.close()
    return [d.id for d in sampler.domains]


def test_it_stands_in_only_where_nothing_measures_the_cpus(tmp_path: pathlib.Path) -> None:
    root = str(tmp_path)
    plant(tmp_path, "power9")

    assert counted(Settings(path_sysfs=root, sensors=SENSORS)) == ["hwmon:ibmpowernv:Chip 0", "hwmon:ibmpowernv:Chip 8"]


def test_it_does_not_stand_in_for_a_gpu_that_is_measured(tmp_path: pathlib.Path) -> None:
    plant(tmp_path, "server-acpi")
    (tmp_path / "module" / "xe" / "parameters").mkdir(parents=True)
    settings = plant(tmp_path, "arc")

    assert counted(replace(settings, sensors=("intel_gpu", "hwmon_system"))) == [
        "intel_gpu:0000:03:00.0",
        "intel_gpu:0000:4d:00.0",
    ]


@pytest.mark.parametrize("wish", [{"prefer_psys": True}, {"power_boundary": "node"}])
def test_who_wants_all_of_the_machine_has_it_in_place_of_the_parts(
    tmp_path: pathlib.Path, wish: dict[str, object]
) -> None:
    plant(tmp_path, "power9")
    settings = Settings(path_sysfs=str(tmp_path), sensors=SENSORS, **wish)  # type: ignore[arg-type]

    assert counted(settings) == ["hwmon:ibmpowernv:System"]


def test_where_it_counts_no_model_is_added(tmp_path: pathlib.Path) -> None:
    plant(tmp_path, "server-acpi")
    settings = Settings(path_sysfs=str(tmp_path), sensors=("hwmon", "hwmon_system", "cpu_model", "ram_model"))

    assert counted(settings) == ["hwmon:power_meter:1"]
