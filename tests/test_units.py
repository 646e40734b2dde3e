import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.units import (
    energy_range,
    energy_unit,
    human_duration,
    human_energy,
    human_mass,
    human_number,
    human_power,
    human_volume,
    joules,
    kwh,
    mass_range,
)

quantities = st.floats(1e-12, 1e15)


def test_a_kilowatt_hour_is_3_6_million_joules() -> None:
    assert (joules(1.0), kwh(3_600_000.0)) == (3_600_000.0, 1.0)


def test_more_than_a_float_holds_is_said_to_be_that() -> None:
    assert (human_energy(float("inf")), human_mass(1e308 * 10)) == ("inf GWh", "inf kt")


@given(energy_kwh=quantities)
def test_joules_and_kilowatt_hours_are_one_thing(energy_kwh: float) -> None:
    assert kwh(joules(energy_kwh)) == pytest.approx(energy_kwh, rel=1e-15)


@pytest.mark.parametrize(
    ("energy_j", "text"),
    [
        (0.0, "0 J"),
        (1e-13, "<0.001 nJ"),
        (1.5e-9, "1.50 nJ"),
        (0.0000451, "45.1 µJ"),
        (0.9994, "999 mJ"),
        (0.9996, "1.00 J"),
        (999.4, "999 J"),
        (999.6, "1.00 kJ"),
        (3590.0, "3.59 kJ"),
        (3600.0, "1.00 Wh"),
        (3_599_000.0, "1.00 kWh"),
        (4.2e9, "1.17 MWh"),
        (1e15, "278 GWh"),
        (-12.34, "-12.3 J"),
        (-5400.0, "-1.50 Wh"),
    ],
)
def test_energy_has_three_digits_in_a_unit_that_suits_it(energy_j: float, text: str) -> None:
    assert human_energy(energy_j) == text


@pytest.mark.parametrize(
    ("mass_g", "text"),
    [
        (0.0, "0 g"),
        (1e-16, "<0.001 pg"),
        (3.43e-10, "343 pg"),
        (3.43e-9, "3.43 ng"),
        (0.0001234, "123 µg"),
        (0.5, "500 mg"),
        (0.9996, "1.00 g"),
        (999.6, "1.00 kg"),
        (1.5e6, "1.50 t"),
        (2e12, "2000 kt"),
    ],
)
def test_less_than_a_gram_is_told_in_milligrams(mass_g: float, text: str) -> None:
    assert human_mass(mass_g) == text


@pytest.mark.parametrize(
    ("mass_g", "text"), [(12.34, "12 g"), (0.0996, "100 mg"), (0.0994, "99 mg"), (0.9951, "1.0 g"), (995.1, "1.0 kg")]
)
def test_a_mass_may_have_fewer_digits(mass_g: float, text: str) -> None:
    assert human_mass(mass_g, 2) == text


def test_power_and_volume_have_units_that_suit_them() -> None:
    assert [human_power(w) for w in (0.0, 0.25, 31.0, 4500.0, 2e6)] == ["0 W", "250 mW", "31.0 W", "4.50 kW", "2.00 MW"]
    assert [human_volume(v) for v in (0.0, 0.0128, 3.0, 12_000.0)] == ["0 l", "12.8 ml", "3.00 l", "12.0 m³"]


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0.0, "0 s"),
        (0.0000123, "12.3 µs"),
        (0.85, "850 ms"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (245.0, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (12_000.0, "3 h 20 min"),
        (86_399.7, "1 d 0 h"),
        (187_200.0, "2 d 4 h"),
        (-3.0, "-3.00 s"),
    ],
)
def test_durations_are_told_as_people_tell_them(duration_s: float, text: str) -> None:
    assert human_duration(duration_s) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1e-12, "0.00000000000100"),
        (0.012345, "0.0123"),
        (0.09996, "0.100"),
        (0.9996, "1.00"),
        (4.567, "4.57"),
        (9.996, "10.0"),
        (99.96, "100"),
        (999.6, "1000"),
        (45_649.0, "45600"),
        (1e15, "1000000000000000"),
        (-0.9996, "-1.00"),
        (-45_649.0, "-45600"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert human_number(value) == text


@given(value=quantities, digits=st.integers(1, 6))
def test_a_number_is_as_near_as_its_digits_allow(value: float, digits: int) -> None:
    text = human_number(value, digits)

    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=0.5001 * 10 ** (1 - digits))
    assert len(text.replace(".", "").strip("0")) <= digits


@given(value=quantities)
def test_a_negative_number_is_its_opposite_with_a_sign(value: float) -> None:
    assert human_number(-value) == f"-{human_number(value)}"


@given(value=quantities)
def test_text_has_no_exponent_and_at_least_one_of_its_unit(value: float) -> None:
    for human, smallest in ((human_energy, "nJ"), (human_mass, "pg"), (human_power, "µW"), (human_volume, "nl")):
        number, unit = human(value).split(" ")

        assert "e" not in number
        assert unit == smallest or float(number) >= 1


@given(smaller=quantities, larger=quantities)
def test_more_energy_never_reads_as_less(smaller: float, larger: float) -> None:
    smaller, larger = sorted((smaller, larger))

    assert _read(human_energy(smaller)) <= _read(human_energy(larger)) * (1 + 1e-12)


def _read(text: str) -> float:
    number, unit = text.removeprefix("<").split(" ")
    size = {
        "nJ": 1e-9,
        "µJ": 1e-6,
        "mJ": 1e-3,
        "J": 1.0,
        "kJ": 1e3,
        "Wh": 3.6e3,
        "kWh": 3.6e6,
        "MWh": 3.6e9,
        "GWh": 3.6e12,
    }
    return float(number) * size[unit]


@pytest.mark.parametrize(
    ("low_j", "high_j", "value_j", "text"),
    [
        (29.7 * 3600, 32.8 * 3600, 31.2 * 3600, "29.7–32.8 Wh"),
        (321.0, 2380.0, 900.0, "321–2380 J"),
        (12.0, 12.001, 12.0, "12.0 J"),
        (0.0, 0.0, 0.0, "0 J"),
        (0.0, 18.0, 0.0, "0–18.0 J"),
        (0.0, 18.0, 12.0, "0–18.0 J"),
        (0.002, 18.0, 12.0, "2.00 mJ–18.0 J"),
        (1e-9, 18.0, 12.0, "1.00 nJ–18.0 J"),
        (1e-13, 18.0, 12.0, "<0.001 nJ–18.0 J"),
        (1.0, 5e6, 2.0, "1.00 J–1.39 kWh"),
    ],
)
def test_an_interval_is_in_its_value_s_unit_where_it_can_be_read_there(
    low_j: float, high_j: float, value_j: float, text: str
) -> None:
    assert energy_range(low_j, high_j, value_j) == text


def test_an_interval_of_mass_may_have_fewer_digits() -> None:
    assert mass_range(8.12, 18.4, 12.0, 2) == "8.1–18 g"
    assert mass_range(8.12, 18.4, 12.0) == "8.12–18.4 g"


@given(low_j=quantities, more=st.floats(0, 1e6))
def test_the_lower_end_of_an_interval_is_never_lost(low_j: float, more: float) -> None:
    text = energy_range(low_j, low_j * (1 + more), low_j * (1 + more / 2))

    assert not text.startswith("0–")
    assert "e" not in text


def test_the_unit_of_a_column_is_that_of_its_whole() -> None:
    assert [energy_unit(j) for j in (0.0, 12.0, 7200.0)] == [("J", 1.0), ("J", 1.0), ("Wh", 3600.0)]
