import argparse
from pathlib import Path

import pytest

from carbonwatch.attribution import Idle
from carbonwatch.calibration import CalibrationError, Pair
from carbonwatch.cli import calibrate
from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.testing import Clock, FakeActivity, FakeMeter, fake_sampler


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


@pytest.mark.parametrize("text", ["when,what\n1,2\n", "time,watts\nnow,2\n", "time,watts\n1764000000\n"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "readings.csv").write_text(text)

    with pytest.raises(SettingsError, match="needs the columns time"):
        calibrate.readings(str(tmp_path / "readings.csv"))


def test_a_meter_that_does_not_answer_is_said_before_anything_is_measured() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        run("--plug", "tasmota=http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no file .*Begin to write the meter's readings first"),
        ("when,what\n1,2\n", "has the columns when, what. It needs time"),
    ],
)
def test_a_file_without_readings_is_said_before_anything_is_measured(
    tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "readings.csv"
    if text is not None:
        path.write_text(text)

    with pytest.raises(SettingsError, match=said):
        run("--csv", str(path))


def test_a_load_without_a_reading_is_refused() -> None:
    with pytest.raises(SettingsError, match="one reading at least"):
        run("--seconds", "1", "--every", "5")


def quiet_machine(seconds: int, *meters: FakeMeter, busy: float = 0.0) -> dict[str, Idle]:
    clock = Clock()
    sampler = fake_sampler(meters, clock, FakeActivity(own=0.0, busy=busy))
    return calibrate.idle_power(sampler, lambda: clock.advance(1), seconds, "2026-11-25")


def test_idle_power_is_the_middle_of_what_a_counter_shows_while_nobody_works() -> None:
    # 20 W, but 30 W in the last second of ten
    meter = FakeMeter("cpu", counted_j=lambda s: 20 * s + 10 * max(0.0, s - 9))

    assert quiet_machine(10, meter) == {"fake:cpu": Idle(20.0, 20.0, 20.0, "carbonwatch calibrate --idle, 2026-11-25")}


def test_the_idle_power_of_models_and_cards_is_not_kept() -> None:
    with pytest.raises(CalibrationError, match="No counter measures"):
        quiet_machine(10, FakeMeter("cpu", quality="modelled"), FakeMeter("gpu"))


@pytest.mark.parametrize(("seconds", "busy"), [(10, 0.5), (4, 0.0)])
def test_a_machine_that_works_or_is_not_read_often_enough_has_no_idle_power(seconds: int, busy: float) -> None:
    with pytest.raises(CalibrationError, match="idled in fewer than 5"):
        quiet_machine(seconds, FakeMeter("cpu"), busy=busy)


def test_who_reads_the_meter_is_asked_again_until_it_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate.answered(["ten\n", "nan\n", "-3\n", "101,5\n"]) == 101.5
    assert capsys.readouterr().err.count("That is no number of watts") == 3


def test_where_nobody_reads_the_meter_another_way_is_said() -> None:
    with pytest.raises(CalibrationError, match="--plug; or give its readings: --csv"):
        calibrate.answered([])
