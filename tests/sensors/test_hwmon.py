from __future__ import annotations

import os
import pathlib
import shlex
from collections.abc import Mapping

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sampler import Sampler, cut, outermost
from carbonwatch.sensors.hwmon import detect
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeMeter
from tests.sensors.trees import plant

S = 10**9
NOBODY = 65534


def parts(root: pathlib.Path, name: str) -> dict[str, str]:
    return {domain.id: domain.component for domain in detect(plant(root, name)).domains}


def energy_j(root: pathlib.Path, name: str, seconds: int = 10) -> dict[str, float]:
    """Joules of each domain over a time in which power stays."""
    meter = detect(plant(root, name))
    before: Mapping[str, int] = meter.read(0)
    after = meter.read(seconds * S)
    meter.close()
    return {id_: (after[id_] - before[id_]) / S for id_ in after}


# what is what


def test_amd_sockets_are_counted_and_their_cores_are_inside(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "epyc-amd-energy"))

    source = "amd_energy Esocket0 (hwmon energy counter)"
    error = (-0.05, 0.05)
    assert meter.domains[0] == Domain(
        "hwmon:amd_energy:Esocket0", "cpu", "measured", source, "rapl:package-0", error, period_s=0.001
    )
    assert [d.within for d in meter.domains] == ["rapl:package-0", "rapl:package-1"]
    assert meter.rejected == {
        "hwmon:amd_energy:Ecore000": "inside its socket",
        "hwmon:amd_energy:Ecore001": "inside its socket",
    }


def test_a_socket_that_rapl_counts_is_not_counted_twice(tmp_path: pathlib.Path) -> None:
    amd = detect(plant(tmp_path, "epyc-amd-energy"))
    rapl = FakeMeter("cpu", id="rapl:package-0")

    counted = outermost([*rapl.domains, *amd.domains])

    assert [d.id for d in counted] == ["rapl:package-0", "hwmon:amd_energy:Esocket1"]


def test_grace_is_its_cpu_the_rest_of_its_socket_and_memory_as_what_is_left(tmp_path: pathlib.Path) -> None:
    assert energy_j(tmp_path, "grace-hopper") == {
        "hwmon:grace-cpu-0": 1000,
        "hwmon:grace-sysio-0": 200,
        "hwmon:grace-memory-0": 300,
    }


def test_a_module_of_grace_and_a_gpu_is_not_added_to_what_it_holds(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "grace-hopper"))

    assert [d.component for d in meter.domains] == ["cpu", "rest", "ram"]
    assert meter.rejected == {"hwmon:Module Power Socket 0": "contains Grace and the GPU, each of which is read apart"}


def test_of_a_jetson_with_an_input_the_rails_inside_it_are_not_counted(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "jetson-orin-nx"))

    assert [(d.id, d.component) for d in meter.domains] == [("hwmon:ina3221:VDD_IN", "system")]
    assert meter.rejected == {
        "hwmon:ina3221:VDD_CPU_GPU_CV": "inside VDD_IN",
        "hwmon:ina3221:VDD_SOC": "inside VDD_IN",
        "hwmon:ina3221:4": "its name says nothing known of what it meters",
    }


def test_voltage_and_current_are_a_power(tmp_path: pathlib.Path) -> None:
    assert energy_j(tmp_path, "jetson-orin-nx") == {"hwmon:ina3221:VDD_IN": 60}


def test_of_a_jetson_without_an_input_all_rails_are_counted(tmp_path: pathlib.Path) -> None:
    assert parts(tmp_path, "jetson-agx-orin") == {
        "hwmon:ina3221:VDD_GPU_SOC": "gpu",
        "hwmon:ina3221:VDD_CPU_CV": "cpu",
        "hwmon:ina3221:VIN_SYS_5V0": "rest",
        "hwmon:ina3221:VDDQ_VDD2_1V8AO": "ram",
    }


def test_ampere_tells_cores_uncore_and_memory(tmp_path: pathlib.Path) -> None:
    assert energy_j(tmp_path, "altra", 1) == {
        "hwmon:smpro_hwmon:power1 CORE VRD": 60,
        "hwmon:smpro_hwmon:power2 SoC": 20,
        "hwmon:smpro_hwmon:power3 DIMM VRD1": 5,
        "hwmon:smpro_hwmon:power4 DIMM VRD2": 4,
    }


def test_of_power_chips_are_counted_once_by_their_energy(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "power9"))

    assert [d.source for d in meter.domains] == [
        "ibmpowernv Chip 0 (hwmon energy counter)",
        "ibmpowernv Chip 8 (hwmon energy counter)",
    ]
    assert meter.rejected == {
        "hwmon:ibmpowernv:System": "the whole machine: sensor hwmon_system",
        "hwmon:ibmpowernv:Chip 0 Vdd": "inside the processor's",
    }


def test_what_firmware_names_is_taken_by_its_name_and_an_unknown_name_is_left_out(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "juno"))

    assert [(d.id, d.component) for d in meter.domains] == [
        ("hwmon:scmi_sensors:A72 cluster", "cpu"),
        ("hwmon:scmi_sensors:GPU", "gpu"),
    ]
    assert meter.rejected == {"hwmon:scmi_sensors:pvt17": "its name says nothing known of what it meters"}


