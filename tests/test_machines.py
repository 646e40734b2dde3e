import os
from pathlib import Path

import pytest

from carbonwatch import machines
from carbonwatch.errors import SettingsError


def test_each_machine_has_its_own_entry_and_the_latest_counts(tmp_path: Path) -> None:
    path = str(tmp_path / "carbonwatch" / "kept.json")
    before = machines.read(path, "figures")
    for machine, figure in (("a", 1), ("b", 2), ("a", 3)):
        machines.put(path, "figures", machine, {"figure": figure})

    assert before == {}
    assert machines.read(path, "figures") == {"a": {"figure": 3}, "b": {"figure": 2}}
    assert os.listdir(tmp_path / "carbonwatch") == ["kept.json"]


def test_a_file_that_can_not_be_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text("{")
    path = str(tmp_path / "kept.json")

    with pytest.raises(SettingsError, match="so figures would be lost"):
        machines.read(path, "figures")
    with pytest.raises(SettingsError, match="so figures would be lost"):
        machines.put(path, "figures", "a", {})
    assert (tmp_path / "kept.json").read_text() == "{"
