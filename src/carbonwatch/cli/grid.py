"""Say what a kilowatt-hour emits somewhere, who says so, and what it is made of.

WHERE is a country, a state, a grid zone, a cloud region, or a town and its
country. Without it: where this machine is. `--rank` lists the cleanest and the
dirtiest: countries, or the regions of a cloud. `update` fetches newer tables
into the user's data directory; `update --undo` removes them.

Examples:
  carbonwatch grid FR
  carbonwatch grid New York
  carbonwatch grid "Lyon, France"
  carbonwatch grid --cloud aws/eu-west-3 --json
  carbonwatch grid --at 45.7,4.8
  carbonwatch grid US-CA --boundary direct
  carbonwatch grid --rank --provider gcp --top 5
  carbonwatch grid update
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from carbonwatch import location, tables
from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import _electricity_mix, bundled
from carbonwatch.grid._electricity_mix import FUELS, ElectricityMix
from carbonwatch.location import search
from carbonwatch.model import Intensity, Place
from carbonwatch.settings import Settings
from carbonwatch.units import human_number

_SETTINGS = ("country", "region", "cloud", "place", "at", "locate", "grid_urls", "grid_timeout_s", "boundary")
_PROVIDERS = ("aws", "gcp", "azure")
_WIDEST = 100
_BOUNDARIES = {
    "lifecycle": "the life cycle: fuel, its supply, the plants",
    "direct": "direct emissions alone, scope 2",
}
_BASES = {"consumption": "used there, imports included", "production": "made there"}
_LABEL = 10
_LEAST_SHARE = 0.0001
_GLUE = "\xa0"  # a space at which no line ends


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("where", nargs="*", metavar="WHERE", help="A place by name or code.")
    parser.add_argument("--json", action="store_true", help="The same for programs.")
    parser.add_argument("--rank", action="store_true", help="List the cleanest and the dirtiest places.")
    parser.add_argument("--provider", choices=_PROVIDERS, help="With --rank: regions of this cloud, not countries.")
    parser.add_argument(
        "--top", type=_count, default=10, metavar="N", help="With --rank: of each end; --json has all. Default: 10."
    )
    parser.add_argument("--url", help="With update: where the tables are. Default: the project's latest release.")
    parser.add_argument("--sha256", metavar="HEX", help="With update: what the file's checksum has to be.")
    parser.add_argument("--undo", action="store_true", help="With update: back to the tables that came along.")
    _options.add_settings(parser, _SETTINGS)


def main(args: argparse.Namespace) -> int:
    where = " ".join(args.where)  # New York needs no quotes
    if where == "update":
        return _update(args)
    if args.undo or args.url or args.sha256:
        raise UsageError("--url, --sha256 and --undo belong to `carbonwatch grid update`.")
    if args.provider and not args.rank:
        raise UsageError("--provider belongs to --rank. For one region: carbonwatch grid --cloud aws/eu-west-3")
    if args.where:
        args.place = where
    chosen = _options.chosen(args)
    if args.rank:
        _rank(args, chosen.boundary)
        return 0
    place = _named(args, chosen) or _found(chosen)
    intensity = bundled.find(place, chosen.boundary)
    if args.json:
        mix = _electricity_mix.of_country(place.country)
        _show_json({**asdict(intensity), "place": asdict(place), **_overheads(place), "mix": mix and asdict(mix)})
    else:
        width = min(_WIDEST, _terminal.width(sys.stdout) or 80)
        _terminal.show(as_text(place, intensity, width, _terminal.colour(sys.stdout)))
    return 0


def as_text(place: Place, intensity: Intensity, width: int, colour: bool) -> str:
    """One place on a few lines, none wider than `width`."""
    value, low, high = (human_number(g) for g in (intensity.g_per_kwh, intensity.low, intensity.high))
    title = _terminal.painted(intensity.name, _terminal.BOLD, colour)
    amount = _terminal.painted(f"{value} g CO2e/kWh", _terminal.BOLD, colour)
    lines = [title, f"  {amount}, probably {low} to {high} (90 %)"]
    for label, text in _facts(place, intensity):
        lines += _wrapped(text, width, f"  {label:<{_LABEL}}", " " * (_LABEL + 2))
    return "\n".join(lines)


def ranked(intensities: Iterable[Intensity]) -> list[Intensity]:
    """The cleanest first."""
    return sorted(intensities, key=lambda each: (each.g_per_kwh, each.zone))


def listing(found: Sequence[Intensity], top: int, width: int | None, colour: bool) -> str:
    """Both ends of a ranking as a table, and whose figures they are."""
    shown = [*enumerate(found, 1)]
    ends = [shown] if len(shown) <= 2 * top else [shown[:top], shown[-top:]]
    head = ("", "zone", "g/kWh", "90 %", "year", "where")
    cells = [[_cells(rank, each) for rank, each in end] for end in ends]
    table = _terminal.table([head, *(row for end in cells for row in end)], (0, 2, 3, 4), 5, width)
    lines = [_terminal.painted("".join(table[0]).rstrip(), _terminal.BOLD, colour)]
    lines += ["".join(row).rstrip() for row in table[1 : len(cells[0]) + 1]]
    if len(ends) == 2:
        lines += [
            f"… {len(shown) - 2 * top} between …",
            *("".join(row).rstrip() for row in table[len(cells[0]) + 1 :]),
        ]
    sources = sorted(
        {f"{each.source} ({each.license})" for end in ends for _, each in end if "proxy" not in each.source}
    )
    for source in ("Figures from:", *sources):
        indent = "" if source == "Figures from:" else "  "
        lines += _wrapped(source, width or 80, indent, "    ")
    return "\n".join(lines)


def _facts(place: Place, intensity: Intensity) -> Iterator[tuple[str, str]]:
    yield "counts", f"{_BOUNDARIES[intensity.boundary]}; of what is {_BASES.get(intensity.basis, intensity.basis)}"
    yield "year", str(intensity.year or "not known")
    yield "source", intensity.source
    yield "licence", intensity.license
    yield "place", f"{place.cloud or place.subdivision or place.country or 'not known'}: {place.evidence}"
    if place.candidates:
        yield "or else", f"{', '.join(place.candidates)}: the band holds them"
    yield from _made_of(_electricity_mix.of_country(place.country))
    if place.cloud is not None:
        pue, wue_l_per_kwh, source = bundled.overheads(place)
        water = f", {human_number(wue_l_per_kwh)} l of water per kWh" if wue_l_per_kwh else ""
        yield "PUE", f"{human_number(pue)}{water}: {source}"


def _made_of(mix: ElectricityMix | None) -> Iterator[tuple[str, str]]:
    """The mix of the country, the largest part first."""
    if mix is None:
        yield "made of", "not known"
        return
    parts = sorted(mix.shares.items(), key=lambda each: -each[1])
    said = ", ".join(f"{FUELS[fuel]} {_percent(share)}" for fuel, share in parts if share > 0)
    yield "made of", f"{said}; {mix.name} as a whole in {mix.year}, imports left out"
    yield "", f"{mix.source}, {mix.license}"


def _percent(share: float) -> str:
    """Two digits on one line: never 0 % of something, nor 100 % of less than all."""
    text = "<0.01" if share < _LEAST_SHARE else ">99" if 0.995 <= share < 1 else human_number(share * 100, 2)
    return f"{text}{_GLUE}%"


def _wrapped(text: str, width: int, first: str, later: str) -> list[str]:
    # codes have hyphens, and stay whole
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
    return [line.replace(_GLUE, " ") for line in lines]


def _named(args: argparse.Namespace, chosen: Settings) -> Place | None:
    """What the command line alone names, so that a country in the environment does not come before it."""
    asked = {name: getattr(args, name) for name in ("country", "region", "cloud", "place", "at") if getattr(args, name)}
    if not asked:
        return None
    place = location.locate(Settings(boundary=chosen.boundary, **asked), {})
    source, colon, what = place.evidence.partition(":")
    is_given = source == f"setting {next(iter(asked))}"
    return replace(place, evidence=f"as given{colon}{what}") if is_given else place


def _found(chosen: Settings) -> Place:
    offline = location.locate(chosen)
    if not location.may_search(chosen):
        return offline
    place, why_not = search.Search(chosen).answer(chosen.grid_timeout_s)
    if place is None:
        _terminal.say(f"carbonwatch: {why_not}")
    return place or offline


def _rank(args: argparse.Namespace, boundary: str) -> None:
    if args.place or args.at or args.cloud:
        raise UsageError("--rank lists all places: leave the one out.")
    found = ranked(_all(args.provider, boundary))
    if args.json:
        _show_json([{"rank": rank, **asdict(each)} for rank, each in enumerate(found, 1)])
    else:
        _terminal.show(listing(found, args.top, _terminal.width(sys.stdout), _terminal.colour(sys.stdout)))


def _all(provider: str | None, boundary: str) -> Iterator[Intensity]:
    """Every place of the kind that has a figure of this boundary."""
    if provider:
        clouds = (row for row in tables.rows("cloud_regions") if row["cloud"].startswith(f"{provider}/"))
        places = [Place(row["country"], row["subdivision"] or None, row["cloud"]) for row in clouds]
    else:
        places = [Place(row["code"]) for row in tables.rows("countries") if len(row["code"]) == 2]
    if boundary == "direct" and not provider:  # published for states and provinces, and hardly for countries
        places += [Place(row["country"], row["code"]) for row in tables.rows("subnational")]
    for place in places:
        try:
            yield bundled.find(place, boundary)
        except GridUnavailable:
            continue


def _cells(rank: int, each: Intensity) -> tuple[str, ...]:
    band = f"{human_number(each.low)}–{human_number(each.high)}"
    return (str(rank), each.zone, human_number(each.g_per_kwh), band, str(each.year or "–"), each.name)


def _overheads(place: Place) -> dict[str, Any]:
    pue, wue_l_per_kwh, source = bundled.overheads(place)
    return {"pue": pue, "wue_l_per_kwh": wue_l_per_kwh, "overheads_source": source}


def _show_json(value: Any) -> None:
    import json

    _terminal.show(json.dumps(value, indent=2, ensure_ascii=False))


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _update(args: argparse.Namespace) -> int:
    from carbonwatch.grid import _update

    folder = tables.updated_folder()
    if args.undo:
        gone = _update.undo(folder)
        _terminal.say(f"Removed the tables of {gone}." if gone else "There are no tables but those that came along.")
        return 0
    day = _update.fetch(folder, args.url or _update.URL, args.sha256)
    _terminal.say(f"The tables are now those of {day}, in {folder}. `carbonwatch grid update --undo` removes them.")
    return 0
