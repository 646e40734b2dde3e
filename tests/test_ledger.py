import math
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.ledger import (
    SLOT_NS,
    Book,
    across,
    add_gap,
    at,
    end_ns,
    enter,
    figures,
    fold,
    fold_into,
    prices,
    reprice,
)
from carbonwatch.model import Domain, Entry, Gap, Part, Run, Series, Slot, SlotKind, Usage, Work
from carbonwatch.testing import intensity

CPU = Domain("cpu", "cpu", "measured", "a package")
RAM = Domain("ram", "ram", "modelled", "a model")
GRIDS = (intensity(50.0, "FR"), intensity(400.0, "DE"))
PARTS: tuple[Part, ...] = ("own", "idle", "others", "machine")

joules = st.floats(0, 1e6)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    own_j, idle_j, others_j = draw(joules), draw(joules), draw(joules)
    work = draw(st.none() | st.builds(Work, joules, joules, joules, joules))
    domain = draw(st.sampled_from((CPU, RAM)))
    return Usage(domain, own_j + idle_j + others_j, idle_j, own_j, own_j / 2, own_j * 1.5, idle_j, work)


entries = st.builds(
    Entry,
    task=st.sampled_from(("", "load", "train", "train/epoch")),
    start_ns=st.integers(0, 5 * SLOT_NS),
    duration_s=st.floats(0, 1e5),
    usage=usages(),
    intensity=st.sampled_from(GRIDS),
)


def entry(start_ns: int = 0, task: str = "", domain: Domain = CPU, machine_j: float = 10.0, zone: int = 0) -> Entry:
    used = Usage(domain, machine_j, 2.0, 5.0, 4.0, 6.0, 3.0, Work(1.0, 2.0, 4.0))
    return Entry(task, start_ns, 1.0, used, GRIDS[zone])


def kind(entry: Entry) -> tuple[str, str, str, int]:
    return entry.task, entry.usage.domain.id, entry.intensity.zone, entry.start_ns // SLOT_NS


def test_a_part_of_a_run_takes_the_price_that_the_run_has_for_its_task_domain_and_hour() -> None:
    whole = Run("id", "p", "machine", "finished", 0, 2.0, (entry(zone=1), entry(task="load", zone=1), entry(SLOT_NS)))
    part = (entry(5, task="load"), entry(SLOT_NS + 5, task="load"))

    assert at(prices(whole), part) == (entry(5, task="load", zone=1), entry(SLOT_NS + 5, task="load"))


def test_a_window_over_a_run_takes_the_price_of_its_hour_whatever_the_task() -> None:
    whole = Run("id", "p", "machine", "finished", 0, 2.0, (entry(task="load", zone=1), entry(SLOT_NS)))
    window = (entry(5, task="step"), entry(SLOT_NS + 5, task="step"), entry(5, task="step", domain=RAM))

    assert across(prices(whole), window) == (entry(5, task="step", zone=1), *window[1:])


@given(st.lists(entries, max_size=30))
def test_folding_loses_no_joule_no_gram_and_no_second(many: list[Entry]) -> None:
    few = fold(many)

    for part in PARTS:
        assert math.fsum(e.usage.part(part).value for e in few) == pytest.approx(
            math.fsum(e.usage.part(part).value for e in many), rel=1e-9, abs=1e-6
        )
    assert sum(e.machine_g for e in few) == pytest.approx(sum(e.machine_g for e in many))
    assert sum(e.duration_s for e in few) == pytest.approx(sum(e.duration_s for e in many))


@given(st.lists(entries, max_size=30))
def test_what_tells_entries_apart_is_kept_once_each(many: list[Entry]) -> None:
    few = fold(many)

    assert [kind(e) for e in few] == list(dict.fromkeys(kind(e) for e in many))
    assert all(e.start_ns == min(o.start_ns for o in many if kind(o) == kind(e)) for e in few)


@given(st.lists(entries, max_size=20))
def test_what_is_folded_folds_no_further(many: list[Entry]) -> None:
    assert fold(fold(many)) == fold(many)


@given(st.lists(entries, max_size=20), st.integers(0, 20))
def test_a_book_may_be_filled_in_any_portions(many: list[Entry], cut: int) -> None:
    book: Book = {}
    fold_into(book, many[:cut])
    fold_into(book, many[cut:])

    assert tuple(book.values()) == fold(many)


def test_adding_to_a_book_gives_what_changed_in_it() -> None:
    book: Book = {}
    fold_into(book, [entry(), entry(domain=RAM)])
    changed = fold_into(book, [entry(7), entry(SLOT_NS)])

    assert list(changed.values()) == [fold([entry(), entry(7)])[0], entry(SLOT_NS)]
    assert changed.items() <= book.items()


@given(st.lists(usages(), max_size=3), st.integers(1, 8))
def test_tasks_side_by_side_share_a_sample_without_a_rest(used: list[Usage], tasks: int) -> None:
    shared = [e for i in range(tasks) for e in enter(used, f"task-{i}", 0, 1.0, GRIDS[0], 1 / tasks)]

    assert sum(e.usage.machine_j for e in shared) == pytest.approx(sum(u.machine_j for u in used))
    assert sum(e.usage.own_j for e in shared) == pytest.approx(sum(u.own_j for u in used))
    assert sum(e.duration_s for e in shared) == pytest.approx(1.0 * len(used))


