import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import powermodel
from carbonwatch.cpunames import Cpuid, identify
from carbonwatch.powermodel import Machine, concentration, cpu_w, curve, describe, memory_w, node_w, rest_w

LOADS = st.floats(0, 1)
SERVER = describe(identify("Xeon Platinum 8380"), sockets=2, memory_gb=512)
GUEST = describe(identify("AMD EPYC", Cpuid("AuthenticAMD", 25, 1, 1)), vcpus=2, memory_gb=24)
MACHINES = st.sampled_from(
    [
        SERVER,
        GUEST,
        describe(identify("AMD EPYC"), memory_gb=64),
        describe(identify("i7-8750H"), memory_gb=16),
        describe(identify("AMD Ryzen 9 5950X"), memory_gb=32),
        describe(identify("Raspberry Pi 4"), memory_gb=4),
        describe(identify("Xeon X5570"), sockets=2, memory_gb=96),
        describe(identify("nothing known")),
    ]
)


def test_an_anonymous_guest_has_its_share_of_a_host_of_its_generation() -> None:
    watts = [cpu_w(GUEST, load) for load in (0.0, 0.5, 1.0)]

    assert watts == pytest.approx([0.5, 1.8, 3.1], rel=0.1)
    assert [node_w(GUEST, load) / powermodel.UNSOLD for load in (0.0, 0.5, 1.0)] == pytest.approx(
        [3.6, 5.2, 6.9], rel=0.1
    )
    assert GUEST.share == 2 / 256


def test_a_server_s_power_is_its_sockets_memory_and_load() -> None:
    one = describe(identify("Xeon Platinum 8380"), sockets=2, memory_gb=0.0)

    assert node_w(SERVER, 0.3) - node_w(one, 0.3) == pytest.approx(512 * 0.123)
    assert cpu_w(SERVER, 0.0) == pytest.approx(2 * 270 * 0.12)


@given(MACHINES, LOADS, LOADS)
def test_more_load_never_costs_less(machine: Machine, first: float, second: float) -> None:
    low, high = sorted((first, second))

    assert cpu_w(machine, low) <= cpu_w(machine, high) + 1e-9
    assert node_w(machine, low) <= node_w(machine, high) + 1e-9
    assert memory_w(machine, low) <= memory_w(machine, high) + 1e-9


@given(MACHINES, LOADS)
def test_parts_of_a_node_add_up_and_none_is_negative(machine: Machine, load: float) -> None:
    parts = powermodel.node_parts_w(machine, load)

    assert min(parts.values()) >= 0
    assert sum(parts.values()) == pytest.approx(node_w(machine, load))


@given(MACHINES, LOADS, LOADS)
def test_the_rest_is_at_least_what_a_power_supply_loses(machine: Machine, load: float, uneven: float) -> None:
    inside_w = cpu_w(machine, load, uneven) + memory_w(machine, load)

    assert rest_w(machine, load, uneven) >= 0.12 * inside_w * (1 - 1e-9)


@given(MACHINES, LOADS)
def test_intervals_hold_the_estimate_and_the_wider_one_the_narrower(machine: Machine, load: float) -> None:
    for band in (powermodel.node_band(machine, load), powermodel.cpu_band(machine), powermodel.MEMORY_BAND):
        assert 0 < band.lo95 <= band.lo80 <= 1 <= band.hi80 <= band.hi95
        low, high = band.error90
        assert band.lo95 - 1 <= low <= band.lo80 - 1
        assert band.hi80 - 1 <= high <= band.hi95 - 1


def test_what_is_known_less_is_wider() -> None:
    names = ("Xeon Platinum 8380", "Graviton3", "AMD EPYC", "nothing known")
    widths = []
    for name in names:
        band = powermodel.cpu_band(describe(identify(name)))
        widths.append(band.hi80 / band.lo80)

    assert [describe(identify(name)).tier for name in names] == ["A", "B", "C", "D"]
    assert widths == sorted(widths)


def test_a_curve_begins_at_nothing_and_ends_at_all() -> None:
    shape = (0.1, 0.6, 0.3)

    assert [curve(shape, load) for load in (-1.0, 0.0, 1.0, 2.0)] == pytest.approx([0, 0, 1, 1], abs=1e-9)
    assert curve(shape, 0.5, 1.0) == pytest.approx(0.5**0.7)


@pytest.mark.parametrize(
    ("loads", "expected"),
    [((0.5, 0.5), 0.0), ((1.0, 0.0), 1.0), ((0.0, 0.0), 0.0), ((1.0, 1.0), 0.0), ((), 0.0), ((0.75, 0.25), 0.25)],
)
def test_concentration_tells_one_busy_core_from_many_half_busy_ones(loads: tuple[float, ...], expected: float) -> None:
    assert concentration(loads) == pytest.approx(expected)


@given(st.lists(LOADS, max_size=64))
def test_concentration_is_a_share(loads: list[float]) -> None:
    assert 0.0 <= concentration(loads) <= 1.0


def test_the_old_generations_of_memory_were_fitted_with_little_of_it() -> None:
    small, large = (describe(identify("Xeon X5570"), sockets=2, memory_gb=gb) for gb in (32.0, 96.0))

    assert node_w(large, 0.0) - node_w(small, 0.0) == pytest.approx(64 * 0.3)


def test_two_processors_are_seen_by_their_cores() -> None:
    assert describe(identify("Xeon Platinum 8380"), cores=80).sockets == 2


def test_a_laptop_s_memory_is_soldered_low_power_memory() -> None:
    kinds = [describe(identify(name)).memory for name in ("Core Ultra 7 155H", "Xeon Platinum 8380", "EPYC 9654")]

    assert kinds == ["lpddr", "ddr4", "ddr5"]


def test_a_rated_power_that_is_given_outranks_the_table_s() -> None:
    assert describe(identify("Xeon Platinum 8380"), tdp_w=200.0).tdp_w == 200.0
    assert describe(identify("AMD EPYC", Cpuid("AuthenticAMD", 25, 1)), tdp_w=200.0).tier == "A"


def test_steps_say_what_was_assumed() -> None:
    assert GUEST.steps == (
        "AMD EPYC: model unknown",
        "zen3 by family 25 model 1",
        "rated power assumed: 280 W a socket of 64 cores",
        "2 of 256 threads of a host at 50% load",
    )
