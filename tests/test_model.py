import math
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.model import COMPONENTS, Domain, Figure, Intensity, Part, Run, Usage, Work, price
from carbonwatch.units import J_PER_KWH
from tests.reports import runs

CPU = Domain("cpu", "cpu", "measured", "a meter", error=(-0.1, 0.2))
RAM = Domain("ram", "ram", "modelled", "a model", error=(-0.5, 1.0))
GRID = Intensity(100.0, 50.0, 200.0, "XX", "a grid", "production", "lifecycle", "a test", 2025)
GIVEN = replace(GRID, low=100.0, high=100.0, basis="given")

works = st.builds(Work, *[st.integers(0, 10**9).map(lambda ms: ms / 1e3)] * 4)


def near(figure: Figure) -> Figure:
    values: list[Any] = [pytest.approx(value, rel=1e-9) for value in (figure.value, figure.low, figure.high)]
    return Figure(*values)


def test_values_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        runs.on_a_server().pue = 2.0  # type: ignore[misc]


@given(before=works, after=works)
def test_work_never_goes_back(before: Work, after: Work) -> None:
    done = after.since(before)

    assert min(done.own_s, done.busy_s, done.capacity_s, done.reserved_s) >= 0


def test_work_is_counted_from_the_former_count() -> None:
    before, after = Work(1.0, 2.0, 3.0, 4.0), Work(2.0, 4.0, 6.0, 8.0)

    assert after.since(before) == before
    assert before.plus(before) == after


@given(use=runs.usages())
def test_idle_own_and_others_are_the_machine(use: Usage) -> None:
    parts = [use.part("idle"), use.part("own"), use.part("others")]

    assert sum(part.value for part in parts) == pytest.approx(use.part("machine").value)


@given(use=runs.usages(), part=st.sampled_from(runs.PARTS))
def test_an_interval_holds_its_value(use: Usage, part: Part) -> None:
    figure = use.part(part)

    assert 0 <= figure.low <= figure.value <= figure.high


def test_own_has_the_interval_of_the_meter_and_of_the_convention() -> None:
    use = Usage(CPU, 100.0, 30.0, 50.0, 40.0, 60.0, 30.0, Work(1.0, 2.0, 4.0))

    assert use.part("own") == near(Figure(50.0, 36.0, 72.0))
    assert use.part("machine") == near(Figure(100.0, 90.0, 120.0))
    assert use.part("others") == near(Figure(20.0, 18.0, 24.0))


def test_a_short_window_has_the_interval_of_its_edges_too() -> None:
    counter = replace(CPU, error=(-0.03, 0.04), period_s=0.1)
    edges = 0.68 * 0.1 / 1.7  # 4 %

    assert counter.error_over(1.7) == pytest.approx((-0.05, math.hypot(0.04, edges)))
    assert counter.error_over(3600.0) == pytest.approx(counter.error, abs=1e-6)
    assert counter.error_over(0.001)[0] == -1.0
    assert CPU.error_over(0.001) == CPU.error


def test_nine_windows_in_ten_lie_within_the_interval_of_their_edges() -> None:
    period, window = 100, 100_000  # 1 W: so much time is so much energy
    counter = replace(CPU, error=(0.0, 0.0), period_s=period / 1e3)
    _, high = counter.error_over(window / 1e3)
    errors = [abs(last_age - first_age) for first_age in range(period) for last_age in range(period)]
    within = sum(error <= high * window for error in errors) / len(errors)

    assert within == pytest.approx(0.9, abs=0.01)


def test_a_run_widens_joules_and_grams_by_its_edges() -> None:
    counter = Domain("gpu", "gpu", "measured", "a meter", period_s=0.1)
    entry = runs.entry(runs.usage(counter, 100.0), intensity=GIVEN)
    run = replace(runs.on_a_server(), entries=(entry,), duration_s=0.68, pue=1.0)

    assert run.energy("machine") == near(Figure(100.0, 90.0, 110.0))
    assert run.emissions("machine").high == pytest.approx(1.1 * run.emissions("machine").value)


