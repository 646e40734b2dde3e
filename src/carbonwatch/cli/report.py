"""Show a run or several: as text, for a paper, a model card, a form.

Without a name it is the last run. Several runs, a project or a tag are added
up: runs that failed or were killed are in the total, and it says so. A run that
was written as JSON, here or elsewhere, is named by its file.

Examples:
  carbonwatch report                      the last run
  carbonwatch report 019abcde --as json   the run whose id begins so
  carbonwatch report --project imdb --as latex > energy.tex
  carbonwatch report --as sci --per 1000 requests
  carbonwatch report --as model-card --with training_type=fine-tuning
  carbonwatch report --plot power.png
  carbonwatch report run.json             what `run --json run.json` wrote
"""

from __future__ import annotations

import argparse
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from carbonwatch import plugins, store, totals
from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.errors import CarbonwatchError, cause
from carbonwatch.model import Run
from carbonwatch.settings import Settings
from carbonwatch.store.query import Store

OPERANDS = "[RUN ...]"

_PICTURES = (".svg", ".png")
_SCOPES = ("process", "machine")
_ONE_SCOPE = "Of these, runs of this scope alone: process or machine."
_POINTS = 1000  # of a chart, a meter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = [name.replace("_", "-") for name in plugins.names("reports")]
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="Beginnings of runs' ids, or last, or FILE.json. Default: last."
    )
    parser.add_argument("--project", metavar="NAME", help="All runs of this project.")
    parser.add_argument("--tag", metavar="TAG", help="All runs with this tag.")
    parser.add_argument("--scope", choices=_SCOPES, metavar="SCOPE", help=_ONE_SCOPE)
    parser.add_argument(
        "--as",
        dest="kind",
        choices=kinds,
        default="terminal",
        metavar="KIND",
        help=f"Kind of report: {', '.join(kinds)}. Default: terminal.",
    )
    parser.add_argument(
        "--per", nargs=2, metavar=("N", "UNIT"), help="What the score of sci is per: --per 1000 requests."
    )
    parser.add_argument(
        "--with",
        dest="given",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="What a report wants to know and no run can tell; it lists what it lacks. As often as needed.",
    )
    parser.add_argument(
        "--social-cost",
        nargs="?",
        const="published",
        metavar="USD",
        help="Also say what the emissions cost the world, at so many US dollars a tonne; without a value at the "
        "median of Ricke et al. 2018.",
    )
    parser.add_argument("--plot", metavar="FILE", help="Draw the power over time there: power.svg or power.png.")
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace) -> int:
    settings = _options.chosen(args)
    _check(args)
    options = _options_of(args)
    needs_no_store = bool(args.runs) and all(map(_is_file, args.runs))
    with nullcontext() if needs_no_store else open_store(settings) as kept:
        runs = _of_scope(chosen(kept, args.runs, args.project, args.tag), args.scope)
        if args.plot is not None:
            _draw(kept, runs, args.plot)
            return 0
        runs = [_priced(run, args.social_cost) for run in runs]
        if args.kind == "html":
            _terminal.show(_page(kept, runs))
            return 0
    _terminal.show(_rendered(runs, args.kind, options, store.path(settings)))
    return 0


def open_store(settings: Settings) -> Store:
    """The store of the settings. Raises UsageError where they say that nothing is kept."""
    path = store.path(settings)
    if path is None:
        raise UsageError("The setting store is `none`, so no run is kept. Give the file that has them: --store FILE")
    return Store(path)


def chosen(kept: Store | None, names: Sequence[str], project: str | None, tag: str | None) -> list[Run]:
    """The runs that a command line names, earliest first; the last one where it names none."""
    if names and (project is not None or tag is not None):
        raise UsageError("Name runs, or choose them with --project and --tag; both at once would be unclear.")
    if kept is None or (project is None and tag is None):
        found = list(names) or ["last"]
    else:
        found = [listed.run.id for listed in reversed(kept.runs(project=project, tag=tag))]
        if not found:
            raise UsageError("No run fits --project and --tag. `carbonwatch runs` lists those that there are.")
    runs = [_run(kept, name) for name in _terminal.progress(found, len(found), "Reading runs")]
    return list({run.id: run for run in runs}.values())  # each once, also where it was named twice


def _run(kept: Store | None, name: str) -> Run:
    return _of_file(name) if kept is None or _is_file(name) else kept.run(name)


def _is_file(name: str) -> bool:
    """Whether a run is named by its file: no id has a point in it."""
    return name.endswith(".json")


