"""A run as Markdown: for a README, a pull request or a lab notebook. Tables are as GitHub reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from carbonwatch.model import Run
from carbonwatch.reports import _figures as figures

_SPECIAL = "\\`*_[]<>|#~&"


def render(run: Run) -> str:
    """The same content as in a terminal, as a section of a page."""
    blocks = (_headline(run), _about(run), _table(run), _tasks(run), _details(run))
    return "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines) + "\n"


def escaped(text: str) -> str:
    """As it reads: no sign of it makes a table's edge, a link or a tag."""
    return _literally(_one_line(text))


def _headline(run: Run) -> Iterator[str]:
    yield f"### {figures.emissions(run)}"
    if run.entries:
        yield f"\n{figures.energy(run)}, {figures.meaning(run)}."


def _about(run: Run) -> Iterator[str]:
    yield f"Run of {escaped(figures.title(run))}."
    command = figures.command(run)
    if command:
        yield f"\n{_code(command)}"
    for warning in figures.warnings(run):
        yield f"\n> {_prose(warning)}"


def _table(run: Run) -> Iterator[str]:
    rows = figures.rows(run)
    if not rows:
        return
    yield _line(figures.header(run).cells)
    yield _line((":--", "--:", "--:", "--:", "--:", "--:", ":--"))
    yield from (_line(row.cells) for row in rows)
    yield f"\n<sub>{figures.LEGEND}</sub>"


def _tasks(run: Run) -> Iterator[str]:
    lines = figures.tasks(run)
    if not lines:
        return
    yield _line(("task", "energy", "emissions", "share"))
    yield _line((":--", "--:", "--:", "--:"))
    for line in lines:
        # spaces at the beginning of a cell do not show
        name = "&emsp;" * line.depth + escaped(line.name)
        yield _line((name, line.energy, line.emissions, line.share))
    if figures.more_tasks(run):
        yield _line((figures.more_tasks(run), "", "", ""))


def _details(run: Run) -> Iterator[str]:
    for label, texts in figures.details(run):
        if len(texts) == 1:
            yield f"- **{label}:** {_prose(texts[0])}"
        else:
            yield f"- **{label}:**"
            yield from (f"  - {_prose(text)}" for text in texts)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _prose(text: str) -> str:
    """As it reads; what stands between backticks stays code."""
    parts = _one_line(text).split("`")
    if len(parts) % 2 == 0:  # one of them is alone
        return escaped(text)
    return "".join(f"`{part}`" if i % 2 and part else _literally(part) for i, part in enumerate(parts))


def _literally(line: str) -> str:
    return "".join(f"\\{sign}" if sign in _SPECIAL else sign for sign in line)


def _code(text: str) -> str:
    """As code, with a fence that is longer than any in it."""
    line, fence = _one_line(text), "`"
    while fence in line:
        fence += "`"
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
