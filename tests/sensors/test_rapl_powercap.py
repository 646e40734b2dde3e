from __future__ import annotations

import itertools
import os
import pathlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sensors.rapl_powercap import RaplPowercap, _mirrors, _Register, _Zone, detect, modulus_nj
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S

MACHINES = pathlib.Path(__file__).parent.parent / "data" / "sys"
INTEL_UJ = 262143328850
NOBODY = 65534

Tree = Mapping[str, Mapping[str, object]]  # files and their content by zone


def write(root: pathlib.Path, tree: Tree) -> None:
    """A powercap folder: zones not said otherwise wrap as Intel's do."""
    for folder, files in tree.items():
        path = root / "class" / "powercap" / folder
        path.mkdir(parents=True, exist_ok=True)
        for file, content in {"max_energy_range_uj": INTEL_UJ, **files}.items():
            (path / file).write_text(f"{content}\n")


def machine(root: pathlib.Path, name: str) -> RaplPowercap:
    """A meter of one of the machines in tests/data/sys: lines of path:content, as grep prints them."""
    for line in (MACHINES / f"{name}.txt").read_text().splitlines():
        if not line.startswith("#"):
            path, _, content = line.rpartition(":")
            file = root / path.removeprefix("/sys/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{content}\n")
    return detect(Settings(path_sysfs=str(root)))


def meter(root: pathlib.Path, tree: Tree, *, prefer_psys: bool = False) -> RaplPowercap:
    write(root, tree)
    return detect(Settings(path_sysfs=str(root), prefer_psys=prefer_psys))


def energy(root: pathlib.Path, folder: str = "intel-rapl:0") -> pathlib.Path:
    return root / "class" / "powercap" / folder / "energy_uj"


def ids(meter: RaplPowercap) -> list[str]:
    return [domain.id for domain in meter.domains]


ONE: Tree = {"intel-rapl:0": {"name": "package-0", "energy_uj": 1_000_000}}
LAPTOP: Tree = {
    "intel-rapl:0": {"name": "package-0", "energy_uj": 1_000_000},
    "intel-rapl:0:0": {"name": "core", "energy_uj": 500_000},
    "intel-rapl:0:1": {"name": "dram", "energy_uj": 300_000},
    "intel-rapl:1": {"name": "psys", "energy_uj": 3_000_000},
}


# which zones count


def test_sockets_and_their_memory_are_counted(tmp_path: pathlib.Path) -> None:
    xeon = machine(tmp_path, "xeon-2socket")

    assert ids(xeon) == ["rapl:package-0", "rapl:package-1", "rapl:dram-0", "rapl:dram-1"]
    assert xeon.rejected == {}
    assert xeon.domains[0] == Domain(
        "rapl:package-0", "cpu", "measured", "RAPL package-0 (powercap)", None, (-0.05, 0.05), None, 0.001
    )
    assert xeon.domains[2] == Domain(
        "rapl:dram-0", "ram", "measured", "RAPL dram of package-0 (powercap)", None, (-0.1, 0.1), None, 0.001
    )


def test_on_a_laptop_only_the_package_is_counted(tmp_path: pathlib.Path) -> None:
    laptop = machine(tmp_path, "laptop")

    assert ids(laptop) == ["rapl:package-0"]
    assert laptop.rejected == {
        "rapl:psys": "contains package-0; counted instead of them with prefer_psys",
        "rapl:core-0": "inside package-0",
        "rapl:uncore-0": "inside package-0",
        "rapl:package-0 (intel-rapl-mmio:0)": "rapl:package-0 once more, through memory-mapped registers",
    }


def test_two_amd_sockets_are_both_counted(tmp_path: pathlib.Path) -> None:
    epyc = machine(tmp_path, "epyc-2socket")

    assert ids(epyc) == ["rapl:package-0", "rapl:package-1"]
    assert epyc.rejected == {"rapl:core-0": "inside package-0", "rapl:core-1": "inside package-1"}