def _of_file(path: str) -> Run:
    """The run that `run --json`, the exporter json or --as json wrote. Raises UsageError where there is none in it."""
    from carbonwatch.reports import json

    try:
        with open(path, encoding="utf-8") as file:
            return json.parse(file.read())
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}. `carbonwatch runs` lists the runs that are kept.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read ({cause(error)}).") from error
    except CarbonwatchError as error:
        raise UsageError(f"{path}: {error}") from error


def _of_scope(runs: list[Run], scope: str | None) -> list[Run]:
    found = [run for run in runs if scope in (None, run.scope)]
    if not found:
        raise UsageError(f"None of these runs is of the scope {scope}. Leave out --scope to see them.")
    return found


def _check(args: argparse.Namespace) -> None:
    if args.per is not None and args.kind != "sci":
        raise UsageError("--per belongs to --as sci: other reports have no functional unit.")
    if args.plot is not None and not args.plot.lower().endswith(_PICTURES):
        raise UsageError(f"--plot {args.plot!r} has no known ending. Write it as one of: power.svg, power.png.")


@dataclass(frozen=True, slots=True)
class _Asked:
    """The report that was asked for, and what was given for it."""

    render: Callable[..., str]
    options: Mapping[str, Any]


def _options_of(args: argparse.Namespace) -> _Asked:
    """Raises UsageError where a report does not know what it is given."""
    render = plugins.load("reports", args.kind.replace("-", "_"))
    known: Mapping[str, str] = getattr(sys.modules.get(render.__module__), "OPTIONS", {})
    options: dict[str, Any] = {}
    for words in args.given:
        name, mark, value = words.partition("=")
        if not mark or name not in known:
            raise UsageError(_no_such_option(args.kind, name, known))
        options[name] = _typed(name, value, str(inspect.signature(render).parameters[name].annotation))
    if args.per is not None:
        options |= {"per": _number("--per", args.per[0]), "unit": args.per[1]}
    return _Asked(render, options)


def _no_such_option(kind: str, name: str, known: Mapping[str, str]) -> str:
    if not known:
        return f"--as {kind} takes nothing with --with."
    listed = "; ".join(f"{option}: {text}" for option, text in known.items())
    hint = _terminal.nearest(name, list(known))
    return f"--as {kind} does not know {name!r}, or it has no value: --with NAME=VALUE.{hint} It takes {listed}."


def _typed(name: str, value: str, annotation: str) -> object:
    return _number(name, value) if annotation.startswith("float") else value


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name} is {text!r}; it must be a number.")
    return value


def _priced(run: Run, usd: str | None) -> Run:
    if usd is None:
        return run
    from carbonwatch.reports import _social_cost as social_cost

    if usd == "published":
        return social_cost.noted(run, social_cost.RICKE)
    value = _number("--social-cost", usd)
    if value <= 0:
        raise UsageError(f"--social-cost is {usd!r}; it must be above 0, in US dollars a tonne.")
    return social_cost.noted(run, social_cost.given(value))


def _rendered(runs: Sequence[Run], kind: str, asked: _Asked, path: str | None) -> str:
    if kind == "csv":  # which has room for each
        parts = (asked.render(run, header=number == 0) for number, run in enumerate(runs))
        return "".join(parts).rstrip("\n")
    whole = totals.merge(runs)
    if kind == "terminal":
        return _terminal.summary(whole, sys.stdout, path)
    return asked.render(whole, **asked.options).rstrip("\n")


def _page(kept: Store | None, runs: Sequence[Run]) -> str:
    """One file with all runs, each with its power over time."""
    from carbonwatch.reports import _figures as figures
    from carbonwatch.reports import html

    # one by one, so that the progress is that of the page, too
    traced = (
        (run, kept.samples(run.id, _POINTS) if kept else ())
        for run in _terminal.progress(runs, len(runs), "Drawing runs")
    )
    return html.together(traced, figures.title(totals.merge(runs))).rstrip("\n")


def _draw(kept: Store | None, runs: Sequence[Run], path: str) -> None:
    from carbonwatch import pictures

    if len(runs) > 1:
        raise UsageError("A picture shows one run: its time is its own. Name one.")
    if kept is None:
        raise UsageError("A file of a run has no power over time, only the store has. Name the run by its id.")
    svg = pictures.on_paper(pictures.power(runs[0], kept.samples(runs[0].id, pictures.STEPS)))
    data = pictures.png(svg) if path.lower().endswith(".png") else svg.encode(errors="replace")
    with open(path, "wb") as file:
        file.write(data)
    _terminal.say(f"carbonwatch: {path} shows the power of {_terminal.printable(runs[0].project)} {runs[0].id}.")