@given(use=runs.usages(), share=st.integers(0, 100).map(lambda percent: percent / 100))
def test_parts_of_an_interval_add_up_to_it(use: Usage, share: float) -> None:
    both = use.times(share).plus(use.times(1 - share))

    for part in runs.PARTS:
        assert both.part(part).value == pytest.approx(use.part(part).value, rel=1e-9, abs=1e-6 * use.machine_j)
    assert both.is_split == use.is_split


def test_work_that_is_known_of_one_interval_alone_is_kept() -> None:
    work = Work(1.0, 2.0, 4.0)
    known, unknown = replace(runs.usage(CPU, 5.0), work=work), runs.unsplit(CPU, 7.0)

    assert known.plus(unknown).work == unknown.plus(known).work == work
    assert known.plus(unknown).machine_j == 12.0


def test_energy_is_split_where_somebody_could_tell_or_nothing_is_in_doubt() -> None:
    assert runs.usage(CPU, 5.0).is_split
    assert not runs.unsplit(CPU, 5.0).is_split
    assert runs.unsplit(CPU, 0.0).is_split
    assert Usage(CPU, 5.0, 0.0, 5.0, 5.0, 5.0).is_split  # an estimate of one program alone
    assert not runs.not_split().is_split
    assert runs.on_a_server().is_split


energies = st.tuples(*[st.integers(0, 10**24)] * 3).map(lambda nj: Figure(*(sorted(nj)[i] / 1e9 for i in (1, 0, 2))))
time_errors = st.integers(0, 100).map(lambda percent: percent / 100)


@given(energy=energies, intensity=runs.intensities(), time_error=time_errors)
def test_a_price_s_interval_holds_it(energy: Figure, intensity: Intensity, time_error: float) -> None:
    grams = price(energy, intensity, time_error)

    assert 0 <= grams.low <= grams.value <= grams.high < math.inf


@given(energy=energies, intensity=runs.intensities(), time_error=time_errors)
def test_a_price_is_no_less_certain_than_the_worst_of_all_ends(
    energy: Figure, intensity: Intensity, time_error: float
) -> None:
    grams = price(energy, intensity, time_error)
    time_factor = 1 + max(time_error, 0.05)  # an hour's mean has an error of its own
    lowest = energy.low / J_PER_KWH * intensity.low / time_factor
    highest = energy.high / J_PER_KWH * intensity.high * time_factor

    assert lowest * (1 - 1e-9) <= grams.low
    assert grams.high <= highest * (1 + 1e-9)


@given(energy=energies, intensity=runs.intensities(), factor=st.integers(100, 10_000).map(lambda n: n / 100))
def test_more_energy_costs_more_in_proportion(energy: Figure, intensity: Intensity, factor: float) -> None:
    grams, more = price(energy, intensity, 0.3), price(energy.times(factor), intensity, 0.3)

    assert more == near(grams.times(factor))


@given(energy=energies, intensity=runs.intensities(), factor=st.integers(100, 10_000).map(lambda n: n / 100))
def test_a_dirtier_grid_costs_more_in_proportion(energy: Figure, intensity: Intensity, factor: float) -> None:
    dirtier = replace(
        intensity,
        g_per_kwh=intensity.g_per_kwh * factor,
        low=intensity.low * factor,
        high=intensity.high * factor,
    )

    assert price(energy, dirtier, 0.3) == near(price(energy, intensity, 0.3).times(factor))


def test_relative_errors_are_combined_in_quadrature_on_the_log_scale() -> None:
    energy = Figure(J_PER_KWH, J_PER_KWH / 2, J_PER_KWH * 2)
    factor = math.exp(math.sqrt(2) * math.log(2))

    assert price(energy, GRID, 0.0) == near(Figure(100.0, 100.0 / factor, 100.0 * factor))
    assert price(energy, GIVEN, 0.45) == near(Figure(100.0, 50.0, 200.0))


