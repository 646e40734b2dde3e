"""Every view of the board in Chromium: no error, no other host, no serious fault, and names stay text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

from carbonwatch.board.server import Server
from carbonwatch.store.journal import Journal
from tests import browser as browsers
from tests.board import shown
from tests.board.conftest import serving
from tests.browser import Watched
from tests.reports import runs as examples

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IDS = [f"01990000-0000-7000-8000-{n:012x}" for n in range(3)]
HOSTILE_IDS = [f"01990000-0000-7000-8000-{n + 0xFF00:012x}" for n in range(len(shown.HOSTILE))]
# a view, and what is there when it is ready
VIEWS = {
    "": "section[aria-labelledby=list] tbody tr",
    "#projects": "main .bars li",
    "#elsewhere": ".map path",
    f"#compare?ids={quote(json.dumps(IDS))}": "#compare-all",
    f"#run?id={shown.BIG}": ".uplot canvas",
    f"#run?id={IDS[1]}": "#whose",
    "#run?id=01990000-0000-7000-8000-000000000006": ".message",
}


@contextmanager
def visiting(browser: Browser, server: Server, **options: object) -> Iterator[Watched]:
    with browsers.watched(browser, urlsplit(server.address).netloc, **options) as seen:
        seen.page.goto(server.address)
        yield seen


def shows(seen: Watched, server: Server, view: str) -> None:
    """Goes there, and waits until it is all there."""
    seen.page.goto(server.address + view)
    seen.page.reload()  # what differs after the # alone is no new page
    seen.page.wait_for_selector(VIEWS.get(view, "h1"))


# in the dark only colours differ, and these two views have them all
@pytest.mark.parametrize(("scheme", "views"), [("light", list(VIEWS)), ("dark", ["", f"#run?id={shown.BIG}"])])
def test_no_view_has_a_serious_fault(browser: Browser, board: Server, scheme: str, views: list[str]) -> None:
    with visiting(browser, board, color_scheme=scheme) as seen:
        found = {}
        for view in views:
            shows(seen, board, view)
            found[view] = seen.faults()

    assert found == {view: [] for view in views}


@pytest.mark.parametrize("width", [360, 3840])
def test_no_view_is_wider_than_its_screen(browser: Browser, board: Server, width: int) -> None:
    with visiting(browser, board, viewport={"width": width, "height": 900}) as seen:
        over = {}
        for view in (*VIEWS, f"#run?id={HOSTILE_IDS[4]}"):
            shows(seen, board, view)
            over[view] = seen.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert {view: by for view, by in over.items() if by > 0} == {}


def test_names_are_text_wherever_they_stand(browser: Browser, board: Server) -> None:
    with visiting(browser, board) as seen:
        for id_, name in zip(HOSTILE_IDS, shown.HOSTILE, strict=True):
            seen.page.goto(f"{board.address}#run?id={id_}")
            seen.page.wait_for_selector(f"code:has-text('{id_}')")
            if "\u202e" not in name:  # signs that turn the text around are left out
                visible = " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())
                assert visible[:100] in " ".join(seen.page.inner_text("h1").split())
            seen.page.get_by_role("button", name="markdown").click()
            seen.page.wait_for_selector("pre")
            assert seen.page.evaluate("document.querySelectorAll('main script, main img, main iframe').length") == 0
            assert seen.page.evaluate("[...document.links].filter(a => a.protocol !== 'http:').length") == 0


def has(page: Page, selector: str, count: int) -> None:
    """Waits until there are so many of them."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_count(count, timeout=browsers.PATIENCE_MS)


def test_the_list_is_filtered_sorted_and_leafed_through(visit: Watched) -> None:
    page, rows = visit.page, "section[aria-labelledby=list] tbody tr"
    page.wait_for_selector(rows)
    page.get_by_label("Words in project").fill("IMDB")
    has(page, rows, 4)
    page.locator("label:has-text('Project') select").select_option("imdb")
    has(page, rows, 1)
    page.locator("label:has-text('Tag') select").select_option("nightly")
    page.get_by_role("button", name="Clear").click()
    has(page, rows, 19)
    page.locator("section[aria-labelledby=list]").get_by_role("button", name="CO2e").click()
    page.wait_for_selector(f"{rows}:first-child a:has-text('imdb')")

    assert page.get_attribute("section[aria-labelledby=list] th:has-text('CO2e')", "aria-sort") == "descending"
    assert page.locator("[role=status]", has_text="1 to 19 of 19").count() == 1


def test_a_run_has_its_power_closer_by_and_its_texts(visit: Watched) -> None:
    page = visit.page
    page.get_by_role("link", name="imdb").click()
    page.wait_for_selector(".uplot canvas")
    chart = page.locator(".series .u-over").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20, steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Show all of it again").click()
    page.get_by_role("button", name="Closer").press("Enter")
    page.locator("button:has-text('Earlier'):enabled").press("Enter")
    page.locator("button:has-text('Earlier'):disabled").wait_for()
    page.get_by_role("button", name="markdown").click()
    page.wait_for_selector("pre:has-text('### ')")
    page.get_by_role("button", name="Copy").click()

    assert "from" in str(page.get_attribute(".series [role=img]", "aria-label"))
    assert page.locator("#tasks").count() == page.locator("#gaps").count() == 1
    page.wait_for_selector("button:has-text('Copied'), button:has-text('Select')")


