from __future__ import annotations

import pathlib

import pytest

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.rights import SensorRefused
from carbonwatch.sensors.pi5_pmic import detect, shown
from carbonwatch.settings import Settings
from tests.sensors.programs import put
from tests.sensors.trees import as_nobody

# github.com/jfikar/RPi5-power, README: every rail of a Pi 5 under load
READING = """\
 3V7_WL_SW_A current(0)=0.00000000A
   3V3_SYS_A current(1)=0.06245952A
   1V8_SYS_A current(2)=0.16102850A
  VDD_CORE_A current(7)=10.87674000A
 3V7_WL_SW_V volt(8)=3.79999600V
   3V3_SYS_V volt(9)=3.30632200V
   1V8_SYS_V volt(10)=1.79828900V
  VDD_CORE_V volt(15)=0.89745940V
     EXT5V_V volt(24)=5.06788000V
      BATT_V volt(25)=3.01110800V
"""
RAILS_W = 0.06245952 * 3.306322 + 0.1610285 * 1.798289 + 10.87674 * 0.8974594


def test_rails_with_both_are_added_up_and_put_on_the_line_of_the_supply() -> None:
    assert shown(READING).power_w == pytest.approx(1.1451 * RAILS_W + 0.5879)


def test_the_board_is_metered_whole(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reading").write_text(READING)
    put(tmp_path / "bin", monkeypatch, "vcgencmd", f'[ "$1" = pmic_read_adc ] && cat {tmp_path}/reading')

    meter = detect(Settings())
    counts = meter.read(0)
    meter.close()

    source = "Raspberry Pi power chip (vcgencmd pmic_read_adc)"
    assert meter.domains == (Domain("pi5_pmic:board", "system", "measured", source, None, (-0.1, 0.1), period_s=2.0),)
    assert counts.keys() == {"pi5_pmic:board"}


@pytest.mark.parametrize("text", ["", 'error=2 error_msg="Invalid arguments"', "VDD_CORE_A current(7)=x.A"])
def test_an_earlier_pi_tells_nothing(text: str) -> None:
    with pytest.raises(Unavailable, match="prints no rail's power"):
        shown(text)


def test_a_pi_that_refuses_is_said_in_its_own_words(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "bin", monkeypatch, "vcgencmd", 'echo "Can\'t open device file: /dev/vcio" >&2; exit 255')

    with pytest.raises(SensorUnavailable, match="Can't open device file: /dev/vcio"):
        detect(Settings())


def test_a_device_that_this_user_may_not_open_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "vcio").touch(0)
    with as_nobody(tmp_path), pytest.raises(SensorRefused) as caught:
        detect(Settings(), device="vcio")

    assert caught.value.remedy.endswith('sudo usermod -aG video "$USER"')
    assert caught.value.worth == {"system": (-0.1, 0.1)}
