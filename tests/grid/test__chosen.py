import pytest

from carbonwatch.errors import SettingsError
from carbonwatch.grid import bundled
from carbonwatch.grid._chosen import check, facts, intensity
from carbonwatch.model import Place
from carbonwatch.settings import Settings

FR = Place("FR", evidence="setting country")


def test_a_place_has_its_own_figure_and_nothing_is_to_be_said() -> None:
    assert intensity(FR, Settings()) == (bundled.find(FR), "")


def test_a_given_figure_comes_before_a_given_mix_and_that_before_the_place() -> None:
    mix = ("nuclear=0.5", "gas=0.5")

    assert intensity(FR, Settings(g_per_kwh=12.0, energy_mix=mix))[0].g_per_kwh == 12.0
    assert intensity(FR, Settings(energy_mix=mix))[0].g_per_kwh == 251.0


def test_an_unknown_place_is_said_to_be() -> None:
    found, note = intensity(Place(), Settings())

    assert found.zone == "world"
    assert note.startswith("The place is not known (nothing says where this machine is)")


def test_a_direct_figure_is_taken_where_there_is_one() -> None:
    found, note = intensity(Place("US", "US-CA"), Settings(boundary="direct"))

    assert (found.boundary, found.g_per_kwh, note) == ("direct", 179.1, "")


def test_a_life_cycle_figure_is_never_taken_for_a_direct_one_in_silence() -> None:
    found, note = intensity(FR, Settings(boundary="direct"))

    assert found == bundled.find(FR)
    assert note.startswith("Life-cycle intensity is used, although boundary is direct: Nobody publishes")


def test_a_mix_is_checked_before_the_run() -> None:
    with pytest.raises(SettingsError, match="no fuel"):
        check(Settings(energy_mix=("coul=1",)))


def test_what_stands_beside_the_footprint_is_kept_only_if_it_was_asked_for() -> None:
    asked = Settings(market_g_per_kwh=5.0, include_losses=True)

    assert facts(FR, Settings()) == {}
    assert facts(Place("US"), asked) == {
        "market_g_per_kwh": 5.0,
        "line_losses": 0.044,
        "line_losses_source": "USA: EPA eGRID2023 grid gross loss (second-hand), 2023",
    }


def test_losses_that_the_figure_holds_already_are_not_added() -> None:
    assert facts(Place("CA", "CA-QC"), Settings(include_losses=True))["line_losses"] == 0.0
