"""Keep the runs of an emissions.csv, CodeCarbon's or ours.

A row's figures are assumed unless the file says how good they are. Importing a
file again adds what is new; of a run with several rows the longest counts.

Examples:
  carbonwatch import emissions.csv
  carbonwatch import results/*/emissions.csv --project before-2026
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from carbonwatch import store
from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.codecarbon import rows
from carbonwatch.codecarbon.rows import NoRun
from carbonwatch.model import Run
from carbonwatch.store import journal

OPERANDS = "FILE ..."

_SHOWN = 5  # rows that can't be taken, of each file
_AT_ONCE = 1000  # runs a transaction: another program may want to write in between


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="An emissions.csv.")
    parser.add_argument("--project", help="Keep the runs under this name instead of the file's.")
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace) -> int:
    path = store.path(_options.chosen(argparse.Namespace(store=args.store)))
    if path is None:
        raise UsageError("The store is turned off (store = none), so nothing could be kept. Give one with --store.")
    kept = journal.share(path)
    refused = 0
    for file in args.files:
        found, why_not = rows.latest(rows.runs(file))
        runs = (run if args.project is None else replace(run, project=args.project) for run in found)
        added = sum(len(kept.add(some)) for some in _chunks(runs))
        _terminal.show(_result(file, found, added, why_not))
        refused += len(why_not)
    return 1 if refused else 0


def _chunks(runs: Iterable[Run]) -> Iterator[list[Run]]:
    waiting = iter(runs)
    while some := list(itertools.islice(waiting, _AT_ONCE)):
        yield some


def _result(file: str, found: list[Run], added: int, refused: list[NoRun]) -> str:
    before = f", {len(found) - added:,} were there already" if len(found) > added else ""
    lines = [f"{file}: {added:,} run{'' if added == 1 else 's'} imported{before}"]
    lines += [f"  not taken: {_terminal.printable(str(why))}" for why in refused[:_SHOWN]]
    if len(refused) > _SHOWN:
        lines.append(f"  and {len(refused) - _SHOWN:,} more rows not taken")
    return "\n".join(lines)