def test_what_may_be_nothing_costs_nothing_at_least() -> None:
    energy = Figure(J_PER_KWH, 0.0, J_PER_KWH)

    assert price(energy, GRID, 0.45).low == 0.0
    assert price(Figure(J_PER_KWH, J_PER_KWH, J_PER_KWH), replace(GRID, low=0.0), 0.45).low == 0.0


def test_no_energy_costs_nothing_and_at_most_its_upper_end() -> None:
    assert price(Figure(0.0, 0.0, J_PER_KWH), GRID, 0.0) == Figure(0.0, 0.0, 200.0)


def test_a_clean_grid_costs_nothing_and_at_most_its_upper_end() -> None:
    clean = replace(GRID, g_per_kwh=0.0, low=0.0, high=5.0)

    assert price(Figure(J_PER_KWH, J_PER_KWH, J_PER_KWH), clean, 0.0) == Figure(0.0, 0.0, 5.0)


@runs.patient
@given(run=runs.runs())
def test_components_add_up_to_the_run(run: Run) -> None:
    for part in runs.PARTS:
        by_component = [run.energy(part, component) for component in COMPONENTS]
        grams = [run.emissions(part, component) for component in COMPONENTS]

        assert sum(figure.value for figure in by_component) == pytest.approx(run.energy(part).value)
        assert sum(figure.high for figure in grams) == pytest.approx(run.emissions(part).high)


@runs.patient
@given(run=runs.runs())
def test_parts_add_up_to_the_machine_s_energy_and_emissions(run: Run) -> None:
    parts: tuple[Part, ...] = ("own", "idle", "others")

    assert sum(run.energy(part).value for part in parts) == pytest.approx(run.energy("machine").value)
    assert sum(run.emissions(part).value for part in parts) == pytest.approx(run.emissions("machine").value)


@runs.patient
@given(run=runs.runs(), names=st.lists(st.sampled_from(("", "a", "a/b", "a/c", "ab", "d")), min_size=6, max_size=6))
def test_tasks_and_what_is_outside_them_add_up_to_the_run(run: Run, names: list[str]) -> None:
    entries = tuple(replace(entry, task=task) for entry, task in zip(run.entries, names, strict=False))
    run = replace(run, entries=entries)
    outside_j = sum(entry.usage.part(run.headline).value for entry in entries if not entry.task)
    outermost = [run.only(task).energy_j for task in ("a", "ab", "d")]

    assert sum(outermost) + outside_j == pytest.approx(run.energy_j)


@runs.patient
@given(run=runs.runs())
def test_the_scope_chooses_the_headline_and_changes_nothing_else(run: Run) -> None:
    process, machine = replace(run, scope="process"), replace(run, scope="machine")

    assert process.energy_j == run.energy("own").value <= machine.energy_j * (1 + 1e-9)
    assert machine.energy_j == run.energy("machine").value
    assert process.emissions_g == run.emissions("own").value
    assert machine.emissions_g == run.emissions("machine").value


@runs.patient
@given(run=runs.runs())
def test_the_measured_share_is_a_share_or_not_known(run: Run) -> None:
    assert run.measured is None if run.energy_j == 0 else 0 <= (run.measured or 0) <= 1 + 1e-9


def test_the_measured_share_is_that_of_the_headline() -> None:
    run = runs.a_run(runs.entry(runs.usage(CPU, 30.0, 60.0)), runs.entry(runs.usage(RAM, 10.0)))

    assert run.measured == 0.75
    assert replace(run, scope="machine").measured == 0.9
    assert runs.a_run().measured is None


def test_pue_counts_for_emissions_and_neither_for_energy_nor_for_water() -> None:
    entry = runs.entry(runs.usage(CPU, J_PER_KWH), intensity=GIVEN)
    run = runs.a_run(entry, pue=1.5, wue_l_per_kwh=2.0)

    assert run.energy_j == J_PER_KWH
    assert run.emissions_g == pytest.approx(150.0)
    assert run.water_l == pytest.approx(2.0)
    assert entry.machine_g == pytest.approx(100.0)


