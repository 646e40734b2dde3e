"""Programs that chose a source of hourly intensity: it costs nothing while they run, and takes nothing away."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.behaviour.programs import Ended, run
from tests.grid.conftest import HOUR_NS, SECRET, this_hour_ns
from tests.grid.conftest import source as source

if TYPE_CHECKING:
    from tests.grid.conftest import Source

TRACKED = "with tracker(): pass\n"


def measured(code: str, folder: Path, source: Source, **environ: str) -> Ended:
    """A program in Germany that asks Electricity Maps here."""
    known = {
        "CARBONWATCH_GRID": "electricity_maps",
        "CARBONWATCH_GRID_URLS": f"electricity_maps={source.url}",
        "CARBONWATCH_ELECTRICITY_MAPS_TOKEN": SECRET,
        "CARBONWATCH_CACHE_DIR": str(folder / "cache"),
    }
    return run(code.replace("tracker()", "tracker(country='DE')"), folder, **{**known, **environ})


def answer(source: Source, g_per_kwh: float | None) -> None:
    """The same figure for this hour and the last one, should the program begin in that."""
    hours = []
    for start_ns in (this_hour_ns(), this_hour_ns() - HOUR_NS):
        text = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(start_ns // 10**9))
        hours.append({"zone": "DE", "carbonIntensity": g_per_kwh, "datetime": text, "isEstimated": False})
    source.answer("/v3/carbon-intensity/latest", hours[0])
    source.answer("/v3/carbon-intensity/history", {"zone": "DE", "history": hours[1:]})


def test_a_run_is_priced_by_its_hour_when_it_ends(source: Source, tmp_path: Path) -> None:
    answer(source, 123.0)
    code = "with tracker() as t: print(t.run.covered)\nprint(t.run.covered, t.run.intensities[0].g_per_kwh)\n"
    ended = measured(code, tmp_path, source)

    assert (ended.status, ended.said.split()) == (0, ["0.0", "1.0", "123.0"]), ended.errors
    assert {intensity.g_per_kwh for intensity in ended.run.intensities} == {123.0}
    assert ended.run.covered == 1.0
    assert ended.errors == ""


def test_what_is_kept_is_what_was_given_back(source: Source, tmp_path: Path) -> None:
    answer(source, 123.0)
    code = "with tracker() as t: time.sleep(0.12)\nprint(t.run.energy_j, t.run.emissions_g, len(t.run.entries))\n"
    ended = measured(code, tmp_path, source)

    assert [float(word) for word in ended.said.split()] == pytest.approx(
        [ended.run.energy_j, ended.run.emissions_g, len(ended.run.entries)]
    )


def test_a_task_is_priced_as_its_run_is(source: Source, tmp_path: Path) -> None:
    answer(source, 123.0)
    code = """
t = tracker()
with t:
    with t.start_task("load") as load: time.sleep(0.12)
for run in (load.run, t.run.only("load")):
    print(run.covered, *{intensity.g_per_kwh for intensity in run.intensities})
print(load.run.energy_j == t.run.only("load").energy_j)
"""
    ended = measured(code, tmp_path, source)

    assert ended.said.splitlines() == ["1.0 123.0", "1.0 123.0", "True"], ended.errors


def test_codecarbon_s_tasks_are_priced_as_their_run_is(source: Source, tmp_path: Path) -> None:
    answer(source, 123.0)
    code = """
from carbonwatch import EmissionsTracker
theirs = EmissionsTracker(country_2letter_iso_code="DE")
for name in ("load", "load"):
    theirs.start_task(name)
    time.sleep(0.02)
    theirs.stop_task(name)
    theirs.flush()
theirs.stop()
"""
    code += """
from carbonwatch import TaskEmissionsTracker
with TaskEmissionsTracker("alone", country_2letter_iso_code="DE", save_to_file=False) as alone: time.sleep(0.02)
print(round(alone.emissions_data.carbon_intensity, 6))
"""
    ended = measured(code, tmp_path, source)
    (path,) = tmp_path.glob("emissions_base_*.csv")
    with path.open(newline="") as file:
        tasks = list(csv.DictReader(file))

    assert [task["task_name"] for task in tasks] == ["load", "load"]
    assert [float(task["carbon_intensity"]) for task in tasks] == pytest.approx([123.0, 123.0])
    assert ended.said.split() == ["123.0"], ended.errors


def test_the_hours_are_those_of_the_place_that_the_network_tells(source: Source, tmp_path: Path) -> None:
    answer(source, 123.0)
    source.answer_as("/ip", "geojs")
    urls = f"electricity_maps={source.url},ip={source.url}/ip"
    place = {"CARBONWATCH_LOCATE": "ip", "CARBONWATCH_GRID_URLS": urls, "TZ": "UTC"}
    ended = measured("with tracker(country=None): pass\n", tmp_path, source, **place)

    assert [asked.query.get("zone") for asked in source.asked if asked.path != "/ip"][:1] == ["DE"]
    assert (ended.run.place.country, ended.run.covered) == ("DE", 1.0)


def test_nothing_is_asked_before_the_end(source: Source, tmp_path: Path) -> None:
    guard = """
import sys
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event.startswith("socket.") else None)
with tracker():
    time.sleep(0.2)
    print(seen, any(name.startswith("urllib.request") for name in sys.modules))
print(bool(seen))
"""
    answer(source, 123.0)

    assert measured(guard, tmp_path, source).said.splitlines() == ["[] False", "True"]


def test_a_source_that_hangs_costs_the_bound_at_the_end_and_nothing_before(source: Source, tmp_path: Path) -> None:
    source.hangs = True
    code = """
