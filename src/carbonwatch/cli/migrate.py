"""Show, or make, the change from CodeCarbon to carbonwatch in a project.

It looks for imports of codecarbon in programs, notebooks and documents, for
requirements and `pip install` lines that name it, and for calls such as
`codecarbon monitor -- make` in scripts, CI files, Makefiles and Dockerfiles.
Config files and CODECARBON_* variables stay: carbonwatch reads them. Nothing is
changed without --write, and a second time there is nothing left to change.

Examples:
  carbonwatch migrate                     what would change in this folder
  carbonwatch migrate src tests --write   change it

Exit code: 0 if nothing is left to change, else 1.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from carbonwatch.cli import UsageError, _terminal
from carbonwatch.codecarbon.migration import Change, changes

OPERANDS = "[PATH ...]"

_COLOURS = {"+": _terminal.GREEN, "-": _terminal.RED, "@": _terminal.BOLD}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", default=["."], metavar="PATH", help="Folders or files. Default: here.")
    parser.add_argument("--write", action="store_true", help="Change the files, instead of showing how.")


def main(args: argparse.Namespace) -> int:
    for path in args.paths:
        if not os.path.exists(path):
            raise UsageError(f"There is no {path}, so nothing could be changed there.")
    found = [change for path in args.paths for change in changes(Path(path))]
    changing = [change for change in found if change.before != change.after]
    for change in changing:
        if args.write:
            change.path.write_bytes(change.after.encode())
            _terminal.show(f"changed {_terminal.printable(str(change.path))}")
        else:
            _terminal.show("\n".join(_difference(change, _terminal.colour(sys.stdout))))
    by_hand = [f"{change.path}, {line}" for change in found for line in change.left]
    for line in by_hand:
        _terminal.show(f"by hand: {_terminal.printable(line)}")
    _terminal.say(_summary(len(changing), len(by_hand), args.write))
    return 1 if by_hand or (changing and not args.write) else 0


def _difference(change: Change, colour: bool) -> Iterator[str]:
    name = str(change.path)
    lines = difflib.unified_diff(change.before.splitlines(), change.after.splitlines(), name, name, lineterm="", n=1)
    for line in lines:
        yield _terminal.painted(_terminal.printable(line), _COLOURS.get(line[:1], ""), colour)


def _summary(changing: int, by_hand: int, write: bool) -> str:
    files = f"{changing} file{'' if changing == 1 else 's'}"
    if not changing and not by_hand:
        return "Nothing here has to change."
    if write:
        return f"Changed {files}." + (f" {by_hand} to change by hand: see above." if by_hand else "")
    return f"{files} would change: `carbonwatch migrate --write` does it." if changing else "See above."
