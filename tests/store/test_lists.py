"""Lists of runs: filtered, ordered, summed up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.model import Domain, Entry, Place, Run, Usage
from carbonwatch.store import lists
from carbonwatch.store.journal import Journal
from carbonwatch.store.lists import Country, Project, Span, Totals, Wanted
from carbonwatch.store.query import Store
from carbonwatch.testing import intensity

DAY_S = 86_400
SECOND = 10**9
START_NS = 20_000 * DAY_S * SECOND
METER = Domain("fake:cpu", "cpu", "measured", "a fake meter")


def run(id_: str, day: int, energy_j: float = 3.6e6, **changes: object) -> Run:
    """A run at noon of a day; a kWh is a gram."""
    use = Usage(METER, energy_j, 0.0, energy_j, energy_j, energy_j)
    start_ns = START_NS + (day * DAY_S + DAY_S // 2) * SECOND
    entries = (Entry("", start_ns, 60.0, use, intensity(1.0)),) if energy_j else ()
    return replace(Run(id_, "one", "process", "finished", start_ns, 60.0, entries), **changes)  # type: ignore[arg-type]


RUNS = (
    run("a", 0, 2 * 3.6e6, place=Place("FR"), facts={"command": "python Train.py", "tags": ["new", 'a "b" c', "é"]}),
    run("b", 1, 3 * 3.6e6, project="two", place=Place("US", "US-VA"), state="failed", facts={"host": "node-7"}),
    run("c", 1, 0.0, project="two"),
    run("d", 9, 1 * 3.6e6, project="100 %", place=Place("FR", cloud="aws/eu-west-3"), facts={"tags": ["news"]}),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = str(tmp_path_factory.mktemp("lists") / "runs.db")
    with closing(Journal(path)) as journal:
        journal.add(RUNS)
    with Store(path) as opened:
        yield opened


def ids(store: Store, wanted: Wanted = Wanted(), **order: object) -> str:  # noqa: B008 - it is frozen
    return "".join(listed.run.id for listed in lists.page(store, wanted, **order))  # type: ignore[arg-type]


def sums(runs: int, kwh: float, unmetered: int = 0) -> Totals:
    return Totals(runs, runs * 60.0, kwh * 3.6e6, kwh, kwh * 3.6e6, unmetered)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), "dcba"),
        (Wanted(project="two"), "cb"),
        (Wanted(project="2"), ""),
        (Wanted(state="failed"), "b"),
        (Wanted(tag="new"), "a"),
        (Wanted(tag='a "b" c'), "a"),
        (Wanted(tag="b"), ""),
        (Wanted(tag="é"), "a"),
        (Wanted(text=" train.PY "), "a"),
        (Wanted(text="node"), "b"),
        (Wanted(text="0 %"), "d"),
        (Wanted(text="NEW"), "da"),
        (Wanted(text="_"), ""),
        (Wanted(since_ns=START_NS + DAY_S * SECOND), "dcb"),
        (Wanted(until_ns=START_NS + DAY_S * SECOND), "a"),
        (Wanted(project="two", text="node", state="failed"), "b"),
    ],
)
def test_runs_are_found_by_what_is_wanted(store: Store, wanted: Wanted, found: str) -> None:
    assert ids(store, wanted) == found
    assert lists.totals(store, wanted).runs == len(found)


@pytest.mark.parametrize(
    ("order", "down", "found"),
    [
        ("energy", True, "badc"),
        ("emissions", False, "dabc"),
        ("project", False, "dacb"),
        ("measured", True, "dbac"),
        ("measured", False, "dbac"),
        ("started", False, "acbd"),
    ],
)
def test_what_is_not_known_comes_last_whatever_the_order(store: Store, order: str, down: bool, found: str) -> None:
    assert ids(store, order=order, down=down) == found


def test_pages_follow_each_other(store: Store) -> None:
    assert [ids(store, offset=offset, limit=2) for offset in (0, 2, 4)] == ["dc", "ba", ""]


def test_totals_say_how_many_runs_have_none(store: Store) -> None:
    assert lists.totals(store, Wanted()) == sums(4, 6.0, unmetered=1)
    assert lists.totals(store, Wanted(project="none")) == sums(0, 0.0)


def test_countries_have_the_sums_of_their_runs_and_so_has_what_nobody_knows(store: Store) -> None:
    assert lists.by_country(store, Wanted()) == [
        Country("FR", sums(2, 3.0)),
        Country("US", sums(1, 3.0)),
        Country(None, sums(1, 0.0, unmetered=1)),
    ]
    assert lists.by_country(store, Wanted(project="two", text="node")) == [Country("US", sums(1, 3.0))]
    assert lists.by_country(store, Wanted(project="none")) == []


def test_days_have_the_sums_of_the_runs_that_began_in_them(store: Store) -> None:
    spans = lists.by_time(store, Wanted(), DAY_S)

    assert spans == [
        Span(START_NS, sums(1, 2.0)),
        Span(START_NS + DAY_S * SECOND, sums(2, 3.0, unmetered=1)),
        Span(START_NS + 9 * DAY_S * SECOND, sums(1, 1.0)),
    ]
    assert lists.together(spans) == lists.totals(store, Wanted())
    assert lists.by_time(store, Wanted(since_ns=2**61), DAY_S) == []


@given(width_s=st.integers(3600, 30 * DAY_S), east_s=st.integers(-14 * 3600, 14 * 3600))
def test_however_days_are_cut_they_hold_every_run(store: Store, width_s: int, east_s: int) -> None:
    spans = lists.by_time(store, Wanted(), width_s, east_s)

    assert lists.together(spans) == lists.totals(store, Wanted())
    assert [span for span in spans if (span.start_ns // SECOND + east_s) % width_s] == []


def test_projects_have_their_sums_the_dirtiest_first(store: Store) -> None:
    assert lists.by_project(store, Wanted(), 2) == [
        Project("two", RUNS[1].started_ns, sums(2, 3.0, unmetered=1)),
        Project("one", RUNS[0].started_ns, sums(1, 2.0)),
    ]


def test_what_can_be_chosen_is_listed_once(store: Store) -> None:
    assert lists.projects(store) == ["100 %", "one", "two"]
    assert lists.projects(store, 1) == ["100 %"]
    assert lists.tags(store) == ['a "b" c', "new", "news", "é"]


def test_runs_of_an_unknown_time_are_by_themselves(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    with closing(Journal(path)) as journal:
        journal.add([RUNS[0], replace(RUNS[1], started_ns=0)])
    with Store(path) as store:
        assert lists.by_time(store, Wanted(), DAY_S) == [Span(0, sums(1, 3.0)), Span(START_NS, sums(1, 2.0))]
        assert lists.by_time(store, Wanted(since_ns=1), DAY_S) == [Span(START_NS, sums(1, 2.0))]
        assert lists.by_time(store, Wanted(until_ns=1), DAY_S) == [Span(0, sums(1, 3.0))]


def test_an_empty_store_has_nothing_of_all_this(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    with closing(Journal(path)) as journal:
        journal.add([])
    with Store(path) as store:
        assert (lists.projects(store), lists.tags(store), lists.by_time(store, Wanted(), DAY_S)) == ([], [], [])
        assert lists.together([]) == lists.totals(store, Wanted())
