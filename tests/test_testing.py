import ast
import inspect

import pytest

from carbonwatch import testing
from carbonwatch.activity import Activity
from carbonwatch.model import Domain, Intensity, Work
from carbonwatch.sensors import Meter
from carbonwatch.testing import Clock, FakeActivity, FakeMeter, fake_sampler, intensity

SECOND = 10**9


def test_the_example_in_the_docstring_is_true() -> None:
    text = inspect.cleandoc(str(testing.__doc__).split("\n\n", 1)[1])
    found: dict[str, object] = {}
    exec("from carbonwatch.settings import Settings\nfrom carbonwatch.tracker import Tracker", found)
    exec("from carbonwatch.testing import *", found)
    exec(text, found)
    last = ast.unparse(ast.parse(text).body[-1])

    assert eval(last, found) == pytest.approx(15.0)
    assert "# 15 J: " in text


def test_a_clock_moves_when_told_to() -> None:
    clock = Clock(5)
    clock.advance(1.5)

    assert clock() == 1_500_000_005


def test_a_meter_counts_constant_power() -> None:
    meter = FakeMeter("gpu", power_w=300)

    assert [meter.read(ns) for ns in (0, SECOND // 2)] == [{"fake:gpu": 0}, {"fake:gpu": 150 * SECOND}]


def test_a_meter_counts_by_any_function_of_time() -> None:
    meter = FakeMeter(counted_j=lambda seconds: seconds**2)

    assert meter.read(3 * SECOND) == {"fake:cpu": 9 * SECOND}


def test_a_meter_is_of_the_domain_that_it_is_told() -> None:
    meter = FakeMeter("ram", id="dram-0", quality="modelled", error=(-0.5, 1.0), idle_w=2.0, within="package-0")

    assert meter.domains == (Domain("dram-0", "ram", "modelled", "a fake ram meter", "package-0", (-0.5, 1.0), 2.0),)


def test_a_meter_fails_and_recovers_as_a_real_one() -> None:
    meter = FakeMeter(power_w=10)
    meter.fail("fell off the bus")
    failing = meter.read(SECOND), dict(meter.failed)
    meter.recover()

    assert failing == ({}, {"fake:cpu": "fell off the bus"})
    assert (meter.read(2 * SECOND), meter.failed) == ({"fake:cpu": 20 * SECOND}, {})


def test_an_activity_is_shares_of_all_cores() -> None:
    activity = FakeActivity(own=0.25, busy=0.75, cores=4, reserved=2)

    assert activity.read(10 * SECOND) == {"cpu": Work(10.0, 30.0, 40.0, 20.0)}


def test_fakes_have_the_shape_of_what_they_stand_for() -> None:
    meter: Meter = FakeMeter()
    activity: Activity = FakeActivity()
    meter.close()
    activity.close()

    assert meter.rejected == {}


def test_a_fake_sampler_reads_its_meters_on_its_clock() -> None:
    clock = Clock()
    reader = fake_sampler([FakeMeter("cpu", power_w=10), FakeMeter("ram", power_w=1)], clock)
    clock.advance(2)
    reading = reader.read()

    assert reading.ns == 2 * SECOND
    assert reading.energy_nj == {"fake:cpu": 20 * SECOND, "fake:ram": 2 * SECOND}


def test_a_fixed_grid_has_no_band() -> None:
    assert intensity(56.0, "FR") == Intensity(
        56.0, 56.0, 56.0, "FR", "a fixed grid", "given", "lifecycle", "a test", 2025
    )
