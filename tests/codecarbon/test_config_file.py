import os
from pathlib import Path

import pytest

from carbonwatch.codecarbon import config_file, parameters
from carbonwatch.errors import SettingsError

BEFORE = """\
# mine
[other]
api_key = not this one

[codecarbon]
# of the team
project_name: p
API_KEY = old

[last]
x = 1
"""
AFTER = """\
# mine
[other]
api_key = not this one

[codecarbon]
# of the team
project_name: p
api_key = new%key
project_id = 7

[last]
x = 1
"""


def test_values_are_set_and_other_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(BEFORE)
    values = {"api_key": "new%key", "project_id": "7"}
    for _ in range(2):
        config_file.write(str(path), values)

    assert path.read_text() == AFTER
    assert sorted(os.listdir(tmp_path)) == ["config", "home", "work"]


@pytest.mark.parametrize("before", [None, "", "[other]\nx = 1\n"])
def test_a_section_that_is_not_there_is_made(tmp_path: Path, before: str | None) -> None:
    path = Path.home() / ".codecarbon.config"
    if before is not None:
        path.write_text(before)
    config_file.write(str(path), {"api_key": "k"})

    assert path.read_text() == f"{before or ''}{chr(10) if before else ''}[codecarbon]\napi_key = k\n"
    assert parameters.configured() == {"api_key": ("k", str(path))}


def test_a_file_with_a_key_is_the_user_s_alone_and_another_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("")
    path.chmod(0o640)
    config_file.write(str(path), {"project_id": "1"})

    assert path.stat().st_mode & 0o777 == 0o640
    config_file.write(str(path), {"api_key": "k"})
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    config_file.write(str(tmp_path / "link"), {"project_id": "1"})

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "[codecarbon]\nproject_id = 1\n"


def test_what_can_not_be_written_is_said_and_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"# caf\xe9\n")

    for attempt in (config_file.check, lambda path: config_file.write(path, {"a": "b"})):
        with pytest.raises(SettingsError, match="no UTF-8"):
            attempt(str(tmp_path / "latin"))
        with pytest.raises(SettingsError, match="nothing was changed"):
            attempt(str(tmp_path / "nowhere" / "config"))
        with pytest.raises(SettingsError, match="nothing was changed"):
            attempt(str(tmp_path))
    with pytest.raises(SettingsError, match="more than a line"):
        config_file.write(str(tmp_path / "config"), {"api_key": "k\n[other]"})
    assert sorted(os.listdir(tmp_path)) == ["home", "latin", "work"]
