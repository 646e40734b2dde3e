from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.errors import SensorUnavailable
from carbonwatch.rights import PERF_FOR_ALL, SensorRefused
from carbonwatch.sensors import rapl_perf
from carbonwatch.sensors.rapl_perf import RaplPerf, detect, nj_per_tick, open_events
from carbonwatch.settings import Settings
from tests import missing
from tests.sensors.fake_power import CLIENT, ONE_WATT, RAPL_SCALE, SERVER, write_power

NOBODY = 65534
TICKS_PER_J = 1 << 32


class Machine:
    """Counters that say what they are told, behind real descriptors that a read comes through: pipes."""

    def __init__(self, *, refuse_groups: bool = False) -> None:
        self.opened: list[tuple[int, int, tuple[int, ...]]] = []
        self._writers: list[int] = []
        self._refuse_groups = refuse_groups

    def open(self, source: int, cpu: int, configs: tuple[int, ...]) -> list[int]:
        if self._refuse_groups and len(configs) > 1:
            raise OSError(errno.EINVAL, "Invalid argument")
        self.opened.append((source, cpu, configs))
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._writers.append(writer)
        return [reader]

    def show(self, *values: tuple[int, ...]) -> None:
        """What each group answers to the next read."""
        for writer, shown in zip(self._writers, values, strict=True):
            os.write(writer, struct.pack(f"={1 + len(shown)}Q", len(shown), *shown))

    def close(self) -> None:
        for writer in self._writers:
            os.close(writer)


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.close()


def meter(root: Path, machine: Machine, *, prefer_psys: bool = False, cpuinfo: str = "") -> RaplPerf:
    (root / "cpuinfo").write_text(cpuinfo)
    made = detect(
        Settings(path_sysfs=str(root), path_procfs=str(root), prefer_psys=prefer_psys), open_group=machine.open
    )
    made._recheck = lambda ns: None  # type: ignore[method-assign]
    return made


def events_of(settings: Settings) -> RaplPerf:
    """A meter of the kernel's own events, where this user may open them."""
    if not missing.may_count(0):
        with pytest.raises(SensorRefused):
            detect(settings)
        missing.unless(False, "a user who may open the kernel's events: root, or kernel.perf_event_paranoid at 0")
    return detect(settings)


# what is counted


def test_packages_and_their_memory_are_counted_in_a_group_each(tmp_path: Path, machine: Machine) -> None:
    write_power(tmp_path, SERVER, cpus="0,18", places={0: (0, 0), 18: (1, 0)}, kind=32)
    xeon = meter(tmp_path, machine)

    assert [d.id for d in xeon.domains] == ["rapl:package-0", "rapl:dram-0", "rapl:package-1", "rapl:dram-1"]
    assert [d.component for d in xeon.domains] == ["cpu", "ram", "cpu", "ram"]
    assert {(d.quality, d.error, d.period_s) for d in xeon.domains} == {
        ("measured", (-0.05, 0.05), 0.001),
        ("measured", (-0.1, 0.1), 0.001),
    }
    assert machine.opened == [(32, 0, (2, 3)), (32, 18, (2, 3))]
    assert xeon.rejected == {}


def test_parts_of_the_package_and_the_platform_are_not_added(tmp_path: Path, machine: Machine) -> None:
    write_power(tmp_path, CLIENT)
    write_power(tmp_path, {"energy-core": ("event=0x01", RAPL_SCALE)}, cpus="0-7", source="power_core")
    laptop = meter(tmp_path, machine)

    assert [d.id for d in laptop.domains] == ["rapl:package-0"]
    assert laptop.rejected == {
        "rapl:psys": "contains the packages; counted instead of them with prefer_psys",
        "rapl:core-0": "inside package-0",
        "rapl:uncore-0": "inside package-0",
        "rapl:core (power_core)": "each core's part, inside the packages",
    }


