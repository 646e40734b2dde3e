import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.integrations.snippets import output, snippets

OTHERS = """

@pytest.mark.carbon_budget(j=1e-12)
def test_dear():
    end_s = time.process_time() + 0.2
    while time.process_time() < end_s:
        pass


def test_plain():
    pass
"""


def test_each_test_has_its_energy_in_the_table_and_the_xml_and_a_budget_fails_it(tmp_path: Path) -> None:
    (snippet,) = snippets("pytest")
    (tmp_path / "test_it.py").write_text(f"import time\n{snippet}{OTHERS}")
    command = [sys.executable, "-m", "pytest", "--strict-markers", "-p", "no:cacheprovider", "test_it.py"]

    shown = output([*command, "--carbon", "--junitxml=report.xml"], tmp_path, code=1)
    assert "energy and CO2e" in shown
    assert "3 tests" in shown
    assert "more than the budget of 1e-12 J" in shown
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "report.xml").iter("testcase")}
    assert [name for name, case in cases.items() if case.find("failure") is not None] == ["test_dear"]
    names = [p.get("name") for p in cases["test_search"].iter("property")]
    assert names == ["carbonwatch_energy_j", "carbonwatch_emissions_g"]

    plain = output(command, tmp_path)
    assert "CO2e" not in plain


def test_a_wrong_setting_stops_pytest_before_the_first_test(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    command = [sys.executable, "-m", "pytest", "--carbon", "-p", "no:cacheprovider"]

    output(command, tmp_path, code=4, CARBONWATCH_COUNTRY="Atlantis")


MISTAKES = """import pytest


@pytest.mark.carbon_budget(joule=1e-9)
def test_typo(): pass


@pytest.mark.carbon_budget(500)
def test_without_a_name(): pass


@pytest.mark.carbon_budget()
def test_empty(): pass


@pytest.mark.carbon_budget(j="2")
def test_text(): pass


@pytest.mark.carbon_budget(j=0, g=None)
def test_nothing_allowed(): sum(range(100_000))


@pytest.mark.carbon_budget(kwh=1)
def test_right(): pass
"""


def test_a_budget_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(MISTAKES)
    command = [sys.executable, "-m", "pytest", "--carbon", "-p", "no:cacheprovider", "test_it.py"]
    shown = output(command, tmp_path, code=1)

    assert "1 failed, 1 passed, 4 errors" in shown
    for words in ("joule=1e-09", "500", "", "j='2'"):
        assert f"carbon_budget({words}) sets no budget" in shown
    assert "j= (joules), g= (grams of CO2e) or kwh=" in shown
    assert "more than the budget of 0 J" in shown