tracker = tracker()
began_s = time.monotonic()
tracker.start()
time.sleep(0.2)
tracker.flush()
between_s = time.monotonic() - began_s
tracker.stop()
print(between_s, time.monotonic() - began_s - between_s)
"""
    ended = measured(code, tmp_path, source, CARBONWATCH_GRID_TIMEOUT_S="0.5")
    between_s, stop_s = map(float, ended.said.split())

    assert ended.status == 0
    # the source hangs for 30 s; a machine may stall for some
    assert between_s < 10
    assert 0.4 < stop_s < 10
    assert ended.run.state == "finished"
    assert ended.run.covered == 0.0
    assert any(f"`carbonwatch reprice {ended.run.id}`" in note for note in ended.run.notes)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": "Invalid auth-token"}),
        (429, {}),
        (503, b"maintenance"),
        (200, b"<html>"),
        (200, {"zone": "FR", "carbonIntensity": 20, "datetime": "2025-03-04T00:00:00Z", "history": []}),
        (200, {"zone": "DE", "carbonIntensity": None, "datetime": "2025-03-04T00:00:00Z", "history": []}),
    ],
    ids=["401", "429", "503", "no JSON", "another zone", "null"],
)
def test_a_source_that_fails_leaves_the_year_s_price_and_the_reason(
    status: int, body: object, source: Source, tmp_path: Path
) -> None:
    source.answer("/", body, status)
    ended = measured(TRACKED, tmp_path, source)

    assert (ended.status, ended.run.state) == (0, "finished")
    assert {intensity.period for intensity in ended.run.intensities} == {"year"}
    assert any(note.startswith("Hourly intensity: electricity_maps ") for note in ended.run.notes)
    assert ended.errors.count("\n") == 1
    assert "Traceback" not in ended.errors


def test_a_program_that_ends_without_stop_is_priced_too_or_told_when(source: Source, tmp_path: Path) -> None:
    answer(source, 123.0)
    ended = measured("tracker().start(); time.sleep(0.12)\n", tmp_path, source)

    assert (ended.status, ended.run.state) == (0, "finished")
    assert ended.run.covered == 1.0 or "no time left" in ended.run.notes[-1]


def test_a_source_that_does_not_exist_stops_the_start(source: Source, tmp_path: Path) -> None:
    ended = measured(TRACKED, tmp_path, source, CARBONWATCH_GRID="oracle")

    assert ended.status == 1
    assert "There is no grid called 'oracle'" in ended.errors
    assert ended.runs == []


ROUTES = {
    "call": ("with tracker(electricity_maps_token={secret!r}, country='DE'): pass\n", {}, {}),
    "environment": (
        "with tracker(country='DE'): pass\n", {"CARBONWATCH_ELECTRICITY_MAPS_TOKEN": SECRET}, {},
    ),
    "config file": (
        "with tracker(country='DE'): pass\n", {}, {"carbonwatch/config.toml": f"electricity_maps_token = '{SECRET}'\n"},
    ),
    "CodeCarbon's parameter": (
        "import carbonwatch\n"
        "with carbonwatch.EmissionsTracker(electricitymaps_api_token={secret!r}, country_iso_code='DEU'): pass\n",
        {}, {},
    ),
    "CodeCarbon's old name": (
        "import carbonwatch\nwith carbonwatch.EmissionsTracker(country_iso_code='DEU'): pass\n",
        {"CODECARBON_CO2_SIGNAL_API_TOKEN": SECRET}, {},
    ),
    "CodeCarbon's config file": (
        "import carbonwatch\nwith carbonwatch.EmissionsTracker(country_iso_code='DEU'): pass\n",
        {}, {".codecarbon.config": f"[codecarbon]\nelectricitymaps_api_token = {SECRET}\n"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fails", [False, True], ids=["answered", "refused"])
def test_a_token_is_used_and_is_in_no_file_no_log_no_report_and_no_error(
    route: str, fails: bool, source: Source, tmp_path: Path
) -> None:
    if fails:
        source.answer("/", {"error": SECRET}, 401, {"X-Token": SECRET})
    else:
        answer(source, 123.0)
    code, environ, files = ROUTES[route]
    config = tmp_path / "config"
    for name, text in files.items():
        there = (tmp_path if name.startswith(".") else config) / name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text)
    show = """
import logging
logging.basicConfig(level=logging.DEBUG)
from carbonwatch import plugins
from carbonwatch.store.query import Store
"""
    reports = """
with Store(os.environ["CARBONWATCH_STORE"]) as kept:
    last = kept.run("last")
for name in plugins.own_names("reports"):
    print(plugins.load("reports", name)(last))
"""
    known = {
        "CARBONWATCH_GRID": "electricity_maps",
        "CARBONWATCH_GRID_URLS": f"electricity_maps={source.url}",
        "CARBONWATCH_CACHE_DIR": str(tmp_path / "cache"),
        "CARBONWATCH_EXPORTERS": "json,emissions_csv",
        "XDG_CONFIG_HOME": str(config),
        "HOME": str(tmp_path),
    }
    ended = run(show + code.format(secret=SECRET) + reports, tmp_path, **{**known, **environ})

    assert ended.status == 0, ended.errors
    assert {asked.headers.get("Auth-Token") for asked in source.asked} == {SECRET}
    assert SECRET not in ended.said + ended.errors
    given = {tmp_path / "program.py", *(tmp_path / name for name in files), *(config / name for name in files)}
    written = [file for file in tmp_path.rglob("*") if file.is_file() and file not in given]
    assert {"runs.db", "emissions.csv", "grid-1.db"} <= {file.name for file in written}
    assert [file for file in written if SECRET.encode() in file.read_bytes()] == []
