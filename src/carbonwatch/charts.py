"""Charts as SVG that needs nothing else: no script, no style sheet, no font but the reader's own.

Names come from anywhere and are escaped. Colours can be told apart by the colour-blind (Okabe and Ito); axes and words
have the colour of the text around them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 14.0, 34.0, 40.0
_SPANS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3))
_LONGEST_NAME = 60
_PIXELS_PER_SIGN = 7.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One series over steps of equal length; None where nothing is known."""

    name: str
    values: tuple[float | None, ...]
    colour: str


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where values lie in the picture."""

    width: float
    height: float
    x_high: float
    y_high: float

    def x(self, value: float) -> float:
        return _LEFT + value / self.x_high * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        room = self.height - _TOP - _BOTTOM
        return self.height - _BOTTOM - value / self.y_high * room


def over_time(
    layers: Sequence[Layer],
    duration_s: float,
    *,
    unit: str,
    title: str,
    line: Layer | None = None,
    width: int = 720,
    height: int = 300,
) -> str:
    """Layers on top of each other from the start of a run to its end; `line` goes over them, and is not added."""
    name, size_s = next((span for span in _SPANS if duration_s >= 2 * span[1]), _SPANS[-1])
    stacks = list(_stacked(layers))
    highest = max((top for _, tops in stacks for top in tops if top is not None), default=0.0)
    highest = max([highest, *(value for value in (line.values if line else ()) if value is not None)])
    frame = _Frame(width, height, max(duration_s / size_s, 1e-9), _above(highest))
    shapes = [_area(frame, layer, bottoms, tops) for layer, (bottoms, tops) in zip(layers, stacks, strict=True)]
    shapes += [_line(frame, line)] if line else []
    shown = [*layers, *([line] if line else [])]
    body = [*_axes(frame, f"time, {name}", unit), *shapes, *_legend(frame, shown)]
    return _svg(width, height, title, body)


def escaped(text: str) -> str:
    """Text as XML has it: one line, at most so long, nothing in it a tag."""
    line = "".join(sign if sign.isprintable() else " " for sign in text)
    line = line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        line = line.replace(sign, entity)
    return line


def ticks(high: float, most: int = 6) -> list[float]:
    """Round values from 0 on, not many more than so many."""
    rough = high / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [n * step for n in range(math.floor(high / step + 1e-9) + 1)]


def _stacked(layers: Iterable[Layer]) -> Iterator[tuple[list[float | None], list[float | None]]]:
    """The lower and the upper edge of each layer; what is not known lifts nothing."""
    below: list[float] = []
    for layer in layers:
        below = below or [0.0] * len(layer.values)
        bottoms = [None if value is None else base for base, value in zip(below, layer.values, strict=True)]
        tops = [None if value is None else base + value for base, value in zip(below, layer.values, strict=True)]
        below = [base + (value or 0.0) for base, value in zip(below, layer.values, strict=True)]
        yield bottoms, tops


def _area(frame: _Frame, layer: Layer, bottoms: Sequence[float | None], tops: Sequence[float | None]) -> str:
    path = []
    for start, end in _known(tops):
        upper = _steps(frame, tops, start, end)
        lower = _steps(frame, bottoms, start, end)
        path.append(f"M{' '.join(upper)} L{' '.join(reversed(lower))}Z")
    return f'<path d="{" ".join(path)}" fill="{layer.colour}" fill-opacity="0.85"/>' if path else ""


def _line(frame: _Frame, layer: Layer) -> str:
    path = " ".join(f"M{' '.join(_steps(frame, layer.values, start, end))}" for start, end in _known(layer.values))
    return f'<path d="{path}" fill="none" stroke="{layer.colour}" stroke-width="1.5"/>' if path else ""


def _steps(frame: _Frame, values: Sequence[float | None], start: int, end: int) -> list[str]:
    width = frame.x_high / len(values)
    points = []
    for i in range(start, end):
        y = frame.y(values[i] or 0.0)
        points += [f"{frame.x(i * width):.1f},{y:.1f}", f"{frame.x((i + 1) * width):.1f},{y:.1f}"]
    return points


def _known(values: Sequence[float | None]) -> Iterator[tuple[int, int]]:
    """Stretches without a hole."""
    start = None
    for i, value in enumerate([*values, None]):
        if value is not None and start is None:
            start = i
        elif value is None and start is not None:
            yield start, i
            start = None


def _axes(frame: _Frame, x_label: str, y_label: str) -> Iterator[str]:
    bottom, right = frame.height - _BOTTOM, frame.width - _RIGHT
    for value in ticks(frame.y_high, 5):
        y = frame.y(value)
        yield _rule(_LEFT, y, right, y, 0.15)
        yield _text(_LEFT - 6, y + 4, _tick(value), "end")
    for value in ticks(frame.x_high):
        x = frame.x(value)
        yield _rule(x, bottom, x, bottom + 4, 0.6)
        yield _text(x, bottom + 17, _tick(value), "middle")
    yield _rule(_LEFT, bottom, right, bottom, 0.6)
    yield _text(_LEFT, _TOP - 12, y_label, "start")
    yield _text(right, bottom + 33, x_label, "end")


def _tick(value: float) -> str:
    """As short as it can be said."""
    return f"{value:.6g}" if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.3g}"


def _legend(frame: _Frame, layers: Sequence[Layer]) -> Iterator[str]:
    x = frame.width - _RIGHT
    for layer in reversed(layers):
        x -= _PIXELS_PER_SIGN * min(len(layer.name), _LONGEST_NAME)
        yield _text(x, _TOP - 12, layer.name, "start")
        x -= 14
        yield f'<rect x="{x:.1f}" y="{_TOP - 21:.1f}" width="10" height="10" fill="{layer.colour}"/>'
        x -= 12


def _rule(x1: float, y1: float, x2: float, y2: float, opacity: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="currentColor" stroke-opacity="{opacity:g}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{escaped(text)}</text>'


def _svg(width: int, height: int, title: str, body: Iterable[str]) -> str:
    inside = "\n".join(part for part in body if part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escaped(title)}" font-family="sans-serif" font-size="12">\n'
        f"<title>{escaped(title)}</title>\n{inside}\n</svg>\n"
    )


def _above(value: float) -> float:
    """The end of an axis that holds the value."""
    return value * 1.05 if value > 1e-9 else 1.0
