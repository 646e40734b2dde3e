import argparse
from pathlib import Path

import pytest

from carbonwatch.calibration import Pair
from carbonwatch.cli import calibrate
from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.testing import Clock, FakeMeter, fake_sampler


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    calibrate.add_arguments(parser)
    return calibrate.main(parser.parse_args(words))


def test_power_inside_is_that_of_all_domains_together() -> None:
    clock = Clock()
    sampler = fake_sampler([FakeMeter("cpu", power_w=10), FakeMeter("ram", power_w=2)], clock)
    before = calibrate.inside(sampler)
    clock.advance(3)
    after = calibrate.inside(sampler)

    assert (after[0] - before[0], after[1] - before[1]) == (3 * 10**9, 36.0)


def test_readings_of_a_file_are_set_against_the_seconds_that_they_fall_into() -> None:
    spans = [(0.0, 2.0, 50.0), (2.0, 4.0, 60.0), (10.0, 12.0, 70.0)]
    found = [(0.5, 100.0), (1.5, 110.0), (3.0, 120.0), (20.0, 1.0)]

    assert calibrate.joined(spans, found) == [Pair(50.0, 105.0), Pair(60.0, 120.0)]


def test_a_file_of_readings_has_time_and_watts(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_text("time,watts\n1764000000,101.5\n1764000001,99\n")

    assert calibrate.readings(str(path)) == [(1764000000.0, 101.5), (1764000001.0, 99.0)]


@pytest.mark.parametrize("text", ["when,what\n1,2\n", "time,watts\nnow,2\n"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "readings.csv").write_text(text)

    with pytest.raises(SettingsError, match="needs the columns time"):
        calibrate.readings(str(tmp_path / "readings.csv"))


def test_a_meter_that_does_not_answer_is_said_before_anything_is_measured() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        run("--plug", "tasmota=http://127.0.0.1:9")


def test_a_load_without_a_reading_is_refused() -> None:
    with pytest.raises(SettingsError, match="one reading at least"):
        run("--seconds", "1", "--every", "5")
