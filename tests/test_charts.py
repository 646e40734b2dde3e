from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.charts import COLOURS, Layer, Point, over_time, scatter, ticks
from tests.reports import runs

SVG = "{http://www.w3.org/2000/svg}"


def layer(*values: float | None, name: str = "CPU") -> Layer:
    return Layer(name, values, COLOURS[0])


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_chart_has_axes_a_legend_and_a_title() -> None:
    svg = over_time([layer(1, 2, 4), layer(1, 1, 1, name="GPU")], 180.0, unit="W", title="Power")

    assert texts(svg) == ["0", "2", "4", "0", "0.5", "1", "1.5", "2", "2.5", "3", "W", "time, min",
                          "GPU", "CPU"]  # fmt: skip
    assert ElementTree.fromstring(svg).find(f"{SVG}title") is not None


def test_layers_stand_on_each_other() -> None:
    svg = over_time([layer(2.0), layer(2.0, name="GPU")], 1.0, unit="W", title="", height=174)
    first, second = (path.get("d") for path in ElementTree.fromstring(svg).iter(f"{SVG}path"))

    # 100 units high for 4.2 W: the upper begins where the lower ends
    assert first == "M58.0,86.4 706.0,86.4 L706.0,134.0 58.0,134.0Z"
    assert second == "M58.0,38.8 706.0,38.8 L706.0,86.4 58.0,86.4Z"


def test_a_hole_is_no_zero() -> None:
    svg = over_time([layer(1.0, None, 1.0)], 3.0, unit="W", title="")

    assert next(ElementTree.fromstring(svg).iter(f"{SVG}path")).get("d", "").count("M") == 2


@pytest.mark.parametrize("name", runs.HOSTILE)
def test_names_are_text(name: str) -> None:
    for svg in (
        over_time([layer(1.0, name=name)], 3.0, unit=name, title=name),
        scatter([Point(name, 1.0, 2.0, link=name)], x_label=name, y_label=name, title=name),
    ):
        tree = ElementTree.fromstring(svg.encode(errors="replace"))
        assert {element.tag for element in tree.iter()} <= {
            SVG + tag for tag in ("svg", "title", "text", "line", "path", "rect", "circle", "a")
        }
        assert len(svg) < 8000


@given(low=st.floats(-1e12, 1e12), span=st.floats(1e-6, 1e12))
def test_ticks_are_few_round_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span)

    assert 1 <= len(found) <= 8
    assert all(low - span * 1e-3 <= value <= low + span * 1.001 for value in found) or low + span == low


@given(values=st.lists(st.none() | st.floats(0, 1e12), min_size=1, max_size=20), lasted_s=st.floats(1e-6, 1e9))
def test_any_series_can_be_drawn(values: list[float | None], lasted_s: float) -> None:
    ElementTree.fromstring(over_time([layer(*values)], lasted_s, unit="W", title="x", line=layer(*values)))


@given(points=st.lists(st.tuples(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12)), max_size=8))
def test_any_points_can_be_drawn(points: list[tuple[float, float]]) -> None:
    svg = scatter([Point("p", x, y) for x, y in points], x_label="x", y_label="y", title="t")

    assert len(list(ElementTree.fromstring(svg).iter(f"{SVG}circle"))) == len(points)
