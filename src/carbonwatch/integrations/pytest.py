"""pytest: `pytest --carbon` gives the energy of each test, as a table and as properties of the JUnit XML.

    @pytest.mark.carbon_budget(j=2.0)         # or g= of CO2e, or kwh=; a test that uses more has failed
    def test_search(): ...

Only the test itself is measured, not its fixtures. With pytest-xdist each worker measures its own process. The run is
kept in the store, so that `carbonwatch ci` can compare it.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import pytest

import carbonwatch
from carbonwatch.integrations._border import quietly

_ENERGY, _EMISSIONS = "carbonwatch_energy_j", "carbonwatch_emissions_g"
_MOST_TESTS = 10  # of the table
_UNITS = {"j": "J", "g": "g CO2e", "kwh": "kWh"}  # what a budget may be in


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("carbonwatch", "energy and CO2e")
    group.addoption("--carbon", action="store_true", help="Measure the energy of each test.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "carbon_budget(j=None, g=None, kwh=None): the most that a test may use")
    if config.getoption("--carbon"):
        try:
            meter = Meter(carbonwatch.measure(f"pytest {config.rootpath.name}"))
        except carbonwatch.CarbonwatchError as error:
            raise pytest.UsageError(str(error)) from error
        config.pluginmanager.register(meter, "carbonwatch-meter")


class Meter:
    """Measures tests as tasks of one run."""

    def __init__(self, measurement: carbonwatch.Measurement) -> None:
        self.measurement = measurement

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        # an error of the test: a budget that says nothing would be kept by all
        wrong = _mistake(item.get_closest_marker("carbon_budget"))
        if wrong:
            pytest.fail(wrong, pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        task = self._begin(item.nodeid)
        try:
            return (yield)
        finally:
            self._end(item, task)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        excess = _excess(item) if report.when == "call" and report.passed else None
        if excess:
            report.outcome, report.longrepr = "failed", excess
        return report

    def pytest_sessionfinish(self) -> None:
        self._stop()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        used = [pair for reports in terminalreporter.stats.values() for pair in map(_used, reports) if pair is not None]
        if not used:
            return
        terminalreporter.write_sep("=", "energy and CO2e")
        for name, energy_j, emissions_g in sorted(used, key=lambda test: -test[1])[:_MOST_TESTS]:
            terminalreporter.write_line(_line(energy_j, emissions_g, name))
        total_j, total_g = math.fsum(test[1] for test in used), math.fsum(test[2] for test in used)
        terminalreporter.write_line(_line(total_j, total_g, f"{len(used)} tests"))

    @quietly
    def _begin(self, name: str) -> Any:
        self.measurement.__enter__()
        return self.measurement.task(name)

    @quietly
    def _end(self, item: pytest.Item, task: Any) -> None:
        if task is None:
            return
        task.__exit__(None, None, None)
        known = carbonwatch.figures(task.run)
        if "energy_kwh" in known:
            item.user_properties += [(_ENERGY, task.run.energy_j), (_EMISSIONS, known["emissions_g"])]

    @quietly
    def _stop(self) -> None:
        self.measurement.__exit__(None, None, None)


def _mistake(marker: pytest.Mark | None) -> str | None:
    """What is wrong with a budget, in words."""
    if marker is None:
        return None
    given = [*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())]
    is_right = not marker.args and all(name in _UNITS and _is_amount(most) for name, most in marker.kwargs.items())
    if is_right and _budget(marker):
        return None
    return (
        f"carbon_budget({', '.join(given)}) sets no budget, so any test would keep it. Name one or more, each a number "
        "from 0 up: j= (joules), g= (grams of CO2e) or kwh=, as in carbon_budget(j=500)."
    )


def _is_amount(most: object) -> bool:
    is_number = isinstance(most, int | float) and not isinstance(most, bool)
    return most is None or (is_number and 0 <= float(str(most)) < math.inf)


def _budget(marker: pytest.Mark) -> dict[str, float]:
    """What is allowed, by the name of its unit."""
    return {name: float(most) for name, most in marker.kwargs.items() if most is not None}


def _excess(item: pytest.Item) -> str | None:
    """What a test has used too much, in words."""
    used = dict(item.user_properties)
    marker = item.get_closest_marker("carbon_budget")
    if marker is None or _ENERGY not in used:
        return None
    energy_j, emissions_g = float(str(used[_ENERGY])), float(str(used[_EMISSIONS]))
    most = _budget(marker)
    most_j = min(most.get("j", math.inf), most.get("kwh", math.inf) * 3.6e6)
    if energy_j <= most_j and emissions_g <= most.get("g", math.inf):
        return None
    allowed = " and ".join(f"{value:g} {_UNITS[name]}" for name, value in most.items())
    return f"{_shown(energy_j, emissions_g)} used, more than the budget of {allowed}"


def _used(report: Any) -> tuple[str, float, float] | None:
    """A test's name, joules and grams, where a report has them."""
    found = dict(getattr(report, "user_properties", ()))
    if getattr(report, "when", None) != "call" or _ENERGY not in found:
        return None
    return report.nodeid, found[_ENERGY], found[_EMISSIONS]


def _line(energy_j: float, emissions_g: float, name: str) -> str:
    energy, emissions = carbonwatch.human_energy(energy_j), carbonwatch.human_mass(emissions_g)
    return f"{energy:>9}  {emissions:>9} CO2e  {name}"


def _shown(energy_j: float, emissions_g: float) -> str:
    return f"{carbonwatch.human_energy(energy_j)}, {carbonwatch.human_mass(emissions_g)} CO2e"
