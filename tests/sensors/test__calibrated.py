from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import calibration, hardware
from carbonwatch.calibration import Calibration
from carbonwatch.errors import SettingsError
from carbonwatch.sampler import Sampler, cut, open_sampler
from carbonwatch.sensors._calibrated import calibrated
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeActivity, FakeMeter

LINE = Calibration(50.0, 1.2, 0.013, 10.0, 100.0, 60, 0, "a machine", "2026-11-25", ("fake:cpu", "fake:ram"))


def wall(clock: Clock, cpu_w: float = 30.0, line: Calibration = LINE) -> Sampler:
    meters = calibrated([FakeMeter("cpu", power_w=cpu_w, idle_w=5.0), FakeMeter("ram", power_w=10.0)], line)
    return Sampler(meters, (FakeActivity(),), clock=clock, thread=False)


def test_parts_add_up_to_what_the_wall_would_show() -> None:
    clock = Clock()
    sampler = wall(clock)
    before = sampler.read()
    clock.advance(2)
    energy_j = cut(before, sampler.read()).energy_j

    assert energy_j == pytest.approx({"fake:cpu": 72.0, "fake:ram": 24.0, "wall:rest": 100.0})
    assert sum(energy_j.values()) == pytest.approx(2 * LINE.wall_w(40.0))


class Power(FakeMeter):
    """A meter of power, which has to be read often."""

    tick_s = 0.25

    @property
    def facts(self) -> dict[str, str]:
        return {"gpu_driver": "6.8"}


def test_a_meter_is_read_as_often_as_before_and_has_the_same_to_be_noted() -> None:
    seen, rest = calibrated([Power("cpu")], LINE)

    assert [getattr(meter, "tick_s", None) for meter in (seen, rest)] == [0.25, None]
    assert Sampler([seen, rest], [], thread=False).facts == {"gpu_driver": "6.8"}


def test_every_domain_is_marked_with_the_residual() -> None:
    cpu, ram, rest = wall(Clock()).domains

    assert cpu.source == "a fake cpu meter (calibrated, residual 1.3%)"
    assert (cpu.idle_w, ram.idle_w, rest.idle_w) == (6.0, None, 50.0)
    assert "(calibrated, residual 1.3%; wall = 50 W + 1.2 x inside, from 10 to 100 W; 2026-11-25)" in rest.source
    assert cpu.error == ram.error == pytest.approx((-0.0499, 0.0499), abs=1e-4)  # 1.3 % of 170 W, on the 108 that grew
    assert rest.error == pytest.approx((-0.0393, 0.0393), abs=1e-4)  # 1.3 % of 62 W, on 50


def test_a_residual_is_never_believed_to_be_better_than_a_meter() -> None:
    assert replace(LINE, residual=0.0).error_of_a == replace(LINE, residual=0.0).error_of_b == (-0.01, 0.01)


@pytest.mark.parametrize(("cpu_w", "is_beyond"), [(30.0, False), (92.0, False), (300.0, True), (0.0, False)])
def test_beyond_what_was_seen_the_line_goes_on_with_a_gap_that_says_so(cpu_w: float, is_beyond: bool) -> None:
    clock = Clock()
    sampler = wall(clock, cpu_w)
    before = sampler.read()
    clock.advance(0.5)
    sampler.read()
    clock.advance(0.5)
    sample = cut(before, sampler.read())

    assert [gap.domain_id for gap in sample.gaps] == ["wall:rest"] * is_beyond
    assert all("outside 10 to 100 W, where the wall was read" in gap.reason for gap in sample.gaps)
    assert sum(sample.energy_j.values()) == pytest.approx(50 + 1.2 * (cpu_w + 10))


@given(st.lists(st.floats(0, 10), max_size=20), st.floats(0, 300), st.floats(0.2, 5))
def test_counts_never_go_back(steps_s: list[float], a_w: float, b: float) -> None:
    clock = Clock()
    sampler = wall(clock, line=replace(LINE, a_w=a_w, b=b))
    counts = [sampler.read().energy_nj]
    for step_s in steps_s:
        clock.advance(step_s)
        counts.append(sampler.read().energy_nj)

    for id_ in ("fake:cpu", "fake:ram", "wall:rest"):
        assert [count[id_] for count in counts] == sorted(count[id_] for count in counts)


# where it comes from


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine of one meter, the memory, whose user keeps lines in a folder of the test's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "cpuinfo").write_text("model name\t: Example 9000\n")
    (tmp_path / "meminfo").write_text("MemTotal:       16777216 kB\n")
    folder = str(tmp_path)
    return Settings(sensors=("ram_model",), ram_w=5.0, calibrated=True, path_procfs=folder, path_sysfs=folder)


def keep(chosen: Settings, **other: object) -> None:
    name = hardware.fingerprint(chosen.path_procfs, chosen.path_sysfs)
    line = replace(LINE, machine=name, domains=("ram:model",))
    calibration.save(replace(line, **other), calibration.store_file())  # type: ignore[arg-type]


def test_the_line_of_this_machine_is_used_when_asked_for(machine: Settings) -> None:
    keep(machine)
    sampler = open_sampler(machine)
    ids = [domain.id for domain in sampler.domains]
    sampler.close()

    assert ids == ["ram:model", "wall:rest"]


def test_and_not_unless_asked_for(machine: Settings) -> None:
    keep(machine)
    sampler = open_sampler(replace(machine, calibrated=False))
    ids = [domain.id for domain in sampler.domains]
    sampler.close()

    assert ids == ["ram:model"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"machine": "another, 4 threads, 8 GB"}, "no line is kept for this machine .* holds those of other hardware"),
        ({"domains": ("rapl:package-0",)}, "line belongs to rapl:package-0, while ram:model is read now"),
        ({"a_w": -3.0}, "begins below 0 W"),
    ],
)
def test_a_line_of_something_else_stops_the_start(machine: Settings, other: dict[str, object], message: str) -> None:
    keep(machine, **other)

    with pytest.raises(SettingsError, match=message):
        open_sampler(machine)
