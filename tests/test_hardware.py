from pathlib import Path

import pytest

from carbonwatch.cpunames import Cpuid
from carbonwatch.hardware import fingerprint, look, memory_gb, sold_as

XEON = """\
processor	: 0
vendor_id	: GenuineIntel
cpu family	: 6
model		: 106
model name	: Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz
stepping	: 6
siblings	: 80
cpu cores	: 40
flags		: fpu vme {flag}

processor	: 1
model name	: another
"""
ARM = """\
processor	: 0
BogoMIPS	: 243.75
Features	: fp asimd
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x3
CPU part	: 0xd0c
CPU revision	: 1
"""


def tree(folder: Path, cpuinfo: str, **files: str) -> tuple[str, str]:
    """Folders as /proc and /sys; files are named `proc__a__b` or `sys__a__b`."""
    for name, text in {"proc__cpuinfo": cpuinfo, **files}.items():
        path = folder.joinpath(*name.split("__"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(folder / "proc"), str(folder / "sys")


def test_a_server_of_two_sockets(tmp_path: Path) -> None:
    found = look(160, *tree(tmp_path, XEON.format(flag="avx"), sys__class__dmi__id__chassis_type="23\n"))

    assert found.name == "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz"
    assert found.cpuid == Cpuid("GenuineIntel", 6, 106, 6)
    assert (found.sockets, found.cores_of_socket, found.form, found.is_virtual) == (2, 40, "server", False)
    assert found.processor.model == "xeon 8380"


def test_a_guest_is_told_by_its_flag(tmp_path: Path) -> None:
    found = look(8, *tree(tmp_path, XEON.format(flag="hypervisor"), sys__class__dmi__id__chassis_type="10\n"))

    assert (found.is_virtual, found.form) == (True, None)


@pytest.mark.parametrize(("product", "is_virtual"), [("m6g.large", True), ("m6g.metal", False)])
def test_on_arm_the_firmware_tells_a_guest(tmp_path: Path, product: str, is_virtual: bool) -> None:
    found = look(
        64,
        *tree(tmp_path, ARM, sys__class__dmi__id__sys_vendor="Amazon EC2", sys__class__dmi__id__product_name=product),
    )

    assert found.is_virtual is is_virtual
    assert found.processor.microarchitecture == "neoverse-n1"


def test_a_board_is_told_by_its_device_tree(tmp_path: Path) -> None:
    found = look(
        4, *tree(tmp_path, ARM.replace("0xd0c", "0xd08"), **{"proc__device-tree__model": "Raspberry Pi 4 Model B\0"})
    )

    assert (found.name, found.form) == ("Raspberry Pi 4 Model B", "board")
    assert found.processor.model == "raspberry pi 4"


def test_a_laptop_is_told_by_its_chassis(tmp_path: Path) -> None:
    found = look(12, *tree(tmp_path, XEON.format(flag=""), sys__class__dmi__id__chassis_type="10\n"))

    assert found.form == "laptop"


def test_nothing_to_read_is_nothing_known(tmp_path: Path) -> None:
    found = look(4, str(tmp_path), str(tmp_path))

    assert (found.name, found.cpuid, found.sockets, found.form, found.is_virtual) == (None, None, 1, None, False)
    assert memory_gb(str(tmp_path)) is None


def test_memory_is_in_units_of_two_to_the_thirty(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       2097152 kB\nMemFree:        1 kB\n")

    assert memory_gb(str(tmp_path)) == 2.0


def test_this_machine_has_a_processor() -> None:
    assert look(2).processor.maker in ("intel", "amd", "arm", None)


def test_the_firmware_of_an_ec2_machine_says_what_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "class" / "dmi" / "id"
    folder.mkdir(parents=True)
    (folder / "sys_vendor").write_text("Amazon EC2\n")
    (folder / "product_name").write_text("m5.xlarge\n")

    assert sold_as({}, str(tmp_path)) == "aws/m5.xlarge"


def test_sagemaker_says_it_in_the_environment(tmp_path: Path) -> None:
    assert sold_as({"SM_CURRENT_INSTANCE_TYPE": "ml.g5.2xlarge"}, str(tmp_path)) == "aws/g5.2xlarge"


def test_elsewhere_nothing_says_it(tmp_path: Path) -> None:
    assert sold_as({}, str(tmp_path)) is None


def test_a_calibration_belongs_to_a_processor_and_its_memory(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("model name\t: Example 9000\n")
    (tmp_path / "meminfo").write_text("MemTotal:       16777216 kB\n")

    assert fingerprint(str(tmp_path), str(tmp_path)).startswith("Example 9000, ")
    assert fingerprint(str(tmp_path), str(tmp_path)).endswith(" threads, 16 GB")
