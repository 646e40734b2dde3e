"""What a publisher gives: from its address, or from a file that somebody has downloaded.

Only the scripts in this folder ask, run by a person who wants newer tables; carbonwatch itself never does.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from carbonwatch import tables

DATA = Path(tables.BUNDLED)
_TIMEOUT_S = 120.0
_USER_AGENT = "carbonwatch's table scripts (https://github.com/carbonwatch/carbonwatch)"


def text(where: str) -> str:
    """An address's or a file's text; of an archive, that of its first file."""
    content = _content(where)
    if where.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(archive.namelist()[0])
    return content.decode("utf-8-sig")


def table(where: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV table."""
    return csv.DictReader(io.StringIO(text(where)))


def sheet(where: str) -> Iterator[list[str]]:
    """Lines of a CSV table whose first line may not name its columns."""
    return csv.reader(io.StringIO(text(where)))


def document(where: str) -> Any:
    """What a JSON text says."""
    return json.loads(text(where))


def write(name: str, rows: Iterable[Mapping[str, str]], folder: Path = DATA) -> None:
    """A table of ours, with the columns of its first row."""
    rows = list(rows)
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _content(where: str) -> bytes:
    if not where.startswith(("https://", "http://")):
        return Path(where).read_bytes()
    with urlopen(Request(where, headers={"User-Agent": _USER_AGENT}), timeout=_TIMEOUT_S) as answer:
        content: bytes = answer.read()
        return content
