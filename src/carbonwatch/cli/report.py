"""Show a run: the last one, or the one named.

Examples:
  carbonwatch report                      the last run
  carbonwatch report 019abcde --as json   the run whose id begins so
  carbonwatch report --as markdown > energy.md
"""

from __future__ import annotations

import argparse
import sys

from carbonwatch import plugins, store
from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.model import Run
from carbonwatch.settings import Settings
from carbonwatch.store.query import Store

OPERANDS = "[RUN]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", nargs="?", default="last", metavar="RUN", help="Beginning of the run's id. Default: last."
    )
    parser.add_argument(
        "--as",
        dest="kind",
        choices=plugins.names("reports"),
        default="terminal",
        help="Kind of report. Default: terminal.",
    )
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace) -> int:
    run = _find(args.run, _options.chosen(args))
    _terminal.show(_rendered(run, args.kind))
    return 0


def _find(id_: str, settings: Settings) -> Run:
    with open_store(settings) as kept:
        return kept.run(id_)


def open_store(settings: Settings) -> Store:
    """The store of the settings. Raises UsageError where they say that nothing is kept."""
    path = store.path(settings)
    if path is None:
        raise UsageError("The setting store is `none`, so no run is kept. Give the file that has them: --store FILE")
    return Store(path)


def _rendered(run: Run, kind: str) -> str:
    if kind == "terminal":
        return _terminal.summary(run, sys.stdout)
    return str(plugins.load("reports", kind)(run)).rstrip("\n")
