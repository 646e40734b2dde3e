import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.calibration import Calibration, CalibrationError, Pair, collect, fit, load, save
from carbonwatch.errors import SettingsError
from carbonwatch.sampler import cut
from carbonwatch.testing import Clock, FakeMeter, fake_sampler


def readings(a_w: float, b: float, noise: float = 0.0, count: int = 60) -> list[Pair]:
    """A machine that idles at 20 W inside and works at up to 200."""
    chance = random.Random(1)
    inside = [20 + 180 * step / (count - 1) for step in range(count)]
    return [Pair(x, (a_w + b * x) * (1 + chance.gauss(0, noise))) for x in inside]


@given(st.floats(1, 200), st.floats(0.8, 2.0))
def test_a_line_without_noise_is_found_again(a_w: float, b: float) -> None:
    line = fit(readings(a_w, b))

    assert (line.a_w, line.b) == pytest.approx((a_w, b), rel=1e-6)
    assert line.residual == pytest.approx(0.0, abs=1e-9)
    assert (line.from_w, line.to_w, line.left_out) == (20.0, 200.0, 0)


def test_with_noise_both_are_within_two_percent_and_the_residual_says_how_much_noise() -> None:
    line = fit(readings(53.0, 1.142, noise=0.01))

    assert line.a_w == pytest.approx(53.0, rel=0.02)
    assert line.b == pytest.approx(1.142, rel=0.02)
    assert 0.003 < line.residual < 0.015


def test_readings_that_are_far_off_are_left_out_and_counted() -> None:
    wrong = [Pair(100.0, 900.0), Pair(120.0, 1.0), Pair(30.0, 700.0)]
    line = fit([*readings(53.0, 1.142, noise=0.002), *wrong])

    assert (line.a_w, line.b) == pytest.approx((53.0, 1.142), rel=0.02)
    assert line.left_out >= 3


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (readings(50, 1.1)[:3], "There are 3 readings of the wall, and a line needs 8 at least"),
        ([Pair(100 + step % 2, 160.0) for step in range(20)], "so nothing tells how the wall follows it"),
        ([Pair(20.0 + step, 0.0) for step in range(20)], "the meter did not work"),
        ([Pair(20.0 + step, math.nan) for step in range(20)], "the meter did not work"),
        ([Pair(20.0 + 10 * step, 500.0 - step) for step in range(20)], "which no machine does"),
    ],
)
def test_readings_that_tell_nothing_are_refused(pairs: list[Pair], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        fit(pairs)


def test_beyond_what_was_seen_the_line_is_not_believed() -> None:
    line = fit(readings(50.0, 1.1))

    assert line.wall_w(110.0) == pytest.approx(171.0)
    assert line.wall_w(210.0) == pytest.approx(281.0)  # a tenth of the range beyond it
    with pytest.raises(CalibrationError, match="outside 20 to 200 W"):
        line.wall_w(400.0)


def test_readings_are_set_against_the_power_inside_over_the_same_time() -> None:
    clock = Clock()
    sampler = fake_sampler([FakeMeter("cpu", counted_j=lambda s: s * s)], clock)  # power 2 s
    first = sampler.read()

    def inside_j() -> tuple[int, float]:
        reading = sampler.read()
        return reading.ns, cut(first, reading).energy_j["fake:cpu"]

    pairs = collect(inside_j, lambda: 10 + 3 * (2 * clock.ns / 1e9), lambda: clock.advance(1), 3)

    assert [p.inside_w for p in pairs] == pytest.approx([1.0, 3.0, 5.0])
    assert [p.wall_w for p in pairs] == pytest.approx([13.0, 19.0, 25.0])


def test_a_line_is_kept_by_machine(tmp_path: Path) -> None:
    path = str(tmp_path / "folder" / "calibration.json")
    line = fit(readings(50.0, 1.1), "a machine", "2026-11-25")
    save(line, path)
    save(fit(readings(60.0, 1.2), "another"), path)

    assert load(path, "a machine") == line
    assert load(path, "a third") is None
    assert load(str(tmp_path / "none.json"), "a machine") is None


def test_a_file_that_is_no_calibration_is_said_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text("{")

    with pytest.raises(SettingsError, match="calibrations would be lost"):
        save(fit(readings(50.0, 1.1)), str(path))
    assert path.read_text() == "{"


def test_it_reads_as_a_sentence() -> None:
    line = Calibration(53.0, 1.142, 0.013, 20.0, 200.0, 60, 0, "a machine")

    assert str(line) == "wall = 53 W + 1.142 x inside, residual 1.3%, seen from 20 to 200 W"
