import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sensors.cpu_model import LinearModel, cpu_name, detect, power_w
from carbonwatch.settings import Settings

SECOND = 10**9
TICKS = os.sysconf("SC_CLK_TCK")


class BusyClock:
    """CPU time of a machine that works when told to."""

    cpus = 4

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.closed = 0

    def busy_s(self) -> float:
        return self.now_s

    def close(self) -> None:
        self.closed += 1


def model(clock: BusyClock) -> LinearModel:
    return LinearModel(Domain("cpu:model", "cpu", "modelled", "a test", idle_w=10.0), 50.0, clock)


def machine(folder: Path, busy_s: float = 0.0, cpus: int = 4) -> Settings:
    rows = [f"cpu  {round(busy_s * TICKS)} 0 0 0 0 0 0 0 0 0"] + [f"cpu{i} 0 0 0 0 0 0 0 0 0 0" for i in range(cpus)]
    (folder / "stat").write_text("\n".join([*rows, "intr 0"]) + "\n")
    (folder / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Example 9000 CPU\n")
    return Settings(path_procfs=str(folder))


def test_an_idle_machine_draws_its_idle_power() -> None:
    meter = model(BusyClock())
    counts = [meter.read(ns)["cpu:model"] for ns in (7 * SECOND, 10 * SECOND)]

    assert counts == [0, 30 * SECOND]


def test_a_machine_at_full_load_draws_its_full_power() -> None:
    clock = BusyClock()
    meter = model(clock)
    meter.read(0)
    clock.now_s += 4 * 2.0

    assert meter.read(2 * SECOND) == {"cpu:model": 100 * SECOND}


def test_steps_add_up_to_the_whole() -> None:
    clocks = BusyClock(), BusyClock()
    often, seldom = model(clocks[0]), model(clocks[1])
    often.read(0)
    seldom.read(0)
    for step in range(1, 11):
        clocks[0].now_s += 0.37
        last = often.read(step * SECOND)
    clocks[1].now_s = clocks[0].now_s

    assert seldom.read(10 * SECOND)["cpu:model"] == pytest.approx(last["cpu:model"], abs=2)


@given(st.lists(st.tuples(st.integers(-SECOND, 100 * SECOND), st.floats(-10, 400)), max_size=20))
def test_the_count_never_goes_back(steps: list[tuple[int, float]]) -> None:
    clock = BusyClock()
    meter = model(clock)
    ns, counts = 0, [meter.read(0)["cpu:model"]]
    for step_ns, work_s in steps:
        ns += step_ns
        clock.now_s += work_s
        counts.append(meter.read(ns)["cpu:model"])

    assert counts == sorted(counts)
    assert all(isinstance(count, int) for count in counts)


def test_what_could_not_be_read_is_left_out_and_comes_with_the_next_count(tmp_path: Path) -> None:
    meter = detect(machine(tmp_path))
    meter.read(0)
    (tmp_path / "stat").write_text("")
    nothing = meter.read(SECOND)
    failed = dict(meter.failed)
    machine(tmp_path, busy_s=8.0)
    count = meter.read(2 * SECOND)["cpu:model"]

    assert nothing == {}
    assert list(failed) == ["cpu:model"]
    assert "can't be read" in failed["cpu:model"]
    assert meter.failed == {}
    assert count == round(3.5 * 4 * (0.12 + 0.8 * 0.74) * 2 * SECOND)
    meter.close()


def test_without_a_setting_power_is_assumed_by_the_number_of_cpus(tmp_path: Path) -> None:
    meter = detect(machine(tmp_path, cpus=4))
    meter.close()

    source = (
        "model of 4 CPUs (Example 9000 CPU): 1.68 W idle, 9.97 W at full load; assumed 3.5 W rated per CPU, "
        "fit on SPECpower and RAPL data"
    )
    idle_w = meter.domains[0].idle_w
    assert idle_w == pytest.approx(1.68)
    assert meter.domains == (Domain("cpu:model", "cpu", "modelled", source, error=(-0.5, 1.0), idle_w=idle_w),)


def test_the_power_that_the_user_gives_is_drawn_at_full_load(tmp_path: Path) -> None:
    settings = Settings(path_procfs=machine(tmp_path).path_procfs, cpu_w=100.0)
    meter = detect(settings)
    meter.read(0)
    machine(tmp_path, busy_s=4.0)

    assert meter.read(SECOND) == {"cpu:model": 100 * SECOND}
    assert meter.domains[0].error == (-0.35, 0.5)
    assert "setting cpu_w" in meter.domains[0].source
    meter.close()


@given(st.floats(0.1, 5000), st.integers(1, 512))
def test_idle_is_a_sixth_of_full(cpu_w: float, cpus: int) -> None:
    full_w, idle_w = power_w(cpu_w, cpus)

    assert full_w == cpu_w
    assert idle_w == pytest.approx(cpu_w * 0.1685, rel=0.01)


def test_no_cpu_time_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SensorUnavailable, match="path_procfs"):
        detect(Settings(path_procfs=str(tmp_path)))


def test_a_stat_that_is_no_count_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("")

    with pytest.raises(SensorUnavailable, match="is not a count of CPU time"):
        detect(Settings(path_procfs=str(tmp_path)))


def test_a_processor_without_a_name_goes_by_its_architecture(tmp_path: Path) -> None:
    assert cpu_name(str(tmp_path)) == os.uname().machine


def test_close_gives_back_the_clock_once() -> None:
    clock = BusyClock()
    meter = model(clock)
    meter.close()
    meter.close()

    assert clock.closed == 1
    assert meter.read(0) == {}
    assert meter.failed == {"cpu:model": "the machine's CPU time can't be read (the meter is closed)"}


def test_this_machine_can_be_modelled() -> None:
    meter = detect(Settings())
    first = meter.read(0)["cpu:model"]
    second = meter.read(SECOND)["cpu:model"]
    meter.close()

    assert first == 0
    assert second >= round((meter.domains[0].idle_w or 0) * SECOND) > 0
