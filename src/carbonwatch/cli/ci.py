"""Sum up a run for a pull request: against a baseline, and against a budget.

On GitHub the summary goes into the job's summary, on GitLab into carbonwatch.md
and carbonwatch-metrics.txt (an artifact and a metrics report); else to stdout.
A baseline is a run as JSON, as `--write-baseline` or `carbonwatch run --json`
keep it. The change is judged by energy: grams change with the grid, too. A run
that is refused does not become the baseline.

Examples:
  carbonwatch ci --baseline energy.json --most-change 10 --budget-g 5
  carbonwatch ci --write-baseline energy.json       on the main branch

Exit code: 0; 1 if the run used more than the budget or --most-change allows,
or if what it used is not known.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from carbonwatch import plugins
from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.cli.report import open_store
from carbonwatch.errors import cause
from carbonwatch.model import Run
from carbonwatch.reports import json
from carbonwatch.reports._figures import UNKNOWN
from carbonwatch.units import J_PER_KWH, human_duration, human_energy, human_mass

OPERANDS = "[RUN]"

_DOCTOR = "`carbonwatch doctor` says what is missing."
_MARKDOWN, _METRICS = "carbonwatch.md", "carbonwatch-metrics.txt"


class Verdict(NamedTuple):
    """What was asked of a run, what came of it, and whether that is within bounds."""

    text: str
    is_kept: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="last", metavar="RUN", help="Beginning of its id. Default: the last.")
    parser.add_argument("--baseline", metavar="FILE", help="Run to compare with. One that is not there is said.")
    parser.add_argument("--write-baseline", metavar="FILE", help="Keep this run as a baseline, unless it is refused.")
    parser.add_argument("--most-change", type=_number, metavar="PERCENT", help="Most that energy may rise.")
    parser.add_argument("--budget-g", type=_number, metavar="G", help="Most emissions, in g of CO2e.")
    parser.add_argument("--budget-kwh", type=_number, metavar="KWH", help="Most energy, in kWh.")
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace, environ: Mapping[str, str] | None = None) -> int:
    environ = os.environ if environ is None else environ
    if args.most_change is not None and not args.baseline:
        raise UsageError("--most-change needs a run to compare with: --baseline FILE")
    with open_store(_options.chosen(argparse.Namespace(store=args.store))) as kept:
        run = kept.run(args.run)
    before = _baseline(args.baseline)
    verdicts = list(_verdicts(run, before, args))
    _publish(_summary(run, before, verdicts), run, environ)
    for verdict in verdicts:
        _terminal.say(verdict.text)
    is_kept = all(verdict.is_kept for verdict in verdicts)
    if args.write_baseline and is_kept:
        _write(args.write_baseline, json.render(run))
    elif args.write_baseline:
        # else the same run, begun again, would be compared with itself and pass
        _terminal.say(f"{args.write_baseline} is not written: a run that is refused does not become the baseline.")
    return 0 if is_kept else 1


def _baseline(path: str | None) -> Run | None:
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return json.parse(file.read())
    except FileNotFoundError:
        _terminal.say(f"There is no baseline {path} yet, so nothing is compared.")
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The baseline {path} can't be read ({cause(error)}).") from error


def _verdicts(run: Run, before: Run | None, args: argparse.Namespace) -> Iterator[Verdict]:
    if args.budget_g is not None:
        yield _budget(_emissions_g(run), args.budget_g, human_mass, "CO2e")
    if args.budget_kwh is not None:
        yield _budget(_energy_j(run), args.budget_kwh * J_PER_KWH, human_energy, "energy")
    if args.most_change is not None and before is not None:
        yield from _change(run, before, args.most_change)


def _energy_j(run: Run) -> float | None:
    return run.energy_j * run.pue if run.is_known else None


def _emissions_g(run: Run) -> float | None:
    return run.emissions_g if run.is_known else None


def _change(run: Run, before: Run, most: float) -> Iterator[Verdict]:
    if not (run.is_known and before.is_known):
        whose = "this run" if before.is_known else "the baseline"
        yield Verdict(f"energy of {whose} unknown, so the change can't be told. {_DOCTOR}", False)
    elif before.energy_j > 0:
        rise = 100 * (run.energy_j / before.energy_j - 1)
        word = "within" if rise <= most else "OVER"
        yield Verdict(f"energy {rise:+.1f} % against the baseline: {word} {most:g} %", word == "within")


def _budget(value: float | None, most: float, shown: Callable[[float], str], what: str) -> Verdict:
    if value is None:
        return Verdict(f"{what} unknown, so nobody can tell whether {shown(most)} are enough. {_DOCTOR}", False)
    kept = value <= most
    return Verdict(f"{what} {shown(value)}: {'within' if kept else 'OVER'} the budget of {shown(most)}", kept)


def _summary(run: Run, before: Run | None, verdicts: list[Verdict]) -> str:
    """The whole as Markdown."""
    blocks = ["## Energy and CO2e"]
    blocks += [f"{'✅' if verdict.is_kept else '❌'} {verdict.text}" for verdict in verdicts]
    if before is not None:
        blocks.append("\n".join(_comparison(run, before)))
    if before is not None and _machine(run) != _machine(before):
        blocks.append(f"The baseline ran on another machine ({_machine(before)}): the difference may be the machine's.")
    blocks.append(str(plugins.load("reports", "markdown")(run)).strip())
    return "\n\n".join(blocks) + "\n"


def _comparison(run: Run, before: Run) -> Iterator[str]:
    yield "| | baseline | now | change |"
    yield "|:--|--:|--:|--:|"
    for name, shown, old, new in (
        ("energy", human_energy, _energy_j(before), _energy_j(run)),
        ("CO2e", human_mass, _emissions_g(before), _emissions_g(run)),
        ("duration", human_duration, before.duration_s, run.duration_s),
    ):
        change = "–" if new is None or not old else f"{100 * (new / old - 1):+.1f} %"
        texts = (UNKNOWN if value is None else shown(value) for value in (old, new))
        yield f"| {name} | {' | '.join(texts)} | {change} |"


def _machine(run: Run) -> str:
    return f"{run.facts.get('cpu_model') or 'unknown processor'}, {run.facts.get('cpu_count') or '?'} CPUs"


def _publish(summary: str, run: Run, environ: Mapping[str, str]) -> None:
    if environ.get("GITHUB_STEP_SUMMARY"):
        _write(environ["GITHUB_STEP_SUMMARY"], summary, "a")
    elif environ.get("GITLAB_CI"):
        _write(_MARKDOWN, summary)
        _write(_METRICS, _metrics(run))
    else:
        _terminal.show(summary.rstrip("\n"))


def _metrics(run: Run) -> str:
    """What GitLab's metrics report reads; what is not known is not in it."""
    figures = {"energy_joules": _energy_j(run), "emissions_grams": _emissions_g(run), "seconds": run.duration_s}
    return "".join(f"carbonwatch_{name} {value:.6g}\n" for name, value in figures.items() if value is not None)


def _write(path: str, text: str, mode: str = "w") -> None:
    with open(path, mode, encoding="utf-8") as file:
        file.write(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number from 0 up")
    return value
