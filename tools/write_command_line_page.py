"""Puts the commands' help texts into docs/reference/command-line.md, and leaves its other words as they are.

Run it after a command or one of its options has come, gone or changed. A new command's section is added behind the
one that stands before it in the overview.
"""

from __future__ import annotations

import re
from pathlib import Path

from carbonwatch import cli

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "command-line.md"


def page(before: str) -> str:
    """The page's text, made from the former one."""
    top, *sections = re.split(r"^## ", before, flags=re.MULTILINE)
    former = dict(section.split("\n", 1) for section in sections)
    parts = [_with_help(top, cli.overview(), "Measure the energy")]
    for name in cli.commands():
        # settings have a page of their own
        text = cli.parser(name).format_help().partition("\nsettings:")[0]
        parts.append(f"## {name}\n\n{_with_help(former.get(name, ''), text, f'usage: carbonwatch {name} ')}")
    return "\n\n".join(parts) + "\n"


def _with_help(former: str, text: str, beginning: str) -> str:
    """A section's words, with the help text in the place of its former one, else at their end."""
    found = re.search(rf"```text\n{re.escape(beginning)}.*?\n```", former, flags=re.DOTALL)
    start, end = found.span() if found else (len(former), len(former))
    parts = (former[:start].strip(), f"```text\n{text.strip()}\n```", former[end:].strip())
    return "\n\n".join(part for part in parts if part)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
