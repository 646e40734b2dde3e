import pytest

from carbonwatch.grid._electricity_mix import FUELS, WORLD, of_country
from carbonwatch.tables import row, rows

CODES = [each["code"] for each in rows("electricity_mix")]
MIXES = [mix for code in CODES if (mix := of_country(code))]


def test_there_are_the_mixes_of_more_than_200_countries_and_the_world() -> None:
    assert len(MIXES) == len(CODES) > 200
    assert WORLD in CODES
    assert {"US", "CN", "IN", "DE", "FR", "BR", "ZA", "AU", "TW", "HK"} <= set(CODES)


def test_the_shares_of_a_mix_are_none_below_0_and_make_up_a_whole() -> None:
    for mix in MIXES:
        assert set(mix.shares) == set(FUELS)
        assert min(mix.shares.values()) >= 0
        assert sum(mix.shares.values()) == pytest.approx(1)


def test_every_mix_says_its_year_and_whose_figures_it_has() -> None:
    for mix in MIXES:
        assert 2015 < mix.year < 2050
        assert "Our World in Data (edition of 20" in mix.source
        assert mix.license == "CC BY 4.0"


@pytest.mark.parametrize(
    ("code", "fuel", "low", "high"),
    [
        ("FR", "nuclear", 0.6, 0.75),
        ("PL", "coal", 0.4, 0.8),
        ("NO", "hydro", 0.8, 0.98),
        ("IS", "other_renewable", 0.2, 0.4),
        ("DK", "wind", 0.45, 0.7),
        ("AE", "gas", 0.6, 0.95),
        ("ZA", "coal", 0.75, 0.92),
        ("LB", "oil", 0.3, 0.95),
        ("EE", "solar", 0.01, 0.3),
        ("FI", "bioenergy", 0.1, 0.3),
    ],
)
def test_countries_are_known_for_what_they_burn(code: str, fuel: str, low: float, high: float) -> None:
    mix = of_country(code)

    assert mix
    assert low < mix.shares[fuel] < high


def test_where_much_power_is_made_the_mix_would_emit_about_what_the_country_s_figure_says() -> None:
    far: dict[str, float] = {}
    names = {"bioenergy": "biomass"}
    for country in rows("countries"):
        mix = of_country(country["code"])
        if mix and country["quality"] == "A":
            factors = {fuel: row("fuel_factors", names.get(fuel, fuel)) or {} for fuel in mix.shares}
            g_per_kwh = sum(share * float(factors[fuel]["lifecycle_median"]) for fuel, share in mix.shares.items())
            far[country["code"]] = g_per_kwh / float(country["g_per_kwh"])

    assert len(far) > 100
    assert sorted(far.values())[len(far) // 2] == pytest.approx(1, abs=0.15)
    # years apart, and plants that are better or worse than the median
    assert sum(0.7 < ratio < 1.5 for ratio in far.values()) > 0.8 * len(far)


@pytest.mark.parametrize("code", [None, "", "LI", "nowhere", "FR,2023"])
def test_a_mix_that_is_not_known_is_none(code: str | None) -> None:
    assert of_country(code) is None
