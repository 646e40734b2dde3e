from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.sensors._lattice import KINDS, holder, holds

kinds = st.sampled_from(KINDS)


@given(one=kinds, other=kinds)
def test_nothing_holds_itself_or_what_holds_it(one: str, other: str) -> None:
    assert not holds(one, one)
    assert not (holds(one, other) and holds(other, one))


@given(outer=kinds, middle=kinds, inner=kinds)
def test_what_is_in_a_part_is_in_the_whole(outer: str, middle: str, inner: str) -> None:
    assert holds(outer, inner) or not (holds(outer, middle) and holds(middle, inner))


@given(present=st.sets(kinds))
def test_what_no_other_holds_may_be_added(present: set[str]) -> None:
    added = {kind for kind in present if holder(kind, present) is None}

    assert not any(holds(one, other) for one in added for other in added)
    assert all(any(holds(outer, kind) for outer in added) for kind in present - added)


@pytest.mark.parametrize(
    ("kind", "present", "held_by"),
    [
        ("dram", ["package"], None),  # beside it, though its folder is inside
        ("core", ["package", "psys"], "package"),
        ("dram", ["package", "psys"], "psys"),
        ("package", ["system", "psys"], "psys"),
        ("board", ["psys"], None),
        ("gpu_memory", ["board", "module"], "board"),
        ("package", ["module"], "module"),
    ],
)
def test_the_nearest_holder_is_told(kind: str, present: list[str], held_by: str | None) -> None:
    assert holder(kind, present) == held_by
