from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.charts import COLOURS, Layer, over_time, ticks
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
    svg = over_time([layer(1.0, name=name)], 3.0, unit=name, title=name)
    tree = ElementTree.fromstring(svg.encode(errors="replace"))

    assert {element.tag for element in tree.iter()} == {
        SVG + tag for tag in ("svg", "title", "text", "line", "path", "rect")
    }
    assert len(svg) < 8000


@given(high=st.floats(1e-6, 1e12))
def test_ticks_are_few_and_not_above(high: float) -> None:
    found = ticks(high)

    assert 3 <= len(found) <= 8
    assert found[0] == 0.0
    assert found[-1] <= high * (1 + 1e-8)


@given(values=st.lists(st.none() | st.floats(0, 1e12), min_size=1, max_size=20), lasted_s=st.floats(1e-6, 1e9))
def test_any_series_can_be_drawn(values: list[float | None], lasted_s: float) -> None:
    ElementTree.fromstring(over_time([layer(*values)], lasted_s, unit="W", title="x", line=layer(*values)))