def test_a_sample_for_one_task_is_entered_as_it_is() -> None:
    used = (entry().usage, entry(domain=RAM).usage)

    assert enter(used, "train", 7, 2.0, GRIDS[0]) == tuple(Entry("train", 7, 2.0, u, GRIDS[0]) for u in used)


def test_entries_of_one_hour_become_one_with_the_earliest_start() -> None:
    late, early = entry(SLOT_NS - 1, machine_j=10.0), entry(5, machine_j=30.0)

    assert fold([late, early]) == (
        Entry("", 5, 2.0, Usage(CPU, 40.0, 4.0, 10.0, 8.0, 12.0, 6.0, Work(2.0, 4.0, 8.0)), GRIDS[0]),
    )


@pytest.mark.parametrize(
    "other",
    [entry(SLOT_NS), entry(task="train"), entry(domain=RAM), entry(zone=1)],
    ids=["hour", "task", "domain", "intensity"],
)
def test_entries_stay_apart_by_hour_task_domain_and_intensity(other: Entry) -> None:
    assert fold([entry(), other]) == (entry(), other)


def test_work_that_is_not_known_of_one_part_is_known_of_the_other() -> None:
    unknown = replace(entry(), usage=replace(entry().usage, work=None))

    assert [fold(pair)[0].usage.work for pair in ([unknown, entry()], [entry(), unknown])] == [Work(1.0, 2.0, 4.0)] * 2


# pricing by slot

QUARTER_NS = SLOT_NS // 4
YEAR = replace(GRIDS[0], basis="consumption")


def series(*slots: Slot, period: Literal["year", "hour"] = "hour") -> Series:
    return Series(slots, "DE", "Germany", "consumption", "lifecycle", "a test", "CC0", period=period)


def hours(*g_per_kwh: float | None, kind: SlotKind = "measured") -> Series:
    """Slots of an hour from the epoch on; None is a hole."""
    starts = ((n * SLOT_NS, g) for n, g in enumerate(g_per_kwh))
    return series(*(Slot(start, start + SLOT_NS, g, kind) for start, g in starts if g is not None))


def run(*entries: Entry) -> Run:
    return Run("r", "tests", "machine", "finished", 0, 3 * 3600.0, entries)


def hour(number: int, machine_j: float = 3.6e6, duration_s: float = 3600.0, start_ns: int = 0) -> Entry:
    """An entry of one hour, priced by a year's mean of 50 g/kWh."""
    used = Usage(CPU, machine_j, 0.0, machine_j, machine_j, machine_j)
    return Entry("", number * SLOT_NS + start_ns, duration_s, used, YEAR)


def test_each_hour_is_priced_by_its_own_slot() -> None:
    three = run(hour(0, 3.6e6), hour(1, 7.2e6), hour(2, 1.8e6))
    priced = reprice(three, hours(100, 300, 200))

    assert priced.emissions_g == pytest.approx(1 * 100 + 2 * 300 + 0.5 * 200, rel=1e-9)
    assert priced.covered == 1.0
    assert [entry.intensity.year for entry in priced.entries] == [1970] * 3


def test_an_hour_without_a_slot_keeps_the_year_s_price_and_covered_says_how_much_that_is() -> None:
    three = run(hour(0, 3.6e6), hour(1, 7.2e6), hour(2, 1.8e6))
    priced = reprice(three, hours(100, None, 200))

    assert priced.emissions_g == pytest.approx(1 * 100 + 2 * 50 + 0.5 * 200, rel=1e-9)
    assert priced.covered == pytest.approx(1.5 / 3.5)
    assert priced.entries[1] == three.entries[1]


