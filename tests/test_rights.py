from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from carbonwatch import plugins
from carbonwatch.rights import FIXES, POWERCAP_FOR_A_GROUP, Fix, SensorRefused

ROOT = Path(__file__).parents[1]
each = pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.name)


def run(script: str, folder: Path, user: str = "ada", members: Mapping[str, str] | None = None) -> list[str]:
    """Runs a script of a change with commands that only note how they were called; what they noted.

    members: groups by user, as `id -nG` tells them.
    """
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    notes = folder / "notes"
    notes.write_text("")
    bodies = dict.fromkeys(("groupadd", "usermod", "gpasswd", "udevadm", "modprobe", "sysctl", "find"), "")
    cases = "".join(f"{name}) echo '{groups}';; " for name, groups in (members or {}).items())
    for name in bodies:
        bodies[name] = f'echo "{name} $*" >> "{notes}"'
    bodies["id"] = f'case "$2" in {cases}*) echo "$2";; esac'
    for name, body in bodies.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "USER": user}
    subprocess.run(["sh", "-c", script], env=environ, check=True)
    return notes.read_text().splitlines()


@each
def test_a_change_writes_its_file_runs_its_commands_and_can_be_taken_back(fix: Fix, tmp_path: Path) -> None:
    root = tmp_path / "machine"
    file = Path(f"{root}{fix.path}")
    ran = run(fix.script(str(root)), tmp_path)
    written = file.read_text()
    undone = run(fix.undo_script(str(root)), tmp_path)

    assert written.startswith(fix.text + "\n")
    assert fix.stands_in(written)
    assert ran == [line.replace('"$USER"', "ada") for line in (*fix.before, *fix.after)]
    assert undone == list(fix.undo)
    assert not file.exists()


in_a_group = pytest.mark.parametrize("fix", [fix for fix in FIXES if fix.group], ids=lambda fix: fix.name)


@in_a_group
def test_whom_a_change_made_a_member_is_none_once_it_is_taken_back(fix: Fix, tmp_path: Path) -> None:
    file = Path(f"{tmp_path}{fix.path}")
    run(fix.script(str(tmp_path)), tmp_path, "ada")
    run(fix.script(str(tmp_path)), tmp_path, "bob", {"ada": "ada energy"})
    members = fix.members(file.read_text())
    undone = run(fix.undo_script(str(tmp_path)), tmp_path, "bob", {"ada": "ada energy", "bob": "energy video"})

    assert members == ["ada", "bob"]
    assert undone == ["gpasswd -d ada energy", "gpasswd -d bob energy", *fix.undo]
    assert fix.shell_undo(members)[:2] == ("sudo gpasswd -d ada energy", "sudo gpasswd -d bob energy")


@in_a_group
def test_who_was_a_member_before_stays_one(fix: Fix, tmp_path: Path) -> None:
    run(fix.script(str(tmp_path)), tmp_path, "ada", {"ada": "ada energy"})
    run(fix.script(str(tmp_path)), tmp_path, "bob", {"bob": "no-energy energyx"})
    told = fix.members(Path(f"{tmp_path}{fix.path}").read_text())
    # and who has left it meanwhile needs not be taken out
    undone = run(fix.undo_script(str(tmp_path)), tmp_path, "ada", {"ada": "ada energy", "bob": "bob"})

    assert told == ["bob"]
    assert undone == list(fix.undo)


@in_a_group
def test_a_change_made_by_hand_takes_nobody_out_of_the_group(fix: Fix, tmp_path: Path) -> None:
    file = Path(f"{tmp_path}{fix.path}")
    file.parent.mkdir(parents=True)
    file.write_text(f"{fix.text}\n")

    assert run(fix.undo_script(str(tmp_path)), tmp_path, "ada", {"ada": "ada energy"}) == list(fix.undo)


@each
def test_a_file_that_says_anything_else_is_not_the_change_s(fix: Fix) -> None:
    assert fix.stands_in(f"{fix.text}\n")
    assert not fix.stands_in(f"{fix.text}\nmore\n")
    assert not fix.stands_in("")


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
    assert {name for fix in FIXES for name in fix.sensors} <= set(plugins.own_names("sensors"))


def test_a_refusal_comes_whole_through_a_pickle() -> None:
    error = SensorRefused("it is closed.", POWERCAP_FOR_A_GROUP, {"cpu": (-0.05, 0.05)})
    again = pickle.loads(pickle.dumps(error))

    assert (again.reason, again.remedy, again.fix, again.worth) == (
        error.reason,
        POWERCAP_FOR_A_GROUP.remedy(),
        POWERCAP_FOR_A_GROUP,
        {"cpu": (-0.05, 0.05)},
    )


def test_a_refusal_without_a_lasting_change_may_have_a_remedy() -> None:
    again = pickle.loads(pickle.dumps(SensorRefused("it is closed.", remedy="Join its group.")))

    assert (again.remedy, again.fix, again.worth) == ("Join its group.", None, {})


def test_the_how_to_shows_the_change_that_is_made() -> None:
    page = (ROOT / "docs" / "how-to" / "read-rapl.md").read_text()

    assert all(f"    {line.strip()}\n" in page for line in POWERCAP_FOR_A_GROUP.shell().splitlines())
