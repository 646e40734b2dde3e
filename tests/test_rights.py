from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path

import pytest

from carbonwatch import plugins
from carbonwatch.rights import FIXES, POWERCAP_FOR_A_GROUP, Fix, SensorRefused

ROOT = Path(__file__).parents[1]
each = pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.name)


def run(script: str, folder: Path) -> list[str]:
    """Runs a script of a change with commands that only note how they were called; what they noted."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    notes = folder / "notes"
    notes.write_text("")
    for name in ("groupadd", "usermod", "udevadm", "modprobe", "sysctl", "find"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{notes}"\n')
        program.chmod(0o755)
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "USER": "ada"}
    subprocess.run(["sh", "-c", script], env=environ, check=True)
    return notes.read_text().splitlines()


@each
def test_a_change_writes_its_file_runs_its_commands_and_can_be_taken_back(fix: Fix, tmp_path: Path) -> None:
    root = tmp_path / "machine"
    file = Path(f"{root}{fix.path}")
    ran = run(fix.script(str(root)), tmp_path)
    written = file.read_text()
    undone = run(fix.undo_script(str(root)), tmp_path)

    assert written == fix.text + "\n"
    assert ran == [line.replace('"$USER"', "ada") for line in (*fix.before, *fix.after)]
    assert undone == list(fix.undo)
    assert not file.exists()


@each
def test_a_command_that_fails_stops_a_change(fix: Fix, tmp_path: Path) -> None:
    script = fix.script(str(tmp_path)).replace("\nmodprobe", "\nfalse; modprobe").replace("\nsysctl", "\nfalse; sysctl")
    script = script.replace("\nudevadm", "\nfalse; udevadm")

    with pytest.raises(subprocess.CalledProcessError):
        run(script, tmp_path)


@each
def test_commands_to_copy_are_what_is_run(fix: Fix) -> None:
    copied = [line.strip().removeprefix("sudo ") for line in fix.shell().splitlines()]
    said = [line for line in copied if not line.startswith("echo ")]

    assert said == [*fix.before, *fix.after]
    assert f"  echo '{fix.text}' | sudo tee {fix.path}" in fix.shell().splitlines()


@each
def test_a_change_says_what_it_exposes_and_survives_a_boot(fix: Fix) -> None:
    assert fix.exposes.endswith(".")
    assert fix.path.startswith("/etc/")
    assert "'" not in fix.text


def test_what_opens_the_counters_names_platypus() -> None:
    assert all("PLATYPUS" in fix.exposes for fix in FIXES if fix.name != "rapl-driver")


def test_names_and_files_of_changes_are_their_own() -> None:
    assert len({fix.name for fix in FIXES}) == len({fix.path for fix in FIXES}) == len(FIXES)
    assert {name for fix in FIXES for name in fix.sensors} - set(plugins.own_names("sensors")) <= {"hwmon"}


def test_a_refusal_comes_whole_through_a_pickle() -> None:
    error = SensorRefused("it is closed.", POWERCAP_FOR_A_GROUP, {"cpu": (-0.05, 0.05)})
    again = pickle.loads(pickle.dumps(error))

    assert (again.reason, again.remedy, again.fix, again.worth) == (
        error.reason,
        POWERCAP_FOR_A_GROUP.remedy(),
        POWERCAP_FOR_A_GROUP,
        {"cpu": (-0.05, 0.05)},
    )


def test_the_how_to_shows_the_change_that_is_made() -> None:
    page = (ROOT / "docs" / "how-to" / "read-rapl.md").read_text()

    assert all(f"    {line.strip()}\n" in page for line in POWERCAP_FOR_A_GROUP.shell().splitlines())
