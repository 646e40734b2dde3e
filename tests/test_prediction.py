import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import prediction as simulated
from carbonwatch.model import Figure
from carbonwatch.prediction import whole

parts = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=60)


@given(parts, st.integers(0, 200))
def test_the_interval_holds_its_value_and_never_less_than_is_spent(known: list[float], more: int) -> None:
    found = whole(known, len(known) + more)

    assert math.fsum(known) <= found.low <= found.value <= found.high


@given(parts)
def test_nothing_is_left_to_predict_at_the_end(known: list[float]) -> None:
    total = math.fsum(known)

    assert whole(known, len(known)) == whole(known, 0) == Figure(total, total, total)


@given(parts, st.integers(1, 100), st.floats(0.01, 100))
def test_units_do_not_matter(known: list[float], more: int, factor: float) -> None:
    found, scaled = whole(known, len(known) + more), whole([part * factor for part in known], len(known) + more)

    assert [scaled.value, scaled.high] == pytest.approx([found.value * factor, found.high * factor])


@given(st.floats(1, 100), st.integers(3, 30))
def test_even_epochs_are_counted_on_and_the_interval_narrows(part: float, seen: int) -> None:
    earlier, later = whole([part] * seen, 100), whole([part] * (seen + 1), 100)

    assert earlier.value == pytest.approx(100 * part)
    assert later.high - later.low < earlier.high - earlier.low


def test_a_slow_first_epoch_is_spent_and_says_nothing_of_the_others() -> None:
    assert whole([30.0, 10.0, 10.0], 10).value == 120.0


def test_nothing_known_predicts_nothing() -> None:
    with pytest.raises(ValueError, match="one part at least"):
        whole([], 10)


@given(parts, st.integers(1, 100), st.floats(0, 1), st.floats(0, 1))
def test_the_busier_others_are_the_wider_it_is(known: list[float], more: int, one: float, other: float) -> None:
    narrow, wide = (whole(known, len(known) + more, load) for load in sorted((one, other)))

    assert wide.low <= narrow.low <= narrow.value == wide.value <= narrow.high <= wide.high


@given(st.floats(1, 100), st.floats(1.1, 3), st.integers(2, 4))
def test_epochs_that_resemble_their_neighbours_say_less_than_the_same_ones_mixed(
    part: float, factor: float, half: int
) -> None:
    first = [part]  # which warms up
    alike, mixed = [part] * half + [factor * part] * half, [part, factor * part] * half

    runs, turns = whole(first + alike, 100), whole(first + mixed, 100)
    assert runs.high / runs.value > turns.high / turns.value


def test_epochs_that_are_too_short_for_the_meter_go_on_as_all_together() -> None:
    assert whole([6.0, 0.0, 0.0], 9).value == 18.0


@pytest.mark.parametrize("after", [3, 5, 10])
@pytest.mark.parametrize("kind", [kind.__name__ for kind in simulated.KINDS])
def test_nine_tenths_of_trainings_of_every_kind_end_inside_the_interval(kind: str, after: int) -> None:
    trainings = simulated.synthetic(400, seed=1)[kind]

    # what begins after the epochs that were seen, and doubles them, is more than any interval can know
    assert simulated.held(trainings, after) >= (0.8 if kind == "bursting" else 0.9)
    assert simulated.half_width(trainings, after) < 0.3  # or it would be no news
