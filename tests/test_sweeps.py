"""What came of a sweep: the least, what it costs, and what is chance."""

from dataclasses import replace

import pytest

from carbonwatch.model import Figure
from carbonwatch.reports import _figures
from carbonwatch.sweeps import Trial, advice, facts, spread, table, together, told
from tests.reports import runs


def trial(limit_w: float, duration_s: float, energy_j: float, batch: str = "") -> Trial:
    return Trial(limit_w, batch, duration_s, Figure(energy_j, energy_j * 0.95, energy_j * 1.05))


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

    assert advice(trials, "energy", "0,1") == [
        "300 W used 25.0% less energy and took 10.0% more time than 400 W.",
        "Each was run once, so chance is in it: --repeat 3 shows how much.",
        "To set it: sudo carbonwatch powerlimit set 300 --gpus 0,1",
    ]


def test_advice_on_batch_sizes_alone_sets_no_limit() -> None:
    said = advice([trial(400, 10, 4000, "32"), trial(400, 8, 3000, "64")], "energy", "0")

    assert said[0].startswith("400 W with batches of 64 used 25.0% less energy")
    assert not any("powerlimit set" in line for line in said)


def test_a_difference_within_the_spread_is_called_chance() -> None:
    trials = [trial(400, 10, 1000), trial(400, 10, 1100), trial(300, 10, 1000), trial(300, 10, 1050)]

    assert "it may be chance" in advice(trials, "energy", "0")[1]


def test_where_nothing_is_better_it_says_so() -> None:
    assert advice([trial(400, 10, 1000), trial(300, 20, 1500)], "energy", "0") == [
        "Nothing that was tried needs less energy than 400 W: leave it."
    ]


# in a report


def of_a_sweep(*before: Trial) -> dict[str, object]:
    return facts(300, "", "energy", "0", before)


def test_the_last_run_of_a_sweep_tells_what_came_of_it() -> None:
    run = replace(runs.on_a_server(), facts=of_a_sweep())
    usual = Trial(400, "", run.duration_s / 2, run.energy("machine").times(2))
    last = replace(run, facts=of_a_sweep(usual))

    assert told(run) == []
    assert told(last)[0] == "300 W used 50.0% less energy and took 100.0% more time than 400 W."
    assert dict(_figures.details(last))["Sweep"] == told(last)


def test_a_run_that_failed_or_is_of_no_sweep_tells_nothing() -> None:
    run = runs.on_a_server()

    assert told(run) == told(replace(run, state="failed", facts=of_a_sweep(trial(400, 1, 1)))) == []
