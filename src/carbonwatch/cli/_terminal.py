"""What the commands share in writing: streams that may be closed, colour only where it is seen, tables."""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TextIO, TypeVar

from carbonwatch import plugins
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run
from carbonwatch.units import human_duration

Item = TypeVar("Item")

_LINE_STEPS = 50  # of a run, in one line
_SHORTEST_LINE_S = 4.0
_REFRESH_S = 0.3
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


def tell_runs() -> None:
    """The lines of the exporter `logger` go to stderr: who chose it on a command line has no other handler."""
    log = logging.getLogger("carbonwatch.runs")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False  # else it would be said twice


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


def summary(run: Run, stream: TextIO | None, path: str | None = None) -> str:
    """A run on one screen, as wide and as coloured as the stream shows it; `path`: the store that has its samples."""
    power_w = _power_w(run, path) if path is not None and _has(stream, "▁") else ()
    report = plugins.load("reports", "terminal")
    return str(report(run, width=width(stream) or 80, colour=colour(stream), power_w=power_w)).rstrip("\n")


def _power_w(run: Run, path: str) -> Sequence[float | None]:
    """The run's power over time, for a line; none where it is not kept."""
    if run.duration_s < _SHORTEST_LINE_S:
        return ()
    from carbonwatch import pictures
    from carbonwatch.store.query import Store

    try:
        with Store(path) as kept:
            return pictures.watts(run, kept.samples(run.id, _LINE_STEPS), _LINE_STEPS)
    except CarbonwatchError:  # a store that can't be read was told of before
        return ()


def _has(stream: TextIO | None, sign: str) -> bool:
    """Whether the stream's encoding has a sign."""
    try:
        return bool(sign.encode(getattr(stream, "encoding", None) or "ascii"))
    except (UnicodeEncodeError, LookupError):
        return False


def progress(
    items: Iterable[Item], total: int, what: str, clock_s: Callable[[], float] = time.monotonic
) -> Iterator[Item]:
    """The items, while a line on stderr says how many of them are done: on a terminal alone, and if it takes long."""
    if not is_terminal(sys.stderr):
        yield from items
        return
    said_s = began_s = clock_s()
    shown = False
    for done, item in enumerate(items):
        now_s = clock_s()
        if now_s - said_s > _REFRESH_S:
            said_s, shown = now_s, True
            left_s = (now_s - began_s) / max(1, done) * (total - done)
            print(
                f"\r{what}: {done:,} of {total:,}, {human_duration(left_s)} left \x1b[K",
                end="",
                file=sys.stderr,
                flush=True,
            )
        yield item
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


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