def test_of_zones_that_show_one_register_one_is_counted(tmp_path: pathlib.Path) -> None:
    epyc = machine(tmp_path, "epyc-per-die")

    assert ids(epyc) == ["rapl:package-0-die-0"]
    assert epyc.rejected == {
        f"rapl:package-0-die-{die}": "shows the counter of rapl:package-0-die-0 once more" for die in range(1, 8)
    }


def test_of_sixteen_zones_for_two_registers_two_are_counted(tmp_path: pathlib.Path) -> None:
    epyc = machine(tmp_path, "epyc-per-die-2socket")

    assert ids(epyc) == ["rapl:package-0-die-0", "rapl:package-1-die-0"]
    assert len(epyc.rejected) == 14


def test_dies_with_registers_of_their_own_are_all_counted(tmp_path: pathlib.Path) -> None:
    xeon = machine(tmp_path, "xeon-multi-die")

    assert ids(xeon) == [
        "rapl:package-0-die-0",
        "rapl:package-0-die-1",
        "rapl:dram-0-die-0",
        "rapl:dram-0-die-1",
    ]


def test_a_driver_with_packages_only_is_enough(tmp_path: pathlib.Path) -> None:
    assert ids(machine(tmp_path, "xeon-tpmi")) == ["rapl:package-0", "rapl:package-1"]


def test_zones_of_one_name_and_register_count_once(tmp_path: pathlib.Path) -> None:
    twice = meter(tmp_path, {**ONE, "intel-rapl:1": ONE["intel-rapl:0"]})

    assert ids(twice) == ["rapl:package-0"]
    assert twice.rejected == {"rapl:package-0 (intel-rapl:1)": "shows the counter of rapl:package-0 once more"}


def test_zones_of_one_name_with_registers_of_their_own_both_count(tmp_path: pathlib.Path) -> None:
    both = meter(tmp_path, {**ONE, "intel-rapl:1": {"name": "package-0", "energy_uj": 2_000_000}})

    assert ids(both) == ["rapl:package-0", "rapl:package-0 (intel-rapl:1)"]


def test_two_sockets_that_show_the_same_are_two(tmp_path: pathlib.Path) -> None:
    same = meter(tmp_path, {**ONE, "intel-rapl:1": {"name": "package-1", "energy_uj": 1_000_000}})

    assert ids(same) == ["rapl:package-0", "rapl:package-1"]


class Scripted(_Register):
    """A register that shows one value after the other, then the last for ever."""

    def __init__(self, die: int, *values_nj: int) -> None:
        self.zone = _Zone(f"intel-rapl:{die}", "", f"package-0-die-{die}", f"package-0-die-{die}")
        self._values_nj = list(values_nj)

    def value_nj(self, seen: bytes | OSError | None = None) -> int:
        return self._values_nj.pop(0) if len(self._values_nj) > 1 else self._values_nj[0]


def test_dies_that_are_equal_by_chance_are_told_apart_by_their_next_step() -> None:
    first = Scripted(0, 100, 100, 100, 103)
    second = Scripted(1, 100, 107)

    assert _mirrors([first, second]) == {}


def test_a_step_while_comparing_hides_no_mirror() -> None:
    first = Scripted(0, 100, 161, 161, 161, 161, 222)
    second = Scripted(1, 161, 161, 222)

    assert _mirrors([first, second]) == {second: first}


def test_mirrors_are_found_while_their_register_moves(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {f"intel-rapl:{n}": {"name": f"package-0-die-{n}"} for n in range(8)})
    register = tmp_path / "register"
    register.write_text("00001000\n")
    for n in range(8):
        energy(tmp_path, f"intel-rapl:{n}").symlink_to(register)
    with moving({register: 61}):
        dies = meter(tmp_path, {})

    assert ids(dies) == ["rapl:package-0-die-0"]