def test_runs_that_are_ticked_are_compared(visit: Watched) -> None:
    page = visit.page
    for name in ("imdb", "still going"):
        page.get_by_label(f"Compare {name} of").check()
    page.get_by_role("link", name="Compare 2 chosen").click()
    page.wait_for_selector("#compare-all")

    assert page.locator("section[aria-labelledby=compare-all] tbody tr").count() == 2


def test_a_country_says_its_figure_and_clouds_are_listed(visit: Watched) -> None:
    page = visit.page
    page.get_by_role("link", name="Elsewhere").click()
    page.locator(".map path").first.dispatch_event("click")
    page.wait_for_selector(".message.good")
    page.get_by_role("button", name="gcp").click()
    page.locator("summary").click()

    assert "CO2e at" in page.inner_text(".message.good")
    assert page.locator("details tbody tr", has_text="(gcp/europe-west1)").count() == 1


def test_a_country_is_chosen_on_the_map_by_keyboard_alone(visit: Watched) -> None:
    page = visit.page
    page.get_by_role("link", name="Elsewhere").click()
    country = page.get_by_role("combobox", name="Country")
    country.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(".map [role=status]:has-text('Afghanistan: ')")

    assert page.locator(".map path.chosen").count() == 1
    assert country.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.locator(".map path", has_text="Sweden").first.dispatch_event("click")
    page.wait_for_selector(".map [role=status]:has-text('Sweden: ')")
    assert country.input_value() == "SE"


def test_the_overview_has_the_runs_by_country_as_they_are_filtered(visit: Watched) -> None:
    page, rows = visit.page, "section[aria-labelledby=where] tbody tr"
    page.wait_for_selector(f"{rows}:has-text('France')")
    page.get_by_label("Words in project").fill("imdb")
    page.locator("label:has-text('Project') select").select_option("imdb")
    page.wait_for_selector(f"{rows}:has-text('France'):has(td:nth-child(2):text-is('1'))")
    has(page, rows, 1)
    where = page.locator("section[aria-labelledby=where]")
    where.get_by_role("group", name="What the map shows").get_by_role("button", name="Runs").press("Enter")
    where.get_by_role("combobox", name="Country").select_option("FR")

    assert where.locator("[role=status]").inner_text().startswith("France: 1 run, ")
    assert str(where.locator("svg").get_attribute("aria-label")).startswith("Number of runs by country")


def test_a_run_s_page_says_what_electricity_is_made_of_there(visit: Watched) -> None:
    page = visit.page
    page.get_by_role("link", name="imdb").click()
    page.wait_for_selector(".mix-bar i")

    assert "nuclear 65 %" in page.inner_text(".mix .legend").replace("\n", " ")
    assert "France as a whole in 2023, imports left out. Ember; Energy Institute" in page.inner_text(".mix figcaption")
    widths = page.locator(".mix-bar i").evaluate_all("parts => parts.map(part => part.getBoundingClientRect().width)")
    assert sum(widths) == pytest.approx(page.locator(".mix-bar").evaluate("bar => bar.clientWidth"), rel=0.1)
    assert min(widths) >= 2


def test_it_works_with_the_keyboard_alone(visit: Watched) -> None:
    page = visit.page
    page.wait_for_selector("section[aria-labelledby=list] tbody tr")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"

    page.get_by_role("link", name="Projects").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Projects')")
    page.get_by_role("button", name="Dark").focus()
    page.keyboard.press("Enter")

    assert page.get_attribute("html", "data-theme") == "dark"


