from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch.cli import _cgroup
from carbonwatch.errors import Unavailable
from tests.activity.test__taskclock import group

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def test_a_group_is_made_inside_ours_and_left_again(tmp_path: Path) -> None:
    mine = group(tmp_path, 7, 8)
    made = _cgroup.make(str(tmp_path), "12:cpu:/other\n0::/mine\n")
    inside = Path(made.folder, "cgroup.procs").read_text()
    made.leave()

    assert made.folder == str(mine / f"carbonwatch-{os.getpid()}")
    assert (inside, (mine / "cgroup.procs").read_text()) == (str(os.getpid()), str(os.getpid()))


def test_where_no_group_may_be_made_it_is_said_why(tmp_path: Path) -> None:
    (group(tmp_path, 7, 8) / f"carbonwatch-{os.getpid()}").write_text("in the way")

    with pytest.raises(Unavailable, match=r"No group can be made in .*File exists"):
        _cgroup.make(str(tmp_path), "0::/mine\n")


@pytest.mark.parametrize("groups", ["", "3:cpu:/mine\n", "0::/../other\n", "0::/nowhere\n"])
def test_groups_that_can_t_be_seen_are_said(groups: str, tmp_path: Path) -> None:
    group(tmp_path, 7, 8)

    with pytest.raises(Unavailable, match="seen from here"):
        _cgroup.make(str(tmp_path), groups)


def test_a_user_s_scope_is_asked_of_the_user_s_own_systemd(tmp_path: Path) -> None:
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd" / "private").touch()

    asked = _cgroup.scope({"XDG_RUNTIME_DIR": str(tmp_path)}, 1000)
    assert asked == ["systemd-run", "--scope", "--quiet", "--collect", "--user", "--"]
    assert _cgroup.scope({"XDG_RUNTIME_DIR": str(tmp_path / "none")}, 1000) is None
    assert _cgroup.scope({}, 1000) is None


def test_a_program_runs_in_a_group_of_its_own_or_it_is_said_why_not(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("run", "--cgroup", "--quiet", "--json", "run.json", "--", "cat", "/proc/self/cgroup")
    written = (carbonwatch.folder / "run.json").read_text()

    assert answer.returncode == 0
    if b"There is no control group for the program" in answer.stderr:
        assert b"Its process tree is followed instead" in answer.stderr
    else:
        assert b"/carbonwatch-" in answer.stdout or b".scope" in answer.stdout
        assert '"cpu_time_by": "cgroup cpu.stat"' in written
