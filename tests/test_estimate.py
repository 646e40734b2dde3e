import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import carbonwatch
from carbonwatch import tables
from carbonwatch.errors import SettingsError
from carbonwatch.estimate import BOUNDARIES, estimate_power

# as processors are named: all of the table, a few that are not in it, and none
NAMES = st.sampled_from(["Xeon Platinum 8380", "AMD EPYC", "AMD EPYC 7R13", "Core Ultra 7 155H", "Apple M3", "?", ""])


def test_an_estimate_says_how_wide_how_well_known_and_why() -> None:
    found = estimate_power("Xeon Platinum 8380", sockets=2, ram_gb=512, load=0.7, boundary="node")

    assert found.watts == pytest.approx(441, rel=0.1)  # published servers with it: 350 to 500 W
    assert found.lo95 < found.lo80 < found.watts < found.hi80 < found.hi95
    assert (found.load, found.boundary, found.tier) == (0.7, "node", "A")
    assert found.reason == "Xeon Platinum 8380: model xeon 8380; icelake-sp by the digits of its model"


def test_components_are_what_counters_would_show_and_the_node_is_more() -> None:
    inside, wall = (estimate_power("EPYC 9654", sockets=2, ram_gb=384, load=1.0, boundary=b) for b in BOUNDARIES)

    assert sorted(inside.parts_w) == ["cpu", "ram"]
    assert sorted(wall.parts_w) == ["cpu", "ram", "rest"]
    assert inside.parts_w["cpu"] < wall.watts


@given(NAMES, st.floats(0, 1), st.sampled_from(BOUNDARIES), st.sampled_from([None, 2.0, 8.0]))
def test_parts_add_up_inside_their_interval(name: str, load: float, boundary: str, vcpus: float | None) -> None:
    found = estimate_power(name, load=load, boundary=boundary, vcpus=vcpus)

    assert sum(found.parts_w.values()) == pytest.approx(found.watts)
    assert 0 < found.lo95 <= found.lo80 <= found.watts <= found.hi80 <= found.hi95


def test_a_guest_has_a_share_of_its_host() -> None:
    host = estimate_power("Xeon Platinum 8380", sockets=2, ram_gb=512, load=0.0)
    guest = estimate_power("Xeon Platinum 8380", ram_gb=512, load=0.0, vcpus=16)

    assert guest.parts_w["cpu"] == pytest.approx(host.parts_w["cpu"] * 16 / 160)
    assert guest.parts_w["ram"] == pytest.approx(host.parts_w["ram"])  # its own memory, not a share of it


def test_numbers_of_the_processor_narrow_what_an_anonymous_name_leaves_open() -> None:
    anonymous = estimate_power("AMD EPYC", ram_gb=24, vcpus=2)
    known = estimate_power("AMD EPYC", ram_gb=24, vcpus=2, family=25, model=1)

    assert (anonymous.tier, known.tier) == ("C", "B")
    assert "zen3 by family 25 model 1" in known.reason


def test_memory_that_is_not_given_is_assumed_and_said() -> None:
    assert estimate_power("Xeon Platinum 8380").notes == ("memory assumed: 160 GB",)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"load": 1.5}, "load is 1.5; it must be between 0"),
        ({"load": float("nan")}, "load is nan"),
        ({"sockets": 0}, "sockets is 0"),
        ({"ram_gb": -1.0}, "ram_gb is -1.0"),
        ({"tdp_w": float("inf")}, "tdp_w is inf"),
        ({"cores": 2, "sockets": 4}, "cores are counted over all sockets"),
        ({"cores": 8, "threads": 4}, "a core has one thread at least"),
        ({"boundary": "wall"}, "boundary is 'wall'; it must be one of components, node"),
        ({"form": "tablet"}, "form is 'tablet'"),
        ({"memory": "sdram"}, "memory is 'sdram'"),
        ({"family": 6}, "needs family and model together"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("(", r"\(")):
        estimate_power("Xeon Platinum 8380", **wrong)


def test_it_is_json() -> None:
    assert json.loads(json.dumps(estimate_power("EPYC 7763").as_dict()))["tier"] == "A"


def test_every_rated_model_can_be_estimated() -> None:
    for row in [*tables.rows("cpu_tdp")][::25]:
        assert estimate_power(row["key"], load=1.0, boundary="node").watts > 0


def test_it_is_public() -> None:
    assert carbonwatch.estimate_power is estimate_power


def test_what_a_cloud_sells_is_processor_share_and_memory_at_once() -> None:
    sold = estimate_power(instance="aws/m5.xlarge", load=0.3)
    spelled = estimate_power("Xeon Platinum 8175M", vcpus=4, ram_gb=16, load=0.3)

    assert (sold.watts, sold.parts_w) == (spelled.watts, spelled.parts_w)
    assert sold.reason.endswith("4 of 96 threads of a host at 50% load; sold as aws/m5.xlarge")


def test_what_is_given_beside_an_instance_wins() -> None:
    assert estimate_power(instance="aws/m5.xlarge", ram_gb=8).parts_w["ram"] == pytest.approx(
        estimate_power(instance="aws/m5.xlarge").parts_w["ram"] / 2
    )


def test_memory_that_would_be_most_of_the_wall_is_doubted() -> None:
    little, much = (
        estimate_power("Xeon Platinum 8380", sockets=2, ram_gb=gb, load=1.0, boundary="node") for gb in (64, 4096)
    )

    assert not any("memory in use" in note for note in little.notes)
    assert much.notes[-1] == "memory in use may draw more than in servers that were fitted: 1516 W by itself"
