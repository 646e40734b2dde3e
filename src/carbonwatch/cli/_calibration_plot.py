"""A picture of a calibration: readings and line above, how far each is off it below. SVG, or PNG of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from carbonwatch.calibration import Calibration, Pair
from carbonwatch.errors import SettingsError
from carbonwatch.pictures import png

KINDS = (".svg", ".png")

_WIDTH, _HEIGHT = 760, 620
_LEFT, _RIGHT = 76, 736
_TOP, _MIDDLE = 80, 400  # of the upper panel
_LOWER_TOP, _LOWER_END = 434, 566
_INK, _SOFT, _GRID, _DOT, _LINE = "#1f2933", "#64707d", "#e4e8ec", "#2f6fb0", "#c4452d"
_FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"

Scale = Callable[[float], float]


def check(path: str) -> None:
    """Raises SettingsError for a file that no picture can be written to, and Unavailable where PNG can't be made."""
    if not path.lower().endswith(KINDS):
        raise SettingsError(f"--plot {path}: a picture is {' or '.join(KINDS)}. Name the file so.")
    if path.lower().endswith(".png"):
        png("<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")


def write(path: str, pairs: Sequence[Pair], line: Calibration) -> None:
    """The picture as a file; its name says which kind."""
    text = svg(pairs, line)
    content = png(text, zoom=2) if path.lower().endswith(".png") else text.encode()
    with open(path, "wb") as file:
        file.write(content)


def svg(pairs: Sequence[Pair], line: Calibration) -> str:
    """The readings, the line with its range, and the residuals in percent."""
    inside = ticks(0.0 if _starts_near_zero(pairs) else min(p.inside_w for p in pairs), max(p.inside_w for p in pairs))
    wall = ticks(0.0, max(p.wall_w for p in pairs))
    rests = [100 * (p.wall_w / (line.a_w + line.b * p.inside_w) - 1) for p in pairs]
    most = max(1.0, *(abs(rest) for rest in rests))
    rest = ticks(-most, most)
    x = _scale(inside, _LEFT, _RIGHT)
    y, z = _scale(wall, _MIDDLE, _TOP), _scale(rest, _LOWER_END, _LOWER_TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="{_FONT}" font-size="12" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 24, f"wall = {line.a_w:.4g} W + {line.b:.4g} × inside", size=16, weight="bold"),
        _text(_LEFT, 44, _subtitle(line), colour=_SOFT),
        _text(_LEFT, 61, line.machine, colour=_SOFT),
        *_panel(x, y, inside, wall, _TOP, _MIDDLE, "at the wall, W", "{:g}"),
        *_panel(x, z, inside, rest, _LOWER_TOP, _LOWER_END, "off the line, %", "{:+g}"),
        *(_text(x(tick), _LOWER_END + 18, f"{tick:g}", anchor="middle", colour=_SOFT) for tick in inside),
        _text((_LEFT + _RIGHT) / 2, _HEIGHT - 14, "counted inside, W", anchor="middle"),
        *_dots((x(p.inside_w), y(p.wall_w)) for p in pairs),
        *_dots(((x(p.inside_w), z(off)) for p, off in zip(pairs, rests, strict=True))),
        _stroke(x(line.from_w), y(line.a_w + line.b * line.from_w), x(line.to_w), y(line.a_w + line.b * line.to_w)),
        _stroke(x(line.from_w), z(0), x(line.to_w), z(0)),
        "</svg>",
    ]
    return "\n".join(parts)


def ticks(low: float, high: float) -> list[float]:
    """Four to ten round numbers around both ends, evenly apart."""
    wide = (high - low) or abs(high) or 1.0
    size = 10 ** math.floor(math.log10(wide / 4))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if wide / (size * factor) <= 7)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(at * step, 10) for at in range(first, max(last, first + 1) + 1)]


def _starts_near_zero(pairs: Sequence[Pair]) -> bool:
    return min(p.inside_w for p in pairs) < max(p.inside_w for p in pairs) / 3


def _subtitle(line: Calibration) -> str:
    left_out = f", {line.left_out} left out" if line.left_out else ""
    day = f", {line.made_at}" if line.made_at else ""
    return f"{line.readings} readings{left_out}, median residual {line.residual:.1%}{day}"


def _scale(marks: Sequence[float], start: float, end: float) -> Scale:
    """From the range of some marks to pixels."""
    low, high = marks[0], marks[-1]
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _panel(
    x: Scale, y: Scale, across: Sequence[float], up: Sequence[float], top: float, end: float, name: str, form: str
) -> Iterator[str]:
    """Grid, numbers at its left and what they are."""
    for tick in across:
        yield f'<path d="M{x(tick):.1f} {top}V{end}" stroke="{_GRID}"/>'
    for tick in up:
        yield f'<path d="M{_LEFT} {y(tick):.1f}H{_RIGHT}" stroke="{_GRID}"/>'
        yield _text(
            _LEFT - 8, y(tick) + 4, form.format(tick).replace("-", "−") if tick else "0", anchor="end", colour=_SOFT
        )
    turned = f'transform="translate(20 {(top + end) / 2:.1f}) rotate(-90)"'
    yield f'<text {turned} text-anchor="middle">{_escaped(name)}</text>'


def _dots(points: Iterator[tuple[float, float]]) -> Iterator[str]:
    for at_x, at_y in points:
        yield f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="3.5" fill="{_DOT}" fill-opacity="0.55"/>'


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{_LINE}" stroke-width="2" stroke-linecap="round"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = _INK, size: int = 12, weight: str = "normal"
) -> str:
    style = f'text-anchor="{anchor}" fill="{colour}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
