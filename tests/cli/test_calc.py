"""`carbonwatch calc`: an estimate, lists, files of the page, and the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch import cli
from carbonwatch.calculator import Device, estimate, words
from carbonwatch.cli import UsageError, calc
from carbonwatch.store.query import Store
from tests.cli.test_board import asked, started

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

ARGS = ("calc", "--gpu", "A100 SXM4", "--hours", "100", "--region", "gcp/europe-west1")


def test_it_says_the_figure_and_how_it_comes_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*ARGS, "--offset", "50"]) == 0
    said = capsys.readouterr().out

    assert said.startswith(
        "5.10 kg CO2e (1.14–7.82 kg, 90 %)\n26.0 kWh (5.98–36.4 kWh, 90 %), nothing of it measured\n"
    )
    assert "260 W × 100 h = 26 kWh\n           26 kWh × 1.09 (PUE) × 0.18 kg CO2e/kWh = 5.1012 kg CO2e" in said
    assert "net of offsets 2.55 kg\n           Offsets do not cancel emissions" in said
    assert "Cleanest   567 g in Stockholm, Sweden (gcp/europe-north2)" in said


def test_the_same_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*ARGS, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    run = estimate([Device("gpu", "A100 SXM4")], 100, place="gcp/europe-west1")

    assert said == {"id": None, **json.loads(json.dumps(words.document(run)))}


def test_it_is_kept_among_the_runs_where_that_is_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    assert cli.main([*ARGS, "--save", "--project", "plan", "--store", str(path)]) == 0
    with Store(str(path)) as kept:
        run = kept.run("last")

    assert (run.project, run.measured, round(run.emissions_g)) == ("plan", 0.0, 5101)
    assert f"Kept as {run.id}" in capsys.readouterr().err


def test_a_paragraph_and_its_references(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*ARGS, "--latex"]) == 0
    said = capsys.readouterr().out

    assert r"\cite{carbonwatch}" in said
    assert "@misc{carbonwatch," in said


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("A100 SXM4", Device("gpu", "A100 SXM4")),
        ("8 x A100 SXM4", Device("gpu", "A100 SXM4", 8)),
        ("8 × A100 @ 90%", Device("gpu", "A100", 8, 0.9)),
        ("aws/m5 @ 4 vcpus @ 25 %", Device("gpu", "aws/m5", 1, 0.25, 4.0)),
        ("x", Device("gpu", "x")),
    ],
)
def test_a_device_has_how_many_and_how_much_used(text: str, device: Device) -> None:
    assert calc.parsed("gpu", text) == device


@pytest.mark.parametrize("text", ["A100 @", "A100 @ much", "A100 @ 1.2.3%", "A100 @ -4%"])
def test_a_use_that_is_none_is_one_message(text: str) -> None:
    with pytest.raises(UsageError, match="Write it as in"):
        calc.parsed("gpu", text)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("gpu", "A100 SXM4 80GB"),
        ("tpu", "TPU v4"),
        ("cpu", "epyc 7742"),
        ("instance", "aws/m5"),
        ("region", "gcp/europe-west1"),
    ],
)
def test_it_lists_what_is_known(capsys: pytest.CaptureFixture[str], kind: str, line: str) -> None:
    assert cli.main(["calc", "--list", kind]) == 0
    assert any(each.startswith(line) for each in capsys.readouterr().out.splitlines())


def test_a_power_that_is_an_estimate_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["calc", "--list", "tpu"]) == cli.main(["calc", "--tpu", "TPU v6e", "--hours", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert [line.split("  ")[0] for line in lines if line.endswith("(estimated)")] == ["TPU v5e", "TPU v6e", "TPU v7"]
    assert "Note       The rated power of TPU v6e is an estimate: none is published." in lines


def test_it_writes_the_page_as_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["calc", "--export", str(tmp_path / "site")]) == 0
    names = {path.name for path in (tmp_path / "site").iterdir()}

    assert names == {"index.html", "calculator.js", "site.css", "licences.txt"}
    assert "index.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words_",
    [
        ("--gpu", "T4"),
        ("--hours", "1"),
        ("--gpu", "Voodoo", "--hours", "1"),
        ("--gpu", "T4", "--hours", "-1"),
        ("--gpu", "T4", "--hours", "1", "--offset", "101"),
        ("--gpu", "T4", "--hours", "1", "--save", "--store", "none"),
        ("--export", "/dev/null/site"),
    ],
)
def test_what_makes_no_sense_is_one_message(capsys: pytest.CaptureFixture[str], words_: tuple[str, ...]) -> None:
    assert cli.main(["calc", *words_]) in (1, 2)
    said = capsys.readouterr()

    assert (said.out, said.err.count("\n") <= 3, "Traceback" in said.err) == ("", True, False)


@pytest.mark.parametrize("words_", [(), ("--store", "none")])
def test_without_a_device_it_serves_its_page_in_the_board(carbonwatch: CommandLine, words_: tuple[str, ...]) -> None:
    with started(carbonwatch, *words_, command="calc") as (process, address):
        html = asked(address)

    assert address.endswith("/calculator")
    assert b"<title>carbonwatch calculator</title>" in html
    assert process.returncode == 0
