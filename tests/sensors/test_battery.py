from __future__ import annotations

import pathlib

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sampler import Sampler, cut, open_sampler
from carbonwatch.sensors.battery import BatteryMeter, detect
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock
from tests.sensors.trees import plant

S = 10**9
ID = "battery:machine"


class Laptop:
    """A laptop's /sys whose files change as the test says."""

    def __init__(self, root: pathlib.Path) -> None:
        self.settings = plant(root, "laptop-battery")
        self.folder = root / "class" / "power_supply"

    def set(self, file: str, value: object) -> None:
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{value}\n")

    def remove(self, *files: str) -> None:
        for file in files:
            (self.folder / file).unlink()

    def meter(self) -> BatteryMeter:
        return detect(self.settings)


@pytest.fixture
def laptop(tmp_path: pathlib.Path) -> Laptop:
    return Laptop(tmp_path)


def test_a_battery_that_discharges_meters_the_whole_machine(laptop: Laptop) -> None:
    source = "battery BAT0 (power_now)"

    assert laptop.meter().domains == (Domain(ID, "system", "measured", source, None, (-0.15, 0.15)),)


def test_power_is_joined_by_straight_lines(laptop: Laptop) -> None:
    meter = laptop.meter()
    meter.read(0)
    laptop.set("BAT0/power_now", 18_000_000)

    assert meter.read(10 * S) == {ID: 150 * S}


def test_without_a_power_it_is_current_times_voltage_whatever_its_sign(laptop: Laptop) -> None:
    laptop.remove("BAT0/power_now")
    laptop.set("BAT0/current_now", -1_000_000)
    laptop.set("BAT0/voltage_now", 11_500_000)
    meter = laptop.meter()
    meter.read(0)

    assert meter.domains[0].source == "battery BAT0 (current_now x voltage_now)"
    assert meter.read(2 * S) == {ID: 23 * S}


def test_without_any_power_it_is_what_the_battery_lost(laptop: Laptop) -> None:
    laptop.remove("BAT0/power_now")
    meter = laptop.meter()
    meter.read(0)
    laptop.set("BAT0/energy_now", 39_990_000)

    assert meter.read(60 * S) == {ID: 36 * S}


def test_a_charge_that_was_lost_is_energy_by_its_voltage(laptop: Laptop) -> None:
    laptop.remove("BAT0/power_now", "BAT0/energy_now")
    laptop.set("BAT0/charge_now", 3_000_000)
    laptop.set("BAT0/voltage_now", 10_000_000)
    meter = laptop.meter()
    meter.read(0)
    laptop.set("BAT0/charge_now", 2_999_000)

    assert meter.read(60 * S) == {ID: 36 * S}


def test_a_file_that_the_driver_never_fills_in_is_passed_over(laptop: Laptop) -> None:
    laptop.set("BAT0/power_now", "")

    assert laptop.meter().domains[0].source == "battery BAT0 (energy_now)"


def test_while_it_charges_the_run_has_a_gap_and_nothing_is_made_up_for_it(laptop: Laptop) -> None:
    meter, clock = laptop.meter(), Clock()
    sampler = Sampler([meter], [], clock=clock, thread=False)
    start = sampler.read()
    laptop.set("AC/online", 1)
    laptop.set("BAT0/status", "Charging")
    clock.advance(10)
    charging = sampler.read()
    laptop.set("AC/online", 0)
    laptop.set("BAT0/status", "Discharging")
    clock.advance(10)
    back = sampler.read()
    clock.advance(10)
    end = sampler.read()

    assert [g.reason for g in cut(start, charging).gaps] == [
        "the charger is plugged in, and what comes from it is not seen"
    ]
    assert cut(charging, back).energy_j == {ID: 0}
    assert cut(back, end).energy_j == {ID: 120}


def test_two_batteries_are_added_up_and_one_at_rest_gives_nothing(laptop: Laptop) -> None:
    laptop.set("BAT1/type", "Battery")
    laptop.set("BAT1/status", "Discharging")
    laptop.set("BAT1/power_now", 3_000_000)
    meter = laptop.meter()
    meter.read(0)
    both = meter.read(10 * S)
    laptop.set("BAT1/status", "Not charging")
    one = meter.read(20 * S)

    assert both == {ID: 150 * S}
    assert one == {ID: 270 * S}


def test_a_laptop_that_is_plugged_in_has_nothing_to_mend(laptop: Laptop) -> None:
    laptop.set("AC/online", 1)

    with pytest.raises(SensorUnavailable, match="the charger is plugged in") as caught:
        laptop.meter()

    assert caught.value.remedy == ""


def test_a_mouse_s_battery_is_none_of_the_machine(laptop: Laptop) -> None:
    laptop.remove("BAT0/type")

    with pytest.raises(SensorUnavailable, match="no battery"):
        laptop.meter()


def test_it_stands_in_for_what_is_not_measured_and_keeps_the_models_away(laptop: Laptop) -> None:
    settings = Settings(path_sysfs=laptop.settings.path_sysfs, sensors=("battery", "cpu_model", "ram_model"))

    sampler = open_sampler(settings)
    sampler.close()

    assert [d.id for d in sampler.domains] == [ID]


def test_a_closed_meter_reads_nothing_any_more(laptop: Laptop) -> None:
    meter = laptop.meter()

    meter.close()

    assert meter.read(0) == {}
