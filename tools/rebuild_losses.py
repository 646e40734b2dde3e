"""Brings the share that power lines lose up to date, from the World Bank: the world's, and that of every country.

    python -m tools.rebuild_losses [answer.json]

The indicator is EG.ELC.LOSS.ZS of the IEA's statistics (data.worldbank.org, CC BY 4.0). Rows that are somebody else's
(EPA's for the USA and Puerto Rico) stay. Read the difference before you commit it: countries at war, and those that
count theft, have shares of a half.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from carbonwatch import tables
from tools import published

URL = "https://api.worldbank.org/v2/country/all/indicator/EG.ELC.LOSS.ZS?format=json&mrnev=1&per_page=1000"
SOURCE = "World Bank EG.ELC.LOSS.ZS"
_WORLD = "WLD"


def losses(answer: Any) -> list[dict[str, str]]:
    """Our rows; theirs for the world and for each country that we know."""
    theirs = dict(_shares(answer[1]))
    kept = {row["code"]: dict(row) for row in tables.rows("line_losses") if "World Bank" not in row["source"]}
    return [{**theirs[code], **kept.pop(code, {})} for code in sorted(theirs, key=_world_first)] + list(kept.values())


def _shares(points: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, str]]]:
    codes = {row["iso3"]: row["code"] for row in tables.rows("countries") if row["iso3"]} | {_WORLD: "world"}
    for point in points:
        code = codes.get(point["countryiso3code"])
        if code and point["value"] is not None:
            known = tables.row("countries", code)
            name = "the world's mean" if code == "world" or known is None else known["name"]
            values = (code, name, f"{float(point['value']) / 100:.3g}", str(point["date"]), SOURCE)
            yield code, dict(zip(("code", "name", "share", "year", "source"), values, strict=True))


def _world_first(code: str) -> tuple[bool, str]:
    return code != "world", code


if __name__ == "__main__":
    published.write("line_losses", losses(published.document(*(sys.argv[1:] or [URL]))))
