from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.grid.conftest import SECRET, this_hour_ns
from tests.grid.conftest import source as source

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine
    from tests.grid.conftest import Source

LATEST = "/v3/carbon-intensity/latest"


@pytest.fixture
def asking(carbonwatch: CommandLine, source: Source) -> CommandLine:
    """A command line that has measured a run in Germany, and will ask the server here."""
    carbonwatch.environ |= {
        "CARBONWATCH_COUNTRY": "DE",
        "CARBONWATCH_CACHE_DIR": str(carbonwatch.folder / "cache"),
        "CARBONWATCH_GRID_URLS": f"electricity_maps={source.url}",
        "CARBONWATCH_ELECTRICITY_MAPS_TOKEN": SECRET,
    }
    carbonwatch("run", "--quiet", "--", "true")
    carbonwatch.environ["CARBONWATCH_GRID"] = "electricity_maps"
    return carbonwatch


def latest(source: Source, g_per_kwh: float) -> None:
    """This hour, and the last one for who began in it."""
    known = []
    for start_ns in (this_hour_ns(), this_hour_ns() - 3600 * 10**9):
        text = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(start_ns // 10**9))
        known.append({"zone": "DE", "carbonIntensity": g_per_kwh, "datetime": text, "isEstimated": False})
    source.answer(LATEST, known[0])
    source.answer("/v3/carbon-intensity/history", {"zone": "DE", "history": known[1:]})


def stored(asking: CommandLine) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(asking("report", "--as", "json").stdout)
    return run


def joules(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in entry.items() if name != "intensity"} for entry in run["entries"]]


def test_a_run_is_priced_by_its_hour_and_kept_so(asking: CommandLine, source: Source) -> None:
    latest(source, 123.0)
    before = stored(asking)
    answer = asking("reprice")
    after = stored(asking)

    assert (answer.returncode, answer.stderr) == (0, b"")
    assert b"100 % of the energy is priced by its own hour" in answer.stdout
    assert {i["g_per_kwh"] for i in after["intensities"]} == {123.0}
    assert joules(after) == joules(before)
    assert after["totals"]["energy_j"] == before["totals"]["energy_j"]


def test_to_do_it_again_changes_nothing(asking: CommandLine, source: Source) -> None:
    latest(source, 123.0)
    asking("reprice")
    once = stored(asking)
    asking("reprice", once["id"][:-1])

    assert stored(asking) == once


def test_where_nothing_is_known_the_year_s_price_stays_with_exit_code_1(asking: CommandLine, source: Source) -> None:
    source.answer("/", {}, 503)
    before = stored(asking)
    answer = asking("reprice")

    assert answer.returncode == 1
    assert b"electricity_maps is out of order (503)" in answer.stdout
    assert stored(asking)["entries"] == before["entries"]


def test_it_is_asked_again_although_it_did_not_answer_a_moment_ago(asking: CommandLine, source: Source) -> None:
    source.answer("/", {}, 503)
    asking("reprice")
    source.answers.clear()
    latest(source, 123.0)

    assert asking("reprice").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), b"There is no run 'nothing'"),
        (("--grid", "oracle"), b"There is no grid called 'oracle'"),
        (("--grid", "eia"), b"answers no one without eia_key"),
        (("--store", "none"), b"no run is kept"),
    ],
)
def test_what_can_t_be_tried_is_one_message_and_exit_code_2(
    asking: CommandLine, words: tuple[str, ...], said: bytes
) -> None:
    answer = asking("reprice", *words)

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)
    assert said in answer.stderr


def test_without_a_source_it_says_how_to_choose_one(asking: CommandLine) -> None:
    del asking.environ["CARBONWATCH_GRID"]
    answer = asking("reprice")

    assert answer.returncode == 2
    assert b"--grid electricity_maps" in answer.stderr


def test_a_run_that_goes_on_is_not_repriced(asking: CommandLine, source: Source) -> None:
    del asking.environ["CARBONWATCH_GRID"]
    with asking.start("run", "--quiet", "--", "sh", "-c", "echo begun; read line", stdin=-1) as child:
        assert child.stdout
        child.stdout.readline()
        answer = asking("reprice", "--grid", "electricity_maps")
        child.communicate(b"\n")

    assert answer.returncode == 2
    assert b"is still running" in answer.stderr
    assert source.asked == []


def test_a_token_is_in_no_file_and_on_no_stream(asking: CommandLine, source: Source) -> None:
    source.answer("/", {"error": SECRET}, 401)
    answers = [
        asking("reprice"),
        asking("report"),
        asking("report", "--as", "json"),
        asking("doctor"),
        asking("doctor", "--json"),
        asking("reprice", "--electricity-maps-token", SECRET),
        asking("run", "--", "true"),
    ]

    assert source.asked
    assert [a.args for a in answers if SECRET.encode() in a.stdout + a.stderr] == []
    files = [file for file in asking.folder.rglob("*") if file.is_file()]
    assert files
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