def test_a_run_that_goes_on_is_shown_as_it_grows(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    run, samples = shown.running()
    with closing(Journal(str(path))) as journal:
        journal.save(run, run.entries, samples)
        with serving(store=path) as server, visiting(browser, server) as seen:
            shows(seen, server, f"#run?id={run.id}")
            seen.page.wait_for_selector(".state.running")
            journal.save(replace(run, state="finished", duration_s=400.0), run.entries, ())
            seen.page.wait_for_selector(".state.finished")

            assert "6 min 40 s" in seen.page.inner_text(".tiles")


def test_a_store_that_knows_nothing_says_so_and_never_0(browser: Browser, tmp_path: Path) -> None:
    path, tags = tmp_path / "runs.db", [f"tag {n}" for n in range(3000)]
    unknown = replace(examples.not_metered(), id="unknown", facts={"tags": tags})
    with serving(store=path) as server, visiting(browser, server) as seen:
        with closing(Journal(str(path))) as journal:
            journal.add([])
            seen.page.wait_for_selector(".empty:has-text('There are no runs yet')")
            journal.add([unknown])
        seen.page.wait_for_selector("small:has-text('and 2 992 more')")
        seen.page.wait_for_selector(".tiles:has-text('1 of unknown energy')")
        texts = [seen.page.inner_text("main")]
        for view in ("Projects", "Elsewhere"):
            seen.page.get_by_role("link", name=view, exact=True).click()
            seen.page.wait_for_selector(f"main h1:has-text('{'elsewhere' if view == 'Elsewhere' else view}')")
            texts.append(seen.page.inner_text("main"))
        # it was not there when it was first asked for
        seen.errors = [error for error in seen.errors if "404" not in error]

    assert [("0 g" in text, "0 J" in text, "not known" in text or "unknown" in text) for text in texts] == [
        (False, False, True)
    ] * 3


CODECARBON = """\
timestamp,project_name,run_id,duration,emissions,cpu_energy,gpu_energy,ram_energy,energy_consumed,country_iso_code,pue
2026-01-02T10:00:00,digits,aaa,3600,0.056,0.5,0.4,0.1,1.0,FRA,1.0
2026-01-03T10:00:00,<script>alert(1)</script>,"b,b",60,0.001,,,,0.01,,
2026-01-04T10:00:00,=cmd(),ccc,60,,,,,,,
2026-01-04T10:00:00,=cmd(),ddd,60,,,,,nonsense,,
"""


def test_a_file_is_opened_and_one_is_dropped(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "emissions.csv"
    file.write_text(CODECARBON)
    with serving(store=None, files=(file,)) as server, visiting(browser, server) as seen:
        page, rows = seen.page, "section[aria-labelledby=list] tbody tr"
        page.wait_for_selector(rows)
        page.set_input_files("input[type=file]", str(file))
        page.wait_for_selector("label:has-text('Runs of') select")
        page.wait_for_selector("[role=status]:has-text('4 rows of emissions.csv, 1 of them left out.')")
        data = page.evaluate_handle(
            "text => { const data = new DataTransfer(); data.items.add(new File([text], 'dropped.csv')); return data }",
            CODECARBON,
        )
        page.dispatch_event("main", "drop", {"dataTransfer": data})
        page.wait_for_selector("[role=status]:has-text('4 rows of dropped.csv, 1 of them left out.')")
        page.wait_for_selector("label:has-text('Runs of') option:has-text('dropped.csv')", state="attached")
        page.wait_for_selector(f"{rows}:nth-child(3)")  # the list is asked for anew
        texts = page.locator(rows).all_inner_texts()
        titles = page.locator("label:has-text('Runs of') option").all_inner_texts()
        page.get_by_label("Compare <script>").check()
        page.get_by_label("Compare digits").check()
        page.get_by_role("link", name="Compare 2 chosen").click()
        page.wait_for_selector("#compare-all")

    assert ["unknown" in text for text in texts] == [True, False, False]
    assert "<script>alert(1)</script>" in texts[1]
    assert titles == ["emissions.csv", "emissions.csv", "dropped.csv"]


def test_an_error_is_said_and_ends(browser: Browser, board: Server) -> None:
    with browsers.watched(browser, urlsplit(board.address).netloc) as seen:
        seen.page.goto(board.address + "#run?id=none")
        seen.page.wait_for_selector("[role=alert]:has-text('There is no run')")
        seen.page.get_by_role("link", name="Runs").click()
        seen.page.wait_for_selector("section[aria-labelledby=list] tbody tr")
        seen.page.wait_for_selector("[role=alert]", state="detached")
        # the browser notes every answer that is not 200
        assert [error for error in seen.errors if "404" not in error] == []
        seen.errors.clear()


ATTACKS = """
async ({ address, fetched }) => {
  const tried = {}
  tried.cors = await fetch(address + fetched).then(answer => answer.text(), () => 'refused')
  tried.opaque = await fetch(address + fetched, { mode: 'no-cors' }).then(answer => answer.text(), () => 'refused')
  tried.sent = await fetch(address + 'api/sources?name=x', { method: 'POST', body: 'a', mode: 'no-cors' })
    .then(answer => answer.text(), () => 'refused')
  tried.script = await new Promise(told => {
    const script = Object.assign(document.createElement('script'), { src: address + 'board.js' })
    script.onload = () => told('loaded')
    script.onerror = () => told('refused')
    document.head.append(script)
  })
  tried.frame = await new Promise(told => {
    const frame = Object.assign(document.createElement('iframe'), { src: address })
    frame.onload = () => told(frame.contentDocument?.body?.innerText ?? 'refused')
    document.body.append(frame)
  })
  return tried
}
"""


def test_a_page_of_another_site_reads_nothing_even_if_it_knows_the_address(browser: Browser, board: Server) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(browsers.PATIENCE_MS)
        page.route("http://evil.example/", lambda route: route.fulfill(body="<h1>hello</h1>", content_type="text/html"))
        page.goto("http://evil.example/")
        tried = page.evaluate(ATTACKS, {"address": board.address, "fetched": "api/runs"})
    finally:
        context.close()

    assert tried == dict.fromkeys(("cors", "opaque", "sent", "script", "frame"), "refused")
