"""List the runs that are kept, latest first.

A date is 2026-11-01, today or yesterday: a whole day of local time. Or an age:
90min, 12h, 7d, 2w. `--until` a day holds that day.

Examples:
  carbonwatch runs --since 7d
  carbonwatch runs --project nightly --since 2026-11-01 --until 2026-11-30
  carbonwatch runs --json | jq '.[].emissions_g'
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence
from typing import Any

from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.cli.report import open_store
from carbonwatch.reports._figures import UNKNOWN
from carbonwatch.store.query import Listed
from carbonwatch.units import human_duration, human_energy, human_mass

_AGES = {"min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_HEAD = ("started", "run", "project", "state", "duration", "energy", "CO2e", "meas.")
_STATE = 3
_ON_A_SCREEN = 20
_COLOURS = {"running": _terminal.GREEN, "failed": _terminal.RED, "killed": _terminal.YELLOW}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", help="Runs of this project alone.")
    parser.add_argument("--since", metavar="DATE", help="Runs that began then or later.")
    parser.add_argument("--until", metavar="DATE", help="Runs that began then or earlier.")
    parser.add_argument(
        "--limit",
        type=_limit,
        default=None,
        metavar="N",
        help=f"At most so many. Default: {_ON_A_SCREEN} on a terminal.",
    )
    parser.add_argument("--json", action="store_true", help="All that is known of each, for programs.")
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace) -> int:
    now = datetime.datetime.now().astimezone()
    width = _terminal.width(sys.stdout)
    most = None if width is None or args.json or args.limit else _ON_A_SCREEN
    with open_store(_options.chosen(argparse.Namespace(store=args.store))) as kept:
        found = kept.runs(
            project=args.project,
            since_ns=None if args.since is None else span(args.since, now)[0],
            until_ns=None if args.until is None else span(args.until, now)[1],
            limit=args.limit or (most + 1 if most else -1),
        )
    if args.json:
        _terminal.show(_as_json(found))
    elif found:
        _terminal.show(listing(found[:most], now, width, _terminal.colour(sys.stdout)))
    elif args.project is args.since is args.until is None:
        _terminal.say("There are no runs yet. Measure one: carbonwatch run -- COMMAND")
    else:
        _terminal.say("No run fits. `carbonwatch runs` without options lists those that there are.")
    if most and len(found) > most:
        _terminal.say(f"These are the last {most}; more with --limit N.")
    return 0


def span(text: str, now: datetime.datetime) -> tuple[int, int]:
    """The beginning and the end of a date, as Unix time in ns. An age is an instant."""
    for unit, seconds in _AGES.items():
        number = text.removesuffix(unit)
        if number != text and number.isdecimal():
            instant_ns = max(0, int(now.timestamp() * 1e9) - int(number) * seconds * 10**9)
            return instant_ns, instant_ns
    try:
        day = _day(text, now)
        return _start_ns(day), _start_ns(day + datetime.timedelta(days=1))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no date. Write 2026-11-01, today, yesterday, or an age: 12h, 7d.") from error


def listing(found: Sequence[Listed], now: datetime.datetime, width: int | None, colour: bool) -> str:
    """The table of runs; it fits into `width` columns."""
    ids = short_ids([listed.run.id for listed in found])
    rows = [_HEAD, *(_cells(listed, id_, now) for listed, id_ in zip(found, ids, strict=True))]
    head, *lines = _terminal.table(rows, right=(4, 5, 6, 7), flexible=2, room=width)
    for line in lines:
        line[_STATE] = _terminal.painted(line[_STATE], _COLOURS.get(line[_STATE].strip(), ""), colour)
    return "\n".join([_terminal.painted("".join(head), _terminal.BOLD, colour), *("".join(line) for line in lines)])


def short_ids(ids: Sequence[str]) -> list[str]:
    """Beginnings of ids, of equal length, that tell them apart. Runs of one minute begin alike: it is the time."""
    length = 8
    while len({id_[:length] for id_ in ids}) < len(set(ids)):
        length += 1
    return [id_[:length] for id_ in ids]


def _cells(listed: Listed, id_: str, now: datetime.datetime) -> tuple[str, ...]:
    run = listed.run
    return (
        _when(run.started_ns, now),
        id_,
        _terminal.printable(run.project),
        "planned" if run.facts.get("estimate") is True else run.state,  # of `calc --save`, of which nothing ran
        human_duration(run.duration_s),
        UNKNOWN if listed.energy_j is None else human_energy(listed.energy_j),
        UNKNOWN if listed.emissions_g is None else human_mass(listed.emissions_g),
        "–" if listed.measured is None else f"{listed.measured:.0%}".replace("%", " %"),
    )


def _when(started_ns: int, now: datetime.datetime) -> str:
    """Short, and of the same length: 25 Nov 03:40, and 25 Nov  2025 for other years."""
    started = datetime.datetime.fromtimestamp(started_ns / 1e9, now.tzinfo)
    return started.strftime("%d %b %H:%M" if started.year == now.year else "%d %b  %Y")


def _as_json(found: Sequence[Listed]) -> str:
    import json

    return json.dumps([_values(listed) for listed in found], indent=2)


def _values(listed: Listed) -> dict[str, Any]:
    run = listed.run
    return {
        "id": run.id,
        "project": run.project,
        "scope": run.scope,
        "state": run.state,
        "started": datetime.datetime.fromtimestamp(run.started_ns / 1e9, datetime.UTC).isoformat(),
        "duration_s": run.duration_s,
        "energy_j": listed.energy_j,
        "emissions_g": listed.emissions_g,
        "measured": listed.measured,
        "notes": list(run.notes),
        "facts": dict(run.facts),
    }


def _day(text: str, now: datetime.datetime) -> datetime.date:
    today = now.date()
    if text in ("today", "yesterday"):
        return today if text == "today" else today - datetime.timedelta(days=1)
    return datetime.date.fromisoformat(text)


def _start_ns(day: datetime.date) -> int:
    return int(datetime.datetime.combine(day, datetime.time()).astimezone().timestamp() * 1e9)


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of runs above 0")
    return min(int(text), 2**62)
