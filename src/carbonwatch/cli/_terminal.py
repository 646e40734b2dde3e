"""What the commands share in writing: streams that may be closed, colour only where it is seen, tables."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from carbonwatch import plugins
from carbonwatch.model import Run

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


def prepare() -> None:
    """What stdout's encoding has no sign for is replaced, and is no error; warnings go to stderr, in one line each."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    log = logging.getLogger("carbonwatch")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("carbonwatch: %(message)s"))
        log.addHandler(handler)


def show(text: str) -> None:
    """A line on stdout."""
    if sys.stdout is not None:
        print(text)


def say(text: str) -> None:
    """A line on stderr, for people. Lost where nobody reads it."""
    if sys.stderr is None:
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass


def flush() -> None:
    """Writes what show() left in the buffer, while a reader that is gone can still be noticed."""
    if sys.stdout is not None:
        sys.stdout.flush()


def give_up_stdout() -> None:
    """Nobody reads stdout any more: what is left in the buffer goes nowhere, without a message at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def colour(stream: TextIO | None) -> bool:
    """Whether colour is seen there and wanted: https://no-color.org."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width(stream: TextIO | None) -> int | None:
    """Columns of the terminal; None where there is none, and nothing need be cut."""
    if stream is None or not is_terminal(stream):
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def summary(run: Run, stream: TextIO | None) -> str:
    """A run on one screen, as wide and as coloured as the stream shows it."""
    return str(plugins.load("reports", "terminal")(run, width=width(stream) or 80, colour=colour(stream))).rstrip("\n")


def painted(text: str, code: str, wanted: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if wanted and text and code else text


def printable(text: str) -> str:
    """Without control characters: names come from anywhere, and must not steer a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def columns(text: str) -> int:
    """How wide a terminal shows it: two columns for East Asian signs, none for combining ones."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def cut(text: str, room: int) -> str:
    """At most so many columns; what is missing shows as an ellipsis."""
    if columns(text) <= room:
        return text
    while columns(text) > room - 1:
        text = text[:-1]
    return text + "…"


def table(rows: Sequence[Sequence[str]], right: Sequence[int], flexible: int, room: int | None) -> list[list[str]]:
    """Cells to be joined: padded, `right` ones to the right, gaps included; the flexible one gives way to the room."""
    widths = [max(columns(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    gap = "  "
    if room is not None and sum(widths) + 2 * last > room:
        gap = " "
        widths[flexible] = max(1, min(widths[flexible], room - last - sum(widths) + widths[flexible]))
    return [
        [_padded(cell, widths[i], i in right) + (gap if i < last else "") for i, cell in enumerate(row)] for row in rows
    ]


def _padded(cell: str, room: int, right: bool) -> str:
    text = cut(cell, room)
    blanks = " " * (room - columns(text))
    return blanks + text if right else text + blanks


def nearest(name: str, among: Sequence[str]) -> str:
    """A hint, with a blank before it, where one of the names is near; else nothing."""
    from difflib import get_close_matches

    near = get_close_matches(name, among, 1)
    return f" Did you mean {near[0]}?" if near else ""