@contextmanager
def moving(steps_uj: Mapping[pathlib.Path, int]) -> Iterator[None]:
    """Registers that step every millisecond, each by its own amount."""
    stop = threading.Event()

    def step() -> None:
        files = {os.open(path, os.O_WRONLY): uj for path, uj in steps_uj.items()}
        for count in itertools.count(1):
            if stop.wait(0.001):
                break
            for fd, uj in files.items():
                os.pwrite(fd, b"%08d\n" % (1000 + count * uj), 0)
        for fd in files:
            os.close(fd)

    thread = threading.Thread(target=step)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_the_platform_is_counted_instead_of_its_parts_when_preferred(tmp_path: pathlib.Path) -> None:
    platform = meter(tmp_path, LAPTOP, prefer_psys=True)

    assert [(d.id, d.component, d.within) for d in platform.domains] == [
        ("rapl:package-0", "cpu", "rapl:psys"),
        ("rapl:psys", "system", None),
        ("rapl:dram-0", "ram", "rapl:psys"),
    ]
    assert platform.rejected == {"rapl:core-0": "inside package-0"}


def test_a_second_platform_zone_is_not_added(tmp_path: pathlib.Path) -> None:
    second = {"intel-rapl:2": {"name": "psys-1", "energy_uj": 5_000_000}}
    platform = meter(tmp_path, {**LAPTOP, **second}, prefer_psys=True)

    assert "rapl:psys-1" not in ids(platform)
    assert platform.rejected["rapl:psys-1"] == "nothing says whether it adds to rapl:psys or shows the same"


def test_a_preferred_platform_that_stands_still_leaves_the_packages(tmp_path: pathlib.Path) -> None:
    still = {**LAPTOP, "intel-rapl:1": {"name": "psys", "energy_uj": 0}}
    packages = meter(tmp_path, still, prefer_psys=True)

    assert [(d.id, d.within) for d in packages.domains] == [("rapl:package-0", None), ("rapl:dram-0", None)]


def test_zone_numbers_are_hexadecimal(tmp_path: pathlib.Path) -> None:
    tree = {f"intel-rapl:{n:x}": {"name": f"package-{n}", "energy_uj": 1000 + n} for n in range(18)}
    big = meter(tmp_path, tree)

    assert ids(big) == [f"rapl:package-{n}" for n in range(18)]


def test_zones_are_found_in_folders_in_folders(tmp_path: pathlib.Path) -> None:
    dram = {"name": "dram", "energy_uj": 300_000}
    nested = meter(
        tmp_path,
        {"intel-rapl/intel-rapl:0": ONE["intel-rapl:0"], "intel-rapl/intel-rapl:0/intel-rapl:0:1": dram},
    )

    assert ids(nested) == ["rapl:package-0", "rapl:dram-0"]


def test_zones_are_found_through_links_and_once(tmp_path: pathlib.Path) -> None:
    dram = {"name": "dram", "energy_uj": 300_000}
    devices = tmp_path / "devices"
    write(
        devices,
        {"intel-rapl/intel-rapl:0": ONE["intel-rapl:0"], "intel-rapl/intel-rapl:0/intel-rapl:0:1": dram},
    )
    links = tmp_path / "class" / "powercap"
    links.mkdir(parents=True)
    control = devices / "class" / "powercap" / "intel-rapl"
    for target in (control, control / "intel-rapl:0", control / "intel-rapl:0" / "intel-rapl:0:1"):
        (links / target.name).symlink_to(target)
    (control / "intel-rapl:0" / "device").symlink_to(control)
    linked = detect(Settings(path_sysfs=str(tmp_path)))

    assert ids(linked) == ["rapl:package-0", "rapl:dram-0"]
    assert linked.rejected == {}


def test_the_mmio_zone_stands_in_for_a_package_that_stands_still(tmp_path: pathlib.Path) -> None:
    mmio = meter(
        tmp_path,
        {
            "intel-rapl:0": {"name": "package-0", "energy_uj": 0},
            "intel-rapl-mmio:0": {"name": "package-0", "energy_uj": 1_000_000},
        },
    )

    assert [(d.id, d.source) for d in mmio.domains] == [("rapl:package-0", "RAPL package-0 (powercap, MMIO)")]
    assert list(mmio.rejected) == ["rapl:package-0 (intel-rapl:0)"]


def test_limits_that_are_off_do_not_matter(tmp_path: pathlib.Path) -> None:
    assert ids(meter(tmp_path, {"intel-rapl:0": {**ONE["intel-rapl:0"], "enabled": 0}})) == ["rapl:package-0"]


