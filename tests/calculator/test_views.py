"""The calculator's page in Chromium: from the disk, and in the board."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from carbonwatch.calculator import Device, estimate, page, words
from carbonwatch.store.query import Store
from carbonwatch.units import human_mass
from tests import browser as browsers
from tests.board.conftest import serving
from tests.browser import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PATIENCE_S = 60
STATED = "#emissions"
WORK = "section[aria-labelledby=work]"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page that stands by itself."""
    folder = tmp_path_factory.mktemp("calculator")
    page.export(folder)
    return (folder / "index.html").as_uri()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Watched]:
    with browsers.watched(browser, "") as seen:
        seen.page.goto(site)
        seen.page.wait_for_selector(STATED)
        yield seen


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark"), (3840, "light")])
def test_it_has_no_serious_fault_and_is_no_wider_than_its_screen(
    browser: Browser, site: str, width: int, scheme: str
) -> None:
    with browsers.watched(browser, "", viewport={"width": width, "height": 900}, color_scheme=scheme) as seen:
        seen.page.goto(site)
        seen.page.wait_for_selector(STATED)
        seen.page.locator("summary").first.click()
        seen.page.get_by_label("Hours").fill("-1")
        seen.page.wait_for_selector("#hours-wrong")
        faults_of_errors = seen.faults()
        seen.page.get_by_label("Hours").fill("10")
        seen.page.get_by_label("Offset, %").fill("50")
        seen.page.wait_for_selector(".message:has-text('Offsets do not cancel')")

        assert (faults_of_errors, seen.faults()) == ([], [])
        assert seen.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_what_is_typed_is_calculated_as_the_library_does(visit: Watched) -> None:
    form = visit.page.locator(WORK)
    form.get_by_label("Model").select_option("H100 SXM")
    form.get_by_label("How many").fill("8")
    form.get_by_label("Utilisation").fill("90")
    form.get_by_label("Hours").fill("250,5")
    form.get_by_label("Where").select_option("aws")
    form.get_by_label("Region").select_option("aws/eu-west-3")
    form.locator("summary").first.click()
    form.get_by_label("PUE").fill("1.3")
    run = estimate([Device("gpu", "H100 SXM", 8, 0.9)], 250.5, place="aws/eu-west-3", pue=1.3)

    assert visit.page.inner_text(STATED) == human_mass(run.emissions_g)
    assert visit.page.inner_text("#calculation").replace("\n", "; ") == words.calculation(run)
    assert words.latex(run).strip() in visit.page.inner_text("#texts ~ .pair pre >> nth=0")


def test_a_processor_and_an_instance_can_be_added(visit: Watched) -> None:
    form = visit.page.locator(WORK)
    form.get_by_label("Kind").select_option("cpu")
    form.get_by_label("Model").fill("epyc 7742")
    form.get_by_role("button", name="Add a device").click()
    form.get_by_label("Kind").nth(1).select_option("instance")
    form.get_by_label("Instance or family").fill("aws/m5")
    form.locator("#vcpus-1-wrong").wait_for()
    form.get_by_label("vCPUs").fill("8")
    devices = [Device("cpu", "epyc 7742"), Device("instance", "aws/m5", vcpus=8)]
    run = estimate(devices, 100, place="gcp/europe-west1")

    assert visit.page.inner_text(STATED) == human_mass(run.emissions_g)
    form.get_by_role("button", name="Remove device 2").click()
    assert form.locator("fieldset").count() == 1


@pytest.mark.parametrize("text", ["", "-1", "0", "1e99", "lots", "NaN"])
def test_hours_that_make_no_sense_are_refused_beside_the_field(visit: Watched, text: str) -> None:
    field = visit.page.get_by_label("Hours")
    field.fill(text)
    visit.page.wait_for_selector("#hours-wrong")

    assert (field.get_attribute("aria-invalid"), field.get_attribute("aria-describedby")) == ("true", "hours-wrong")
    assert visit.page.locator(STATED).count() == 0


