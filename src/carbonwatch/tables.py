"""The tables of places and intensities, a row at a time. data/SOURCES.md says whose figures they are.

They come with carbonwatch (data/*.csv); `carbonwatch grid update` puts newer ones into the user's folder, and these are
then read instead. A file is read when it is first asked for, and only the row that is wanted is parsed: a start looks
up four of 1500.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from functools import cache

from carbonwatch.folders import data_folder

Row = Mapping[str, str]

BUNDLED = os.path.join(os.path.dirname(__file__), "data")
EDITION = "EDITION"  # the file that names an edition; without it a folder is not used


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
    return rows_with(table, "")


def rows_with(table: str, words: str) -> Iterator[Row]:
    """The rows that have these words somewhere, whatever their case: a few, to be looked at."""
    text, columns = _read(table)
    wanted = words.lower()
    # lowered at once: line by line takes four times as long
    for line, lowered in zip(text.split("\n")[1:-1], text.lower().split("\n")[1:-1], strict=True):
        if wanted in lowered:
            yield dict(zip(columns, _fields(line), strict=True))


def rows_between(table: str, column: str, low: float, high: float) -> Iterator[Row]:
    """The rows whose number in a column is in between, of a table that is in the order of this column."""
    text, columns = _read(table)
    at = columns.index(column) - len(columns)  # from the end: only names, at the beginning, are in quotes
    lines = text.split("\n")[1:-1]

    def number(line: str) -> float:
        return float(line.rsplit(",", -at)[at])

    for line in lines[bisect_left(lines, low, key=number) : bisect_right(lines, high, key=number)]:
        yield dict(zip(columns, _fields(line), strict=True))


def edition() -> str:
    """The day of newer tables that the user has fetched; "" where it is those that came with carbonwatch."""
    return _edition(updated_folder())


def updated_folder(environ: Mapping[str, str] | None = None) -> str:
    """Where newer tables are kept, if there are any."""
    return os.path.join(data_folder(environ), "tables")


@cache
def _edition(folder: str) -> str:
    try:
        with open(os.path.join(folder, EDITION), encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


@cache
def _read(table: str) -> tuple[str, list[str]]:
    folder = updated_folder() if edition() else BUNDLED
    path = os.path.join(folder, f"{table}.csv")
    # an edition holds what changes from year to year alone
    with open(path if os.path.exists(path) else os.path.join(BUNDLED, f"{table}.csv"), encoding="utf-8") as file:
        text = file.read()
    return text, text[: text.index("\n")].split(",")


def _fields(line: str) -> list[str]:
    """The fields of a line. In our tables quotes hold commas and no quotes; the module csv takes longer to import."""
    if '"' not in line:
        return line.split(",")
    parts = line.split('"')  # every other one was in quotes
    parts[1::2] = [part.replace(",", "\0") for part in parts[1::2]]
    return [field.replace("\0", ",") for field in "".join(parts).split(",")]
