"""What the board's pages ask, and its answers: a store and the words of an address in, what becomes JSON out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from carbonwatch import plugins, tables
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Figure
from carbonwatch.reports import _figures as figures
from carbonwatch.reports import _page
from carbonwatch.store import lists
from carbonwatch.store.query import Listed, Store
from carbonwatch.units import NS_PER_S

Words = Mapping[str, str]
Answer = Any  # what JSON can say

MOST_RUNS = 500  # of a page of the list
MOST_PROJECTS = 1000
MOST_TAGS = 1000
MOST_POINTS = 4000  # of a chart's line; a screen has no more columns

_HOUR_S, _DAY_S = 3600, 86400
# bars of an hour, a day, a week or four weeks: the first with no more of them than this
_WIDTHS_S = (_HOUR_S, _DAY_S, 7 * _DAY_S, 28 * _DAY_S)
_MOST_BARS = 120
_LAST_NS = 2**62
# of a year's mean taken for runs at all times of it
_TIME_ERROR = 0.15


class Refused(CarbonwatchError):
    """A question that makes no sense."""


def runs(store: Store, words: Words) -> Answer:
    """Some of the runs that fit, in an order."""
    order = words.get("order", "started")
    if order not in lists.ORDERS:
        raise Refused(f"There is no order by {order!r}; there is {', '.join(lists.ORDERS)}.")
    found = lists.page(
        store,
        _wanted(words),
        order=order,
        down=words.get("down", "1") == "1",
        offset=_whole(words, "offset", 0, 10**9),
        limit=_whole(words, "limit", 50, MOST_RUNS),
    )
    return [_line(listed) for listed in found]


def overview(store: Store, words: Words) -> Answer:
    """Totals of the runs that fit, and how they were spread over time."""
    wanted = _wanted(words)
    # a run whose time is not known begins at 0
    width_s = _width_s(lists.bounds(store, max(1, wanted.since_ns), wanted.until_ns))
    spans = lists.by_time(store, wanted, width_s, _east_s())
    totals = lists.together(spans)
    return {
        "totals": asdict(totals),
        "width_s": width_s,
        "spans": [{"start_s": span.start_ns / NS_PER_S, **asdict(span.totals)} for span in spans],
        "equivalents": _page.equivalents({"value": totals.emissions_g if totals.are_known else None}),
    }


def projects(store: Store, words: Words) -> Answer:
    """Totals by project, the one that emits most first."""
    found = lists.by_project(store, _wanted(words), MOST_PROJECTS)
    return [{"project": each.name, "last_s": each.last_ns / NS_PER_S, **asdict(each.totals)} for each in found]


def places(store: Store, words: Words) -> Answer:
    """Totals by country, the one that emits most first; its code is None where the place of runs is not known."""
    return [_country(each) for each in lists.by_country(store, _wanted(words))]


def choices(store: Store, _words: Words) -> Answer:
    """What the list can be filtered by."""
    return {"projects": lists.projects(store, MOST_PROJECTS), "tags": lists.tags(store)[:MOST_TAGS]}


def elsewhere(store: Store, words: Words) -> Answer:
    """What the energy of all runs that fit would have emitted elsewhere."""
    totals = lists.totals(store, _wanted(words))
    if not totals.are_known:
        return {"energy_j": None, "places": []}
    energy_j = totals.energy_j
    return {"energy_j": energy_j, "places": _page.elsewhere(Figure(energy_j, energy_j, energy_j), _TIME_ERROR)}


def run(store: Store, words: Words) -> Answer:
    """All of a run: its page."""
    found = store.run(_named(words, "id"))
    traces = store.samples(found.id, _whole(words, "points", 1000, MOST_POINTS) or 1)
    return {**_page.document(found, traces), "reports": _texts()}


def power(store: Store, words: Words) -> Answer:
    """A run's power between two instants, closer than its page has it."""
    since_s, until_s = _number(words, "since"), _number(words, "until")
    points = _whole(words, "points", 1000, MOST_POINTS) or 1
    since_ns, until_ns = _ns(since_s), _ns(until_s)
    return _page.power(store.samples(_named(words, "id"), points, since_ns=since_ns, until_ns=until_ns))


def report(store: Store, words: Words) -> Answer:
    """A run as one of the reports."""
    render = plugins.load("reports", _named(words, "name"))
    return {"text": str(render(store.run(_named(words, "id"))))}


QUESTIONS: Mapping[str, Callable[[Store, Words], Answer]] = {
    question.__name__: question
    for question in (runs, overview, projects, places, choices, elsewhere, run, power, report)
}


@cache
def _texts() -> list[str]:
    """What a run can be shown as; to look for those of other packages takes a while."""
    return [name for name in plugins.names("reports") if name != "html"]


def _line(listed: Listed) -> dict[str, Any]:
    run = listed.run
    return {
        "id": run.id,
        "project": run.project,
        "tags": run.tags,
        "state": run.state,
        "started_s": run.started_ns / NS_PER_S,
        "duration_s": run.duration_s,
        "command": figures.command(run),
        "energy_j": listed.energy_j,
        "emissions_g": listed.emissions_g,
        "measured": listed.measured,
    }


def _country(each: lists.Country) -> dict[str, Any]:
    # a file of runs may name any
    known = tables.row("countries", each.code) if each.code else None
    name = known["name"] if known else each.code
    return {"code": each.code, "name": name, **asdict(each.totals)}


def _wanted(words: Words) -> lists.Wanted:
    given = {name: words[name] for name in ("project", "state", "tag", "text") if words.get(name)}
    since_ns, until_ns = (_ns(_number(words, name, 0)) for name in ("since", "until"))
    return lists.Wanted(**given, since_ns=since_ns, until_ns=until_ns or _LAST_NS)


def _ns(unix_s: float) -> int:
    """An instant as the store knows it; a day that a person types may be of the year 9999."""
    return int(min(unix_s * NS_PER_S, _LAST_NS))


def _width_s(ends: tuple[int, int] | None) -> int:
    lasted_s = (ends[1] - ends[0]) / NS_PER_S if ends else 0
    fitting = (width for width in _WIDTHS_S if lasted_s / width <= _MOST_BARS)
    # files have runs of the year 1900 and 9999
    return next(fitting, math.ceil(lasted_s / _MOST_BARS / _WIDTHS_S[-1]) * _WIDTHS_S[-1])


def _east_s() -> int:
    """Seconds that this place's days begin before UTC's."""
    return time.localtime().tm_gmtoff


def _named(words: Words, name: str) -> str:
    if not words.get(name):
        raise Refused(f"{name} is missing.")
    return words[name]


def _whole(words: Words, name: str, default: int, most: int) -> int:
    text = words.get(name, str(default))
    # int() refuses thousands of digits
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and int(text) <= most):
        raise Refused(f"{name} is {text!r}; it must be a whole number up to {most}.")
    return int(text)


def _number(words: Words, name: str, default: float | None = None) -> float:
    """Seconds of Unix time."""
    text = words.get(name, "" if default is None else str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise Refused(f"{name} is {text!r}; it must be seconds of Unix time.")
    return value
