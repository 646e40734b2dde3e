import sys
from dataclasses import replace

import pytest

from carbonwatch import comparison
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run
from tests.reports import runs

NAMES = ("old", "new")


def run(energy_j: float, **facts: object) -> Run:
    entry = runs.entry(runs.usage(runs.GPU, energy_j, spread=0.0))
    return replace(runs.a_run(entry), facts={"host": "h", **facts})


OLD = [run(joules) for joules in (100.0, 102.0, 98.0, 101.0)]
NEW = [run(joules) for joules in (80.0, 83.0, 79.0, 82.0)]


def test_a_clear_difference_is_said_in_a_sentence() -> None:
    found = comparison.compare(NAMES, OLD, NEW)

    assert comparison.verdict(found) == (
        "new has 19.2 J (19 %) less energy than old, and chance hardly explains it (Welch's t: p < 0.0001; "
        "6 of 6 tests below 0.05)."
    )
    assert found.groups[0].mean == pytest.approx(100.25)


def test_a_difference_within_the_spread_may_be_chance() -> None:
    found = comparison.compare(NAMES, [run(90.0), run(110.0)], [run(95.0), run(112.0)])

    assert "new has 3.50 J (3.5 %) more energy than old, but chance may explain it" in comparison.verdict(found)


def test_single_runs_are_compared_without_a_test() -> None:
    found = comparison.compare(NAMES, OLD[:1], NEW[:1])

    assert found.result is None
    assert comparison.verdict(found) == (
        "new has 20.0 J (20 %) less energy than old; whether chance explains it can't be told. "
        "A test needs two runs of each at least: repeat them."
    )


def test_without_scipy_the_means_are_there_and_the_way_to_get_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    found = comparison.compare(NAMES, OLD, NEW)

    assert found.groups[1].mean == 81.0
    assert "pip install 'carbonwatch[stats]'" in comparison.verdict(found)


def test_equal_means_are_said_to_be_equal() -> None:
    assert comparison.verdict(comparison.compare(NAMES, OLD, OLD)) == "new and old have the same mean energy."


@pytest.mark.parametrize(
    ("quantity", "values"),
    [
        ("energy", (100.0, 100.0)),
        ("emissions", (100 / 3.6e6 * 31 * 1.5,) * 2),
        ("duration", (245.0, 245.0)),
        ("power", (100 / 245, 100 / 245)),
        ("intensity", (31.0, 31.0)),
    ],
)
def test_each_quantity_is_a_run_s(quantity: str, values: tuple[float, ...]) -> None:
    both = [replace(run(100.0), pue=1.5)] * 2

    assert comparison.compare(NAMES, both, both, quantity).values[0] == pytest.approx(values)


def test_what_tests_do_not_see_is_said() -> None:
    found = comparison.compare(NAMES, OLD, [run(80.0, host="other"), run(81.0, host="other")])

    assert "they ran on different machines" in found.doubts
    assert any(doubt.startswith("meters and models err by up to 5.0 %") for doubt in found.doubts)


def test_runs_whose_figure_is_not_known_are_left_out_and_counted() -> None:
    found = comparison.compare(NAMES, [*OLD, runs.not_split()], NEW)

    assert found.groups[0].n == 4
    assert found.doubts[0] == "1 of old are left out: their figure is not known"
    with pytest.raises(CarbonwatchError, match="No run of old has a known energy"):
        comparison.compare(NAMES, [runs.not_metered()], NEW)


def test_values_that_differ_by_rounding_alone_are_the_same() -> None:
    old, new = [run(100.0), run(100.00000000000003)], [run(100.00000000000001), run(100.0)]
    found = comparison.compare(NAMES, old, new, "intensity")

    assert comparison.verdict(found) == "new and old have the same mean intensity."
    assert found.values == ((31.0, 31.0), (31.0, 31.0))
    assert found.result is not None
    assert {test.p for test in found.result.tests} == {1.0}
