import io
import logging
import os
from collections.abc import Mapping
from typing import Any

import pytest

import carbonwatch
from carbonwatch.model import Run
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeActivity, FakeMeter, fake_sampler
from carbonwatch.tracker import Measurement, Tracker
from carbonwatch.training import Epoch, Forecast, Training

SETTINGS = Settings(project="digits", store="none", g_per_kwh=360.0)


class Bench:
    """A machine of 100 W that a program has for itself, and its clock: 36 kJ and 3.6 g in six minutes."""

    def __init__(self, *, meters: tuple[FakeMeter, ...] = (FakeMeter(power_w=100),), own: float = 1.0) -> None:
        self.clock = Clock(1)
        sampler = fake_sampler(meters, self.clock, FakeActivity(own=own, busy=1.0))
        self.measurement = Measurement(Tracker(SETTINGS, meters=sampler, wall_ns=lambda: 1_000))

    def training(self, **options: Any) -> Training:
        return Training(measurement=self.measurement, clock=lambda: self.clock.ns / 1e9, **options)


class Notes:
    """A log that remembers."""

    def __init__(self) -> None:
        self.epochs: dict[int, Mapping[str, float]] = {}
        self.runs: list[Run] = []

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        self.epochs[number] = metrics

    def end(self, run: Run) -> None:
        self.runs.append(run)


def rounded(epochs: list[Epoch]) -> list[Epoch]:
    return [Epoch(round(e.energy_j, 6), round(e.emissions_g, 9), round(e.duration_s, 6)) for e in epochs]


class Broken:
    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        raise ConnectionError("far away")

    def end(self, run: Run) -> None:
        raise ConnectionError("far away")


def test_each_epoch_has_what_came_since_the_one_before_and_logs_are_told() -> None:
    bench, notes = Bench(), Notes()
    with bench.training(epochs=3, log_to=[notes]) as training:
        for epoch in training:
            bench.clock.advance(360 if epoch else 720)

    assert rounded(training.done) == [Epoch(72_000, 7.2, 720), Epoch(36_000, 3.6, 360), Epoch(36_000, 3.6, 360)]
    assert {name: round(value, 9) for name, value in notes.epochs[2].items()} == {
        "energy_kwh": 0.03,
        "emissions_g": 10.8,
        "epoch_energy_kwh": 0.01,
        "epoch_emissions_g": 3.6,
        "predicted_energy_kwh": 0.04,
        "predicted_emissions_g": 14.4,
    }
    assert notes.runs == [training.run]
    assert training.run.state == "finished"


def forecast_after_three_of_ten(bench: Bench) -> Forecast:
    training = bench.training(epochs=10)
    training.start()
    for _ in range(3):
        bench.clock.advance(360)
        training.end_epoch()
    assert training.forecast is not None
    return training.forecast


def test_the_forecast_tells_energy_emissions_and_the_end_with_intervals() -> None:
    forecast = forecast_after_three_of_ten(Bench())

    assert (forecast.energy_j.value, round(forecast.emissions_g.value, 9)) == (360_000, 36)
    assert forecast.energy_j.low < 360_000 < forecast.energy_j.high
    assert forecast.emissions_g.low < 36 < forecast.emissions_g.high
    assert forecast.ends_ns == 1_000 + 3600 * 10**9
    assert "is predicted to use 100 Wh" in str(forecast)


def test_beside_busy_programs_the_forecast_is_wider() -> None:
    widths = []
    for own in (1.0, 0.2):
        forecast = forecast_after_three_of_ten(Bench(own=own))
        widths.append(forecast.energy_j.high / forecast.energy_j.low)

    alone, beside = widths
    assert beside > 1.5 * alone


def test_without_a_number_of_epochs_or_an_epoch_there_is_no_forecast() -> None:
    bench = Bench()
    unknown, fresh = bench.training(), bench.training(epochs=3)
    with unknown:
        bench.clock.advance(1)
        metrics = unknown.end_epoch()

    assert unknown.forecast is None
    assert fresh.forecast is None
    assert "predicted_energy_kwh" not in metrics
    with pytest.raises(carbonwatch.SettingsError, match="How many epochs"):
        next(iter(unknown))


