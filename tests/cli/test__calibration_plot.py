import random
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.calibration import Pair, fit
from carbonwatch.cli._calibration_plot import check, svg, ticks, write
from carbonwatch.errors import SettingsError

CHANCE = random.Random(1)
PAIRS = [Pair(20.0 + 3 * step, (50 + 1.1 * (20 + 3 * step)) * (1 + CHANCE.gauss(0, 0.01))) for step in range(60)]
LINE = fit(PAIRS, "Example <9000> & co, 8 threads, 16 GB", "2026-11-25")
NAME = "{http://www.w3.org/2000/svg}"


def test_the_picture_has_each_reading_twice_and_the_line_twice() -> None:
    root = ElementTree.fromstring(svg(PAIRS, LINE))

    assert len(root.findall(f"{NAME}circle")) == 2 * len(PAIRS)
    assert len(root.findall(f"{NAME}line")) == 2


def test_nothing_is_drawn_outside() -> None:
    root = ElementTree.fromstring(svg(PAIRS, LINE))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])

    assert all(0 < float(dot.attrib["cx"]) < width for dot in root.findall(f"{NAME}circle"))
    assert all(0 < float(dot.attrib["cy"]) < height for dot in root.findall(f"{NAME}circle"))


def test_it_says_what_the_line_is_and_whose() -> None:
    text = svg(PAIRS, LINE)

    assert f"wall = {LINE.a_w:.4g} W + {LINE.b:.4g} × inside" in text
    assert "60 readings, median residual" in text
    assert "Example &lt;9000&gt; &amp; co, 8 threads, 16 GB" in text


def test_a_png_is_one_twice_as_large(tmp_path: Path) -> None:
    write(str(tmp_path / "fit.png"), PAIRS, LINE)
    content = (tmp_path / "fit.png").read_bytes()

    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1520, 1240)


def test_an_svg_is_a_file_of_text(tmp_path: Path) -> None:
    write(str(tmp_path / "fit.svg"), PAIRS, LINE)

    assert (tmp_path / "fit.svg").read_text("utf-8") == svg(PAIRS, LINE)


def test_a_name_that_is_no_picture_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(SettingsError, match=r"a picture is \.svg or \.png"):
        check("fit.pdf")


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e5))
def test_ticks_are_few_and_hold_both_ends(low: float, wide: float) -> None:
    found = ticks(low, low + wide)

    assert 2 <= len(found) <= 10
    assert found[0] <= low + wide * 1e-6
    assert found[-1] >= low + wide * (1 - 1e-6)
