from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.rights import GRACE_POWER_METER, HWMON_FOR_A_GROUP, Mendable, SensorRefused
from carbonwatch.sampler import Sampler, cut, outermost
from carbonwatch.sensors import _hwmon
from carbonwatch.sensors._gauges import GaugeMeter
from carbonwatch.sensors.hwmon import RULES, detect
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeMeter
from tests.sensors.trees import Process, as_nobody, no_process, plant

if TYPE_CHECKING:
    from carbonwatch.sensors._polled import Sums

S = 10**9


def parts(root: pathlib.Path, name: str) -> dict[str, str]:
    return {domain.id: domain.component for domain in detect(plant(root, name), poll=Process).domains}


def energy_j(root: pathlib.Path, name: str, seconds: int = 10) -> dict[str, float]:
    """Joules of each domain over a time in which power stays."""
    meter = detect(plant(root, name), poll=no_process)
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
    meter = detect(plant(tmp_path, "grace-hopper"), poll=Process)

    assert [d.component for d in meter.domains] == ["cpu", "rest", "ram"]
    assert meter.rejected == {"hwmon:Module Power Socket 0": "contains Grace and the GPU, each of which is read apart"}


def test_of_a_jetson_with_an_input_the_rails_inside_it_are_not_counted(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "jetson-orin-nx"), poll=Process)

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


def test_a_rail_that_shows_less_than_nothing_gives_nothing_back(tmp_path: pathlib.Path) -> None:
    assert energy_j(tmp_path, "jetson-thor", 1) == {
        "hwmon:ina3221:VDD_GPU": 0,
        "hwmon:ina3221:VDD_CPU_SOC_MSS": 4,
        "hwmon:ina3221:VIN_SYS_5V0": 6.5,
    }


def test_an_older_jetson_s_chips_are_read_as_industrial_io_in_milliwatts(tmp_path: pathlib.Path) -> None:
    assert energy_j(tmp_path, "jetson-tx2-iio") == {"hwmon:ina3221:VDD_IN": 31.81}


def test_of_an_older_jetson_the_module_is_counted_not_its_rails_and_not_its_board(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "jetson-tx2-iio"), poll=Process)

    assert [(d.id, d.component) for d in meter.domains] == [("hwmon:ina3221:VDD_IN", "system")]
    assert meter.rejected == {
        "hwmon:ina3221:VDD_SYS_GPU": "inside VDD_IN",
        "hwmon:ina3221:VDD_SYS_SOC": "inside VDD_IN",
        "hwmon:ina3221:VDD_SYS_CPU": "inside VDD_IN",
        "hwmon:ina3221:VDD_SYS_DDR": "inside VDD_IN",
        "hwmon:ina3221:VDD_MUX": "holds VDD_IN and the board that the module is on",
        "hwmon:ina3221:VDD_5V0_IO_SYS": "of the board that the module is on, beside VDD_IN",
    }


def test_of_an_older_jetson_without_an_input_all_rails_are_counted(tmp_path: pathlib.Path) -> None:
    assert energy_j(tmp_path, "jetson-xavier-iio", 1) == {
        "hwmon:ina3221:GPU": 2,
        "hwmon:ina3221:CPU": 3,
        "hwmon:ina3221:SOC": 1.5,
        "hwmon:ina3221:CV": 0,
        "hwmon:ina3221:VDDRQ": 0.5,
        "hwmon:ina3221:SYS5V": 2.3,
    }


def test_a_chip_that_hwmon_shows_is_not_read_as_industrial_io_too(tmp_path: pathlib.Path) -> None:
    plant(tmp_path, "jetson-tx2-iio")

    assert len(parts(tmp_path, "jetson-agx-orin")) == 4


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


def test_a_counter_that_stands_at_0_is_none_and_not_0(tmp_path: pathlib.Path) -> None:
    settings = plant(tmp_path, "epyc-amd-energy")
    socket(tmp_path).write_text("0\n")

    meter = detect(settings)

    assert [d.id for d in meter.domains] == ["hwmon:amd_energy:Esocket1"]
    assert meter.rejected["hwmon:amd_energy:Esocket0"] == "shows 0 J and does not move, as in virtual machines"