def test_a_zone_of_an_unknown_kind_is_named(tmp_path: pathlib.Path) -> None:
    tree = {**ONE, "intel-rapl:0:4": {"name": "quantum", "energy_uj": 7}}

    assert meter(tmp_path, tree).rejected == {"rapl:quantum-0": "'quantum' is no kind of zone known"}


# where nothing can be counted


def unavailable(root: pathlib.Path | str, *, flags: str = "") -> SensorUnavailable:
    if flags:
        (pathlib.Path(root) / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    with pytest.raises(SensorUnavailable) as caught:
        detect(Settings(path_sysfs=str(root), path_procfs=str(root)))
    return caught.value


def test_a_machine_without_powercap_is_told_to_load_the_driver(tmp_path: pathlib.Path) -> None:
    error = unavailable(tmp_path)

    assert error.reason == f"{tmp_path}/class/powercap is not there, so this machine has no RAPL."
    assert "modprobe intel_rapl_msr" in error.remedy


def test_a_virtual_machine_is_not_told_to_load_what_it_has_not(tmp_path: pathlib.Path) -> None:
    error = unavailable(tmp_path, flags="fpu hypervisor lahf_lm")

    assert error.reason == f"{tmp_path}/class/powercap is not there: virtual machines mostly have no RAPL."
    assert error.remedy == ""


def test_a_folder_without_zones_is_no_rapl(tmp_path: pathlib.Path) -> None:
    (tmp_path / "class" / "powercap" / "intel-rapl").mkdir(parents=True)
    (tmp_path / "class" / "powercap" / "dtpm").mkdir()

    assert unavailable(tmp_path).reason == f"{tmp_path}/class/powercap has no RAPL zones, so this machine has no RAPL."


def test_links_that_lead_nowhere_mean_a_container(tmp_path: pathlib.Path) -> None:
    links = tmp_path / "class" / "powercap"
    links.mkdir(parents=True)
    (links / "intel-rapl:0").symlink_to(tmp_path / "devices" / "masked")

    assert "CARBONWATCH_PATH_SYSFS" in unavailable(tmp_path).remedy


def test_counters_at_zero_are_a_virtual_machine(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SensorUnavailable, match="stand still at 0"):
        machine(tmp_path, "kvm")


def test_a_platform_domain_alone_is_nothing_to_count(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"intel-rapl:1": LAPTOP["intel-rapl:1"]})

    assert "prefer_psys" in unavailable(tmp_path).reason


@contextmanager
def as_nobody(folder: pathlib.Path) -> Iterator[str]:
    """A path of the folder for a user who may not read everything; root may whatever the mode."""
    before = os.getcwd()
    os.chdir(folder)  # its parents may be closed to nobody
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield "."
    finally:
        if root:
            os.seteuid(0)
        os.chdir(before)


def test_counters_closed_to_users_come_with_a_lasting_fix(tmp_path: pathlib.Path) -> None:
    write(tmp_path, ONE)
    energy(tmp_path).chmod(0)
    tmp_path.chmod(0o755)
    with as_nobody(tmp_path) as root:
        error = unavailable(root)

    assert "class/powercap/intel-rapl:0/energy_uj is there, but this user may not read it" in error.reason
    assert "PLATYPUS" in error.reason
    assert "/etc/udev/rules.d/" in error.remedy


def test_a_package_closed_to_users_is_missed_aloud(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, {**ONE, "intel-rapl:1": {"name": "package-1", "energy_uj": 2_000_000}})
    energy(tmp_path, "intel-rapl:1").chmod(0)
    tmp_path.chmod(0o755)
    with as_nobody(tmp_path) as root:
        half = detect(Settings(path_sysfs=root))

    assert ids(half) == ["rapl:package-0"]
    assert half.rejected["rapl:package-1"].endswith(
        "can't be read (Permission denied), so the energy of package-1 is missing"
    )
    assert "package-1 can't be read: their energy is missing from every number" in caplog.text


@pytest.mark.parametrize("content", ["", "abc", "-5", "1 2"])
def test_a_counter_that_shows_no_number_is_rejected(tmp_path: pathlib.Path, content: str) -> None:
    tree = {**LAPTOP, "intel-rapl:0:1": {"name": "dram", "energy_uj": content}}

    assert meter(tmp_path, tree).rejected["rapl:dram-0"].endswith("can't be read (it shows no number)")


