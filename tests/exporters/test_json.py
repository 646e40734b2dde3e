import os
from pathlib import Path

import pytest

from carbonwatch.exporters.json import export
from carbonwatch.model import Domain, Entry, Intensity, Run, Usage
from carbonwatch.reports import json
from carbonwatch.settings import Settings

INTENSITY = Intensity(50.0, 40.0, 60.0, "FR", "France", "production", "lifecycle", "a table", 2024)
ENTRY = Entry("", 1, 2.0, Usage(Domain("cpu", "cpu", "measured", "a CPU"), 9.0, 1.0, 5.0, 4.0, 6.0), INTENSITY)
RUN = Run("0199-a", "digits", "process", "running", 1, 2.0, (ENTRY,), notes=("é",))


def test_a_run_is_one_file_that_reads_back_as_it_was(tmp_path: Path) -> None:
    export(RUN, Settings(output_dir=str(tmp_path)))

    assert os.listdir(tmp_path) == ["carbonwatch-0199-a.json"]
    assert json.parse((tmp_path / "carbonwatch-0199-a.json").read_text(encoding="utf-8")) == RUN


def test_a_run_that_is_exported_again_replaces_its_file(tmp_path: Path) -> None:
    finished = Run("0199-a", "digits", "process", "finished", 1, 3.0)
    for run in (RUN, finished):
        export(run, Settings(output_dir=str(tmp_path)))

    assert json.parse((tmp_path / "carbonwatch-0199-a.json").read_text(encoding="utf-8")) == finished


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        export(RUN, Settings(output_dir=str(tmp_path / "gone")))