def test_a_counter_that_is_0_at_first_and_moves_is_counted(tmp_path: pathlib.Path) -> None:
    plant(tmp_path, "epyc-amd-energy")
    socket(tmp_path).write_text("0\n")
    chips = _hwmon.chips(str(tmp_path))

    meter = _hwmon.meter(chips, RULES, sleep=lambda _: socket(tmp_path).write_text("15\n"))

    assert [d.id for d in meter.domains] == ["hwmon:amd_energy:Esocket0", "hwmon:amd_energy:Esocket1"]


def test_a_counter_that_does_not_move_for_seconds_is_a_gap_until_it_does(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "epyc-amd-energy"))
    meter.read(0)
    still, why = meter.read(6 * S), dict(meter.failed)
    socket(tmp_path).write_text("9000000500\n")

    assert (still, set(why.values())) == ({}, {"it has not moved since the start, so nothing is known of its energy"})
    assert meter.read(7 * S) == {"hwmon:amd_energy:Esocket0": 500_000}


def test_a_gpu_that_sleeps_has_used_nothing(tmp_path: pathlib.Path) -> None:
    settings = plant(tmp_path, "juno")
    (tmp_path / "class" / "hwmon" / "hwmon0" / "energy2_input").write_text("0\n")
    meter = detect(settings)
    meter.read(0)

    assert meter.read(60 * S) == {"hwmon:scmi_sensors:GPU": 0}


def test_power_is_joined_by_straight_lines(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "altra"))
    file = tmp_path / "class" / "hwmon" / "hwmon2" / "power1_input"
    for second in range(11):
        file.write_text(f"{10_000_000 * second}\n")
        counts = meter.read(second * S)

    assert counts["hwmon:smpro_hwmon:power1 CORE VRD"] == 500 * S


# power that changes fast


class Polling:
    """What was asked of processes that read power."""

    def __init__(self) -> None:
        self.processes: list[Process] = []

    def __call__(self, sums: Sums, every_s: float, *, mean_s: float = 0.0) -> Process:
        self.processes.append(Process(sums, every_s, mean_s=mean_s))
        return self.processes[-1]


def test_a_grace_is_read_twice_in_its_mean_by_a_process_of_its_own(tmp_path: pathlib.Path) -> None:
    polling = Polling()
    meter = detect(plant(tmp_path, "grace-hopper"), poll=polling)
    counts = meter.read(0)
    meter.close()
    (process,) = polling.processes
    files = [str(tmp_path / "class" / "hwmon" / f"hwmon{n}" / "device" / "power1_average") for n in (2, 3, 4)]

    assert process.told == ([[[files[1], "1"]], [[files[2], "1"]], [[f, "1"] for f in files]], 0.025, 0.05)
    assert counts == {"hwmon:grace-cpu-0": 0, "hwmon:grace-sysio-0": 1, "hwmon:grace-memory-0": 2}
    assert (meter.tick_s, process.closed) == (None, 1)
    assert {d.error for d in meter.domains} == {(-0.1, 0.1)}


def test_a_grace_that_tells_means_of_a_second_needs_no_process(tmp_path: pathlib.Path) -> None:
    settings = plant(tmp_path, "grace-hopper")
    (tmp_path / "class" / "hwmon" / "hwmon2" / "device" / "power1_average_interval").write_text("1000\n")
    polling = Polling()
    meter = detect(settings, poll=polling)
    before = meter.read(0)
    after = meter.read(S)

    assert (meter.tick_s, polling.processes) == (0.5, [])
    # what a mean is of lies before it, so that as much is ahead of the count at each end
    assert (before["hwmon:grace-cpu-0"], after["hwmon:grace-cpu-0"]) == (50 * S, 150 * S)


