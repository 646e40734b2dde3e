from __future__ import annotations

import os
from pathlib import Path

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.sensors.rapl_msr import RaplMsr, detect
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S

INTEL = "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: {model}\n"
AMD = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n"
UNIT, PACKAGE, DRAM, AMD_UNIT, AMD_PACKAGE = 0x606, 0x611, 0x619, 0xC001_0299, 0xC001_029B


def poke(root: Path, registers: dict[int, int], cpu: int = 0) -> None:
    """Sets registers of a CPU: a file with holes, in which each stands at its number's place, as in the driver's."""
    path = root / "dev" / str(cpu) / "msr"
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    for address, value in registers.items():
        os.pwrite(fd, value.to_bytes(8, "little"), address)
    os.close(fd)


def topology(root: Path, packages: dict[int, int]) -> None:
    for cpu, package in packages.items():
        folder = root / "devices" / "system" / "cpu" / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{package}\n")


def meter(root: Path, cpuinfo: str) -> RaplMsr:
    (root / "cpuinfo").write_text(cpuinfo)
    return detect(Settings(path_sysfs=str(root), path_procfs=str(root)), devices=str(root / "dev"))


def test_packages_and_the_memory_of_servers_are_read_in_their_own_units(tmp_path: Path) -> None:
    topology(tmp_path, {0: 0, 1: 0, 2: 1, 3: 1})
    for cpu in (0, 2):
        poke(tmp_path, {UNIT: 14 << 8, PACKAGE: 1000, DRAM: 2000}, cpu)
    xeon = meter(tmp_path, INTEL.format(model=85))
    first = xeon.read(0)
    poke(tmp_path, {PACKAGE: 1000 + (3 << 14), DRAM: 2000 + (1 << 15)}, 2)

    assert [d.id for d in xeon.domains] == ["rapl:package-0", "rapl:dram-0", "rapl:package-1", "rapl:dram-1"]
    assert set(first.values()) == {0}
    assert xeon.read(NS_PER_S) == {
        "rapl:package-0": 0,
        "rapl:dram-0": 0,
        "rapl:package-1": 3_000_000_000,
        "rapl:dram-1": 500_000_000,
    }
    xeon.close()


def test_dies_of_intel_have_registers_of_their_own_and_those_of_amd_do_not(tmp_path: Path) -> None:
    topology(tmp_path, {0: 0, 1: 0})
    for cpu in (0, 1):
        (tmp_path / "devices" / "system" / "cpu" / f"cpu{cpu}" / "topology" / "die_id").write_text(f"{cpu}\n")
        poke(tmp_path, {UNIT: 14 << 8, PACKAGE: 1000, AMD_UNIT: 16 << 8, AMD_PACKAGE: 1000}, cpu)

    assert [d.id for d in meter(tmp_path, INTEL.format(model=158)).domains] == [
        "rapl:package-0-die-0",
        "rapl:package-0-die-1",
    ]
    assert [d.id for d in meter(tmp_path, AMD).domains] == ["rapl:package-0"]


def test_memory_whose_unit_is_not_known_is_not_read(tmp_path: Path) -> None:
    poke(tmp_path, {UNIT: 14 << 8, PACKAGE: 1000, DRAM: 2000})

    assert [d.id for d in meter(tmp_path, INTEL.format(model=158)).domains] == ["rapl:package-0"]


def test_amd_s_registers_have_numbers_of_their_own_and_start_over(tmp_path: Path) -> None:
    poke(tmp_path, {AMD_UNIT: 16 << 8, AMD_PACKAGE: 0xFFFF_FFFF})
    epyc = meter(tmp_path, AMD)
    epyc.read(0)
    poke(tmp_path, {AMD_PACKAGE: (1 << 32) + 65535})  # what stands above 32 bits is not the counter's

    assert epyc.read(NS_PER_S) == {"rapl:package-0": 1_000_000_000}
    assert epyc.failed == {}


def test_a_register_that_can_t_be_read_is_a_gap_and_loses_nothing(tmp_path: Path) -> None:
    poke(tmp_path, {AMD_UNIT: 16 << 8, AMD_PACKAGE: 5})
    epyc = meter(tmp_path, AMD)
    epyc.read(0)
    os.truncate(tmp_path / "dev" / "0" / "msr", 0)
    lost, failed = epyc.read(1), dict(epyc.failed)
    poke(tmp_path, {AMD_PACKAGE: 5 + 65536})

    assert lost == {}
    assert failed == {"rapl:package-0": "MSR 0xC001029B can't be read (it gave 0 bytes instead of 8)"}
    assert epyc.read(2) == {"rapl:package-0": 1_000_000_000}


def unavailable(root: Path, cpuinfo: str) -> SensorUnavailable:
    with pytest.raises(SensorUnavailable) as caught:
        meter(root, cpuinfo)
    return caught.value


def test_a_machine_without_the_driver_is_told_to_load_it(tmp_path: Path) -> None:
    assert unavailable(tmp_path, AMD).remedy == "Load the driver: sudo modprobe msr"


def test_other_processors_have_no_such_registers(tmp_path: Path) -> None:
    poke(tmp_path, {UNIT: 14 << 8, PACKAGE: 1000})

    assert "Intel and AMD" in unavailable(tmp_path, "CPU implementer\t: 0x41\n").reason


def test_registers_at_zero_are_a_virtual_machine(tmp_path: Path) -> None:
    poke(tmp_path, {UNIT: 14 << 8, PACKAGE: 0})

    assert "stands at 0" in unavailable(tmp_path, INTEL.format(model=158)).reason


def test_a_register_that_fails_at_the_start_is_said(tmp_path: Path) -> None:
    (tmp_path / "dev" / "0" / "msr").mkdir(parents=True)

    assert "can't be read (Is a directory)" in unavailable(tmp_path, AMD).reason


def test_it_is_never_read_unless_named() -> None:
    assert "rapl_msr" not in Settings().sensors
