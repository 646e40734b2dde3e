"""Brings the provinces of Canada, Australia or China up to date, from a page that somebody has typed off.

    python -m tools.rebuild_provinces figures.csv

Their publishers give pages and no data: ECCC's "Emission factors and reference values" (Table 5.4), DCCEEW's "National
Greenhouse Accounts Factors" (Table 1), and MEE's and NBS's yearly announcement (Table 3). Write a CSV with the columns
code (CA-QC), direct_g_per_kwh, year, source, and scope3_g_per_kwh where it is published, as in Australia: there the
life cycle is the sum of both, elsewhere it is estimated. The file may have an address, too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from carbonwatch import tables
from tools import published
from tools.rebuild_egrid import lifecycle


def renewed(figures: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Our rows, those of the figures anew. One that we don't have stops it: its name and grid are added by hand."""
    new = {figure["code"]: figure for figure in figures}
    unknown = sorted(code for code in new if tables.row("subnational", code) is None)
    if unknown:
        raise SystemExit(f"The tables have no {', '.join(unknown)}: add them to subnational.csv first.")
    return [_renewed(row, new.get(row["code"])) for row in tables.rows("subnational")]


def _renewed(row: Mapping[str, str], figure: Mapping[str, str] | None) -> dict[str, str]:
    if figure is None:
        return dict(row)
    direct, upstream = float(figure["direct_g_per_kwh"]), figure.get("scope3_g_per_kwh")
    whole = f"{direct + float(upstream):g}" if upstream else f"{lifecycle(direct):.1f}"
    return {
        **row,
        "lifecycle_g_per_kwh": whole,
        "lifecycle_by": "published as scope 2 + 3" if upstream else "estimated",
        "direct_g_per_kwh": f"{direct:g}",
        "year": figure["year"],
        "note": f"scope 3 (upstream + T&D) adds {float(upstream):g} g/kWh" if upstream else row["note"],
        "source": figure["source"],
    }


if __name__ == "__main__":
    published.write("subnational", renewed(published.table(sys.argv[1])))
