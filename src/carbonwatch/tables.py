"""The tables that come with carbonwatch (data/*.csv), a row at a time. data/SOURCES.md says whose figures they are.

A file is read when it is first asked for, and only the row that is wanted is parsed: a start looks up four of 1500.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache

Row = Mapping[str, str]


@cache
def row(table: str, key: str) -> Row | None:
    """The row whose first column is `key`; None where there is none."""
    text, columns = _read(table)
    start = text.find(f"\n{key},") + 1
    if not start:
        return None
    fields = _fields(text[start : text.find("\n", start)])
    # a key of several fields or lines would be found as well
    return dict(zip(columns, fields, strict=True)) if fields[0] == key else None


def rows(table: str) -> Iterator[Row]:
    """All rows of a table, in the file's order."""
    text, columns = _read(table)
    for line in text.splitlines()[1:]:
        yield dict(zip(columns, _fields(line), strict=True))


@cache
def _read(table: str) -> tuple[str, list[str]]:
    path = os.path.join(os.path.dirname(__file__), "data", f"{table}.csv")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return text, text[: text.index("\n")].split(",")


def _fields(line: str) -> list[str]:
    """The fields of a line. In our tables quotes hold commas and no quotes; the module csv takes longer to import."""
    if '"' not in line:
        return line.split(",")
    parts = line.split('"')  # every other one was in quotes
    parts[1::2] = [part.replace(",", "\0") for part in parts[1::2]]
    return [field.replace("\0", ",") for field in "".join(parts).split(",")]
