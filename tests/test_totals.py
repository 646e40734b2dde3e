from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonwatch import totals
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Place, Run
from carbonwatch.reports import terminal
from tests.reports import runs

HOUR_NS = 3600 * 10**9


def at(start_h: float, lasted_h: float = 1.0, **changes: object) -> Run:
    """A run at some hour, on a host of its own."""
    run = replace(runs.on_a_server(), started_ns=runs.STARTED_NS + round(start_h * HOUR_NS), duration_s=lasted_h * 3600)
    return replace(run, **changes)  # type: ignore[arg-type]  # fields of a run


def test_one_run_is_its_own_total() -> None:
    assert totals.merge([runs.with_gaps()]) == runs.with_gaps()


@settings(runs.patient, max_examples=10)
@given(parts=st.lists(runs.runs(), min_size=2, max_size=4))
def test_energy_and_emissions_add_up(parts: list[Run]) -> None:
    parts = [replace(run, scope="process") for run in parts]
    whole = totals.merge(parts)

    assert whole.energy_j == pytest.approx(sum(run.energy_j for run in parts))
    assert whole.emissions_g == pytest.approx(sum(run.emissions_g for run in parts))
    assert whole.water_l == pytest.approx(sum(run.water_l for run in parts))


def test_intervals_add_up_end_to_end() -> None:
    parts = [at(0), at(2), at(4)]
    whole, one = totals.merge(parts).energy("own"), parts[0].energy("own")

    assert (whole.low, whole.high) == pytest.approx((3 * one.low, 3 * one.high))


def test_the_duration_is_when_any_of_them_ran() -> None:
    assert totals.merge([at(0, 1), at(0.5, 1), at(5, 2)]).duration_s == pytest.approx(3.5 * 3600)


def test_a_total_says_which_runs_it_is_made_of() -> None:
    whole = totals.merge([at(0), at(2, id="x", state="failed")])

    assert [(part.id, part.state) for part in totals.merged_runs(whole)] == [("0199", "finished"), ("x", "failed")]
    assert totals.merged_runs(runs.on_a_server()) == ()
    assert totals.merged_runs(runs.a_run(facts={"runs": [1]})) == ()


def test_runs_of_different_headlines_are_refused() -> None:
    with pytest.raises(CarbonwatchError, match="one scope: --scope process, or --scope machine"):
        totals.merge([at(0), at(2, scope="machine")])


def test_what_ran_at_a_time_on_one_machine_is_told() -> None:
    facts = {"host": "one"}
    together = totals.merge([at(0, 2, facts=facts), at(1, 1, facts=facts)])
    apart = totals.merge([at(0, 1, facts=facts), at(1, 1, facts=facts), at(0, 1, facts={"host": "two"})])

    assert "counts twice" in together.notes[0]
    assert apart.notes == ()


def test_facts_that_differ_are_left_out_and_places_are_listed() -> None:
    whole = totals.merge([at(0), at(2, facts={"cpu_count": 112}, place=Place(country="DE"))])

    assert set(whole.facts) == {"cpu_count", "runs"}
    assert whole.place == Place(candidates=("FR", "DE"), evidence=totals.SEVERAL_PLACES)


def test_a_report_of_a_total_counts_the_runs_and_those_that_did_not_end_well() -> None:
    text = terminal.render(totals.merge([at(0), at(2, state="failed"), at(4, state="killed"), at(6, entries=())]))

    assert "digits: 4 runs, 4 h 00 min in all, first started 2026-09-21 14:13 UTC" in text
    assert "Of 4 runs 1 failed, 1 killed: what they used is in the figures." in text
    assert "Of 4 runs 1 had no meter" in text
