"""The page counts as the library does: over thousands of inputs, to the last digit of its texts."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carbonwatch.calculator import OFFSETS, Device, devices, estimate, page, words
from carbonwatch.errors import CarbonwatchError
from carbonwatch.reports import _page
from tests.calculator.conftest import estimates, node

MANY = 1500
TABLE = page.table()
# what the page words by itself or has from its tables
_LEFT_OUT = {"intensity", "quality", "pue_source", "equivalents", "meaning"}


def test_any_input_gives_what_the_library_gives() -> None:
    chance = random.Random(1)
    inputs = [_any_input(chance) for _ in range(MANY)]
    different = [
        (given, *difference)
        for given, found in zip(inputs, estimates(inputs), strict=True)
        for difference in _differences(words.document(_estimate(given)), found)
    ]

    assert different[:5] == []


def test_every_device_of_the_tables_gives_what_the_library_gives() -> None:
    named = [(kind, row[0] if kind == "cpu" else row["name"], row) for kind in devices.KINDS for row in TABLE[kind]]
    inputs = [
        _input({"kind": kind, "name": name, "count": 1, "utilisation": 0.3, "vcpus": _size(kind, row)})
        for kind, name, row in named
    ]
    found = node("(c, table, asked) => asked.map(input => c.calculate(table, input).energy_j)", inputs)

    assert [list(each.values()) for each in found] == [
        pytest.approx([run.energy_j, run.energy().low, run.energy().high], rel=1e-9) for run in map(_estimate, inputs)
    ]


_GRID = """
(c, table, { names, hours, places }) => names.flatMap(name => hours.flatMap(hours => places.map(place => {
  const devices = [{ kind: 'gpu', name, count: 1, utilisation: null, vcpus: null }]
  const given = { devices, hours, place, g_per_kwh: null, pue: null, ram_gb: 0, offset: 0, offset_by: 'bought' }
  const { energy_j, emissions_g, latex, calculation } = c.calculate(table, given)
  const isBroken = /NaN|undefined|Infinity|null/.test(latex + calculation)
  return isBroken ? null : [energy_j.value, emissions_g.value, emissions_g.low, emissions_g.high]
})))
"""


def test_70_000_combinations_of_device_hours_and_region_give_figures_without_a_hang() -> None:
    names = [row["name"] for row in TABLE["gpu"]][:70]
    hours = [0.001, 0.25, 1, 7.5, 10, 48, 100, 333, 8766, 1_000_000]
    places = [place["code"] for place in TABLE["places"] if place["is_cloud"]][:100]
    asked = [(name, hour, place) for name in names for hour in hours for place in places]
    found = node(_GRID, {"names": names, "hours": hours, "places": places})
    runs = (estimate([Device("gpu", name)], hour, place=place) for name, hour, place in asked)
    figures = ((run.energy_j, run.emissions("machine")) for run in runs)
    expected = ((energy_j, figure.value, figure.low, figure.high) for energy_j, figure in figures)
    wrong = [
        combination
        for combination, page_s, ours in zip(asked, found, expected, strict=True)
        if page_s is None or any(not math.isclose(a, b, rel_tol=1e-9) for a, b in zip(page_s, ours, strict=True))
    ]

    assert (len(asked), wrong[:5]) == (70_000, [])


BAD = ["", "-1", "0", "1e99", "NaN", "abc", "Infinity", "1,5,5", "0x10", "--", "1.5"]


def test_what_the_library_refuses_is_refused_beside_its_field() -> None:
    asked = [(field, text) for field in ("count", "hours", "pue", "g_per_kwh", "ram_gb", "offset") for text in BAD]
    found = node(
        """(c, table, asked) => asked.map(([field, text]) => {
          const devices = field === 'count' ? [{ ...c.START.devices[0], count: text }] : c.START.devices
          const form = { ...c.START, devices, ...(field === 'count' ? {} : { [field]: text }) }
          return Object.keys(c.problems(table, form))
        })""",
        asked,
    )

    assert found == [[_field(field)] if _is_refused(field, text) else [] for field, text in asked]


def test_a_name_that_the_tables_do_not_have_is_refused_beside_its_field() -> None:
    found = node(
        """(c, table, names) => names.map(([kind, name]) => {
          const devices = [{ ...c.START.devices[0], kind, name }]
          return Object.keys(c.problems(table, { ...c.START, devices, place: kind === 'gpu' ? 'XX' : '' }))
        })""",
        [("gpu", ""), ("cpu", "<script>"), ("tpu", "T4"), ("instance", "aws/m5"), ("instance", "aws/p4d.24xlarge")],
    )

    assert found == [["name-0", "place"], ["name-0"], ["name-0"], ["vcpus-0"], []]


def test_the_command_that_the_page_gives_is_the_same_calculation() -> None:
    given = _input(
        {"kind": "gpu", "name": "H100 SXM", "count": 8, "utilisation": 0.9, "vcpus": None},
        {"kind": "instance", "name": "aws/m5", "count": 1, "utilisation": None, "vcpus": 8},
        place="FR",
        offset=0.5,
    )
    [found] = node("(c, table, asked) => asked.map(input => c.command({ input }))", [given])

    assert found == (
        'carbonwatch calc --gpu "8 x H100 SXM @ 90%" --instance "1 x aws/m5 @ 8 vcpus" --hours 100 --region FR '
        "--offset 50 --offset-by bought --save"
    )


def test_the_page_knows_what_electricity_is_made_of_as_the_library_does() -> None:
    places = ["FR", "US-CA", "gcp/europe-west1", "LI", ""]
    found = node(
        """(c, table, codes) => codes
          .map(code => table.places.find(place => place.code === code) ?? table.world)
          .map(place => c.mixOf(table, place))""",
        places,
    )

    for mix, country in zip(found, ["FR", "US", "BE", "LI", "world"], strict=True):
        expected = _page.mix(country)
        assert (mix is None) == (expected is None)
        if expected:
            shares = [each["share"] for each in expected["shares"]]
            assert [each["share"] for each in mix["shares"]] == pytest.approx(shares, rel=1e-3)
            assert [mix[name] for name in ("name", "year", "source", "license")] == [
                expected[name] for name in ("name", "year", "source", "license")
            ]


def test_every_place_and_device_names_its_source_and_year() -> None:
    undated = {place["source"].split(":")[0].split(",")[0] for place in TABLE["places"] if not place["year"]}

    assert [place["code"] for place in TABLE["places"] if not place["source"]] == []
    assert undated == {"assumption"}
    assert {*devices.KINDS, "memory", "use"} == set(page.SOURCES)
    assert [row["name"] for row in (*TABLE["gpu"], *TABLE["tpu"]) if not row["year"]] == []


def test_the_page_that_stands_alone_is_files_that_name_no_other(tmp_path: Path) -> None:
    files = page.export(tmp_path / "site")
    html = (tmp_path / "site" / "index.html").read_text()
    linked = set(re.findall(r'(?:src|href)="([^"]*)"', html)) - {"data:,"}

    assert linked <= {file.name for file in files}
    assert all(file.is_file() for file in files)
    assert len(html) < 1_000_000


def _any_input(chance: random.Random) -> dict[str, Any]:
    lines = []
    for _ in range(chance.choice([1, 1, 2, 3])):
        kind = chance.choice(devices.KINDS)
        row = chance.choice(TABLE[kind])
        lines.append(
            {
                "kind": kind,
                "name": row[0] if kind == "cpu" else row["name"],
                "count": chance.choice([1, 8, 1000]),
                "utilisation": chance.choice([None, 0, 0.25, 1, chance.random()]),
                "vcpus": _size(kind, row) and chance.choice([1, 2, 4, 48, 96, 500]),
            }
        )
    return _input(
        *lines,
        hours=chance.choice([0.001, 0.5, 8, 100, 1e6, chance.random() * 300]),
        place=chance.choice([*(place["code"] for place in TABLE["places"]), ""]),
        g_per_kwh=chance.choice([None, None, None, 0, 42.5]),
        pue=chance.choice([None, None, 1.2]),
        ram_gb=chance.choice([0, 0.3, 512]),
        offset=chance.choice([0, 0.5, 1]),
        offset_by=chance.choice(OFFSETS),
    )


def _input(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    rest = {"hours": 100, "place": "", "g_per_kwh": None, "pue": None, "ram_gb": 0, "offset": 0, "offset_by": "bought"}
    return {"devices": list(lines), **rest, **more}


def _size(kind: str, row: Any) -> int | None:
    return 4 if kind == "instance" and row["vcpus"] is None else None


def _estimate(given: dict[str, Any]) -> Any:
    return estimate(
        [Device(**line) for line in given["devices"]],
        given["hours"],
        place=given["place"] or None,
        **{name: given[name] for name in ("g_per_kwh", "pue", "ram_gb", "offset", "offset_by")},
    )


def _differences(ours: Any, page_s: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """What the page has otherwise; a number may differ by rounding."""
    if isinstance(ours, dict) and isinstance(page_s, dict):
        for name in set(ours) - _LEFT_OUT:
            yield from _differences(ours[name], page_s.get(name), f"{path}/{name}")
    elif isinstance(ours, int | float) and isinstance(page_s, int | float):
        if not math.isclose(ours, page_s, rel_tol=1e-9, abs_tol=1e-12):
            yield path, ours, page_s
    elif ours != page_s:
        yield path, ours, page_s


def _field(name: str) -> str:
    return "count-0" if name == "count" else name


def _is_refused(field: str, text: str) -> bool:
    """Whether the library would not take it; an empty field is none where it may be left out."""
    if text == "":
        return field in ("count", "hours")
    if not re.fullmatch(r"[+-]?[\d.]+(e\d+)?", text):
        return True
    value: Any = float(text) / (100 if field == "offset" else 1)
    words_: dict[str, Any] = {"hours": 1.0, field: value}
    try:
        if field == "count":
            estimate([Device("gpu", "T4", count=value)], 1.0)
        else:
            estimate([Device("gpu", "T4")], **words_)
    except CarbonwatchError:
        return True
    return False
