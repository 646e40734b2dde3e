from dataclasses import replace
from xml.etree import ElementTree

import pytest

from carbonwatch import pictures
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Domain, Run, Trace
from tests.reports import runs

SECOND = 10**9


def trace(domain: Domain, *own_w: float, width_s: float = 1.0) -> Trace:
    """Own watts, as much again of the machine's, one interval after the other."""
    starts = tuple(runs.STARTED_NS + round(n * width_s * SECOND) for n in range(len(own_w)))
    joules = tuple(watts * width_s for watts in own_w)
    double = tuple(2 * j for j in joules)
    return Trace(domain, starts, (width_s,) * len(own_w), double, (0.0,) * len(own_w), joules)


def run(duration_s: float) -> Run:
    return replace(runs.on_a_server(), duration_s=duration_s)


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_power_is_the_energy_of_each_step_by_its_time() -> None:
    traces = [trace(runs.GPU, 10.0, 20.0, 30.0, 40.0), trace(runs.DRAM, 1.0, 1.0, 1.0, 1.0)]

    assert pictures.watts(run(4.0), traces, 4) == pytest.approx((11.0, 21.0, 31.0, 41.0))
    assert pictures.watts(run(4.0), traces, 2) == pytest.approx((16.0, 36.0))


def test_a_time_without_a_sample_is_not_known() -> None:
    assert pictures.watts(run(4.0), [trace(runs.GPU, 10.0, 20.0)], 4) == pytest.approx((10.0, 20.0, None, None))


def test_an_interval_spreads_over_the_steps_that_it_lies_in() -> None:
    assert pictures.watts(run(4.0), [trace(runs.GPU, 10.0, width_s=4.0)], 4) == pytest.approx((10.0,) * 4)


def test_the_picture_shows_own_power_by_component_and_the_machine_s() -> None:
    svg = pictures.power(run(3.0), [trace(runs.GPU, 10.0, 20.0, 30.0), trace(runs.DRAM, 1.0, 1.0, 1.0)])

    assert words(svg)[-5:] == ["power, W", "time, s", "machine", "RAM", "GPU"]


def test_where_nobody_knows_who_worked_the_machine_alone_is_drawn() -> None:
    svg = pictures.power(runs.not_split(), [trace(runs.GPU, 10.0, 20.0, 30.0)])

    assert words(svg)[-1] == "machine"
    assert "GPU" not in words(svg)


def test_without_samples_there_is_an_error_that_says_when_there_are_some() -> None:
    with pytest.raises(CarbonwatchError, match="No samples of the run 0199 are kept"):
        pictures.power(runs.on_a_server(), [])


def test_a_png_is_three_times_as_large_and_has_its_own_letters() -> None:
    svg = pictures.on_paper(pictures.power(run(3.0), [trace(runs.GPU, 10.0, 20.0, 30.0)]))
    data = pictures.png(svg)
    blank = pictures.png(svg.replace("power, W", ""))

    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(data[16:20]) == 2160
    assert len(data) > len(blank)
