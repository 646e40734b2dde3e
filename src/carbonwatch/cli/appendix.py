"""Build the web pages of a set of experiments, to publish.

SPEC is a file in TOML that says which runs, in which sets, with which metrics
of your own. The site opens from the disk, and from any web server.

Examples:
  carbonwatch appendix experiments.toml --out site
  carbonwatch appendix experiments.toml --out site --store lab.db

A small SPEC:
  title = "Distillation"
  leaderboard = "accuracy"
  metrics = "metrics.json"
  [[set]]
  name = "baselines"
  project = "imdb"
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

from carbonwatch import appendix
from carbonwatch.cli import _options, _terminal
from carbonwatch.cli.report import open_store
from carbonwatch.errors import CarbonwatchError

OPERANDS = "SPEC"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="The file that says what belongs to it.")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="Where the site is written; made if it is not there."
    )
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace) -> int:
    spec = appendix.read(args.spec)
    with open_store(_options.chosen(argparse.Namespace(store=args.store))) as kept:
        try:
            count = appendix.build(spec, args.out, kept, _progress)
        except OSError as error:
            raise CarbonwatchError(f"{args.out} can't be written ({error.strerror}). Name another folder.") from error
    shown = "1 run is" if count == 1 else f"{count:,} runs are"
    _terminal.say(f"carbonwatch: {shown} shown in {os.path.join(args.out, 'index.html')}.")
    return 0


def _progress(items: Iterable[str], total: int) -> Iterable[str]:
    return _terminal.progress(items, total, "Writing pages")
