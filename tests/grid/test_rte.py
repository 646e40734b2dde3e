from __future__ import annotations

import json
from typing import TYPE_CHECKING

from carbonwatch.grid import rte
from carbonwatch.model import Place
from tests.grid.conftest import ANSWERS, HOUR_NS, MIDNIGHT_NS, MINUTE_NS

if TYPE_CHECKING:
    from tests.grid.conftest import Source

FR = Place("FR")
RECENT, OLD = (f"/api/explore/v2.1/catalog/datasets/eco2mix-national-{end}/records" for end in ("tr", "cons-def"))


def test_quarters_without_a_figure_are_left_out(source: Source) -> None:
    source.answer_as(RECENT, "rte")
    series = rte.series(FR, MIDNIGHT_NS, MIDNIGHT_NS + HOUR_NS, source.settings("rte", boundary="direct"))

    assert [(slot.start_ns, slot.end_ns - slot.start_ns, slot.g_per_kwh) for slot in series.slots] == [
        (MIDNIGHT_NS, 15 * MINUTE_NS, 20.0),
        (MIDNIGHT_NS + 15 * MINUTE_NS, 15 * MINUTE_NS, 24.0),
        (MIDNIGHT_NS + 30 * MINUTE_NS, 15 * MINUTE_NS, 30.0),
    ]


def test_the_time_is_asked_for_day_by_day(source: Source) -> None:
    source.answer_as(RECENT, "rte")
    rte.series(FR, MIDNIGHT_NS, MIDNIGHT_NS + 25 * HOUR_NS, source.settings("rte", boundary="direct"))

    assert [asked.query["where"] for asked in source.asked] == [
        "date_heure>='2025-03-04T00:00:00Z' and date_heure<'2025-03-05T00:00:00Z'",
        "date_heure>='2025-03-05T00:00:00Z' and date_heure<'2025-03-05T01:00:00Z'",
    ]
    assert {asked.query["limit"] for asked in source.asked} == {"100"}


def test_what_is_too_old_for_one_data_set_is_looked_for_in_the_other_by_half_hours(source: Source) -> None:
    rows = json.loads((ANSWERS / "rte.json").read_text())["body"]["results"]
    rows[1]["taux_co2"] = rows[3]["taux_co2"] = None
    source.answer(RECENT, {"total_count": 0, "results": []})
    source.answer(OLD, {"total_count": 4, "results": rows})
    series = rte.series(FR, MIDNIGHT_NS, MIDNIGHT_NS + HOUR_NS, source.settings("rte", boundary="direct"))

    assert [(slot.start_ns, slot.end_ns, slot.g_per_kwh) for slot in series.slots] == [
        (MIDNIGHT_NS, MIDNIGHT_NS + 30 * MINUTE_NS, 20.0),
        (MIDNIGHT_NS + 30 * MINUTE_NS, MIDNIGHT_NS + HOUR_NS, 30.0),
    ]
