"""What an estimate is made of, and what is refused before there is one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.calculator import LIMITS, Device, estimate
from carbonwatch.errors import CarbonwatchError, SettingsError
from carbonwatch.model import Run
from carbonwatch.reports import json, latex, terminal

A100 = Device("gpu", "A100 SXM4", utilisation=1.0)


def test_an_estimate_is_watts_times_hours_times_intensity_and_pue() -> None:
    run = estimate([Device("gpu", "A100 SXM4", count=8, utilisation=0.5)], 100, g_per_kwh=200.0, pue=1.5)

    assert run.energy_j == pytest.approx(8 * 400 * (0.10 + 0.65 * 0.5) * 100 * 3600)
    assert run.emissions_g == pytest.approx(136.0 * 200.0 * 1.5)
    assert (run.scope, run.state, run.measured, run.duration_s) == ("machine", "finished", 0.0, 360_000.0)
    assert {domain.quality for domain in run.domains} == {"assumed"}


def test_without_a_use_a_board_draws_what_training_draws_and_is_less_certain() -> None:
    known, unknown = (estimate([Device("gpu", "T4", utilisation=use)], 1.0) for use in (0.85, None))

    assert unknown.energy_j == pytest.approx(70 * 0.65 * 3600)
    assert unknown.energy().low < known.energy().low


def test_a_place_brings_its_intensity_and_its_pue() -> None:
    run = estimate([A100], 100, place="gcp/europe-west1")

    assert (run.place.cloud, run.pue, run.entries[0].intensity.name) == ("gcp/europe-west1", 1.09, "Belgium")


def test_a_figure_of_one_s_own_is_believed_and_without_a_place_it_is_the_world_s() -> None:
    assert estimate([A100], 1, place="FR", g_per_kwh=12.5).entries[0].intensity.basis == "given"
    assert estimate([A100], 1).entries[0].intensity.zone == "world"


def test_an_offset_is_noted_and_changes_no_figure() -> None:
    run = estimate([A100], 1, offset=1.0, offset_by="provider")

    assert run.emissions_g == estimate([A100], 1).emissions_g
    assert (run.facts["offset"], run.facts["offset_by"]) == (1.0, "provider")


@given(
    count=st.integers(1, 1000),
    hours=st.floats(0.01, 1e5),
    factor=st.integers(2, 9),
    use=st.one_of(st.none(), st.floats(0, 1)),
)
def test_twice_the_devices_or_the_hours_are_twice_the_energy(
    count: int, hours: float, factor: int, use: float | None
) -> None:
    one = estimate([Device("gpu", "H100 SXM", count, use)], hours).energy_j

    assert estimate([Device("gpu", "H100 SXM", count * factor, use)], hours).energy_j == pytest.approx(one * factor)
    assert estimate([Device("gpu", "H100 SXM", count, use)], hours * factor).energy_j == pytest.approx(one * factor)


def test_from_a_gram_to_a_kilotonne_nothing_is_rounded() -> None:
    def grams(count: int, hours: float) -> float:
        return estimate([Device("gpu", "A100 SXM4", count, 1.0)], hours, g_per_kwh=1000.0).emissions_g

    assert grams(1, 1 / 300) == pytest.approx(1.0, rel=1e-12)
    assert grams(1000, 1_000_000 / 300) == pytest.approx(1e9, rel=1e-12)


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ([], {}),
        ([A100] * 51, {}),
        ([Device("gpu", "A100 SXM4", count=0)], {}),
        ([Device("gpu", "A100 SXM4", count=-1)], {}),
        ([Device("gpu", "A100 SXM4", count=1.5)], {}),  # type: ignore[arg-type]  # a caller without types
        ([Device("gpu", "A100 SXM4", utilisation=1.1)], {}),
        ([Device("gpu", "A100 SXM4", utilisation=math.nan)], {}),
        ([Device("gpu", "Voodoo 2")], {}),
        ([Device("tpu", "TPU v99")], {}),
        ([Device("cpu", "an abacus")], {}),
        ([Device("instance", "aws/m5")], {}),
        ([Device("instance", "aws/m5", vcpus=-1.0)], {}),
        ([A100], {"hours": 0.0}),
        ([A100], {"hours": -1.0}),
        ([A100], {"hours": math.inf}),
        ([A100], {"hours": math.nan}),
        ([A100], {"pue": 0.5}),
        ([A100], {"pue": math.nan}),
        ([A100], {"g_per_kwh": -1.0}),
        ([A100], {"ram_gb": -1.0}),
        ([A100], {"offset": 1.1}),
        ([A100], {"offset_by": "magic"}),
        ([A100], {"place": "gcp/atlantis"}),
    ],
)
def test_what_makes_no_sense_is_refused(devices: list[Device], words: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        estimate(devices, **{"hours": 1.0, **words})


def test_an_unknown_device_brings_names_that_are_like_it() -> None:
    with pytest.raises(CarbonwatchError, match=r"Did you mean .*A100 SXM4 80GB.*--list gpu"):
        estimate([Device("gpu", "A1000 SXM4")], 1.0)


def test_a_limit_is_said_in_the_message() -> None:
    with pytest.raises(SettingsError, match=r"hours is -3; it must be between 0.001 and 1,000,000"):
        estimate([A100], -3)
    assert LIMITS["hours"] == (0.001, 1_000_000)


@pytest.fixture
def run() -> Run:
    return estimate([Device("gpu", "A100 SXM4", 8), Device("instance", "aws/p3.2xlarge")], 10, place="FR", ram_gb=64)


def test_every_report_takes_an_estimate(run: Run) -> None:
    assert "nothing of it measured" in " ".join(terminal.render(run).split())
    assert r"would run on 8 $\times$ A100 SXM4 80GB, 1 $\times$ aws/p3.2xlarge with 64.0 GB of memory" in latex.render(
        run
    )
    assert json.parse(json.render(run)) == run
