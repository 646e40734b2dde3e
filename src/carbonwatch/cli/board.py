"""Show your runs in the browser: lists, charts, comparisons.

It serves this machine alone, at an address that nobody else knows, and changes
nothing. Ctrl-C ends it. Also as `carbonboard`.

Examples:
  carbonwatch board                       all runs that are kept
  carbonwatch board --csv emissions.csv   those of a file, CodeCarbon's too
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from contextlib import closing

from carbonwatch import store
from carbonwatch.cli import UsageError, _options, _terminal

_PORTS = 65536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--csv",
        "--filepath",
        action="append",
        default=[],
        metavar="FILE",
        help="Also an emissions.csv; more than one if repeated.",
    )
    parser.add_argument("--port", type=port, default=0, metavar="N", help="Port to listen on. Default: a free one.")
    parser.add_argument("--no-browser", action="store_true", help="Only say the address; open it yourself.")
    _options.add_settings(parser, ("store",))


def main(args: argparse.Namespace) -> int:
    path = store.path(_options.chosen(args))
    if path is None and not args.csv:
        raise UsageError("The setting store is `none`, so no run is kept. Give a file of runs: --csv FILE")
    for file in args.csv:
        if not os.path.exists(file) or os.path.isdir(file):
            raise UsageError(f"{file} is no file, so there are no runs in it. Give an emissions.csv.")
        _terminal.say(f"Reading {file} ...")
    show(path, args.csv, args.port, in_browser=not args.no_browser)
    return 0


def show(path: str | None, files: Sequence[str], port: int, *, in_browser: bool, page: str = "") -> None:
    """Serves the board until it is interrupted, and opens one of its pages. Raises UsageError without the port."""
    from carbonwatch.board.server import Server
    from carbonwatch.board.sources import Sources

    with closing(Sources(path, files)) as sources:
        try:
            server = Server(sources, port)
        except OSError as error:
            raise UsageError(
                f"Port {port} can't be had ({error.strerror}). Leave --port out for a free one."
            ) from error
        with closing(server.socket):
            _serve(f"{server.address}{page}", in_browser, server.serve_forever)


def carbonboard() -> int:
    """`carbonboard`: the same as a command of its own, as CodeCarbon's users know it."""
    import sys

    from carbonwatch import cli

    return cli.main(["board", *sys.argv[1:]])


def _serve(address: str, in_browser: bool, serve: Callable[[], None]) -> None:
    _terminal.say(f"The board is at {address}\nCtrl-C ends it.")
    if in_browser:
        open_page(address)
    try:
        serve()
    except KeyboardInterrupt:
        _terminal.say("")


def open_page(address: str) -> None:
    """Opens a page in the user's browser, or says that there is none."""
    import webbrowser

    try:
        opened = webbrowser.open(address)
    except webbrowser.Error:
        opened = False
    if not opened:
        _terminal.say("No browser could be opened from here: open that address yourself.")


def port(text: str) -> int:
    """A number of the command line that may be a port."""
    if not (text.isascii() and text.isdecimal() and int(text) < _PORTS):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number below {_PORTS}")
    return int(text)
