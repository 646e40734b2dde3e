from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from carbonwatch import pricing
from carbonwatch.errors import GridUnavailable
from carbonwatch.grid import bundled
from carbonwatch.grid._cache import Cache, folder
from carbonwatch.model import Domain, Entry, Place, Run, Series, Slot, Usage
from carbonwatch.settings import Settings
from carbonwatch.testing import intensity
from tests.grid.conftest import ANSWERS, HOUR_NS, MIDNIGHT_NS, SECRET, Source, this_hour_ns
from tests.grid.conftest import source as source

DE = Place("DE")
CPU = Domain("cpu", "cpu", "measured", "a package")
PAST = "/v3/carbon-intensity/past-range"
NOW_NS = MIDNIGHT_NS + 30 * 24 * HOUR_NS
DAY_NS = 24 * HOUR_NS


@pytest.fixture
def electricity_maps(source: Source, tmp_path: Path) -> Settings:
    """Settings that ask it here, for three hours of Germany: 100, 300 and, estimated, 200 g/kWh."""
    source.answer_as(PAST, "electricity_maps")
    pricing._said.clear()  # what was logged once in this process
    return source.settings("electricity_maps", cache_dir=str(tmp_path))


def hour(number: int, energy_kwh: float) -> Entry:
    energy_j = energy_kwh * 3.6e6
    used = Usage(CPU, energy_j, 0.0, energy_j, energy_j, energy_j)
    return Entry("", MIDNIGHT_NS + number * HOUR_NS, 3600.0, used, bundled.find(DE))


THREE_HOURS = Run(
    "0a1b",
    "tests",
    "machine",
    "finished",
    MIDNIGHT_NS,
    3 * 3600.0,
    (hour(0, 1.0), hour(1, 2.0), hour(2, 0.5)),
    place=DE,
)


def repriced(settings: Settings, run: Run = THREE_HOURS, now_ns: int = NOW_NS, *, insist: bool = False) -> Run:
    return pricing.reprice(run, settings, now_ns=now_ns, insist=insist)


def known(settings: Settings, now_ns: int = NOW_NS, hours: int = 3) -> Series:
    return pricing.known("electricity_maps", DE, MIDNIGHT_NS, MIDNIGHT_NS + hours * HOUR_NS, settings, now_ns=now_ns)


# the run


def test_each_hour_of_a_run_gets_its_own_price(electricity_maps: Settings) -> None:
    run = repriced(electricity_maps)

    assert run.emissions_g == pytest.approx(1 * 100 + 2 * 300 + 0.5 * 200, rel=1e-9)
    assert (run.covered, run.notes) == (1.0, ())


def test_an_hour_that_is_missing_keeps_the_year_s_price_and_a_note_says_so(
    electricity_maps: Settings, source: Source
) -> None:
    answer = json.loads((ANSWERS / "electricity_maps.json").read_text())["body"]
    source.answer(PAST, {**answer, "data": [answer["data"][0], answer["data"][2]]})
    run = repriced(electricity_maps)

    year = bundled.find(DE).g_per_kwh
    assert run.emissions_g == pytest.approx(1 * 100 + 2 * year + 0.5 * 200, rel=1e-9)
    assert run.covered == pytest.approx(1.5 / 3.5)
    assert run.notes == (
        "Hourly intensity: 43 % of the energy is priced by its own hour, the rest by a year's mean. "
        "`carbonwatch reprice 0a1b` asks again.",
    )


def test_pricing_again_changes_nothing_and_no_joule_ever(electricity_maps: Settings) -> None:
    once = repriced(electricity_maps)

    assert repriced(electricity_maps, once) == once
    assert [entry.usage for entry in once.entries] == [entry.usage for entry in THREE_HOURS.entries]