@pytest.mark.parametrize("budget", [{"budget_g": 8.0}, {"budget_kwh": 0.022}])
def test_a_spent_budget_stops_the_loop_at_the_end_of_its_epoch(
    budget: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    with bench.training(epochs=10, **budget) as training:
        for _ in training:
            bench.clock.advance(360)

    assert len(training.done) == 3
    (record,) = caplog.records
    assert "the budget of" in record.getMessage()
    assert record.getMessage().endswith("is spent, training stops")


def test_the_budget_of_several_ranks_is_that_of_all_and_they_stop_together(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    # itself and two others like it
    with bench.training(epochs=10, budget_g=40.0, sum_over_ranks=lambda mine: 3 * mine) as training:
        for _ in training:
            bench.clock.advance(360)

    assert len(training.done) == 4  # 4 · 3 · 3.6 g
    foreseen, spent = (record.getMessage() for record in caplog.records)
    assert foreseen.endswith(": more than the budget of 40.0 g CO2e")  # though this one's 36 g are not
    assert spent == "43 g CO2e, 120 Wh of digits used: the budget of 40.0 g CO2e is spent, training stops"


def test_a_rank_stops_when_another_one_has_to_and_not_within_an_epoch() -> None:
    bench = Bench()
    training = bench.training(epochs=10, budget_g=1.0, on_budget="warn", sum_over_ranks=lambda mine: mine + 1)
    training.start()
    bench.clock.advance(360)

    assert not training.step()
    training.end_epoch()
    assert training.step()


def test_ranks_that_cannot_be_summed_end_the_budget_and_not_the_training(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: float) -> float:
        raise ConnectionError("a rank is gone")

    bench = Bench()
    with bench.training(epochs=5, budget_g=1.0, sum_over_ranks=broken) as training:
        for _ in training:
            bench.clock.advance(360)

    assert len(training.done) == 5
    assert "the budget is not looked at any more" in caplog.records[0].getMessage()


def test_a_budget_that_warns_lets_the_training_go_on_and_a_forecast_beyond_it_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    with bench.training(epochs=5, budget_g=14.5, on_budget="warn") as training:
        for _ in training:
            bench.clock.advance(360)

    assert len(training.done) == 5
    said = [record.getMessage() for record in caplog.records]
    assert [text.partition("the budget of")[2] for text in said] == [
        " 14.5 g CO2e",
        " 14.5 g CO2e is spent, training goes on",
    ]
    assert said[0].startswith("after 3 epochs")


def test_within_an_epoch_the_budget_is_looked_at_once_a_second() -> None:
    bench = Bench()
    training = bench.training(budget_kwh=1e-9)
    training.start()
    answers = [training.step()]
    bench.clock.advance(0.9)
    answers.append(training.step())
    bench.clock.advance(0.2)
    answers.append(training.step())

    assert answers == [False, False, True]


@pytest.mark.parametrize("answer", [True, False])
def test_it_asks_once_whether_to_go_on(answer: bool) -> None:
    bench, asked = Bench(), []

    def ask(text: str) -> bool:
        asked.append(text)
        return answer

    with bench.training(epochs=6, stop_and_confirm=ask, predict_after=2) as training:
        for _ in training:
            bench.clock.advance(360)

    assert len(training.done) == (6 if answer else 2)
    (text,) = asked
    assert text.endswith("Go on?")


def test_where_nobody_is_there_to_confirm_it_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    bench = Bench()
    with bench.training(epochs=4, stop_and_confirm=True) as training:
        for _ in training:
            bench.clock.advance(360)

    assert len(training.done) == 4
    assert "nobody is there to confirm" in caplog.text


@pytest.mark.parametrize("is_there", [True, False])
def test_without_a_stdin_nothing_is_asked(
    is_there: bool,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    with open(os.devnull, encoding="utf-8") as null, bench.training(epochs=4, stop_and_confirm=True) as training:
        monkeypatch.setattr("sys.stdin", null if is_there else None)
        for _ in training:
            bench.clock.advance(360)

    assert len(training.done) == 4
    assert capsys.readouterr().out == ""
    assert [r.getMessage().partition("(")[0] for r in caplog.records] == ["nobody is there to confirm "]


def test_a_question_that_nobody_answers_ends_its_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    bench = Bench()
    with bench.training(epochs=4, stop_and_confirm=True) as training:
        for _ in training:
            bench.clock.advance(360)

    assert capsys.readouterr().out.endswith("Go on? [Y/n] \n")


def test_a_log_that_fails_is_one_warning_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    bench, notes = Bench(), Notes()
    with caplog.at_level(logging.WARNING), bench.training(epochs=3, log_to=[Broken(), notes]) as training:
        for _ in training:
            bench.clock.advance(1)

    assert list(notes.epochs) == [1, 2, 3]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_where_nothing_is_metered_there_are_no_figures() -> None:
    bench = Bench(meters=())
    with bench.training(epochs=2) as training:
        bench.clock.advance(1)

        assert training.end_epoch() == {}
        assert training.forecast is None


def test_a_training_that_an_error_ends_has_failed() -> None:
    bench = Bench()
    with pytest.raises(KeyError), bench.training(epochs=2) as training:
        raise KeyError

    assert training.run.state == "failed"


@pytest.mark.parametrize(
    "wrong",
    [{"budget_g": 0}, {"budget_kwh": -1.0}, {"budget_g": float("nan")}, {"epochs": 0}, {"on_budget": "halt"}],
)
def test_what_makes_no_sense_is_refused_before_the_training(wrong: dict[str, Any]) -> None:
    with pytest.raises(carbonwatch.SettingsError):
        Training(**wrong)


def test_unknown_settings_are_refused_before_the_training() -> None:
    with pytest.raises(carbonwatch.SettingsError, match="budget_gram"):
        Training(budget_gram=3)


def test_a_training_is_printed_in_a_line() -> None:
    bench = Bench()
    with bench.training(epochs=1) as training:
        for _ in training:
            bench.clock.advance(360)

    assert str(training).startswith("digits: finished, 6 min 00 s, 10.0 Wh (")
    assert str(training).endswith(", 1 epoch")
