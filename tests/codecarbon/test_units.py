import pytest

from carbonwatch.codecarbon.units import EmissionsPerKWh, Energy, Power, Time, Water


def test_energy_is_power_by_time() -> None:
    energy = Energy.from_power_and_time(power=Power.from_watts(500), time=Time.from_seconds(7200))

    assert energy == Energy(1.0)
    assert float(energy + energy - energy / 2) == 1.5
    assert Energy.from_ujoules(3.6e12) == Energy.from_millijoules(3.6e9) == Energy.from_energy(1.0)
    assert Energy(1.0) < Energy(2.0)


def test_power_is_energy_by_time_and_nothing_where_there_was_no_time() -> None:
    power = Power.from_energies_and_delay(Energy(3.0), Energy(1.0), Time(3600))

    assert (power.kW, power.W) == (2.0, 2000.0)
    assert Power.from_energy_delta_and_delay(Energy(1.0), Time(0)).kW == 0.0
    assert (power + power * 2) / 3 // 1 == Power(2.0)
    assert Power.from_milli_watts(1e6).kW == 1.0


def test_an_intensity_of_pounds_a_megawatt_hour_is_one_of_kg_a_kwh() -> None:
    assert EmissionsPerKWh.from_lbs_per_mWh(1000).kgs_per_kWh == pytest.approx(0.45359237)
    assert EmissionsPerKWh.from_g_per_kWh(475) == EmissionsPerKWh.from_kgs_per_kWh(0.475)


def test_water_adds_up() -> None:
    assert Water.from_litres(1.0) + Water(2.0) == Water(3.0)