def test_slots_within_an_entry_count_by_its_time_in_them() -> None:
    quarters = series(*(Slot(n * QUARTER_NS, (n + 1) * QUARTER_NS, g) for n, g in enumerate((100, 200, 400, 800))))
    half = hour(0, duration_s=1800.0, start_ns=QUARTER_NS // 2)
    priced = reprice(run(half), quarters)

    # the second half of the first quarter, all of the second, the first half of the third
    assert priced.entries[0].intensity.g_per_kwh == pytest.approx((100 * 0.5 + 200 + 400 * 0.5) / 2)


def test_a_hole_within_an_entry_leaves_it_the_year_s_price() -> None:
    assert reprice(run(hour(0)), series(Slot(0, 3 * QUARTER_NS, 100))) == run(hour(0))


def test_the_last_sample_of_an_hour_may_end_a_moment_after_it() -> None:
    priced = reprice(run(hour(0, duration_s=3601.0)), hours(100))

    assert priced.entries[0].intensity.g_per_kwh == 100


def test_the_first_series_that_knows_all_of_an_entry_prices_it() -> None:
    priced = reprice(run(hour(0), hour(1)), hours(100), hours(777, 300))

    assert [entry.intensity.g_per_kwh for entry in priced.entries] == [100, 300]


def test_what_was_only_foretold_is_no_price() -> None:
    assert reprice(run(hour(0)), hours(100, kind="forecast")) == run(hour(0))


def test_an_estimate_is_called_one() -> None:
    (entry,) = reprice(run(hour(0)), hours(100, kind="estimated")).entries

    assert entry.intensity.source == "a test, estimated"


def test_what_the_user_priced_by_hand_keeps_its_price() -> None:
    by_hand = replace(hour(0), intensity=GRIDS[0])

    assert reprice(run(by_hand), hours(100)) == run(by_hand)


def test_a_year_s_mean_does_not_replace_an_hour_s() -> None:
    hourly = reprice(run(hour(0)), hours(100))

    assert reprice(hourly, series(Slot(0, 10 * SLOT_NS, 7), period="year")) == hourly


@given(
    st.lists(st.builds(hour, st.integers(0, 5), joules, st.floats(0, 3600)), max_size=10),
    st.lists(st.none() | st.floats(0, 2000), min_size=6, max_size=6),
)
def test_a_new_price_changes_grams_and_not_a_joule_and_the_same_again_changes_nothing(
    entries: list[Entry], prices: list[float | None]
) -> None:
    before = run(*entries)
    after = reprice(before, hours(*prices))

    assert [replace(e, intensity=YEAR) for e in after.entries] == list(before.entries)
    assert reprice(after, hours(*prices)) == after
    assert [after.energy(part) for part in PARTS] == [before.energy(part) for part in PARTS]


@given(st.lists(st.tuples(joules, st.floats(0, 2000)), min_size=1, max_size=24))
def test_a_run_s_grams_are_the_sum_of_its_hours_by_hand(parts: list[tuple[float, float]]) -> None:
    before = run(*(hour(n, machine_j) for n, (machine_j, _) in enumerate(parts)))
    after = reprice(before, hours(*(g_per_kwh for _, g_per_kwh in parts)))

    by_hand = math.fsum(machine_j / 3.6e6 * g_per_kwh for machine_j, g_per_kwh in parts)
    assert after.emissions_g == pytest.approx(by_hand, rel=1e-9, abs=1e-12)


def test_an_entry_without_a_duration_still_has_an_end() -> None:
    assert end_ns(hour(1, duration_s=0.0)) == SLOT_NS + 1


# gaps


def test_a_gap_that_goes_on_is_one() -> None:
    gaps: list[Gap] = []
    for start in (0, 10, 20):
        add_gap(gaps, Gap("gpu", start, start + 10, "lost"))
    add_gap(gaps, Gap("gpu", 25, 28, "lost"))  # of a window inside it

    assert gaps == [Gap("gpu", 0, 30, "lost")]


def test_gaps_of_other_reasons_or_meters_or_times_stay_apart() -> None:
    several = [
        Gap("gpu", 0, 10, "lost"),
        Gap("gpu", 10, 20, "reset"),
        Gap("cpu", 20, 30, "lost"),
        Gap("gpu", 40, 50, "lost"),
    ]
    gaps: list[Gap] = []
    for gap in several:
        add_gap(gaps, gap)

    assert gaps == several


def test_a_meter_that_comes_and_goes_for_days_has_a_few_gaps_that_hold_all_of_them() -> None:
    gaps: list[Gap] = [Gap("cpu", 0, 1, "gone")]
    all_of_it = [Gap("gpu", 20 * n, 20 * n + 10, ("lost", "reset")[n % 2]) for n in range(2000)]
    for gap in all_of_it:
        add_gap(gaps, gap)
    of_gpu = [gap for gap in gaps if gap.domain_id == "gpu"]

    assert (len(of_gpu), gaps[0]) == (32, Gap("cpu", 0, 1, "gone"))
    assert all(any(kept.start_ns <= gap.start_ns and gap.end_ns <= kept.end_ns for kept in of_gpu) for gap in all_of_it)


def test_where_gaps_are_too_many_the_closest_become_one_with_the_longer_one_s_reason() -> None:
    gaps: list[Gap] = []
    for n in range(32):
        add_gap(gaps, Gap("gpu", 1000 * n, 1000 * n + 10, "lost"))
    add_gap(gaps, Gap("gpu", 31_050, 31_150, "reset"))

    assert len(gaps) == 32
    assert gaps[-1] == Gap("gpu", 31_000, 31_150, "reset")


def test_figures_are_the_headline_s_numbers_by_name_and_what_is_not_known_is_left_out() -> None:
    run = Run("a", "p", "process", "finished", 0, 10.0, (entry(),), pue=2.0)
    nothing = Run("b", "p", "process", "finished", 0, 10.0)

    assert {name: round(value * 3.6e6) for name, value in figures(run).items() if name.endswith("_kwh")} == {
        "energy_kwh": 5,
        "energy_low_kwh": 4,
        "energy_high_kwh": 6,
    }
    assert figures(run)["emissions_g"] == run.emissions_g
    assert figures(run)["measured_share"] == 1.0
    assert figures(nothing) == {"duration_s": 10.0}
