import copy
import pickle
from pathlib import Path

import pytest

from carbonwatch.errors import (
    CarbonwatchError,
    GridUnavailable,
    HardwareMismatch,
    SensorUnavailable,
    SettingsError,
    StoreError,
    Unavailable,
    cause,
)

ALL = (SettingsError, Unavailable, SensorUnavailable, GridUnavailable, HardwareMismatch, StoreError)


@pytest.mark.parametrize("kind", ALL)
def test_one_except_clause_catches_every_error_of_ours(kind: type[Exception]) -> None:
    assert issubclass(kind, CarbonwatchError)


def test_a_wrong_setting_is_a_value_error() -> None:
    assert issubclass(SettingsError, ValueError)


@pytest.mark.parametrize("kind", [SensorUnavailable, GridUnavailable])
def test_a_missing_meter_and_a_missing_grid_are_both_unavailable(kind: type[Exception]) -> None:
    assert issubclass(kind, Unavailable)


def test_what_is_unavailable_says_why_and_what_to_do() -> None:
    error = SensorUnavailable("energy_uj is not readable.", "Let this user read it.")

    assert str(error) == "energy_uj is not readable. Let this user read it."
    assert (error.reason, error.remedy) == ("energy_uj is not readable.", "Let this user read it.")


def test_without_a_remedy_the_reason_stands_alone() -> None:
    assert str(Unavailable("There is no such sensor.")) == "There is no such sensor."


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_comes_whole_out_of_another_process(again: object) -> None:
    assert callable(again)
    error = again(GridUnavailable("No figure for XX.", "Give g_per_kwh."))

    assert (type(error), error.reason, error.remedy) == (GridUnavailable, "No figure for XX.", "Give g_per_kwh.")


def test_another_s_error_is_told_without_the_path_that_ours_names(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "none").read_text()

    assert cause(caught.value) == "No such file or directory"
    assert cause(ValueError("odd")) == "odd"
