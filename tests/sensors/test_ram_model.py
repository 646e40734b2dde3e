import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sensors.ram_model import detect
from carbonwatch.settings import Settings

SECOND = 10**9
TICKS = os.sysconf("SC_CLK_TCK")


def machine(folder: Path, busy_s: float = 0.0, size_gb: int = 100, name: str = "Xeon Platinum 8380") -> Settings:
    rows = [f"cpu  {round(busy_s * TICKS)} 0 0 0 0 0 0 0 0 0"]
    rows += [f"cpu{i} {round(busy_s * TICKS / 4)} 0 0 0 0 0 0 0 0 0" for i in range(4)]
    (folder / "stat").write_text("\n".join([*rows, "intr 0"]) + "\n")
    (folder / "meminfo").write_text(f"MemTotal:       {size_gb << 20} kB\nMemFree:        1 kB\n")
    (folder / "cpuinfo").write_text(f"model name\t: {name}\nflags\t: fpu\n")
    return Settings(path_procfs=str(folder), path_sysfs=str(folder / "sys"))


def test_idle_memory_draws_by_its_size(tmp_path: Path) -> None:
    meter = detect(machine(tmp_path))
    counts = [meter.read(ns)["ram:model"] for ns in (5 * SECOND, 15 * SECOND)]
    meter.close()

    assert counts == [0, 170 * SECOND]


def test_memory_draws_more_while_the_cpus_work(tmp_path: Path) -> None:
    meter = detect(machine(tmp_path))
    meter.read(0)
    machine(tmp_path, busy_s=2.0)  # half of 4 CPUs over 1 s
    count = meter.read(SECOND)["ram:model"]
    meter.close()

    assert count == pytest.approx(27 * SECOND)


@pytest.mark.parametrize(
    ("name", "kind", "idle_w"),
    [("AMD EPYC 9654", "DDR5", 10.0), ("Xeon X5570", "DDR3", 35.0), ("Core Ultra 7 155H", "LPDDR", 5.0)],
)
def test_its_generation_is_that_of_the_processor(tmp_path: Path, name: str, kind: str, idle_w: float) -> None:
    meter = detect(machine(tmp_path, name=name))
    meter.close()

    assert f"as {kind}:" in meter.domains[0].source
    assert meter.domains[0].idle_w == pytest.approx(idle_w)


def test_the_domain_says_what_was_assumed(tmp_path: Path) -> None:
    meter = detect(machine(tmp_path))
    meter.close()

    (domain,) = meter.domains
    assert domain.source == (
        "model of 100 GB as DDR4: 17 W idle, 37 W with all CPUs busy (their load stands in for memory traffic)"
    )
    assert domain.error == pytest.approx((-0.517, 1.3), abs=0.01)


def test_the_power_that_the_user_gives_is_drawn_always(tmp_path: Path) -> None:
    settings = Settings(path_procfs=str(tmp_path), ram_w=12.5)  # where there is nothing to read
    meter = detect(settings)
    meter.read(0)

    assert meter.read(2 * SECOND) == {"ram:model": 25 * SECOND}
    assert meter.domains == (
        Domain("ram:model", "ram", "modelled", "setting ram_w: a constant", error=(-0.35, 0.5), idle_w=12.5),
    )
    meter.close()


def test_what_could_not_be_read_is_left_out_and_comes_with_the_next_count(tmp_path: Path) -> None:
    meter = detect(machine(tmp_path))
    meter.read(0)
    (tmp_path / "stat").write_text("cpu")
    nothing, failed = meter.read(SECOND), dict(meter.failed)
    machine(tmp_path, busy_s=8.0)
    count = meter.read(2 * SECOND)["ram:model"]
    meter.close()

    assert (nothing, list(failed)) == ({}, ["ram:model"])
    assert count == pytest.approx(74 * SECOND)


@given(st.lists(st.integers(-SECOND, 100 * SECOND), max_size=20))
def test_the_count_never_goes_back(steps_ns: list[int]) -> None:
    meter = detect(Settings(ram_w=3.3))
    ns, counts = 0, [meter.read(0)["ram:model"]]
    for step_ns in steps_ns:
        ns += step_ns
        counts.append(meter.read(ns)["ram:model"])

    assert counts == sorted(counts)
    assert all(isinstance(count, int) for count in counts)


def test_memory_of_unknown_size_is_unavailable(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "meminfo").unlink()

    with pytest.raises(SensorUnavailable, match="Give its power: ram_w"):
        detect(Settings(path_procfs=str(tmp_path)))


def test_no_cpu_time_is_unavailable(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "stat").unlink()

    with pytest.raises(SensorUnavailable, match="path_procfs"):
        detect(Settings(path_procfs=str(tmp_path)))
