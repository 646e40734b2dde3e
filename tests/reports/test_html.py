"""The HTML report: one file, the same in Chromium as in Python, without a network."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from carbonwatch.model import Run, Trace
from carbonwatch.reports import html
from tests import browser as browsers
from tests.board import shown
from tests.reports import runs as examples

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def carried(page: str) -> dict[str, Any]:
    """The data that is in the page."""
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    data: dict[str, Any] = json.loads(text)
    return data


def traces(run: Run, count: int = 200) -> list[Trace]:
    """A time series of each meter."""
    found = []
    for domain in run.domains:
        samples = [sample for sample in shown.series(run, count) if sample.usage.domain == domain]
        columns = [(s.start_ns, s.duration_s, s.usage.machine_j, s.usage.idle_j, s.usage.own_j) for s in samples]
        found.append(Trace(domain, *zip(*columns, strict=True)))
    return found


@pytest.mark.parametrize("example", examples.ALL)
def test_it_has_the_run_s_figures_and_the_other_reports(example: examples.Example) -> None:
    run = example()
    [shown_run] = carried(html.render(run))["runs"]

    assert shown_run["parts"]["machine"]["energy_j"]["value"] == (run.energy("machine").value if run.entries else None)
    assert "html" not in shown_run["reports"]
    assert shown_run["reports"]["markdown"].startswith("### ")


@given(run=examples.runs())
@examples.patient
def test_any_run_has_a_page(run: Run) -> None:
    page = html.render(run)

    assert page.count("<script") == page.count("</script") == 2
    assert carried(page)["runs"][0]["id"] == run.id


def test_it_opens_from_the_disk_without_a_fault(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    run, _ = shown.big()
    file.write_text(html.render(run, traces=traces(run)), encoding="utf-8")
    with browsers.watched(browser, "", offline=True) as seen:
        seen.page.goto(file.as_uri())
        seen.page.wait_for_selector(".uplot canvas")
        seen.page.get_by_role("button", name="markdown").click()
        seen.page.wait_for_selector("pre:has-text('### ')")
        faults = seen.faults()

    assert faults == []


def test_several_runs_are_beside_each_other_and_each_by_itself(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    runs = [shown.hostile(n, name) for n, name in enumerate(shown.HOSTILE)]
    runs += [shown.moved(example(), f"run-{n}", n) for n, example in enumerate(examples.ALL)]
    file.write_text(html.together([(run, ()) for run in runs], "<b>all</b>"), encoding="utf-8")
    with browsers.watched(browser, "") as seen:
        seen.page.goto(file.as_uri())
        seen.page.wait_for_selector("#compare-all")
        rows = seen.page.locator("section[aria-labelledby=compare-all] tbody tr").count()
        title = seen.page.inner_text("h1")
        faults = seen.faults()
        seen.page.get_by_role("link", name="<script>alert(1)</script>").first.click()
        seen.page.wait_for_selector("#whose")
        heading = seen.page.inner_text("h1")

    assert (rows, title, heading, faults) == (len(runs), "<b>all</b>", "<script>alert(1)</script>", [])


@pytest.mark.parametrize("joules", [5e-324, 1e308, math.inf])
def test_absurd_figures_are_shown_all_the_same(joules: float) -> None:
    entries = [examples.entry(examples.usage(domain, joules)) for domain in (examples.GPU, examples.DRAM)]
    [page] = carried(html.render(examples.a_run(*entries)))["runs"]

    assert {"csv", "markdown", "terminal"} <= page["reports"].keys()
