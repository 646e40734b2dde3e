"""A run as a small table of HTML, as a notebook shows it: no script and no style sheet, in the colours around it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from math import inf

from carbonwatch.model import Run
from carbonwatch.reports import _figures as figures
from carbonwatch.units import human_power

_WIDTH, _HEIGHT = 240, 32  # of the line of power, in pixels
_FEWEST_STEPS = 4  # of a line that says something
_CELL = 'style="text-align:{}; padding:0.1em 0.7em"'
_QUIET = 'style="opacity:0.75"'
_OPEN = '<div class="tex2jax_ignore mathjax_ignore">'  # dollars in a name are no mathematics


def render(run: Run, *, power_w: Sequence[float | None] = ()) -> str:
    """The summary as one element. `power_w`: the headline's power in equal steps of the run, to be drawn as a line."""
    blocks = (_headline(run), _about(run), _power(power_w), _table(run), _tasks(run), _details(run))
    lines = [line for block in blocks for line in block]
    return "\n".join([_OPEN, *lines, "</div>"]) + "\n"


def _headline(run: Run) -> Iterator[str]:
    yield f'<div style="font-size:1.3em; font-weight:600">{_text(figures.emissions(run))}</div>'
    if run.entries:
        yield f"<div>{_text(f'{figures.energy(run)}, {figures.meaning(run)}')}</div>"


def _about(run: Run) -> Iterator[str]:
    yield f"<div {_QUIET}>{_text(figures.title(run))}</div>"
    yield from (f"<div><b>{_text(warning)}</b></div>" for warning in figures.warnings(run))


def _power(power_w: Sequence[float | None]) -> Iterator[str]:
    known = [value for value in power_w if value is not None]
    highest = max(known, default=0.0)
    if len(known) < _FEWEST_STEPS or not 0 < highest < inf:
        return
    span = f"{human_power(min(known))} to {human_power(highest)}"
    step = _WIDTH / len(power_w)
    bars = "".join(_bar(i * step, step, value / highest) for i, value in enumerate(power_w) if value is not None)
    yield (
        f'<div><svg role="img" width="{_WIDTH}" height="{_HEIGHT}" fill="currentColor" fill-opacity="0.6">'
        f'<title>Power over time: {span}</title><path d="{bars}"/></svg> <span {_QUIET}>{span}</span></div>'
    )


def _bar(x: float, width: float, share: float) -> str:
    return f"M{x:.4g},{_HEIGHT}V{_HEIGHT * (1 - max(0.0, share)):.4g}h{width:.4g}V{_HEIGHT}z"


def _table(run: Run) -> Iterator[str]:
    rows = figures.rows(run)
    if rows:
        yield from _lines(figures.header(run).cells, (map(_text, row.cells) for row in rows), words=(0, 6))
        yield f"<div {_QUIET}><small>{_text(figures.LEGEND)}</small></div>"


def _tasks(run: Run) -> Iterator[str]:
    lines = figures.tasks(run)
    if not lines:
        return
    # spaces at the beginning of a cell do not show
    rows = [("&emsp;" * line.depth + _text(line.name), line.energy, line.emissions, line.share) for line in lines]
    more = figures.more_tasks(run)
    rows += [(_text(more), "", "", "")] if more else []
    yield from _lines(("task", "energy", "emissions", "share"), rows, words=(0,))


def _lines(head: Sequence[str], rows: Iterable[Iterable[str]], words: Sequence[int]) -> Iterator[str]:
    """A table of cells in HTML, whose columns are figures but for those of words."""
    sides = [_CELL.format("left" if i in words else "right") for i in range(len(head))]
    yield "<table>"
    cells = (f'<th scope="col" {side}>{_text(name)}</th>' for name, side in zip(head, sides, strict=True))
    yield f"<thead><tr>{''.join(cells)}</tr></thead>"
    yield "<tbody>"
    for row in rows:
        cells = (f"<td {side}>{cell}</td>" for cell, side in zip(row, sides, strict=True))
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"


def _details(run: Run) -> Iterator[str]:
    known = list(figures.details(run))
    if not known:
        return
    yield "<details><summary>What it rests on</summary>"
    for label, texts in known:
        yield f"<div><b>{_text(label)}</b>: {'<br>'.join(_text(text) for text in texts)}</div>"
    yield "</details>"


def _text(text: str) -> str:
    """As it reads, in one line; nothing in it is a tag."""
    return html.escape("".join(sign if sign.isprintable() else " " for sign in text))
