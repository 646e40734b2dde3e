"""Power limits: which can be tried, who may set them, and that those from before come back."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch.errors import CarbonwatchError, SettingsError, Unavailable
from carbonwatch.nvidia import Board, Limits, Nvml, open_nvml
from carbonwatch.powerlimits import Kept, change, common, kept, limits

if TYPE_CHECKING:
    from tests.conftest import FakeNvml

A100 = Board(0, "GPU-a", "NVIDIA A100", False)
OTHER = Board(1, "GPU-b", "NVIDIA A30", False)


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


def test_boards_without_a_limit_in_common_are_not_tried_together() -> None:
    found = {A100: Limits(400, 400, 200, 400), OTHER: Limits(165, 165, 120, 165)}

    with pytest.raises(SettingsError, match="no power limit in common"):
        common(found, [])


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