def test_a_task_s_run_lasts_as_long_as_the_meter_that_ran_longest() -> None:
    cpu, ram = runs.entry(runs.usage(CPU, 1.0), "a"), runs.entry(runs.usage(RAM, 1.0), "a/b")
    run = runs.a_run(replace(cpu, duration_s=5.0), replace(cpu, duration_s=2.0), replace(ram, duration_s=6.0))

    assert run.only("a").duration_s == 7.0
    assert run.only("a/b").duration_s == 6.0
    assert run.only("b") == replace(run, entries=(), duration_s=0.0)


def test_tasks_meters_and_prices_are_named_once_in_order() -> None:
    run = runs.a_run(
        runs.entry(runs.usage(RAM, 1.0), "b"),
        runs.entry(runs.usage(CPU, 1.0)),
        runs.entry(runs.usage(CPU, 1.0), "a", GRID),
        runs.entry(runs.usage(RAM, 1.0), "b", GRID),
    )

    assert run.tasks == ("b", "a")
    assert run.domains == (RAM, CPU)
    assert run.intensities == (runs.FRANCE, GRID)
    assert run.components == ("cpu", "ram")


def test_a_year_s_mean_is_worth_more_to_a_longer_run() -> None:
    hour_s = 3600.0
    errors = [replace(runs.a_run(), duration_s=h * hour_s).time_error for h in (0, 7, 8, 47, 48, 335, 336, 9000)]

    assert errors == [0.45, 0.45, 0.35, 0.35, 0.25, 0.25, 0.15, 0.15]


def test_an_hour_s_mean_is_surer_than_a_year_s() -> None:
    energy = Figure(J_PER_KWH, J_PER_KWH, J_PER_KWH)
    exact = replace(GRID, low=100.0, high=100.0)

    assert price(energy, exact, 0.45) == near(Figure(100.0, 100.0 / 1.45, 145.0))
    assert price(energy, replace(exact, period="hour"), 0.45) == near(Figure(100.0, 100.0 / 1.05, 105.0))


def test_the_covered_share_is_that_of_joules_priced_by_their_hour() -> None:
    hour = runs.entry(runs.usage(CPU, 30.0), intensity=replace(GRID, period="hour"))
    run = runs.a_run(hour, runs.entry(runs.usage(CPU, 10.0)))

    assert run.covered == 0.75
    assert runs.a_run().covered is None


def test_a_contract_and_the_lines_are_figures_beside_the_footprint() -> None:
    facts = {"market_g_per_kwh": 10.0, "line_losses": 0.2}
    run = runs.a_run(runs.entry(runs.usage(CPU, J_PER_KWH), intensity=GRID), facts=facts, pue=2.0)
    plain = replace(run, facts={})

    assert (run.emissions_g, run.market_g, run.losses_g) == (200.0, 20.0, 50.0)
    assert (plain.emissions_g, plain.market_g, plain.losses_g) == (200.0, None, None)


@pytest.mark.parametrize("fact", [[], {}, "a lot", None, math.nan, math.inf])
def test_a_fact_that_is_no_number_is_not_known(fact: object) -> None:
    run = replace(
        runs.on_a_server(), facts=dict.fromkeys(("market_g_per_kwh", "marginal_g_per_kwh", "line_losses"), fact)
    )

    assert (run.market_g, run.marginal_g, run.losses_g) == (None, None, None)


def test_a_run_is_printed_in_a_line_and_its_repr_is_whole() -> None:
    run = runs.on_a_server()

    assert str(run) == "digits: finished, 4 min 05 s, 26.2 Wh (24.7–27.9 Wh), 960 mg CO2e (640–1500 mg)"
    assert str(runs.not_split()).endswith(", energy and emissions unknown")
    assert str(runs.planned()).startswith("plan: planned, 3 h 00 min, ")
    assert repr(run).startswith("Run(id=")