def test_a_meter_of_the_whole_machine_is_not_a_part_of_it(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SensorUnavailable, match="the whole machine: sensor hwmon_system") as caught:
        detect(plant(tmp_path, "server-acpi"))

    assert caught.value.remedy == ""


@pytest.mark.parametrize("name", ["laptop-battery", "laptop"])
def test_a_machine_without_such_a_chip_has_nothing_to_mend(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(SensorUnavailable) as caught:
        detect(plant(tmp_path, name))

    assert caught.value.remedy == ""


def test_chips_of_one_name_are_told_apart(tmp_path: pathlib.Path) -> None:
    settings = plant(tmp_path, "altra")
    second = tmp_path / "class" / "hwmon" / "hwmon10"
    second.mkdir()
    for file in (tmp_path / "class" / "hwmon" / "hwmon2").iterdir():
        (second / file.name).write_text(file.read_text())

    ids = [d.id for d in detect(settings).domains]

    assert len(ids) == len(set(ids)) == 8
    assert "hwmon:smpro_hwmon:power1 CORE VRD#2" in ids


# how it is read


def opened(folder: pathlib.Path) -> list[int]:
    """Descriptors of this process below a folder."""
    mine = ((int(fd), os.path.realpath(f"/proc/self/fd/{fd}")) for fd in os.listdir("/proc/self/fd"))
    return [fd for fd, path in mine if str(folder) in path]


def socket(root: pathlib.Path) -> pathlib.Path:
    return root / "class" / "hwmon" / "hwmon3" / "energy3_input"


def test_energy_is_what_the_counter_moved_by(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "epyc-amd-energy"))
    meter.read(0)
    socket(tmp_path).write_text("9000000001\n")

    assert meter.read(S) == {"hwmon:amd_energy:Esocket0": 1000, "hwmon:amd_energy:Esocket1": 0}


def test_a_read_that_fails_is_a_gap_and_loses_nothing(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "epyc-amd-energy"))
    sampler = Sampler([meter], [], clock=Clock(), thread=False)
    first = sampler.read()
    socket(tmp_path).write_text("\n")
    silent = sampler.read()
    socket(tmp_path).write_text("9000500000\n")
    last = sampler.read()

    path = socket(tmp_path)
    assert [(g.domain_id, g.reason) for g in cut(first, silent).gaps] == [
        ("hwmon:amd_energy:Esocket0", f"{path} shows no number")
    ]
    assert cut(silent, last).energy_j["hwmon:amd_energy:Esocket0"] == 0.5


def test_a_driver_that_is_loaded_again_under_another_number_is_found(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "epyc-amd-energy"))
    meter.read(0)
    folder = tmp_path / "class" / "hwmon"
    (folder / "hwmon3").rename(folder / "hwmon7")
    (folder / "hwmon7" / "energy3_input").write_text("9000000002\n")
    for path in opened(folder):  # sysfs gives ENODEV from then on
        os.close(path)

    assert meter.read(S) == {"hwmon:amd_energy:Esocket0": 2000, "hwmon:amd_energy:Esocket1": 0}


def test_a_descriptor_that_was_closed_and_is_another_file_s_is_neither_read_nor_closed(
    tmp_path: pathlib.Path,
) -> None:
    meter = detect(plant(tmp_path, "epyc-amd-energy"))
    meter.read(0)
    (other := tmp_path / "other").write_text("5\n")
    for fd in opened(tmp_path / "class"):
        os.close(fd)
    foreign = [os.open(other, os.O_RDONLY) for _ in range(2)]
    counts = meter.read(S)
    meter.close()

    assert counts == {"hwmon:amd_energy:Esocket0": 0, "hwmon:amd_energy:Esocket1": 0}
    assert [os.pread(fd, 9, 0) for fd in foreign] == [b"5\n"] * 2
    for fd in foreign:
        os.close(fd)


def test_power_is_joined_by_straight_lines(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "altra"))
    file = tmp_path / "class" / "hwmon" / "hwmon2" / "power1_input"
    for second in range(11):
        file.write_text(f"{10_000_000 * second}\n")
        counts = meter.read(second * S)

    assert counts["hwmon:smpro_hwmon:power1 CORE VRD"] == 500 * S


def test_a_counter_that_this_user_may_not_read_comes_with_the_lasting_fix(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, "epyc-amd-energy")
    for number in (3, 4):
        (tmp_path / "class" / "hwmon" / "hwmon3" / f"energy{number}_input").chmod(0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # its parents may be closed to nobody
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(SensorUnavailable) as caught:
            detect(Settings(path_sysfs="."))
    finally:
        os.seteuid(user)

    path = "./class/hwmon/hwmon3/energy3_input"
    assert caught.value.reason == f"{path} is there, but this user may not read it."
    _, _, rule, *_ = caught.value.remedy.splitlines()
    assert shlex.split(rule)[1].startswith('ACTION=="add", SUBSYSTEM=="hwmon", RUN+="/usr/bin/find /sys%p ')
    assert shlex.split(rule)[-1] == "/etc/udev/rules.d/70-energy-hwmon.rules"


def test_closing_gives_the_files_back(tmp_path: pathlib.Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    meter = detect(plant(tmp_path, "grace-hopper"))

    meter.close()

    assert meter.read(0) == {}
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_no_hwmon_folder_is_no_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SensorUnavailable):
        detect(Settings(path_sysfs=str(tmp_path)))
