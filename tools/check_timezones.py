"""Says where the table of time zones and a release of tzdata differ.

    python -m tools.check_timezones [/usr/share/zoneinfo/zone.tab]

zone.tab comes with tzdata (iana.org/time-zones, public domain), and IANA is asked for it where no file is given. It
has one country for each zone; never take zone1970.tab, where Brussels is Luxembourg's, too. Which state and grid a
zone is in, tzdata does not know: write the lines by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from carbonwatch import tables
from tools import published

URL = "https://data.iana.org/time-zones/tzdb/zone.tab"


def differences(zone_tab: Iterable[str]) -> Iterator[str]:
    """What is to be done, a line each."""
    theirs = dict(_zone(line) for line in zone_tab if line.strip() and not line.startswith("#"))
    ours = {row["tz"]: row["country"] for row in tables.rows("timezones")}
    for name, country in sorted(theirs.items()):
        if name not in ours:
            yield f"add {name}, of {country}"
        elif ours[name] != country:
            yield f"{name} is of {country} there, and of {ours[name]} here"
    canonical = {row["tz"] for row in tables.rows("timezones") if row["kind"] == "zone" and row["country"]}
    for name in sorted(canonical - set(theirs)):
        yield f"{name} is no zone any more: a link, or gone"


def _zone(line: str) -> tuple[str, str]:
    country, _, name, *_ = line.rstrip("\n").split("\t")
    return name, country


if __name__ == "__main__":
    print(*differences(published.text(*(sys.argv[1:] or [URL])).splitlines()), sep="\n")
