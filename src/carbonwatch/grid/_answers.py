"""What the sources' files share in asking for slots and in reading them from answers."""

from __future__ import annotations

from calendar import timegm
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from math import isfinite
from time import gmtime, strftime
from typing import Any

from carbonwatch.errors import GridUnavailable
from carbonwatch.grid._http import LATER, NoAnswer, NoFigures
from carbonwatch.model import Place, Slot, SlotKind
from carbonwatch.settings import Settings
from carbonwatch.tables import row
from carbonwatch.units import NS_PER_S

MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

Point = tuple[int, float | None, SlotKind]  # when it begins (Unix ns), g/kWh if known, kind


def zone_of(place: Place) -> str | None:
    """The grid zone of a place, as Electricity Maps names it; None where it is not sure which one it is."""
    if place.candidates:
        return None
    for table, key, column in (
        ("cloud_regions", place.cloud, "em_zone"),
        ("subnational", place.subdivision, "em_zone"),
        ("zones_electricitymaps", place.subdivision, "zone"),
        ("countries", place.country, "code"),
    ):
        found = row(table, key) if key else None
        if found is not None:
            return found[column] or None
    return None


def covered(provider: str, zone: str | None, place: Place, covers: str) -> str:
    """The zone. Raises GridUnavailable where there is none."""
    if zone is not None:
        return zone
    where = place.cloud or place.subdivision or place.country or "not known"
    if place.candidates:
        raise GridUnavailable(
            f"{provider} can't tell which grid this is: the place is {where}, perhaps one of {len(place.candidates)}.",
            "Say which: `region` takes a state, a province or a grid zone, `cloud` a cloud's region.",
        )
    choose = "Choose a source that covers it." if place.country else "Say where it is: country, region, cloud or place."
    raise GridUnavailable(f"{provider} has {covers}, and the place is {where}.", choose)


def only(provider: str, boundary: str, settings: Settings) -> None:
    """Raises GridUnavailable where the run counts within another boundary than the source does."""
    if settings.boundary != boundary:
        counts = {"direct": "direct emissions", "lifecycle": "the life cycle"}
        raise GridUnavailable(
            f"{provider} counts {counts[boundary]} alone, and this run counts {counts[settings.boundary]}.",
            f"Set boundary={boundary}, or choose another source.",
        )


def whole(start_ns: int, end_ns: int, step_ns: int) -> tuple[int, int]:
    """The time, widened to whole slots: no source understands a run of half a second."""
    return start_ns - start_ns % step_ns, end_ns + -end_ns % step_ns


def pieces(start_ns: int, end_ns: int, longest_ns: int) -> Iterator[tuple[int, int]]:
    """The time in parts, where a source gives only so much at once."""
    while start_ns < end_ns:
        yield start_ns, min(end_ns, start_ns + longest_ns)
        start_ns += longest_ns


def text_of(ns: int, form: str) -> str:
    """An instant as a source wants it, in UTC."""
    return strftime(form, gmtime(ns // NS_PER_S))


def ns_of(text: str) -> int:
    """An instant from a source's text; UTC where it does not say."""
    return timegm(datetime.fromisoformat(text).utctimetuple()) * NS_PER_S


def figure(value: Any) -> float | None:
    """A number of g/kWh; None for what is none: null, text, NaN, a negative one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        return None
    return float(value)


def read(provider: str, function: Callable[[Any], Iterable[Any]], answer: Any) -> list[Any]:
    """What the function finds in an answer. Raises NoAnswer where that is not made as it should be."""
    try:
        return list(function(answer))
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        pass
    raise NoAnswer(f"{provider} did not answer as it should.", "Upgrade carbonwatch, or report it.")


def slots(provider: str, points: Iterable[Point], start_ns: int, end_ns: int, step_ns: int) -> tuple[Slot, ...]:
    """Slots from points of a source that has one every so often. Raises NoFigures where there are none.

    Each lasts for the smallest distance between two, at most the step that the source is known to have.
    """
    by_start = {point[0]: point for point in points}
    starts = sorted(by_start)
    step_ns = min([step_ns, *(later - earlier for earlier, later in pairwise(starts))])
    found = tuple(
        Slot(each, each + step_ns, g_per_kwh, kind)
        for each, g_per_kwh, kind in (by_start[start] for start in starts)
        if g_per_kwh is not None and each < end_ns and each + step_ns > start_ns
    )
    if not found:
        raise NoFigures(f"{provider} has no figures of that time, or not yet.", LATER)
    return found
