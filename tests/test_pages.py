"""The pages that are built from web/, and the documents around them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import pages

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "src" / "carbonwatch" / "web"
PATIENCE_S = 300


@pytest.fixture(scope="module")
def web() -> Path:
    """The folder web/ with what its scripts need installed."""
    folder = ROOT / "web"
    npm = shutil.which("npm")
    assert npm, "npm is not installed, so the pages can't be built: `make browser` installs it"
    lock, marker = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=PATIENCE_S)
    return folder


def test_what_is_committed_is_built_from_its_sources(web: Path, tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=web, check=True, timeout=PATIENCE_S)
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    stale = [name for name in built if not (BUILT / name).exists() or (BUILT / name).read_bytes() != built[name]]

    assert stale == [], "run `make web` and commit what it writes"
    assert {path.name for path in BUILT.iterdir()} == set(built)


@pytest.mark.parametrize("script", sorted(path.name for path in BUILT.glob("*.js")))
def test_a_script_can_stand_in_a_page(script: str) -> None:
    text = (BUILT / script).read_text()

    assert "</script" not in text.lower()
    assert not re.search(r"\bimport\s*\(|\beval\s*\(|new Function", text)


def test_a_whole_page_names_no_other_file_and_allows_its_own_parts_alone() -> None:
    page = pages.whole("report", "A title", {"runs": []})
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)

    assert re.findall(r'(?:src|href)="([^"]*)"', page.replace(script, "").replace(style, "")) == ["data:,"]
    assert f"script-src '{_sha256(script)}'; style-src '{_sha256(style)}'" in page
    assert "default-src 'none'" in page


def test_a_linked_page_loads_its_parts_from_the_folder() -> None:
    page = pages.linked("report", "A title", folder="parts/")

    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,", "parts/site.css", "parts/report.js"]
    assert [(BUILT / part).exists() for part in pages.parts("report")] == [True, True]
    assert "<style" not in page


@given(text=st.text() | st.text("</script>\"'&!-\u2028\x00"))
def test_a_title_and_data_stay_text(text: str) -> None:
    page = pages.linked("report", text, {text: [text]})
    [carried] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    [title] = re.findall(r"<title>(.*?)</title>", page, re.DOTALL)

    assert json.loads(carried) == {text: [text]}
    assert not set(title) & set("<>\"'")
    assert page.count("<script") == 2


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
