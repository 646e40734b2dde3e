"""Newer tables, from a release of the project into the user's data directory: only when somebody asks for it.

A release has `grid-tables.zip`, made by tools/pack_tables.py, and its SHA-256 beside it. Nothing of it is used before
the checksum is right and every table makes sense; then it takes the old edition's place in one step.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from carbonwatch import tables
from carbonwatch._version import __version__
from carbonwatch.errors import GridUnavailable

URL = "https://github.com/carbonwatch/carbonwatch/releases/latest/download/grid-tables.zip"
# what changes from year to year; where time zones and towns are comes with carbonwatch
TABLES = (
    "countries",
    "electricity_mix",
    "subnational",
    "us_egrid_subregions",
    "zones_electricitymaps",
    "cloud_regions",
    "fuel_factors",
    "pue_defaults",
    "line_losses",
)
NOTICE = "zones_electricitymaps.LICENSE.txt"

_TIMEOUT_S = 30.0
_LARGEST = 20_000_000
_HIGHEST_G_PER_KWH = 3000.0  # the worst lignite is at half of it
_MOST_TWH = 100_000.0  # three times what the world makes
_NEVER_LOST = 0.9  # of a table's rows a newer one has at least so many
_KEPT = "The tables that were there stay in use."


def fetch(folder: str, url: str, sha256: str | None = None, get: Callable[[str], bytes] | None = None) -> str:
    """Puts a release's tables into the folder, and gives the day of their edition. Raises GridUnavailable."""
    get = get or _get
    packed = get(url)
    _check_sum(packed, sha256 or get(f"{url}.sha256").decode("ascii", "replace").split(" ")[0], url)
    new = f"{folder}.new"
    try:
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        _unpack(packed, new)
        day = _check(new)
        _take_place(new, folder)
    except OSError as error:
        raise GridUnavailable(f"{folder} can't be written ({error.strerror}).", _KEPT) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return day


def undo(folder: str) -> str:
    """Removes fetched tables, and gives the day of their edition; "" if there are none. Raises GridUnavailable."""
    try:
        with open(os.path.join(folder, tables.EDITION), encoding="utf-8") as file:
            day = file.read().strip()
        shutil.rmtree(folder)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise GridUnavailable(f"{folder} can't be removed ({error.strerror}).") from error
    return day


def _get(url: str) -> bytes:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    if not url.startswith(("https://", "http://")):
        raise GridUnavailable(f"{url!r} is no address of the web.", f"Give https://... {_KEPT}")
    try:
        with urlopen(Request(url, headers={"User-Agent": f"carbonwatch/{__version__}"}), timeout=_TIMEOUT_S) as answer:
            body: bytes = answer.read(_LARGEST + 1)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise GridUnavailable(f"{url} could not be fetched ({error}).", _KEPT) from error
    if len(body) > _LARGEST:
        raise GridUnavailable(f"{url} is larger than any set of tables.", _KEPT)
    return body


def _check_sum(packed: bytes, wanted: str, url: str) -> None:
    from hashlib import sha256

    found, wanted = sha256(packed).hexdigest(), wanted.strip().lower()
    if found != wanted:
        is_one = wanted.isalnum() and len(wanted) == len(found)
        raise GridUnavailable(
            f"What came from {url} is damaged or not what was published: its SHA-256 is {found}, "
            f"{f'not {wanted}' if is_one else 'and what it should be is no SHA-256'}.",
            f"{_KEPT} Try again.",
        )


def _unpack(packed: bytes, folder: str) -> None:
    """The files that we know, by our names for them: nothing in an archive says where it is written."""
    import io
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for name in (*(f"{table}.csv" for table in TABLES), NOTICE, tables.EDITION):
                if archive.getinfo(name).file_size > _LARGEST:
                    raise _refusal(f"{name} is larger than any table")
                with archive.open(name) as source, open(os.path.join(folder, name), "wb") as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise _refusal(f"it is no set of tables ({error})") from error


def _check(folder: str) -> str:
    try:
        with open(os.path.join(folder, tables.EDITION), encoding="ascii") as file:
            day = file.read().strip()
        for table in TABLES:
            with open(os.path.join(folder, f"{table}.csv"), encoding="utf-8", newline="") as text:
                _check_table(table, text)
    except UnicodeDecodeError as error:
        raise _refusal("a file in it is no text") from error
    if len(day) != 10 or not day.replace("-", "").isdigit():
        raise _refusal(f"its edition is {day!r}, which is no day")
    return day


def _check_table(table: str, text: IO[str]) -> None:
    """Raises where our own reading of it would fail, or give nonsense."""
    import csv

    reader = csv.DictReader(text)
    ours = list(tables.rows(table))
    missing = {column for column in ours[0] if not column[-4:].isdigit()} - set(reader.fieldnames or ())
    if missing:
        raise _refusal(f"{table} has no column {min(missing)}")
    key = next(iter(ours[0]))
    found: dict[str, Mapping[str, Any]] = {}
    for row in reader:
        if None in row or None in row.values() or row[key] in found or "\n" in "".join(row.values()):
            raise _refusal(f"line {reader.line_num} of {table} is torn, or its {key} comes twice")
        found[row[key]] = row
        _check_numbers(table, row)
    if len(found) < _NEVER_LOST * len(ours):
        raise _refusal(f"{table} has {len(found)} rows, where there were {len(ours)}")
    if table == "countries" and {row["code"] for row in ours} - set(found):
        raise _refusal("countries are missing")


def _check_numbers(table: str, row: Mapping[str, str]) -> None:
    for column, text in _numbers(row):
        try:
            sane = 0 <= float(text) <= (_MOST_TWH if column.endswith("_twh") else _HIGHEST_G_PER_KWH)
        except ValueError:
            sane = False
        if not sane:
            raise _refusal(f"{column} of {next(iter(row.values()))} in {table} is {text!r}")


def _numbers(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for column, text in row.items():
        needed = column in ("g_per_kwh", "lifecycle_g_per_kwh", "direct_g_per_kwh", "lifecycle_median", "share")
        needed = needed or column.endswith("_twh")
        if needed or (text and ("g_per_kwh" in column or column.endswith(("_max", "_min", "pue")))):
            yield column, text


def _refusal(why: str) -> GridUnavailable:
    return GridUnavailable(f"The tables that came are not used: {why}.", _KEPT)


def _take_place(new: str, folder: str) -> None:
    old = f"{folder}.old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.isdir(folder):
        os.rename(folder, old)
    os.rename(new, folder)
    shutil.rmtree(old, ignore_errors=True)
