"""Which power limit does a piece of work with the least energy, and that the one from before comes back."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch.errors import CarbonwatchError, SettingsError, Unavailable
from carbonwatch.model import Figure
from carbonwatch.nvidia import Board, Limits, Nvml, open_nvml
from carbonwatch.powerlimits import Kept, Trial, advice, change, common, kept, limits, spread, table, together

if TYPE_CHECKING:
    from tests.conftest import FakeNvml

A100 = Board(0, "GPU-a", "NVIDIA A100", False)
OTHER = Board(1, "GPU-b", "NVIDIA A30", False)


def trial(limit_w: float, duration_s: float, energy_j: float, batch: str = "") -> Trial:
    return Trial(limit_w, batch, duration_s, Figure(energy_j, energy_j * 0.95, energy_j * 1.05))


@pytest.fixture
def opened(nvml: "FakeNvml") -> Iterator[Nvml]:
    nvml.add("GPU-a")
    nvml.set_limits(0, 100, 400, 300)
    library = open_nvml("/proc", {})
    yield library
    library.close()


# what is tried


def test_limits_to_try_go_in_even_steps_from_the_default_to_the_least() -> None:
    assert common({A100: Limits(250, 400, 100, 400)}, []) == [400, 340, 280, 220, 160, 100]


def test_limits_to_try_are_those_that_all_boards_take() -> None:
    found = {A100: Limits(400, 400, 100, 400), OTHER: Limits(165, 165, 120, 165)}

    assert common(found, []) == [165, 155, 145, 140, 130, 120]


def test_limits_that_are_chosen_go_from_the_highest_down_and_none_twice() -> None:
    assert common({A100: Limits(400, 400, 100, 400)}, [200, 400, 200]) == [400, 200]


@pytest.mark.parametrize("wrong_w", [99, 401])
def test_a_limit_that_a_board_does_not_take_is_an_error_before_anything_runs(wrong_w: float) -> None:
    with pytest.raises(SettingsError, match="must be from 100 to 400 W"):
        common({A100: Limits(400, 400, 100, 400)}, [300, wrong_w])


def test_a_board_tells_its_limits(opened: Nvml) -> None:
    assert limits(opened, [A100]) == {A100: Limits(300, 300, 100, 400)}


def test_a_board_without_a_limit_is_named(nvml: "FakeNvml", opened: Nvml) -> None:
    nvml.fail(0, "limit", nvml.NOT_SUPPORTED)

    with pytest.raises(Unavailable, match=r"NVIDIA A100 \(GPU 0\) has no power limit \(NVML: Not Supported\)"):
        limits(opened, [A100])


def test_who_may_not_set_a_limit_learns_who_may(nvml: "FakeNvml", opened: Nvml) -> None:
    nvml.fail(0, "set limit", nvml.NO_PERMISSION)

    with pytest.raises(Unavailable, match=r"Insufficient Permissions\)\. Run it as root: sudo\."):
        change(opened, A100, 200)


# the one from before


def test_a_limit_is_put_back_and_forgotten(nvml: "FakeNvml", opened: Nvml, tmp_path: Path) -> None:
    held = Kept(str(tmp_path / "data" / "powerlimits.json"))
    held.write({"GPU-a": 300.0})
    change(opened, A100, 200)
    during_w = nvml.limit_w(0)

    assert (held.restore(opened), during_w, nvml.limit_w(0)) == ({"GPU-a": 300.0}, 200.0, 300.0)
    assert (held.read(), held.restore(opened)) == ({}, {})


def test_limits_that_are_still_to_be_put_back_are_never_written_over(tmp_path: Path) -> None:
    held = Kept(str(tmp_path / "powerlimits.json"))
    held.write({"GPU-a": 300.0})

    with pytest.raises(CarbonwatchError, match="carbonwatch powerlimit restore"):
        held.write({"GPU-a": 150.0})

    assert held.read() == {"GPU-a": 300.0}


def test_a_limit_that_can_not_be_put_back_is_kept_and_said(nvml: "FakeNvml", opened: Nvml, tmp_path: Path) -> None:
    held = Kept(str(tmp_path / "powerlimits.json"))
    held.write({"GPU-a": 300.0})
    nvml.fail(0, "set limit", nvml.NO_PERMISSION)

    with pytest.raises(CarbonwatchError, match="300 W on GPU-a"):
        held.restore(opened)

    assert held.read() == {"GPU-a": 300.0}


def test_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "powerlimits.json").write_text("{")

    with pytest.raises(CarbonwatchError, match="remove the file"):
        Kept(str(tmp_path / "powerlimits.json")).read()


def test_a_folder_that_can_not_be_written_stops_it_before_a_limit_is_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CarbonwatchError, match="XDG_DATA_HOME"):
        Kept(str(tmp_path / "file" / "powerlimits.json")).write({"GPU-a": 1.0})


def test_the_file_is_among_the_user_s_data(tmp_path: Path) -> None:
    assert kept({"XDG_DATA_HOME": str(tmp_path)}).path == str(tmp_path / "carbonwatch" / "powerlimits.json")


# what comes of it


def test_repetitions_count_as_their_mean() -> None:
    assert together([trial(400, 10, 3000), trial(300, 12, 2400), trial(400, 14, 5000)]) == [
        trial(400, 12, 4000),
        trial(300, 12, 2400),
    ]


def test_the_spread_is_that_of_repetitions() -> None:
    assert spread([trial(400, 10, 3000)]) is None
    assert spread([trial(400, 10, 90), trial(400, 10, 110), trial(300, 1, 5)]) == pytest.approx(0.02**0.5)


def test_a_table_shows_each_limit_and_marks_the_least() -> None:
    trials = [trial(400, 10, 4000), trial(300, 11, 3000), trial(200, 20, 3500)]

    assert table(trials, "energy") == [
        "  limit       time     energy     mean  energy",
        "  400 W     10.0 s   1.111 Wh    400 W  ████████████████████████",
        "  300 W     11.0 s  0.8333 Wh  272.7 W  ██████████████████ least",
        "  200 W     20.0 s  0.9722 Wh    175 W  █████████████████████",
    ]


def test_a_table_of_batch_sizes_has_a_column_for_them() -> None:
    header, *lines = table([trial(400, 10, 4000, "32"), trial(400, 8, 3000, "64")], "energy")

    assert header.split() == ["limit", "batch", "time", "energy", "mean", "energy"]
    assert [line.split()[2] for line in lines] == ["32", "64"]


@pytest.mark.parametrize(("goal", "best"), [("energy", "200 W"), ("edp", "300 W"), ("ed2p", "400 W")])
def test_the_goal_decides_which_is_best(goal: str, best: str) -> None:
    trials = [trial(400, 10, 4000), trial(300, 11, 3500), trial(200, 16, 3000)]

    marked = [line for line in table(trials, goal) if line.endswith("least")]

    assert [line.strip().startswith(best) for line in marked] == [True]


def test_advice_says_what_is_saved_what_it_costs_and_how_to_have_it() -> None:
    trials = [trial(400, 10, 4000), trial(300, 11, 3000)]

    assert advice(trials, "energy", [A100, OTHER]) == [
        "300 W used 25.0% less energy and took 10.0% more time than 400 W.",
        "Each was run once, so chance is in it: --repeat 3 shows how much.",
        "To set it: sudo carbonwatch powerlimit set 300 --gpus 0,1",
    ]


def test_advice_on_batch_sizes_alone_sets_no_limit() -> None:
    said = advice([trial(400, 10, 4000, "32"), trial(400, 8, 3000, "64")], "energy", [A100])

    assert said[0].startswith("400 W with batches of 64 used 25.0% less energy")
    assert not any("powerlimit set" in line for line in said)


def test_a_difference_within_the_spread_is_called_chance() -> None:
    trials = [trial(400, 10, 1000), trial(400, 10, 1100), trial(300, 10, 1000), trial(300, 10, 1050)]

    assert "it may be chance" in advice(trials, "energy", [A100])[1]


def test_where_nothing_is_better_it_says_so() -> None:
    assert advice([trial(400, 10, 1000), trial(300, 20, 1500)], "energy", [A100]) == [
        "Nothing that was tried needs less energy than 400 W: leave it."
    ]
