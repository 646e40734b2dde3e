"""Writes docs/reference/sensors/ from the docstrings of the sensors: run it after a sensor or its text has changed.

A sensor's page is its module's docstring: the first sentence says what it is, paragraphs follow, and under the
headings `## What it reads`, `## What it needs`, `## How good it is` and `## When it is missing` what a user looks up,
in Markdown. Lasting changes that let a user read it come from `carbonwatch.rights`. What stands below the line BY_HAND
stays as it is.
"""

from __future__ import annotations

import ast
from pathlib import Path

from carbonwatch import plugins
from carbonwatch.rights import FIXES, Fix

ROOT = Path(__file__).parent.parent
SENSORS = ROOT / "src" / "carbonwatch" / "sensors"
PAGES = ROOT / "docs" / "reference" / "sensors"

MADE = "<!-- Made from the sensor's docstring by tools/write_sensor_pages.py. -->"
BY_HAND = "<!-- From here on by hand. -->"

_WHO = ", and out of the group whom `--fix` has put there"

INDEX = """\
<!-- Made by tools/write_sensor_pages.py. -->
# Sensors

Where joules come from: one page a sensor. Which are tried, and in which order, is the setting `sensors`
([settings](../settings.md)); what is read on a machine, and why the rest is not, is what `carbonwatch doctor` says.

| sensor | what it is |
|---|---|
"""


def pages() -> dict[str, str]:
    """Text of every page by its file's name."""
    found = {f"{name}.md": page(name) for name in plugins.own_names("sensors")}
    rows = (f"| [{name}]({name}.md) | {_told(name)[0]} |\n" for name in plugins.own_names("sensors"))
    return {"README.md": INDEX + "".join(rows), **found}


def page(name: str) -> str:
    """A sensor's page, with what its present one holds by hand."""
    first, rest = _told(name)
    parts = [MADE, f"# {name}: {first}", rest, *(_lasting(fix) for fix in FIXES if name in fix.sensors)]
    return "\n\n".join(part for part in parts if part).replace(f"{MADE}\n\n", f"{MADE}\n", 1) + "\n" + _by_hand(name)


def _told(name: str) -> tuple[str, str]:
    """The first sentence of a module's docstring, and all that follows."""
    text = ast.get_docstring(ast.parse((SENSORS / f"{name}.py").read_text(encoding="utf-8"))) or ""
    first, _, rest = text.partition("\n\n")
    sentence, _, more = first.replace("\n", " ").partition(". ")
    return sentence.rstrip("."), "\n\n".join(part for part in (more, rest) if part)


def _lasting(fix: Fix) -> str:
    commands = "\n".join(f"    {line.strip()}" for line in fix.shell().splitlines())
    undo = "\n".join(f"    {line}" for line in fix.shell_undo(['"$USER"'] if fix.group else []))
    then = fix.then.removeprefix("and ").capitalize()
    parts = (
        f"## The lasting change `{fix.name}`",
        f"{fix.purpose}; `carbonwatch doctor --fix` shows it, asks, and does it:",
        commands,
        f"{then} {fix.exposes}".strip(),
        f"`carbonwatch doctor --undo` takes it back{_WHO if fix.group else ''}:",
        undo,
    )
    return "\n\n".join(parts)


def _by_hand(name: str) -> str:
    path = PAGES / f"{name}.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    _, mark, kept = text.partition(BY_HAND)
    return f"\n{mark}{kept}" if mark else ""


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for file, text in pages().items():
        (PAGES / file).write_text(text, encoding="utf-8")