def test_without_a_process_it_is_read_less_often_and_its_interval_is_wider(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    meter = detect(plant(tmp_path, "grace-hopper"), poll=no_process)

    assert meter.tick_s == 0.25
    assert {d.error for d in meter.domains} == {(-0.2, 0.2)}
    assert "nothing beside this test reads its files" in caplog.text


def test_a_jetson_is_read_ten_times_a_second(tmp_path: pathlib.Path) -> None:
    polling = Polling()
    detect(plant(tmp_path, "jetson-tx2-iio"), poll=polling)
    file = tmp_path / "bus" / "i2c" / "drivers" / "ina3221x" / "0-0041" / "iio:device1" / "in_power0_input"

    assert [process.told for process in polling.processes] == [([[[str(file), "1000"]]], 0.1, 0.0)]


def test_a_driver_s_number_may_change_under_the_process(tmp_path: pathlib.Path) -> None:
    device = tmp_path / "devices" / "i2c-1" / "1-0040" / "hwmon" / "hwmon5"
    device.mkdir(parents=True)
    for name, content in {"name": "ina3221", "in1_label": "VDD_IN", "in1_input": "5000", "curr1_input": "200"}.items():
        (device / name).write_text(f"{content}\n")
    (tmp_path / "class" / "hwmon").mkdir(parents=True)
    (tmp_path / "class" / "hwmon" / "hwmon5").symlink_to(device)
    polling = Polling()
    detect(Settings(path_sysfs=str(tmp_path)), poll=polling)
    (sums, _, _) = polling.processes[0].told

    assert sums[0][0] == [str(device.parent / "hwmon*" / name) for name in ("in1_input", "curr1_input")] + ["1"]


def even_power(meter: GaugeMeter, id_: str) -> tuple[int, int]:
    """An instant and the count at it, as soon as the process answers."""
    until_s = time.monotonic() + 60
    while True:
        ns = time.monotonic_ns()
        if id_ in (counts := meter.read(ns)):
            return ns, counts[id_]
        assert time.monotonic() < until_s, meter.failed
        time.sleep(0.01)


def test_a_real_process_counts_even_power_to_the_instant_that_is_asked_for(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "grace-hopper"))
    first_ns, first_nj = even_power(meter, "hwmon:grace-memory-0")
    last_ns, last_nj = even_power(meter, "hwmon:grace-memory-0")
    meter.close()

    assert last_nj - first_nj == pytest.approx(30 * (last_ns - first_ns), abs=2)


# what this user may not read, and what a machine does not show


def close_sockets(root: pathlib.Path, *numbers: int) -> None:
    for number in numbers:
        (root / "class" / "hwmon" / "hwmon3" / f"energy{number}_input").chmod(0)


def test_a_counter_that_this_user_may_not_read_is_refused_with_the_lasting_fix(tmp_path: pathlib.Path) -> None:
    plant(tmp_path, "epyc-amd-energy")
    close_sockets(tmp_path, 3, 4)
    with as_nobody(tmp_path), pytest.raises(SensorRefused) as caught:
        detect(Settings(path_sysfs="."))

    path = "./class/hwmon/hwmon3/energy3_input"
    assert caught.value.reason == f"{path} can't be read (Permission denied): it is there, but this user may not."
    assert (caught.value.fix, caught.value.worth) == (HWMON_FOR_A_GROUP, {"cpu": (-0.05, 0.05)})


def test_of_two_sockets_the_one_that_may_be_read_is_and_the_other_says_why(tmp_path: pathlib.Path) -> None:
    plant(tmp_path, "epyc-amd-energy")
    close_sockets(tmp_path, 4)
    with as_nobody(tmp_path):
        meter = detect(Settings(path_sysfs="."))

    assert [d.id for d in meter.domains] == ["hwmon:amd_energy:Esocket0"]
    assert "Permission denied" in meter.rejected["hwmon:amd_energy:Esocket1"]


def grace(root: pathlib.Path, **files: str) -> Settings:
    """A Grace without any power meter, and files of it."""
    for path, content in {"devices/soc0/soc_id": "jep106:036b:0241", **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{content}\n")
    return Settings(path_sysfs=str(root))


def test_a_grace_whose_meters_do_not_show_has_the_driver_s_option_as_a_fix(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Mendable) as caught:
        detect(grace(tmp_path, **{"bus/acpi/devices/ACPI000D:00": ""}))

    assert caught.value.fix is GRACE_POWER_METER
    assert caught.value.worth == dict.fromkeys(("cpu", "ram", "rest"), (-0.1, 0.1))


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("bus/acpi/devices/ACPI0007:00", "its firmware offers none"),
        ("module/acpi_power_meter/parameters/force_cap_on", "with force_cap_on"),
    ],
)
def test_a_grace_that_no_option_helps_has_nothing_to_mend(tmp_path: pathlib.Path, file: str, why: str) -> None:
    with pytest.raises(SensorUnavailable, match=why) as caught:
        detect(grace(tmp_path, **{file: "Y"}))

    assert (type(caught.value), caught.value.remedy) == (SensorUnavailable, "")


def test_closing_gives_the_files_back(tmp_path: pathlib.Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    meter = detect(plant(tmp_path, "grace-hopper"), poll=no_process)

    meter.close()

    assert meter.read(0) == {}
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_no_hwmon_folder_is_no_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SensorUnavailable):
        detect(Settings(path_sysfs=str(tmp_path)))
