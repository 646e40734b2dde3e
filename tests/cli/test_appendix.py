from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def test_a_site_is_written_and_its_place_is_said(carbonwatch: CommandLine, tmp_path: Path) -> None:
    carbonwatch("run", "--quiet", "--project", "one", "--", "true")
    (tmp_path / "spec.toml").write_text('title = "Mine"\n[[set]]\nname = "all"\nproject = "one"\n')
    answer = carbonwatch("appendix", "spec.toml", "--out", "site")

    assert (answer.returncode, answer.stdout) == (0, b"")
    assert b"1 run is shown in site/index.html" in answer.stderr
    assert "<title>Mine</title>" in (tmp_path / "site" / "index.html").read_text()


def test_a_spec_that_makes_no_sense_is_one_message(carbonwatch: CommandLine, tmp_path: Path) -> None:
    carbonwatch("run", "--quiet", "--", "true")
    (tmp_path / "spec.toml").write_text("titel = 'x'")
    for words in (("spec.toml", "--out", "site"), ("none.toml", "--out", "site"), ("spec.toml",)):
        answer = carbonwatch("appendix", *words)
        assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)


def test_a_folder_that_can_not_be_written_is_one_message(carbonwatch: CommandLine, tmp_path: Path) -> None:
    carbonwatch("run", "--quiet", "--", "true")
    (tmp_path / "spec.toml").write_text("title = 'x'")
    answer = carbonwatch("appendix", "spec.toml", "--out", "spec.toml")

    assert (answer.returncode, answer.stdout) == (2, b"")
    assert answer.stderr == b"carbonwatch: spec.toml can't be written (Not a directory). Name another folder.\n"
