"""The page as Prometheus' own parser reads it, and as a real scrape gets it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from carbonwatch.cli import UsageError, _prometheus, monitor
from carbonwatch.model import Domain, Entry, Run, Usage
from carbonwatch.testing import intensity

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

CPU = Domain("rapl:package-0", "cpu", "measured", "RAPL package-0")
ODD = Domain('a "model"\\\n', "ram", "modelled", "a model")


def a_run() -> Run:
    usages = (Usage(CPU, 3.6e6, 1e6, 0.0, 0.0, 0.0), Usage(ODD, 5.0, 0.0, 5.0, 0.0, 5.0), Usage(CPU, 4.0, 1.0, 0, 0, 0))
    entries = tuple(Entry("", 0, 2.0, usage, intensity(360.0)) for usage in usages)
    return Run("0", "default", "machine", "running", 0, 2.0, entries, pue=1.5)


def read(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and by the values of its labels."""
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def test_the_page_holds_each_meter_s_energy_and_what_it_emits() -> None:
    run = a_run()
    found = read(_prometheus.page(run, monitor.rows(run, replace(run, entries=(), duration_s=0.0))))

    assert found["carbonwatch_energy_joules"] == {
        ("rapl:package-0", "cpu", "measured"): 3.6e6 + 4.0,
        (ODD.id, "ram", "modelled"): 5.0,
    }
    assert found["carbonwatch_idle_energy_joules"] == {("rapl:package-0", "cpu", "measured"): 1e6 + 1.0}
    assert found["carbonwatch_power_watts"] == {("cpu",): (3.6e6 + 4.0) / 2, ("ram",): 2.5}
    assert found["carbonwatch_emissions_grams"][("cpu",)] == pytest.approx(540.0, rel=1e-5)
    assert found["carbonwatch_pue_ratio"] == {(): 1.5}


def test_each_metric_says_what_it_is() -> None:
    families = list(text_string_to_metric_families(_prometheus.page(a_run(), [])))

    assert all(family.documentation.endswith(".") for family in families)
    assert {family.name: family.type for family in families}["carbonwatch_energy_joules"] == "counter"


def test_what_is_not_known_is_left_out_and_not_0() -> None:
    found = read(_prometheus.page(replace(a_run(), entries=()), []))

    assert "carbonwatch_energy_joules" not in found
    assert "carbonwatch_power_watts" not in found
    assert found["carbonwatch_duration_seconds"] == {(): 2.0}


@pytest.mark.parametrize(
    ("text", "where"),
    [("9110", ("127.0.0.1", 9110)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:9", ("::1", 9)), (":7", ("127.0.0.1", 7))],
)
def test_nobody_else_may_look_unless_a_host_is_named(text: str, where: tuple[str, int]) -> None:
    assert _prometheus.address(text) == where


@pytest.mark.parametrize("text", ["", "http", "65536", "-1", "host:"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no port"):
        _prometheus.address(text)


def test_a_port_that_is_taken_is_an_error_before_the_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = taken.getsockname()

        with pytest.raises(UsageError, match=r"can be served at 127\.0\.0\.1"), _prometheus.served(where, str):
            pass


def test_other_paths_are_not_there() -> None:
    with (
        _prometheus.served(("127.0.0.1", 0), lambda: "x") as address,
        pytest.raises(urllib.error.HTTPError, match="404") as refused,
    ):
        urllib.request.urlopen(address.replace("/metrics", "/"), timeout=60)
    refused.value.close()


def test_a_scrape_of_a_real_monitor_sees_its_energy_grow(carbonwatch: CommandLine) -> None:
    watching = carbonwatch.start(
        "monitor", "--prometheus", "0", "--interval-s", "0.05", "--quiet", stderr=subprocess.PIPE
    )
    assert watching.stdout is not None
    assert watching.stderr is not None
    address = re.search(r"http://\S+", watching.stderr.readline().decode())
    assert address is not None
    pages = []
    for _ in range(2):
        watching.stdout.readline()
        watching.stdout.readline()
        with urllib.request.urlopen(address[0], timeout=60) as answer:
            pages.append((answer.headers["Content-Type"], read(answer.read().decode())))
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=60)
    first_j, second_j = (sum(found["carbonwatch_energy_joules"].values()) for _, found in pages)

    assert watching.returncode == 0
    assert pages[0][0] == _prometheus.CONTENT_TYPE
    assert 0 < first_j < second_j