def test_a_link_carries_the_whole_calculation(browser: Browser, visit: Watched, site: str) -> None:
    form = visit.page.locator(WORK)
    form.get_by_label("How many").fill("64")
    form.get_by_label("Hours").fill("12.5")
    form.get_by_label("Where").select_option("countries")
    form.get_by_label("Region").select_option("FR")
    address, stated = visit.page.evaluate("location.href"), visit.page.inner_text(STATED)
    with browsers.watched(browser, "") as other:
        other.page.goto(address)
        other.page.wait_for_selector(STATED)

        assert other.page.inner_text(STATED) == stated
        assert other.page.locator(WORK).get_by_label("Region").input_value() == "FR"
        assert address.startswith(f"{site}#")


@pytest.mark.parametrize("words", ["of=%5B", "of=1", "of=[[null]]", "of=[[%22gpu%22,%22<script>%22,1,2,3]]", "of=[1]"])
def test_a_broken_link_is_a_form_to_be_mended(browser: Browser, site: str, words: str) -> None:
    with browsers.watched(browser, "") as seen:
        seen.page.goto(f"{site}#?{words}")
        seen.page.wait_for_selector("fieldset")

        assert seen.page.locator("main script").count() == 0


def test_texts_are_copied_and_words_sources_and_the_map_are_there(visit: Watched) -> None:
    visit.page.get_by_role("button", name="Copy").first.click()
    visit.page.wait_for_selector("button:has-text('Copied'), button:has-text('Select')")
    headings = visit.page.locator("h2").all_inner_texts()

    assert {"As much as", "Whose figures these are", "The same work elsewhere", "What to do about it", "Words"} <= set(
        headings
    )
    assert visit.page.locator(".map path").count() > 100


def test_the_place_s_electricity_is_shown_by_its_sources(visit: Watched) -> None:
    form = visit.page.locator(WORK)
    form.get_by_label("Where").select_option("countries")
    form.get_by_label("Region").select_option("NO")
    visit.page.wait_for_selector(".mix .legend:has-text('hydro')")
    assert "Norway as a whole in 20" in visit.page.inner_text(".mix figcaption")

    form.get_by_label("Region").select_option("LI")
    visit.page.wait_for_selector("text=What electricity is made of there is not known.")
    assert visit.page.locator(".mix").count() == 0


@pytest.mark.parametrize("kind", ["gpu", "tpu", "cpu", "instance"])
def test_the_command_that_saves_the_estimate_keeps_what_the_page_shows(
    visit: Watched, tmp_path: Path, kind: str
) -> None:
    form = visit.page.locator(WORK)
    form.get_by_label("Kind").select_option(kind)
    form.get_by_label("How many").fill("3")
    form.get_by_label("Utilisation").fill("40")
    form.locator("summary").first.click()
    form.get_by_label("PUE").fill("1.25")
    form.get_by_label("Offset, %").fill("30")
    saves = visit.page.locator(".pair > div", has=visit.page.get_by_role("heading", name="Save as a run"))
    said = saves.locator("pre").inner_text()
    path = tmp_path / "runs.db"
    # as it is copied into a terminal
    environ = {
        **os.environ,
        "CARBONWATCH_STORE": str(path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(["sh", "-c", said], env=environ, capture_output=True, text=True, timeout=PATIENCE_S)
    with Store(str(path)) as kept:
        run = kept.run(kept.runs()[0].run.id)

    assert (done.returncode, done.stderr.startswith("Kept as ")) == (0, True)
    assert "the board changes nothing" in saves.inner_text()
    assert visit.page.inner_text(STATED) == human_mass(run.emissions_g)
    assert run.facts["offset"] == pytest.approx(0.3)


def test_the_board_leads_to_it(browser: Browser, tmp_path: Path) -> None:
    with serving(store=tmp_path / "runs.db") as server, browsers.watched(
        browser, urlsplit(server.address).netloc
    ) as seen:  # fmt: skip
        seen.page.goto(f"{server.address}{page.NAME}")
        seen.page.wait_for_selector(STATED)

        assert seen.page.get_by_role("link", name="Runs").get_attribute("href") == "."
