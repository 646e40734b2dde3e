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
    assert "more than the budget of 1e-12 j" in shown
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
