import copy
import logging
import pickle
from typing import Any

import pytest

import carbonwatch
from carbonwatch.integrations._border import Fits, quietly

QUIET: dict[str, Any] = {"store": "none", "country": "FR"}


class Hooks:
    @quietly
    def on_epoch_end(self, epoch: int) -> int:
        if epoch:
            raise OSError("no disk")
        return 7


def test_a_hook_that_fails_is_one_warning_and_the_training_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks()
    with caplog.at_level(logging.WARNING):
        answers = [hooks.on_epoch_end(epoch) for epoch in range(3)]

    assert answers == [7, None, None]
    assert [record.getMessage() for record in caplog.records] == ["Hooks.on_epoch_end failed"]


def test_each_fit_is_a_run_of_its_own_and_beginning_anew_ends_the_one_before() -> None:
    fits = Fits("digits", QUIET)
    first = fits.begin(3)
    second = fits.begin(5)
    second.stop()

    assert (first.run.state, second.run.state) == ("finished", "finished")
    assert (first.epochs, second.epochs) == (3, 5)
    assert first.run.id != second.run.id


def test_a_copy_in_a_tuner_or_another_process_measures_for_itself() -> None:
    fits = Fits("digits", {**QUIET, "budget_g": 5.0})
    copies = [copy.deepcopy(fits), pickle.loads(pickle.dumps(fits))]

    assert [copied.training.measurement.run.project for copied in copies] == ["digits", "digits"]
    assert len({id(each.training) for each in (fits, *copies)}) == 3


def test_a_wrong_setting_is_told_when_the_callback_is_made() -> None:
    with pytest.raises(carbonwatch.SettingsError):
        Fits("digits", {"contry": "FR"})
