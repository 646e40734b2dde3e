"""Writes the help texts in docs/reference/command-line.md again: run it after a command or its options have changed.

What stands around them is written by hand and stays; a command that is new gets a section at the end.
"""

from __future__ import annotations

import re
from pathlib import Path

from carbonwatch import cli

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "command-line.md"


def page() -> str:
    """The page's text, with the help texts as they are."""
    text = PAGE.read_text(encoding="utf-8")
    text = re.sub(r"```text\nMeasure the .*?\n```", lambda _: _block(cli.overview()), text, count=1, flags=re.DOTALL)
    for name in cli.commands():
        block = _block(cli.parser(name).format_help().partition("\nsettings:")[0])
        pattern = rf"```text\nusage: carbonwatch {name} .*?\n```"
        if re.search(pattern, text, re.DOTALL):
            text = re.sub(pattern, lambda _, block=block: block, text, count=1, flags=re.DOTALL)  # type: ignore[misc]
        else:
            text = f"{text.rstrip()}\n\n## {name}\n\n{block}\n"
    return text


def _block(text: str) -> str:
    return f"```text\n{text.strip()}\n```"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
