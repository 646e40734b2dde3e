"""Names that would steer a page, a terminal, a spreadsheet or LaTeX, in every form that a run can be shown in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from carbonwatch import plugins, totals
from tests.reports import runs

NAME = "=cmd|' /C calc'!A0 <script>alert(1)</script> \u202eevil\u202c 🙂 \\input{x} %$&#_{ |`*\n\x1b[31m" + "x" * 3000
KINDS = plugins.own_names("reports")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", runs.HOSTILE, ids=range(len(runs.HOSTILE)))
def test_a_hostile_name_steers_no_report(kind: str, name: str) -> None:
    render = plugins.load("reports", kind)
    for run in (runs.hostile(name), totals.merge([runs.hostile(name), runs.hostile(name)])):
        text = render(run)
        # beyond a line's end no sign moves a cursor or turns the direction of reading; JSON and pages escape them
        steering = {sign for sign in text if not sign.isprintable()} - {"\n"}
        assert kind == "html" or steering == set()
        if kind in ("html", "markdown", "model_card", "sci", "gpai"):
            # in a card's metadata and between backticks it is text
            assert "<script>alert" not in re.sub(r"`[^`]*`", "", text.split("---\n")[-1])


def test_a_hostile_name_goes_all_the_way_from_the_command_line(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CARBONWATCH_")}
    environ = {**ours, "CARBONWATCH_STORE": str(tmp_path / "runs.db"), "XDG_CONFIG_HOME": str(tmp_path)}

    def carbonwatch(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "carbonwatch", *words]
        return subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, timeout=60, check=False)

    carbonwatch("run", "--quiet", "--project", NAME, "--tags", NAME, "--", "true")
    answers = {kind: carbonwatch("report", "--as", kind.replace("_", "-")) for kind in KINDS}

    assert {kind: answer.stderr for kind, answer in answers.items() if answer.returncode} == {}
    assert carbonwatch("report", "--project", NAME).returncode == 0
    assert carbonwatch("compare", NAME, "last").returncode == 0
