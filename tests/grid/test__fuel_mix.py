import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.errors import SettingsError
from carbonwatch.grid._fuel_mix import intensity_of_mix, mix_of
from carbonwatch.model import Intensity
from carbonwatch.tables import rows

FUELS = [row["fuel"] for row in rows("fuel_factors")]


def test_a_mix_is_its_fuels_medians_and_its_band_their_extremes() -> None:
    found = intensity_of_mix({"coal": 0.5, "wind": 0.5})

    assert found == Intensity(
        g_per_kwh=415.5,
        low=373.5,
        high=483.0,
        zone="given",
        name="coal 50 %, wind 50 %",
        basis="mix",
        boundary="lifecycle",
        source="given mix of fuels; IPCC AR5 WG3 Annex III and as in the table of fuels",
        year=None,
        license="facts",
    )


def test_direct_emissions_leave_the_plants_out() -> None:
    found = intensity_of_mix({"gas": 0.5, "nuclear": 0.5}, "direct")

    assert (found.g_per_kwh, found.low, found.high, found.boundary) == (185.0, 175.0, 245.0, "direct")


def test_a_fuel_without_a_range_has_a_wide_band() -> None:
    found = intensity_of_mix({"oil": 1.0})

    assert (found.low, found.g_per_kwh, found.high) == (650 / 1.4, 650.0, 650 * 1.4)


@pytest.mark.parametrize("fuel", FUELS)
@pytest.mark.parametrize("boundary", ["lifecycle", "direct"])
def test_every_fuel_of_the_table_has_a_figure_inside_its_band(fuel: str, boundary: str) -> None:
    found = intensity_of_mix({fuel: 1}, boundary)

    assert 0 <= found.low <= found.g_per_kwh <= found.high


@given(st.dictionaries(st.sampled_from(FUELS), st.floats(0.01, 1), min_size=1))
def test_a_mix_lies_between_its_cleanest_and_its_dirtiest_fuel(parts: dict[str, float]) -> None:
    whole = sum(parts.values())
    found = intensity_of_mix({fuel: part / whole for fuel, part in parts.items()})
    alone = [intensity_of_mix({fuel: 1}).g_per_kwh for fuel in parts]

    assert min(alone) * 0.999 <= found.g_per_kwh <= max(alone) * 1.001


def test_shares_may_be_percent() -> None:
    assert mix_of(("nuclear=70%", "hydro=20 %", "gas = 0.1")) == {"nuclear": 0.7, "hydro": 0.2, "gas": 0.1}
    assert intensity_of_mix({"coal": 30, "wind": 70}) == intensity_of_mix({"coal": 0.3, "wind": 0.7})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (("coul=1",), "Did you mean coal?"),
        (("plutonium=1",), "There are: coal, gas"),
        (("coal=0.5",), "add up to 0.5"),
        (("coal=-1", "gas=2"), "none may be below 0"),
        (("coal",), "Write FUEL=SHARE"),
        (("coal=much",), "Write FUEL=SHARE"),
        (("coal=nan",), "add up to nan"),
        ((), "add up to 0"),
    ],
)
def test_a_mix_that_makes_no_sense_is_an_error(setting: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")):
        mix_of(setting)
