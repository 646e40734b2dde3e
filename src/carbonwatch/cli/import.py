"""Keep the runs of an emissions.csv, CodeCarbon's or ours.

A file of tasks will do, and what a spreadsheet saved, with semicolons. A row's
figures are assumed unless the file says how good they are. Importing a file
again adds what is new; of a run with several rows the longest counts. Rows that
can't be a run are told and left out, and the exit code is 1.

Examples:
  carbonwatch import emissions.csv
  carbonwatch import results/*/emissions.csv --project before-2026
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO

from carbonwatch import store
from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.model import Run
from carbonwatch.store import emissions, journal
from carbonwatch.store.emissions import NoRun, Taken
from carbonwatch.store.journal import Journal

OPERANDS = "FILE ..."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="An emissions.csv.")
    parser.add_argument("--project", help="Keep the runs under this name instead of the file's.")
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace) -> int:
    path = store.path(_options.chosen(argparse.Namespace(store=args.store)))
    if path is None:
        raise UsageError("The store is turned off (store = none), so nothing could be kept. Give one with --store.")
    kept = journal.share(path)
    left_out = 0
    for file in args.files:
        taken = _import(file, args.project, kept)
        _terminal.show(_result(file, taken))
        left_out += taken.left_out
    return 1 if left_out else 0


def _import(path: str, project: str | None, kept: Journal) -> Taken:
    """What became of a file. Raises NoRun where it is none of runs."""
    try:
        with open(path, "rb") as file:
            lines = _lines(file) if file.seekable() else None
            found: Iterable[Run | NoRun] = _renamed(emissions.runs(file, path), project)
            if lines is not None:  # of a pipe the end is not known
                what = f"Importing {_terminal.printable(os.path.basename(path))}"
                found = _terminal.progress(found, lines, what)
            *_, taken = emissions.keep(found, kept)
    except OSError as error:
        raise NoRun(f"{path} can't be read ({error.strerror}), so its runs are not here. Check its name.") from error
    return taken


def _lines(file: BinaryIO) -> int:
    lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    file.seek(0)
    return lines


def _renamed(found: Iterator[Run | NoRun], project: str | None) -> Iterator[Run | NoRun]:
    for one in found:
        yield one if project is None or isinstance(one, NoRun) else replace(one, project=project)


def _result(file: str, taken: Taken) -> str:
    before = f", {taken.known:,} {'was' if taken.known == 1 else 'were'} there already" if taken.known else ""
    lines = [f"{file}: {taken.added:,} run{'' if taken.added == 1 else 's'} imported{before}"]
    lines += [f"  not taken: {_terminal.printable(str(why))}" for why in taken.faults]
    if taken.left_out > len(taken.faults):
        lines.append(f"  and {taken.left_out - len(taken.faults):,} more rows not taken")
    return "\n".join(lines)
