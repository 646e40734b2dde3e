from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch.reports.json import render
from carbonwatch.store.journal import Journal
from tests.exporters.runs import ENTRIES, RUN

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

FACTS = {"cpu_model": "AMD EPYC", "cpu_count": 2}


@pytest.fixture
def measured(carbonwatch: CommandLine) -> CommandLine:
    """A command line whose last run used 3600 J of a machine, 0.36 g without PUE."""
    journal = Journal(carbonwatch.environ["CARBONWATCH_STORE"])
    journal.add([replace(RUN, facts=FACTS, pue=1.0)])
    journal.close()
    return carbonwatch


def baseline(folder: Path, factor: float = 1.0, **facts: object) -> str:
    """A run that used so many times as much."""
    entries = tuple(replace(e, usage=e.usage.times(factor)) for e in ENTRIES)
    path = folder / "baseline.json"
    path.write_text(render(replace(RUN, entries=entries, pue=1.0, facts={**FACTS, **facts})))
    return str(path)


def test_a_run_is_summed_up_in_markdown(measured: CommandLine) -> None:
    answer = measured("ci")

    assert (answer.returncode, answer.stderr) == (0, b"")
    assert answer.stdout.decode().startswith("## Energy and CO2e\n\n### 360 mg CO2e")


def test_a_baseline_shows_what_changed(measured: CommandLine) -> None:
    answer = measured("ci", "--baseline", baseline(measured.folder, 0.5), "--most-change", "100.1")

    assert answer.returncode == 0
    assert "| energy | 1.80 kJ | 1.00 Wh | +100.0 % |" in answer.stdout.decode()
    assert "✅ energy +100.0 % against the baseline: within 100.1 %" in answer.stdout.decode()
    assert "another machine" not in answer.stdout.decode()


def test_more_than_is_allowed_is_exit_code_1(measured: CommandLine) -> None:
    answer = measured("ci", "--baseline", baseline(measured.folder, 0.5), "--most-change", "10")

    assert answer.returncode == 1
    assert answer.stderr.decode() == "energy +100.0 % against the baseline: OVER 10 %\n"


def test_a_refused_run_does_not_become_the_baseline(measured: CommandLine) -> None:
    path = baseline(measured.folder, 0.5)
    before = Path(path).read_text(encoding="utf-8")
    words = ("ci", "--baseline", path, "--most-change", "25", "--write-baseline", path)
    first, again = measured(*words), measured(*words)

    assert (first.returncode, again.returncode) == (1, 1)
    assert Path(path).read_text(encoding="utf-8") == before
    assert f"{path} is not written" in first.stderr.decode()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--budget-g", "0.4"), 0, "CO2e 360 mg: within the budget of 400 mg\n"),
        (("--budget-g", "0.3"), 1, "CO2e 360 mg: OVER the budget of 300 mg\n"),
        (("--budget-kwh", "0.002"), 0, "energy 1.00 Wh: within the budget of 2.00 Wh\n"),
        (("--budget-kwh", "0.0009"), 1, "energy 1.00 Wh: OVER the budget of 3.24 kJ\n"),
    ],
)
def test_a_budget_is_kept_or_not(measured: CommandLine, words: tuple[str, ...], code: int, said: str) -> None:
    answer = measured("ci", *words)

    assert (answer.returncode, answer.stderr.decode()) == (code, said)


def test_a_baseline_from_another_machine_is_doubted(measured: CommandLine) -> None:
    answer = measured("ci", "--baseline", baseline(measured.folder, cpu_model="Xeon"))

    assert "The baseline ran on another machine (Xeon, 2 CPUs)" in answer.stdout.decode()


def test_the_first_time_there_is_no_baseline_and_it_can_be_written(measured: CommandLine) -> None:
    path = str(measured.folder / "energy.json")
    first = measured("ci", "--baseline", path, "--most-change", "10", "--write-baseline", path)
    second = measured("ci", "--baseline", path, "--most-change", "10")

    assert first.returncode == second.returncode == 0
    assert f"There is no baseline {path} yet" in first.stderr.decode()
    assert "energy +0.0 % against the baseline: within 10 %" in second.stderr.decode()


def test_on_github_it_is_the_job_s_summary(measured: CommandLine) -> None:
    path = measured.folder / "summary.md"
    path.write_text("before\n")
    measured.environ["GITHUB_STEP_SUMMARY"] = str(path)
    answer = measured("ci")

    assert answer.stdout == b""
    assert path.read_text(encoding="utf-8").startswith("before\n## Energy and CO2e\n")


def test_on_gitlab_it_is_a_file_and_a_metrics_report(measured: CommandLine) -> None:
    measured.environ["GITLAB_CI"] = "true"
    measured("ci")

    assert (measured.folder / "carbonwatch.md").read_text(encoding="utf-8").startswith("## Energy")
    assert (measured.folder / "carbonwatch-metrics.txt").read_text() == (
        "carbonwatch_energy_joules 3600\ncarbonwatch_emissions_grams 0.36\ncarbonwatch_seconds 10\n"
    )


def test_what_is_not_known_keeps_no_budget(carbonwatch: CommandLine) -> None:
    path = baseline(carbonwatch.folder)
    with closing(Journal(carbonwatch.environ["CARBONWATCH_STORE"])) as journal:
        journal.add([replace(RUN, entries=())])
    carbonwatch.environ["GITLAB_CI"] = "true"
    answer = carbonwatch("ci", "--budget-g", "5", "--budget-kwh", "1", "--baseline", path, "--most-change", "10")

    assert answer.returncode == 1
    assert answer.stderr.decode().splitlines() == [
        f"{said}. `carbonwatch doctor` says what is missing."
        for said in (
            "CO2e unknown, so nobody can tell whether 5.00 g are enough",
            "energy unknown, so nobody can tell whether 1.00 kWh are enough",
            "energy of this run unknown, so the change can't be told",
        )
    ]
    assert "| energy | 1.00 Wh | unknown | – |" in (carbonwatch.folder / "carbonwatch.md").read_text(encoding="utf-8")
    assert (carbonwatch.folder / "carbonwatch-metrics.txt").read_text() == "carbonwatch_seconds 10\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--most-change", "5"), "--most-change needs a run to compare with"),
        (("--budget-g", "-1"), "-1 is no number from 0 up"),
        (("--baseline", "."), "The baseline . can't be read"),
    ],
)
def test_what_makes_no_sense_is_an_error(measured: CommandLine, words: tuple[str, ...], said: str) -> None:
    answer = measured("ci", *words)

    assert answer.returncode == 2
    assert said in answer.stderr.decode()


def test_the_example_in_the_docs_runs(measured: CommandLine) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/ci.md").read_text(encoding="utf-8")
    script = page.split("```sh\n")[1].split("```")[0]
    measured.environ["GITHUB_STEP_SUMMARY"] = str(measured.folder / "summary.md")
    path = os.pathsep.join([str(Path(sys.executable).parent), measured.environ["PATH"]])
    answer = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=measured.folder,
        env={**measured.environ, "PATH": path},
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 0, answer.stderr
    assert json.loads((measured.folder / "energy.json").read_text())["carbonwatch"] == 1
    assert "### " in (measured.folder / "summary.md").read_text(encoding="utf-8")
