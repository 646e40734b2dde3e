"""The pages that are built from web/, and the documents around them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import pages, units
from tests import browser

BUILT = Path(__file__).parent.parent / "src" / "carbonwatch" / "web"
PATIENCE_S = 300


@pytest.fixture(scope="module")
def web() -> Path:
    """The folder web/ with what its scripts need installed."""
    return browser.installed().parent


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


FORMATS = """
import { readFileSync } from 'node:fs'
import * as format from './src/shared/format.js'
const rows = JSON.parse(readFileSync(0, 'utf8'))
const range = ([low, high, value]) => ({ low, high, value })
console.log(JSON.stringify(rows.map(row => [
  format.energy(row[2]), format.mass(row[2]), format.mass(row[2], 2), format.power(row[2]), format.volume(row[2]),
  format.duration(row[2]), format.number(row[2]), format.energyRange(range(row)), format.massRange(range(row), 2),
])))
"""


def test_figures_read_the_same_in_a_page_and_in_a_report(web: Path) -> None:
    chance = random.Random(7)
    values = [0.0, 59.9499, 59.95, 3599.4, 3600.0, 86_400.0, 999.6, 0.9996, 1e-7]
    values += [chance.uniform(1, 10) * 10 ** chance.uniform(-8, 13) for _ in range(3000)]
    rows = [(value * chance.uniform(0, 1), value * chance.uniform(1, 3), value) for value in values]
    answer = subprocess.run(
        ["node", "--input-type=module", "--eval", FORMATS],
        input=json.dumps(rows),
        cwd=web,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    expected = [
        [
            units.human_energy(value),
            units.human_mass(value),
            units.human_mass(value, 2),
            units.human_power(value),
            units.human_volume(value),
            units.human_duration(value),
            units.human_number(value),
            units.energy_range(low, high, value),
            units.mass_range(low, high, value, 2),
        ]
        for low, high, value in rows
    ]

    assert [pair for pair in zip(json.loads(answer.stdout), expected, strict=True) if pair[0] != pair[1]] == []


INSTANTS = """
import { instants, whenExactly } from './src/shared/format.js'
const at = text => Date.parse(text) / 1000
const of = (step_s, ...texts) => instants(texts.map(at), step_s)
const hour = instants([0, 1, 2].map(n => at('2026-11-25T10:00Z') + n * 3600), 3600, at('2026-11-25T10:30Z'))
console.log(JSON.stringify([
  of(3600, '2026-11-24T23:00Z', '2026-11-25T00:00Z', '2026-11-25T13:00Z'),
  of(1, '2026-11-25T13:00:07Z', '2026-11-25T13:00:08Z'),
  of(86400, '2026-11-25T00:00Z'), of(28 * 86400, '2026-11-01T00:00Z'), whenExactly(at('2026-03-04T15:06:07Z')), hour[1],
]))
"""


def test_times_of_a_chart_are_iso_8601_and_of_24_hours_whatever_the_browser_s_language(web: Path) -> None:
    answer = subprocess.run(
        ["node", "--input-type=module", "--eval", INSTANTS],
        cwd=web,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
        env={**os.environ, "TZ": "UTC", "LC_ALL": "en_US.UTF-8", "LANG": "en_US.UTF-8"},
    )

    assert json.loads(answer.stdout) == [
        ["23:00\n2026-11-24", "00:00\n2026-11-25", "13:00"],
        ["13:00:07\n2026-11-25", "13:00:08"],
        ["2026-11-25"],
        ["2026-11"],
        "2026-03-04 15:06:07",
        "11:00\n2026-11-25",
    ]


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