def test_a_counter_that_fails_at_start_is_rejected(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {**ONE, "intel-rapl:1": {"name": "package-1"}})
    energy(tmp_path, "intel-rapl:1").mkdir()

    assert ids(meter(tmp_path, {})) == ["rapl:package-0"]


# counting


def test_microjoules_become_nanojoules_from_the_first_read_on(tmp_path: pathlib.Path) -> None:
    one = meter(tmp_path, ONE)
    first = one.read(0)
    energy(tmp_path).write_text("1000007\n")

    assert [first, one.read(1000)] == [{"rapl:package-0": 0}, {"rapl:package-0": 7000}]
    assert one.failed == {}


@pytest.mark.parametrize(
    ("range_uj", "modulus"),
    [
        (262143328850, 61035 << 32),  # Intel, 2**-14 J
        (65532610987, 15258 << 32),  # AMD, 2**-16 J
        (65712999613, 15300 << 32),  # memory of servers
        (300_000_000, 300_000_001_000),  # no register's: as it says
    ],
)
def test_a_register_starts_over_one_unit_after_its_greatest_value(range_uj: int, modulus: int) -> None:
    assert modulus_nj(range_uj) == modulus


def test_a_wrap_loses_nothing(tmp_path: pathlib.Path) -> None:
    one = meter(tmp_path, {"intel-rapl:0": {**ONE["intel-rapl:0"], "max_energy_range_uj": 299_999_999}})
    energy(tmp_path).write_text("299999000\n")
    one.read(0)
    energy(tmp_path).write_text("1999\n")

    assert one.read(NS_PER_S) == {"rapl:package-0": 2_999_000}


def test_a_reset_drops_one_step_and_is_a_gap(tmp_path: pathlib.Path) -> None:
    one = meter(tmp_path, ONE)
    one.read(0)
    energy(tmp_path).write_text("500\n")
    after_reset, failed = one.read(NS_PER_S), one.failed
    energy(tmp_path).write_text("700\n")

    assert after_reset == {"rapl:package-0": 0}
    assert failed == {"rapl:package-0": "its register was set back: this step is not counted"}
    assert (one.read(2 * NS_PER_S), one.failed) == ({"rapl:package-0": 200_000}, {})


def test_without_a_known_range_a_step_back_is_a_reset(tmp_path: pathlib.Path) -> None:
    write(tmp_path, {"intel-rapl:0": {"name": "package-0", "energy_uj": 1_000_000, "max_energy_range_uj": ""}})
    one = meter(tmp_path, {})
    one.read(0)
    energy(tmp_path).write_text("999999\n")

    assert one.read(NS_PER_S) == {"rapl:package-0": 0}
    assert "rapl:package-0" in one.failed


@pytest.mark.parametrize("content", ["", "abc"])
def test_garbage_is_a_gap_and_loses_nothing(tmp_path: pathlib.Path, content: str) -> None:
    one = meter(tmp_path, ONE)
    one.read(0)
    energy(tmp_path).write_text(content)
    garbled, failed = one.read(1), one.failed
    energy(tmp_path).write_text("1000009\n")

    assert garbled == {}
    assert failed == {"rapl:package-0": f"{energy(tmp_path)} shows no number"}
    assert (one.read(2), one.failed) == ({"rapl:package-0": 9000}, {})


def test_a_zone_that_goes_and_returns_keeps_its_count(tmp_path: pathlib.Path) -> None:
    one = meter(tmp_path, ONE)
    one.read(0)
    energy(tmp_path).write_text("1000005\n")
    one.read(1)
    energy(tmp_path).unlink()
    gone, failed = one.read(1 * NS_PER_S), one.failed
    energy(tmp_path).write_text("1000008\n")
    too_soon = one.read(1 * NS_PER_S + 1)

    assert gone == too_soon == {}
    assert failed == {"rapl:package-0": f"{energy(tmp_path)} can't be opened (No such file or directory)"}
    assert (one.read(2 * NS_PER_S), one.failed) == ({"rapl:package-0": 8000}, {})


