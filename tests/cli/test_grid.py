from __future__ import annotations

import functools
import json
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tools import pack_tables

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a log."""

    def log_message(self, *_: object) -> None:
        pass


def answer(carbonwatch: CommandLine, *words: str) -> Any:
    done = carbonwatch("grid", *words, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


def test_a_place_is_shown_with_all_that_says_what_its_figure_is(carbonwatch: CommandLine) -> None:
    done = carbonwatch("grid", "DE")
    text = done.stdout.decode()

    assert (done.returncode, done.stderr) == (0, b"")
    assert text.startswith("Germany\n  ")
    assert [
        label for label in ("g CO2e/kWh", "counts", "year", "source", "licence", "place") if label not in text
    ] == []
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "zone"),
    [
        (("FR",), "FR"),
        (("Lyon, France",), "FR"),
        (("New", "York"), "US-NY"),
        (("Mailand",), "IT-NO"),
        (("--place", "Lyon, France"), "FR"),
        (("--at", "45.7,4.8"), "FR"),
        (("--at", "-37.81,144.96"), "AU-VIC"),
        (("--cloud", "aws/eu-west-3"), "aws/eu-west-3"),
        (("US-CA",), "US-CA"),
        (("CAMX", "--boundary", "direct"), "US-CAMX"),
        (("--country", "PL"), "PL"),
    ],
)
def test_a_place_may_be_given_in_many_ways(carbonwatch: CommandLine, words: tuple[str, ...], zone: str) -> None:
    found = answer(carbonwatch, *words)

    assert found["zone"] == zone
    assert found["place"]["evidence"].partition(":")[0] == "as given"


def test_the_town_that_a_name_was_taken_for_is_said(carbonwatch: CommandLine) -> None:
    assert answer(carbonwatch, "Mailand")["place"]["evidence"] == "as given: the town Milan"


def test_a_place_says_what_its_country_s_electricity_is_made_of(carbonwatch: CommandLine) -> None:
    text = " ".join(carbonwatch("grid", "gcp/europe-west9").stdout.decode().split())
    mix = answer(carbonwatch, "gcp/europe-west9")["mix"]

    assert "made of nuclear 65 %, hydro" in text
    assert "France as a whole in 2023, imports left out Ember; Energy Institute" in text
    assert (mix["name"], mix["year"], sum(mix["shares"].values())) == ("France", 2023, pytest.approx(1))


def test_a_mix_that_is_not_known_is_said_to_be_so(carbonwatch: CommandLine) -> None:
    assert "made of   not known" in carbonwatch("grid", "LI").stdout.decode()
    assert answer(carbonwatch, "LI")["mix"] is None


def test_without_a_place_it_is_this_machine_s(carbonwatch: CommandLine) -> None:
    assert answer(carbonwatch)["place"]["evidence"] == "setting country"


def test_what_is_named_comes_before_the_environment_s(carbonwatch: CommandLine) -> None:
    assert answer(carbonwatch, "PL")["zone"] == "PL"


def test_a_cloud_region_has_its_overheads(carbonwatch: CommandLine) -> None:
    assert answer(carbonwatch, "aws/us-east-1")["pue"] == 1.15


@pytest.mark.parametrize(
    "words",
    [
        ("Nowheretown",),
        ("--at", "95,0"),
        ("FR", "--boundary", "direct"),
        ("--rank", "FR"),
        ("--provider", "aws"),
        ("",),
        ("--rank", "--top", "0"),
        ("FR", "--undo"),
        ("update", "--url", "file:///etc/passwd"),
        ("update", "--url", "http://127.0.0.1:9/x.zip"),
    ],
)
def test_what_makes_no_sense_is_one_message(carbonwatch: CommandLine, words: tuple[str, ...]) -> None:
    done = carbonwatch("grid", *words)

    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


def test_a_ranking_goes_from_the_cleanest_to_the_dirtiest(carbonwatch: CommandLine) -> None:
    found = answer(carbonwatch, "--rank", "--provider", "gcp")
    values = [each["g_per_kwh"] for each in found]

    assert values == sorted(values)
    assert len(found) == 45
    assert {each["zone"].split("/")[0] for each in found} == {"gcp"}


def test_countries_are_ranked_where_no_cloud_is_named(carbonwatch: CommandLine) -> None:
    assert len(answer(carbonwatch, "--rank")) == 250


def test_both_ends_of_a_ranking_are_shown(carbonwatch: CommandLine) -> None:
    lines = carbonwatch("grid", "--rank", "--top", "2").stdout.decode().splitlines()

    assert [line.split()[0] for line in lines[1:6]] == ["1", "2", "…", "249", "250"]
    assert lines[3] == "… 246 between …"


def test_direct_figures_are_ranked_by_state_where_countries_have_none(carbonwatch: CommandLine) -> None:
    found = answer(carbonwatch, "--rank", "--boundary", "direct")

    assert {each["boundary"] for each in found} == {"direct"}
    assert {"US", "US-WV", "CA-QC", "AU-VIC", "CN-BJ"} <= {each["zone"] for each in found}


def test_direct_figures_are_ranked_alone(carbonwatch: CommandLine) -> None:
    found = answer(carbonwatch, "--rank", "--provider", "azure", "--boundary", "direct")

    assert {each["boundary"] for each in found} == {"direct"}
    assert len(found) < 67


def test_an_update_is_used_until_it_is_undone(carbonwatch: CommandLine, tmp_path: Path) -> None:
    release = tmp_path / "release"
    release.mkdir()
    pack_tables.pack("2027-05-01", release)
    handler = functools.partial(Quiet, directory=str(release))
    carbonwatch.environ["XDG_DATA_HOME"] = str(tmp_path / "data")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        done = carbonwatch("grid", "update", "--url", f"http://127.0.0.1:{server.server_address[1]}/grid-tables.zip")
        server.shutdown()

    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"The tables are now those of 2027-05-01, in ")
    assert answer(carbonwatch, "DE")["source"].endswith("; tables of 2027-05-01")
    assert carbonwatch("grid", "update", "--undo").stderr == b"Removed the tables of 2027-05-01.\n"
    assert "tables of" not in answer(carbonwatch, "DE")["source"]


def test_undoing_nothing_is_said_and_no_error(carbonwatch: CommandLine) -> None:
    carbonwatch.environ["XDG_DATA_HOME"] = os.fspath(carbonwatch.folder)
    done = carbonwatch("grid", "update", "--undo")

    assert (done.returncode, done.stderr) == (0, b"There are no tables but those that came along.\n")
