"""The tables of places and intensities, a row at a time. data/SOURCES.md says whose figures they are.

They come with carbonwatch (data/*.csv); `carbonwatch grid update` puts newer ones into the user's folder, and these are
then read instead. A file is read when it is first asked for, and only the row that is wanted is parsed: a start looks
up four of 1500.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from carbonwatch.folders import data_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap
    from typing import Any

Row = Mapping[str, str]

_SIGNS = bytes(sign for sign in range(33, 127) if not chr(sign).isalnum()) + b" "
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


def rows_named(table: str, key: str) -> Iterator[Row]:
    """The rows whose first column is `key`, of a table in the order of its bytes."""
    wanted = f"{key},".encode()
    return _rows_from(table, lambda line: line < wanted, lambda line: line.startswith(wanted))


def rows_between(table: str, place: Callable[[bytes], Any], low: Any, high: Any) -> Iterator[Row]:
    """The rows from `low` to `high`, of a table in the order of what `place` makes of a line."""
    return _rows_from(table, lambda line: place(line) < low, lambda line: place(line) <= high)


def _rows_from(table: str, is_before: Callable[[bytes], bool], fits: Callable[[bytes], bool]) -> Iterator[Row]:
    """Halves the table until it is where the rows begin: of a long one only some lines are read."""
    text, columns = _mapped(table)
    low, high = text.find(b"\n") + 1, len(text)
    while low < high:
        start = text.rfind(b"\n", 0, (low + high) // 2) + 1
        end = text.find(b"\n", start) + 1
        low, high = (end, high) if is_before(text[start : end - 1]) else (low, start)
    while low < len(text):
        end = text.find(b"\n", low)
        line = text[low:end]
        if not fits(line):
            return
        yield dict(zip(columns, _fields(line.decode()), strict=True))
        low = end + 1


def rows_like(table: str, name: str) -> Iterator[Row]:
    """The rows that may have a name of these letters, whatever case, accents and signs: a few, to be looked at."""
    text, columns = _read(table)
    letters = _letters(name)
    for line, of_line in zip(text.split("\n")[1:-1], _all_letters(table)[1:-1], strict=True):
        if letters in of_line:
            yield dict(zip(columns, _fields(line), strict=True))


@cache
def _all_letters(table: str) -> list[bytes]:
    return _letters(_read(table)[0]).split(b"\n")


def _letters(text: str) -> bytes:
    """Those of ASCII without case and accents: as many as two equal names have in common."""
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFKD", text)
    return text.encode("ascii", "ignore").lower().translate(None, _SIGNS)


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
    with open(_path(table), encoding="utf-8") as file:
        text = file.read()
    return text, text[: text.index("\n")].split(",")


@cache
def _mapped(table: str) -> tuple[mmap, list[str]]:
    """The table as the system maps it, so that what is not looked at is not read."""
    from mmap import ACCESS_READ, mmap

    with open(_path(table), "rb") as file:
        columns = file.readline().decode().rstrip("\n").split(",")
        return mmap(file.fileno(), 0, access=ACCESS_READ), columns


def _path(table: str) -> str:
    folder = updated_folder() if edition() else BUNDLED
    path = os.path.join(folder, f"{table}.csv")
    # an edition holds what changes from year to year alone
    return path if os.path.exists(path) else os.path.join(BUNDLED, f"{table}.csv")


def _fields(line: str) -> list[str]:
    """The fields of a line. In our tables quotes hold commas and no quotes; the module csv takes longer to import."""
    if '"' not in line:
        return line.split(",")
    parts = line.split('"')  # every other one was in quotes
    parts[1::2] = [part.replace(",", "\0") for part in parts[1::2]]
    return [field.replace("\0", ",") for field in "".join(parts).split(",")]
