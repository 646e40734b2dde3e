import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run
from carbonwatch.reports.json import VERSION, parse, render
from tests.reports import runs


@runs.patient
@given(run=runs.runs())
def test_a_run_read_back_is_the_run_written(run: Run) -> None:
    assert parse(render(run)) == run


@pytest.mark.parametrize("example", runs.ALL, ids=lambda example: example.__name__)
def test_an_example_read_back_is_the_run_written(example: runs.Example) -> None:
    assert parse(render(example())) == example()


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_what_json_can_not_hold_is_not_known() -> None:
    run = replace(runs.a_run(), overhead_s=float("inf"), facts={"loss": float("nan"), "all": [float("-inf"), 1.5]})
    document = json.loads(render(run), parse_constant=refuse)

    assert document["overhead_s"] is None
    assert document["facts"] == {"loss": None, "all": [None, 1.5]}


def test_names_from_file_systems_that_are_no_text_can_be_written() -> None:
    run = runs.a_run(notes=("caf\udce9", "café 漢字"))

    assert parse(render(run)) == run
    assert render(run).isascii()


def test_facts_of_any_kind_are_kept_as_text() -> None:
    assert parse(render(runs.a_run(facts={"path": runs.WH.__class__}))).facts == {"path": "<class 'float'>"}


def test_totals_are_there_for_readers() -> None:
    run = runs.on_a_server()
    totals = json.loads(render(run))["totals"]
    own = run.emissions("own")

    assert totals["headline"] == "own"
    assert totals["emissions_g"]["own"] == {"value": own.value, "low": own.low, "high": own.high}
    assert [round(totals["energy_j"][part]["value"]) for part in ("own", "idle", "others", "machine")] == [
        94320,
        15120,
        3960,
        113400,
    ]
    assert totals["own_energy_j_by_policy"]["dynamic+reserved_idle"] == run.energy("own").value
    assert totals["measured"] == 1.0
    assert totals["embodied_g"] is None
    assert totals["water_l"] == run.water_l


def test_totals_are_not_read_back() -> None:
    document = json.loads(render(runs.on_a_server()))
    document["totals"] = {"energy_j": 1}

    assert parse(json.dumps(document)) == runs.on_a_server()


def test_totals_that_are_not_known_are_null() -> None:
    unknown = {"value": None, "low": None, "high": None}
    not_metered = json.loads(render(runs.not_metered()))["totals"]
    not_split = json.loads(render(runs.not_split()))["totals"]["energy_j"]

    assert not_metered["energy_j"] == not_metered["emissions_g"] == dict.fromkeys(runs.PARTS, unknown)
    assert (not_metered["measured"], not_metered["water_l"]) == (None, None)
    assert not_split["own"]["value"] is None
    assert not_split["own"]["low"] == 0.0
    assert json.loads(render(replace(runs.not_split(), wue_l_per_kwh=1.8)))["totals"]["water_l"] is None
    assert not_split["idle"] == not_split["others"] == unknown
    assert not_split["machine"]["value"] == pytest.approx(5.2 * runs.WH + 300)


def without(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(runs.on_a_server()))
    del document[name]
    return document


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "This is not JSON"),
        ('{"carbonwatch": NaN}', "This is not JSON"),
        ("[]", 'has no "carbonwatch" version'),
        ('{"runs": []}', 'has no "carbonwatch" version'),
        (json.dumps({"carbonwatch": VERSION + 1}), f"reads up to {VERSION}. Upgrade carbonwatch."),
        (json.dumps(without("place")), "This run is not whole (KeyError('place'))"),
        (json.dumps({**without("notes"), "notes": 1}), "This run is not whole"),
        (json.dumps({**without("domains"), "domains": []}), "This run is not whole"),
    ],
)
def test_what_is_no_run_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(CarbonwatchError) as caught:
        parse(text)

    assert message in str(caught.value)


def test_meters_of_two_machines_with_the_same_name_stay_apart() -> None:
    other = replace(runs.PACKAGES[0], source="RAPL package-0 (powercap) of another host")
    run = runs.a_run(runs.entry(runs.usage(runs.PACKAGES[0], 1.0)), runs.entry(runs.usage(other, 2.0)))

    assert parse(render(run)) == run
