import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.embodied import embodied, facts, of, total_kg
from carbonwatch.errors import SettingsError
from carbonwatch.model import Domain, Entry, Figure, Run, Scope, Usage, Work
from carbonwatch.testing import intensity


def test_a_server_is_its_base_and_its_parts_half_to_double() -> None:
    kg = 1000 + 100 + 1.39 * 496 + 200

    assert total_kg(sockets=2, ram_gb=512, ssds=2) == Figure(kg, kg / 2, kg * 2)


def test_laptops_and_desktops_are_the_median_of_their_footprints() -> None:
    assert (total_kg("laptop").value, total_kg("desktop", gpus=1).value) == (241.0, 451.0)


def test_a_run_has_the_share_of_its_time_and_of_its_machine() -> None:
    whole = Figure(1000.0, 500.0, 2000.0)
    found = embodied(whole, 4 * 8766 * 3600.0)
    part = embodied(whole, 8766 * 3600.0, share=0.25)

    assert found.share_g == Figure(1e6, 5e5, 2e6)
    assert part.share_g == Figure(62500.0, 31250.0, 125000.0)
    assert "R740" in found.source


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1))
def test_parts_of_a_run_add_up(first_s: float, second_s: float, share: float) -> None:
    whole = total_kg()
    parts = [embodied(whole, seconds, share=share).share_g.value for seconds in (first_s, second_s)]

    assert sum(parts) == pytest.approx(embodied(whole, first_s + second_s, share=share).share_g.value)


@pytest.mark.parametrize(("share", "lifetime"), [(1.5, 4.0), (-0.1, 4.0), (0.5, 0.0)])
def test_shares_that_make_no_sense_are_refused(share: float, lifetime: float) -> None:
    with pytest.raises(SettingsError, match="A share is 0 to 1"):
        embodied(total_kg(), 1.0, share=share, lifetime_years=lifetime)


def test_a_machine_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SettingsError, match="known are server, desktop, laptop"):
        total_kg("toaster")


# of runs

YEAR_S = 8766 * 3600.0


def run(scope: Scope = "process", reserved: float = 0.0, **asked: float) -> Run:
    """A year of a server of 100 W and 8 cores, of which the program kept some."""
    work = Work(own_s=1.0, busy_s=1.0, capacity_s=8.0, reserved_s=reserved)
    usage = Usage(Domain("cpu:model", "cpu", "modelled", "a model"), 100.0, 50.0, 50.0, 50.0, 50.0, work=work)
    entry = Entry("", 0, YEAR_S, usage, intensity())
    known = facts("server", sockets=2, ram_gb=512, gpus=0, share=1.0, **asked)
    return Run("1", "test", scope, "finished", 0, YEAR_S, (entry,), facts=known)


def test_a_run_has_the_share_of_its_time() -> None:
    made = of(run())

    assert made is not None
    assert made.share_g.value == pytest.approx(1000 * 1889.44 / 4)
    assert (made.share_g.low, made.share_g.high) == pytest.approx((made.share_g.value / 2, made.share_g.value * 2))


def test_a_program_with_cores_of_its_own_has_their_part_and_a_machine_is_whole() -> None:
    whole, part, machine = (of(each) for each in (run(), run(reserved=2.0), run("machine", reserved=2.0)))

    assert whole is not None
    assert part is not None
    assert machine is not None
    assert part.share_g.value == pytest.approx(whole.share_g.value / 4)
    assert machine.share_g == whole.share_g


def test_what_the_maker_says_has_no_range() -> None:
    made = of(run(given_kg=1200.0, lifetime_years=6.0))

    assert made is not None
    assert made.share_g == Figure(2e5, 2e5, 2e5)
    assert made.source == "setting hardware_embodied_kg"


def test_a_run_that_noted_nothing_has_none() -> None:
    assert of(Run("1", "test", "process", "finished", 0, 1.0)) is None
    assert facts("board", sockets=1, ram_gb=4, gpus=0, share=1.0) == {}