def test_where_no_source_answers_the_year_s_price_stays_with_the_reason(
    electricity_maps: Settings, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.answer("/", {}, 503)
    run = repriced(electricity_maps)
    repriced(replace(electricity_maps, cache_dir=f"{electricity_maps.cache_dir}/other"))

    assert run.entries == THREE_HOURS.entries
    assert run.notes[0].startswith("Hourly intensity: electricity_maps is out of order (503).")
    assert len(caplog.records) == 1  # however many runs there are


def test_a_later_price_takes_the_place_of_the_note(electricity_maps: Settings, source: Source) -> None:
    source.answer("/", {}, 503)
    before = repriced(electricity_maps, replace(THREE_HOURS, notes=("something else",)))
    source.answers.clear()
    source.answer_as(PAST, "electricity_maps")
    after = repriced(electricity_maps, before, insist=True)

    assert (after.covered, after.notes) == (1.0, ("something else",))


def test_the_next_source_is_asked_for_what_the_first_one_lacks(electricity_maps: Settings, source: Source) -> None:
    source.answer("/v3/", {}, 503)
    source.answer_as("/co2eq", "energy_charts")
    urls = tuple(f"{name}={source.url}" for name in ("electricity_maps", "energy_charts"))
    both = replace(electricity_maps, grid=("electricity_maps", "energy_charts"), grid_urls=urls)
    half_an_hour = replace(THREE_HOURS, entries=(replace(hour(0, 1.0), duration_s=1800.0),))
    run = repriced(both, half_an_hour)

    assert run.emissions_g == pytest.approx((400.5 + 410.5) / 2)
    assert len(run.notes) == 1


def test_the_tables_may_end_a_chain_and_price_by_the_year(electricity_maps: Settings) -> None:
    run = repriced(replace(electricity_maps, grid=("bundled",)))

    assert [entry.intensity.g_per_kwh for entry in run.entries] == [bundled.find(DE).g_per_kwh] * 3
    assert run.covered == 0.0


def test_what_two_boundaries_count_is_not_added_up_in_silence(electricity_maps: Settings, source: Source) -> None:
    source.answer_as("/intensity/", "neso")
    direct = source.settings("neso", boundary="direct", cache_dir=electricity_maps.cache_dir)
    hours = tuple(replace(entry, intensity=bundled.find(Place("GB"))) for entry in THREE_HOURS.entries)
    run = repriced(direct, replace(THREE_HOURS, place=Place("GB"), entries=hours))

    assert {intensity.boundary for intensity in run.intensities} == {"direct", "lifecycle"}
    assert "don't compare the sum" in run.notes[-1]


def test_a_source_is_not_asked_for_what_another_one_knows(electricity_maps: Settings, source: Source) -> None:
    both = replace(electricity_maps, grid=("electricity_maps", "energy_charts"))
    once = repriced(both)

    assert repriced(both, once) == once
    assert {asked.path for asked in source.asked} == {PAST}


def test_a_marginal_intensity_is_a_fact_beside_the_footprint(source: Source, tmp_path: Path) -> None:
    source.answer_as("/login", "watttime_login")
    source.answer_as("/v3/historical", "watttime")
    california = Place("US", "US-CA")
    year = bundled.find(california)
    two = (replace(hour(0, 1.0), duration_s=300.0), replace(hour(0, 3.0), start_ns=MIDNIGHT_NS + HOUR_NS // 12))
    entries = tuple(replace(entry, duration_s=300.0, intensity=year) for entry in two)
    run = replace(THREE_HOURS, place=california, entries=entries)
    priced = repriced(source.settings("watttime", cache_dir=str(tmp_path)), run)

    assert priced.entries == run.entries
    assert priced.facts["marginal_g_per_kwh"] == pytest.approx((1 * 1000 + 3 * 900) / 4 * 0.45359237)
    assert priced.marginal_g == pytest.approx((1 * 1000 + 3 * 900) * 0.45359237)
    assert THREE_HOURS.marginal_g is None


def test_a_run_without_entries_is_asked_for_nowhere(electricity_maps: Settings, source: Source) -> None:
    empty = replace(THREE_HOURS, entries=())

    assert repriced(electricity_maps, empty) == empty
    assert source.asked == []


def test_a_forecast_of_what_has_passed_is_an_estimate(source: Source, tmp_path: Path) -> None:
    source.answer_as("/intensity/", "neso")
    settings = source.settings("neso", boundary="direct", cache_dir=str(tmp_path))
    series = pricing.known("neso", Place("GB"), MIDNIGHT_NS, MIDNIGHT_NS + 2 * HOUR_NS, settings, now_ns=NOW_NS)

    assert [slot.kind for slot in series.slots] == ["measured", "measured", "measured", "estimated"]


def test_a_run_that_was_priced_by_hand_is_asked_for_nowhere(electricity_maps: Settings, source: Source) -> None:
    by_hand = tuple(replace(entry, intensity=intensity(5.0)) for entry in THREE_HOURS.entries)
    run = replace(THREE_HOURS, entries=by_hand)

    assert repriced(electricity_maps, run) == run
    assert source.asked == []


# in time


def test_in_time_it_is_the_same(electricity_maps: Settings) -> None:
    assert pricing.reprice_in_time(THREE_HOURS, electricity_maps) == pricing.reprice(THREE_HOURS, electricity_maps)


def test_where_no_time_is_left_the_run_says_how_to_ask_later(electricity_maps: Settings, source: Source) -> None:
    source.hangs = True
    run = pricing.reprice_in_time(THREE_HOURS, electricity_maps, 0.0)

    assert run.entries == THREE_HOURS.entries
    assert run.notes[-1].endswith("`carbonwatch reprice 0a1b` asks again.")


def test_a_source_that_hangs_is_not_waited_for_longer_than_agreed(electricity_maps: Settings, source: Source) -> None:
    source.hangs = True
    began_s = time.monotonic()
    run = pricing.reprice_in_time(THREE_HOURS, replace(electricity_maps, grid_timeout_s=0.1))

    assert time.monotonic() - began_s < 10  # it hangs for 30 s
    assert run.entries == THREE_HOURS.entries
    assert len(run.notes) >= 1
    assert run.notes[-1].startswith("Hourly intensity: ")
    assert "`carbonwatch reprice 0a1b` asks again." in run.notes[-1]


def test_sources_that_each_hang_are_given_up_together(electricity_maps: Settings, source: Source) -> None:
    source.hangs = True
    names = ("electricity_maps", "energy_charts", "bundled")
    urls = tuple(f"{name}={source.url}" for name in names)
    began_s = time.monotonic()
    settings = replace(electricity_maps, grid=names, grid_urls=urls, grid_timeout_s=0.2)
    run = pricing.reprice_in_time(THREE_HOURS, settings)

    assert time.monotonic() - began_s < 10
    assert run.notes == (
        "Hourly intensity: the sources took longer than 0.2 s. `carbonwatch reprice 0a1b` asks again.",
    )


def test_a_source_of_somebody_else_s_that_breaks_takes_no_result_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_grid.py").write_text(f"def series(*_):\n    raise ZeroDivisionError({SECRET!r})\n")
    info = tmp_path / "broken_grid-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken_grid\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[carbonwatch.grid]\nbroken = broken_grid:series\n")
    monkeypatch.syspath_prepend(tmp_path)
    run = pricing.reprice_in_time(THREE_HOURS, Settings(grid=("broken",), cache_dir=str(tmp_path / "cache")))

    assert run.entries == THREE_HOURS.entries
    assert run.notes[0] == "Hourly intensity: broken failed (ZeroDivisionError)."
    assert SECRET not in "".join(run.notes)


# the cache


def test_what_is_known_is_not_asked_for_again(electricity_maps: Settings, source: Source) -> None:
    first = known(electricity_maps)

    assert known(electricity_maps) == first
    assert len(source.asked) == 1


def test_places_of_one_zone_share_what_is_known(electricity_maps: Settings, source: Source) -> None:
    known(electricity_maps)
    place = Place("DE", cloud="aws/eu-central-1")
    pricing.known("electricity_maps", place, MIDNIGHT_NS, MIDNIGHT_NS + 3 * HOUR_NS, electricity_maps, now_ns=NOW_NS)

    assert len(source.asked) == 1


def test_measured_slots_of_the_past_are_kept_for_ever_and_estimated_ones_for_a_day(
    electricity_maps: Settings, source: Source
) -> None:
    known(electricity_maps)
    known(electricity_maps, NOW_NS + 3650 * DAY_NS, hours=2)
    known(electricity_maps, NOW_NS + DAY_NS - 1)
    assert len(source.asked) == 1

    known(electricity_maps, NOW_NS + DAY_NS)
    assert len(source.asked) == 2


def test_the_slot_that_goes_on_is_kept_until_five_minutes_into_the_next(
    electricity_maps: Settings, source: Source
) -> None:
    now_ns = MIDNIGHT_NS + HOUR_NS + HOUR_NS // 2
    known(electricity_maps, now_ns, hours=2)
    known(electricity_maps, now_ns + HOUR_NS // 2 + 299 * 10**9, hours=2)
    assert len(source.asked) == 1

    known(electricity_maps, now_ns + HOUR_NS // 2 + 300 * 10**9, hours=2)
    assert len(source.asked) == 2


@pytest.mark.parametrize("other", [{"boundary": "direct"}, {"cache_dir": "elsewhere"}])
def test_another_boundary_is_another_question(
    electricity_maps: Settings, source: Source, other: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known(electricity_maps)
    try:
        known(replace(electricity_maps, **other))  # type: ignore[arg-type]  # texts
    except GridUnavailable:  # the answer here is life cycle
        pass

    assert len(source.asked) == 2


def test_what_was_not_there_yet_is_not_asked_for_at_once_and_what_was_is_known(
    electricity_maps: Settings, source: Source
) -> None:
    first = known(electricity_maps, hours=5)
    again = known(electricity_maps, NOW_NS + 299 * 10**9, hours=5)
    assert (again, len(source.asked)) == (first, 1)

    known(electricity_maps, NOW_NS + 300 * 10**9, hours=5)
    assert len(source.asked) == 2


def test_nothing_at_all_is_not_asked_for_again_at_once_either(electricity_maps: Settings, source: Source) -> None:
    source.answer(PAST, {"zone": "DE", "data": []})
    for _ in range(3):
        with pytest.raises(GridUnavailable):
            known(electricity_maps)

    assert len(source.asked) == 1


def test_a_damaged_cache_is_dropped_and_made_anew(electricity_maps: Settings, source: Source, tmp_path: Path) -> None:
    (file,) = _filled(electricity_maps, tmp_path)
    file.write_bytes(b"not a database, but something else of some length" * 100)
    known(electricity_maps)
    known(electricity_maps)
    known(electricity_maps)

    assert 2 <= len(source.asked) <= 3  # the first finds it damaged


def test_a_cache_with_a_damaged_row_is_dropped(electricity_maps: Settings, source: Source, tmp_path: Path) -> None:
    (file,) = _filled(electricity_maps, tmp_path)
    with sqlite3.connect(file) as db:
        db.execute("UPDATE series SET about = '[1, 2'")
    db.close()

    assert len(known(electricity_maps).slots) == 3


def test_a_cache_that_can_t_be_written_is_done_without(
    electricity_maps: Settings, source: Source, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    nowhere = replace(electricity_maps, cache_dir=str(tmp_path / "file" / "in-it"))

    assert known(nowhere) == known(nowhere)
    assert len(source.asked) == 2


def _filled(settings: Settings, folder: Path) -> list[Path]:
    known(settings)
    return list(folder.iterdir())


def test_many_processes_may_use_it_at_a_time(electricity_maps: Settings, source: Source, tmp_path: Path) -> None:
    program = f"""
from carbonwatch.grid._cache import Cache
from carbonwatch.model import Series, Slot
cache = Cache({str(tmp_path)!r})
for n in range(20):
    slots = tuple(Slot(i, i + 1, 5.0) for i in range(n))
    cache.keep("key", Series(slots, "z", "n", "b", "d", "s"), 10**6)
    cache.failed("somebody", 0)
"""
    children = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(4)]
    errors = [child.communicate()[1] for child in children]

    assert errors == [b""] * 4
    assert known(electricity_maps).slots


def test_the_tables_are_kept_in_no_cache(electricity_maps: Settings, tmp_path: Path) -> None:
    pricing.known("bundled", DE, MIDNIGHT_NS, MIDNIGHT_NS + HOUR_NS, electricity_maps, now_ns=NOW_NS)

    assert Cache(str(tmp_path)).find("bundled/lifecycle//" + "/DE", MIDNIGHT_NS, MIDNIGHT_NS + 1, NOW_NS) is None


# failures


def test_a_source_that_did_not_answer_is_left_alone_twice_as_long_each_time(
    electricity_maps: Settings, source: Source
) -> None:
    source.answer("/", {}, 429)
    asked_at_s = []
    for second in range(0, 300, 5):
        before = len(source.asked)
        with pytest.raises(GridUnavailable):
            known(electricity_maps, NOW_NS + second * 10**9)
        if len(source.asked) > before:
            asked_at_s.append(second)

    assert asked_at_s == [0, 30, 90, 210]


def test_it_is_never_left_alone_for_longer_than_an_hour(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path))
    for _ in range(50):
        cache.failed("somebody", 0)

    assert not cache.may_ask("somebody", 3_599 * 10**9)
    assert cache.may_ask("somebody", 3_600 * 10**9)


def test_a_source_that_answers_again_begins_anew(electricity_maps: Settings, source: Source, tmp_path: Path) -> None:
    cache = Cache(str(tmp_path))
    for _ in range(5):
        cache.failed("electricity_maps", 0)
    known(electricity_maps)
    cache.failed("electricity_maps", NOW_NS)

    assert cache.may_ask("electricity_maps", NOW_NS + 30 * 10**9)


def test_who_insists_asks_all_the_same(electricity_maps: Settings, source: Source, tmp_path: Path) -> None:
    Cache(str(tmp_path)).failed("electricity_maps", NOW_NS)

    assert repriced(electricity_maps).covered == 0.0
    assert repriced(electricity_maps, insist=True).covered == 1.0


def test_who_insists_is_not_put_off_with_an_estimate(electricity_maps: Settings, source: Source) -> None:
    repriced(electricity_maps)
    repriced(electricity_maps, insist=True)

    assert len(source.asked) == 2


def test_a_place_that_a_source_does_not_have_is_no_failure_of_it(electricity_maps: Settings, tmp_path: Path) -> None:
    with pytest.raises(GridUnavailable):
        pricing.known("electricity_maps", Place("AQ"), MIDNIGHT_NS, NOW_NS, electricity_maps, now_ns=NOW_NS)

    assert Cache(str(tmp_path)).may_ask("electricity_maps", NOW_NS)


# secrets


def test_a_secret_is_in_no_file_of_the_cache(electricity_maps: Settings, source: Source, tmp_path: Path) -> None:
    known(electricity_maps)
    source.answer("/", {"error": SECRET}, 401)
    with pytest.raises(GridUnavailable):
        known(electricity_maps, hours=4)

    assert source.asked
    assert [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()] == []


def test_the_cache_is_where_the_platform_keeps_them_unless_a_setting_says_otherwise() -> None:
    home = os.path.expanduser("~")
    assert folder(Settings(cache_dir="~/here"), {}) == os.path.join(home, "here")
    if sys.platform == "linux":
        assert folder(Settings(), {"XDG_CACHE_HOME": "/caches"}) == "/caches/carbonwatch"
        assert folder(Settings(), {}) == os.path.join(home, ".cache", "carbonwatch")


def test_the_time_that_is_asked_for_ends_now(source: Source, tmp_path: Path) -> None:
    now_ns = this_hour_ns() + 1
    settings = source.settings("electricity_maps", cache_dir=str(tmp_path))
    source.answer("/v3/", {}, 404)
    with pytest.raises(GridUnavailable):
        pricing.known("electricity_maps", DE, now_ns - 1, now_ns + 50 * HOUR_NS, settings, now_ns=now_ns)

    assert [asked.path.rpartition("/")[2] for asked in source.asked] == ["latest"]


def test_a_slot_of_the_cache_is_the_slot_that_was_kept(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path))
    series = Series((Slot(0, 10, 5.5), Slot(10, 20, 6.5, "estimated")), "z", "n", "b", "d", "s", error=(-0.1, 0.2))
    cache.keep("key", series, 100)

    assert cache.find("key", 0, 20, 100) == series
    assert cache.find("key", 5, 15, 100) == series
    assert cache.find("key", 5, 21, 100) is None
    assert cache.find("other", 5, 15, 100) is None