def test_the_platform_holds_the_package_where_it_is_preferred(tmp_path: Path, machine: Machine) -> None:
    write_power(tmp_path, CLIENT)
    laptop = meter(tmp_path, machine, prefer_psys=True)

    assert [(d.id, d.component, d.within) for d in laptop.domains] == [
        ("rapl:package-0", "cpu", "rapl:psys"),
        ("rapl:psys", "system", None),
    ]


def test_dies_of_intel_have_a_register_each(tmp_path: Path, machine: Machine) -> None:
    write_power(tmp_path, SERVER, cpus="0,24", places={0: (0, 0), 24: (0, 1)})
    dies = meter(tmp_path, machine, cpuinfo="vendor_id\t: GenuineIntel\n")

    assert [d.id for d in dies.domains] == [
        "rapl:package-0-die-0",
        "rapl:dram-0-die-0",
        "rapl:package-0-die-1",
        "rapl:dram-0-die-1",
    ]


def test_dies_of_amd_share_the_socket_s_register(tmp_path: Path, machine: Machine) -> None:
    events = {"energy-pkg": ("event=0x02", RAPL_SCALE)}
    places = {cpu: (cpu // 32, cpu // 8 % 4) for cpu in range(0, 64, 8)}
    write_power(tmp_path, events, cpus="0,8,16,24,32,40,48,56", places=places)
    epyc = meter(tmp_path, machine, cpuinfo="vendor_id\t: AuthenticAMD\n")

    assert [d.id for d in epyc.domains] == ["rapl:package-0-die-0", "rapl:package-1-die-0"]
    assert len(epyc.rejected) == 6
    assert epyc.rejected["rapl:package-1-die-3"] == "shows the counter of rapl:package-1-die-0 once more"


def test_an_event_in_another_unit_is_not_taken_for_joules(tmp_path: Path, machine: Machine) -> None:
    write_power(tmp_path, SERVER, unit="Watts")

    with pytest.raises(SensorUnavailable, match="its unit is 'Watts', not Joules"):
        meter(tmp_path, machine)


def test_a_processor_that_blurs_its_counters_is_named(tmp_path: Path, machine: Machine) -> None:
    write_power(tmp_path, SERVER)
    blurred = meter(tmp_path, machine, cpuinfo="vendor_id\t: GenuineIntel\nflags\t: fpu sgx\n")

    assert (
        blurred.domains[0].source
        == "RAPL package-0 (perf; filtered_rapl: SGX is on, so short windows are blurred)"
    )  # fmt: skip


def test_events_that_make_no_group_are_read_one_by_one(tmp_path: Path) -> None:
    machine = Machine(refuse_groups=True)
    write_power(tmp_path, SERVER)
    single = meter(tmp_path, machine)
    machine.show((5 * TICKS_PER_J,), (TICKS_PER_J,))
    single.read(0)
    machine.show((7 * TICKS_PER_J,), (2 * TICKS_PER_J,))

    assert machine.opened == [(1, 0, (2,)), (1, 0, (3,))]
    assert single.read(1) == {"rapl:package-0": 2_000_000_000, "rapl:dram-0": 1_000_000_000}
    machine.close()


# counting


@given(digits=st.integers(1, 10**20), decimals=st.integers(0, 20), exponent=st.integers(-12, 2))
def test_a_scale_is_taken_exactly(digits: int, decimals: int, exponent: int) -> None:
    whole, fraction = divmod(digits, 10**decimals)
    text = f"{whole}.{fraction:0{decimals}}e{exponent}" if decimals else f"{whole}e{exponent}"

    assert Fraction(*nj_per_tick(text)) == Fraction(text) * 10**9


def test_rapl_s_scale_is_a_power_of_two() -> None:
    assert nj_per_tick(RAPL_SCALE) == (10**9 // 2**9, 2**32 // 2**9)


def test_ticks_of_a_group_become_nanojoules(tmp_path: Path, machine: Machine) -> None:
    write_power(tmp_path, SERVER)
    server = meter(tmp_path, machine)
    machine.show((1000, 7 * TICKS_PER_J))
    first = server.read(0)
    machine.show((1000 + 3 * TICKS_PER_J // 2, 7 * TICKS_PER_J))

    assert first == {"rapl:package-0": 0, "rapl:dram-0": 0}
    assert server.read(1) == {"rapl:package-0": 1_500_000_000, "rapl:dram-0": 0}
    assert server.failed == {}


@pytest.mark.parametrize("answer", [b"", b"\1" * 8, struct.pack("=2Q", 1, 5), struct.pack("=3Q", 9, 5, 5), b"abc"])
def test_an_answer_that_is_none_is_a_gap_and_loses_nothing(tmp_path: Path, machine: Machine, answer: bytes) -> None:
    write_power(tmp_path, SERVER)
    server = meter(tmp_path, machine)
    machine.show((0, 0))
    server.read(0)
    if answer:
        os.write(machine._writers[0], answer)
    lost, failed = server.read(1), dict(server.failed)
    machine.show((TICKS_PER_J, TICKS_PER_J))

    assert lost == {}
    assert list(failed) == ["rapl:package-0", "rapl:dram-0"]
    assert server.read(2) == {"rapl:package-0": 1_000_000_000, "rapl:dram-0": 1_000_000_000}
    assert server.failed == {}


def test_a_count_that_goes_back_is_a_reset(tmp_path: Path, machine: Machine) -> None:
    write_power(tmp_path, SERVER)
    server = meter(tmp_path, machine)
    machine.show((9 * TICKS_PER_J, 0))
    server.read(0)
    machine.show((TICKS_PER_J, 1))

    assert server.read(1)["rapl:package-0"] == 0
    assert server.failed == {"rapl:package-0": "its register was set back: this step is not counted"}


def test_a_counter_that_never_moves_is_unknown_and_not_nothing(tmp_path: Path, machine: Machine) -> None:
    write_power(tmp_path, SERVER)
    server = meter(tmp_path, machine)
    machine.show((0, 0))
    server.read(0)
    machine.show((TICKS_PER_J, 0))
    counts, failed = server.read(6_000_000_000), dict(server.failed)
    machine.show((TICKS_PER_J, TICKS_PER_J))

    assert counts == {"rapl:package-0": 1_000_000_000}
    assert failed == {"rapl:dram-0": "it has not moved since the start, so nothing is known of its energy"}
    assert server.read(7_000_000_000)["rapl:dram-0"] == 1_000_000_000


# where there is nothing


def test_a_machine_without_energy_events_is_told_in_microseconds(tmp_path: Path) -> None:
    with pytest.raises(SensorUnavailable, match="the kernel offers no energy events") as caught:
        detect(Settings(path_sysfs=str(tmp_path)))

    assert caught.value.remedy == ""


@pytest.mark.parametrize(
    ("file", "text"), [("type", "x"), ("events/energy-pkg.scale", ""), ("events/energy-pkg", "event=zz")]
)
def test_a_source_that_describes_itself_wrongly_is_not_read(
    tmp_path: Path, machine: Machine, file: str, text: str
) -> None:
    write_power(tmp_path)
    (tmp_path / "bus" / "event_source" / "devices" / "power" / file).write_text(text)

    with pytest.raises(SensorUnavailable, match="does not describe its events as the kernel does"):
        meter(tmp_path, machine)


def refusing(code: int) -> Callable[[int, int, tuple[int, ...]], list[int]]:
    def open_group(source: int, cpu: int, configs: tuple[int, ...]) -> list[int]:
        raise OSError(code, os.strerror(code))

    return open_group


def test_where_users_may_not_the_fix_and_what_it_exposes_are_said(tmp_path: Path) -> None:
    write_power(tmp_path)
    with pytest.raises(SensorRefused) as caught:
        detect(Settings(path_sysfs=str(tmp_path)), open_group=refusing(errno.EACCES))

    assert "this user may not open them" in caught.value.reason
    assert "PLATYPUS" in caught.value.reason
    assert caught.value.fix == PERF_FOR_ALL


def test_where_powercap_is_there_it_is_the_one_to_open(tmp_path: Path) -> None:
    write_power(tmp_path)
    (tmp_path / "class" / "powercap").mkdir(parents=True)
    with pytest.raises(SensorRefused) as caught:
        detect(Settings(path_sysfs=str(tmp_path)), open_group=refusing(errno.EACCES))

    assert caught.value.remedy == ""
    assert "rapl_powercap may read the same registers" in caught.value.reason


def test_an_event_that_the_kernel_does_not_know_is_said(tmp_path: Path) -> None:
    write_power(tmp_path)

    with pytest.raises(SensorUnavailable, match="can't be opened"):
        detect(Settings(path_sysfs=str(tmp_path)), open_group=refusing(errno.ENOENT))


# the kernel's own events


def test_the_kernel_counts_one_watt_a_cpu(tmp_path: Path) -> None:
    settings = Settings(path_sysfs=str(write_power(tmp_path)), path_grants=str(tmp_path))
    real = events_of(settings)
    edges = []
    for _ in range(2):
        began_s = time.monotonic()
        edges.append((began_s, real.read(time.monotonic_ns()), time.monotonic()))
        while time.monotonic() < began_s + 0.05:
            pass
    real.close()
    (began_s, first, read_s), (later_s, last, ended_s) = edges
    counted_j = {id_: (last[id_] - first[id_]) / 1e9 for id_ in last}

    assert 0.999 * (later_s - read_s) - 1e-4 <= counted_j["rapl:package-0"] <= 1.001 * (ended_s - began_s) + 1e-4
    assert counted_j["rapl:dram-0"] == pytest.approx(counted_j["rapl:package-0"] / 2, rel=1e-4, abs=1e-6)
    assert real.failed == {}


def test_events_that_somebody_closed_are_opened_again_and_no_other_file_is_closed(tmp_path: Path) -> None:
    settings = Settings(path_sysfs=str(write_power(tmp_path)), path_grants=str(tmp_path))
    real = events_of(settings)
    real.read(0)
    fds = [fd for group in real._groups for fd in group.fds]
    for fd in fds:
        os.close(fd)
    others = os.open(tmp_path, os.O_RDONLY)  # takes a number over
    lost = real.read(1)
    again, failed = real.read(rapl_perf._RECHECK_NS), real.failed
    counting = real.read(rapl_perf._RECHECK_NS + 1)
    real.close()

    assert lost == {}
    assert set(again) == set(failed) == {"rapl:package-0", "rapl:dram-0"}
    assert "opened anew" in failed["rapl:package-0"]
    assert counting["rapl:package-0"] > again["rapl:package-0"]
    assert os.path.samestat(os.fstat(others), os.stat(tmp_path))
    os.close(others)


def test_closing_gives_back_every_event(tmp_path: Path) -> None:
    settings = Settings(path_sysfs=str(write_power(tmp_path)), path_grants=str(tmp_path))
    real = events_of(settings)
    fds = [fd for held in real.descriptors().values() for fd in held]
    real.close()
    real.close()

    assert len(fds) == 2
    assert not any(os.path.exists(f"/proc/self/fd/{fd}") for fd in fds)
    assert real.read(0) == {}


def test_a_group_that_opens_half_leaves_nothing_open() -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError):  # noqa: PT011 - refused, or no such event
        open_events(1, 0, (0, 999_999))

    assert os.listdir("/proc/self/fd") == before


def test_one_watt_is_one_nanojoule_a_nanosecond() -> None:
    assert nj_per_tick(ONE_WATT) == (1, 1)
