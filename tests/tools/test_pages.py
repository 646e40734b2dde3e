"""The scripts that write pages of docs/ from the code: what is there is what they write."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbonwatch import plugins
from carbonwatch.rights import FIXES
from tools import write_command_line_page, write_sensor_pages

PAGES = write_sensor_pages.pages()


@pytest.mark.parametrize("file", PAGES)
def test_a_sensor_s_page_is_its_docstring(file: str) -> None:
    assert (write_sensor_pages.PAGES / file).read_text(encoding="utf-8") == PAGES[file], "run `make docs`"


def test_every_sensor_has_a_page_and_no_page_is_left_behind() -> None:
    there = {path.stem for path in write_sensor_pages.PAGES.glob("*.md")}

    assert there == {"README", *plugins.own_names("sensors")}


def test_a_sensor_s_page_shows_the_changes_that_are_made_for_it() -> None:
    for fix in FIXES:
        for name in set(fix.sensors) & set(plugins.own_names("sensors")):
            assert all(f"    {line.strip()}\n" in PAGES[f"{name}.md"] for line in fix.shell().splitlines())
            assert fix.exposes in PAGES[f"{name}.md"]


def test_what_is_written_by_hand_stays() -> None:
    assert "## Which cards\n" in PAGES["nvml.md"]


def test_the_command_line_s_page_shows_the_help_texts() -> None:
    page: Path = write_command_line_page.PAGE

    assert page.read_text(encoding="utf-8") == write_command_line_page.page(), "run `make docs`"


def test_every_block_of_code_in_the_docs_is_closed() -> None:
    pages = [path for path in write_command_line_page.PAGE.parents[1].rglob("*.md") if "```" in path.read_text()]

    assert [path.name for path in pages if path.read_text().count("\n```") % 2] == []
