"""A run on one screen: the headline, whose energy it was, and what the figures rest on.

Without colour it is plain text that says the same; colours only lead the eye.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf

from carbonwatch.model import Run
from carbonwatch.reports import _figures as figures
from carbonwatch.units import human_power

Paint = Callable[[str, str], str]

_BOLD, _DIM, _RED = "1", "2", "31"
_QUALITY = {"measured": "32", "modelled": "33", "assumed": "35"}
_LABEL_WIDTH = 11
_BARS = "▁▂▃▄▅▆▇█"
_FEWEST_STEPS = 4  # of a line that says something
_NARROWEST = 80  # what the table needs
_LONGEST_TASK = 33
_LONGEST_COMMAND = 150


def render(run: Run, *, width: int = 80, colour: bool = False, power_w: Sequence[float | None] = ()) -> str:
    """The summary as text, no line longer than `width` columns, which are 80 at least; in colour with ANSI codes.

    `power_w`: the headline's power in equal steps of the run, to be drawn in one line.
    """
    width = max(width, _NARROWEST)
    paint: Paint = _in_colour if colour else _plain
    blocks = (
        _headline(run, width, paint),
        _about(run, width, paint),
        _power(power_w, paint),
        _table(run, width, paint),
        _tasks(run, paint),
        _details(run, width, paint),
    )
    return "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines) + "\n"


def _headline(run: Run, width: int, paint: Paint) -> Iterator[str]:
    yield paint(_BOLD, figures.emissions(run))
    if run.entries:
        yield from _wrapped(f"{figures.energy(run)}, {figures.meaning(run)}", width)


def _about(run: Run, width: int, paint: Paint) -> Iterator[str]:
    style = _RED if run.state in ("failed", "killed") else ""
    yield from (paint(style, line) for line in _wrapped(figures.title(run), width))
    yield from (paint(_DIM, line) for line in _wrapped(_cut(figures.command(run), _LONGEST_COMMAND), width))
    for warning in figures.warnings(run):
        yield from (paint(style, line) for line in _wrapped(warning, width))


def sparkline(values: Sequence[float | None]) -> str:
    """A sign for each, as high as its share of the highest; a blank where nothing is known."""
    highest = max((value for value in values if value is not None), default=0.0)
    if not 0 < highest < inf:
        return ""
    steps = len(_BARS) - 1
    return "".join(" " if value is None else _BARS[round(max(0.0, value) / highest * steps)] for value in values)


def _power(power_w: Sequence[float | None], paint: Paint) -> Iterator[str]:
    known = [value for value in power_w if value is not None]
    if len(known) >= _FEWEST_STEPS and sparkline(power_w):
        yield f"{sparkline(power_w)}  {paint(_DIM, f'{human_power(min(known))} to {human_power(max(known))}')}"


def _table(run: Run, width: int, paint: Paint) -> Iterator[str]:
    rows = figures.rows(run)
    if not rows:
        return
    header = figures.header(run)
    widths = [max(map(len, column)) for column in zip(header.cells, *(row.cells for row in rows), strict=True)]
    room = (width - sum(widths)) // (len(widths) - 1)
    gap = " " * max(1, min(room, 3))
    yield paint(_DIM, gap.join(_aligned(header, widths)).rstrip())
    for row in rows:
        *cells, quality = _aligned(row, widths)
        line = gap.join((*cells, paint(_QUALITY.get(row.quality, ""), quality.rstrip()))).rstrip()
        yield paint(_BOLD, line) if row.name == figures.TOTAL else line
    yield paint(_DIM, figures.LEGEND)


def _aligned(row: figures.Row, widths: list[int]) -> list[str]:
    """Figures to the right, words to the left."""
    last = len(widths) - 1
    cells = enumerate(zip(row.cells, widths, strict=True))
    return [cell.ljust(width) if i in (0, last) else cell.rjust(width) for i, (cell, width) in cells]


def _tasks(run: Run, paint: Paint) -> Iterator[str]:
    lines = figures.tasks(run)
    names = [_cut("  " * min(line.depth, 4) + _printable(line.name), _LONGEST_TASK) for line in lines]
    name_width = max(map(_columns, names), default=0)
    for number, (line, name) in enumerate(zip(lines, names, strict=True)):
        label = "Tasks" if number == 0 else ""
        padded = name + " " * (name_width - _columns(name))
        yield f"{_label(label, paint)}{padded}  {line.energy:>9}  {line.emissions:>14}  {line.share:>7}".rstrip()
    if figures.more_tasks(run):
        yield _label("", paint) + figures.more_tasks(run)


def _details(run: Run, width: int, paint: Paint) -> Iterator[str]:
    details = figures.details(run)
    label_width = max(_LABEL_WIDTH, *(len(label) + 1 for label, _ in details))
    for label, texts in details:
        lines = [line for text in texts for line in _hanging(text, width - label_width, len(texts) > 1)]
        for number, line in enumerate(lines):
            yield _label(label if number == 0 else "", paint, label_width) + line


def _hanging(text: str, width: int, hang: bool) -> list[str]:
    """Wrapped; where it is one of several, what follows its first line stands a little to the right."""
    first, *rest = _wrapped(text, width - 2 if hang else width) or [""]
    return [first, *(f"  {line}" if hang else line for line in rest)]


def _label(text: str, paint: Paint, width: int = _LABEL_WIDTH) -> str:
    return paint(_DIM, text) + " " * (width - len(text))


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken between words where there is a choice."""
    lines: list[str] = []
    line = ""
    for word in _printable(text).split():
        longer = f"{line} {word}" if line else word
        if _columns(longer) <= width:
            line = longer
            continue
        lines += [line] if line else []
        *full, line = _pieces(word, width)
        lines += full
    return [*lines, line] if line else lines


def _pieces(word: str, width: int) -> list[str]:
    pieces = [""]
    for sign in word:
        if _columns(pieces[-1] + sign) > width:
            pieces.append("")
        pieces[-1] += sign
    return pieces


def _cut(text: str, width: int) -> str:
    """At most so many columns; what is missing shows as an ellipsis."""
    return text if _columns(text) <= width else _pieces(text, width - 1)[0] + "…"


def _printable(text: str) -> str:
    """Without control characters: names come from anywhere, and must not steer a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _columns(text: str) -> int:
    """How wide a terminal shows it: two columns for East Asian signs, none for combining ones."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def _plain(_style: str, text: str) -> str:
    return text


def _in_colour(style: str, text: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text