def test_a_zone_that_goes_takes_no_other_along(tmp_path: pathlib.Path) -> None:
    two = meter(tmp_path, {**ONE, "intel-rapl:1": {"name": "package-1", "energy_uj": 5_000_000}})
    two.read(0)
    energy(tmp_path).unlink()
    energy(tmp_path, "intel-rapl:1").write_text("5000001\n")

    assert two.read(NS_PER_S) == {"rapl:package-1": 1000}
    assert list(two.failed) == ["rapl:package-0"]


def test_a_file_replaced_by_another_is_noticed_within_a_second(tmp_path: pathlib.Path) -> None:
    one = meter(tmp_path, ONE)
    one.read(0)
    new = tmp_path / "new"
    new.write_text("1000004\n")
    new.rename(energy(tmp_path))

    assert one.read(NS_PER_S) == {"rapl:package-0": 4000}


def test_a_file_that_becomes_unreadable_is_a_gap(tmp_path: pathlib.Path) -> None:
    one = meter(tmp_path, ONE)
    one.read(0)
    energy(tmp_path).unlink()
    energy(tmp_path).mkdir()

    assert one.read(NS_PER_S) == {}
    assert one.failed == {"rapl:package-0": f"{energy(tmp_path)} can't be read (Is a directory)"}


def test_files_that_a_daemon_closed_are_opened_again_and_no_other_is_closed(tmp_path: pathlib.Path) -> None:
    one = meter(tmp_path, ONE)
    one.read(0)
    for fd in open_files(energy(tmp_path)):
        os.close(fd)
    others = os.open(tmp_path, os.O_RDONLY)  # takes the number over
    energy(tmp_path).write_text("1000003\n")
    lost = one.read(1)

    assert lost == {}
    assert one.read(NS_PER_S) == {"rapl:package-0": 3000}
    assert os.path.samestat(os.fstat(others), os.stat(tmp_path))
    os.close(others)


def open_files(path: pathlib.Path) -> list[int]:
    fds = pathlib.Path("/proc/self/fd")
    return [int(fd.name) for fd in fds.iterdir() if fd.is_symlink() and os.readlink(fd) == str(path)]


def test_closing_gives_back_every_file(tmp_path: pathlib.Path) -> None:
    laptop = meter(tmp_path, LAPTOP)
    held = [open_files(energy(tmp_path, folder)) for folder in LAPTOP]
    laptop.close()
    laptop.close()

    assert [len(fds) for fds in held] == [1, 0, 1, 0]
    assert [open_files(energy(tmp_path, folder)) for folder in LAPTOP] == [[], [], [], []]
    assert laptop.read(0) == {}


RANGE_UJ = 65532610987
steps = st.lists(st.tuples(st.integers(0, 900_000_000), st.sampled_from(["fine", "garbled", "away"])), max_size=12)


@given(start_uj=st.integers(1, RANGE_UJ), steps=steps)
def test_windows_add_up_through_wraps_and_failed_reads(
    tmp_path_factory: pytest.TempPathFactory, start_uj: int, steps: list[tuple[int, str]]
) -> None:
    root = tmp_path_factory.mktemp("sys")
    write(root, {"intel-rapl:0": {"name": "package-0", "energy_uj": start_uj, "max_energy_range_uj": RANGE_UJ}})
    one = meter(root, {})
    counts = [one.read(0)["rapl:package-0"]]
    true_nj = 0
    for second, (step_uj, state) in enumerate([*steps, (0, "fine")], 1):
        true_nj += step_uj * 1000
        energy(root).unlink(missing_ok=True)
        if state != "away":
            shown_uj = (start_uj * 1000 + true_nj) % modulus_nj(RANGE_UJ) // 1000
            energy(root).write_text(f"{shown_uj}\n" if state == "fine" else "")
        counts.extend(one.read(second * NS_PER_S).values())
    one.close()

    assert counts == sorted(counts)
    assert sum(after - before for before, after in itertools.pairwise(counts)) == counts[-1]
    assert abs(counts[-1] - true_nj) < 1000  # the files' last digit
