"""The report held to what BoAmps' schemas require: their fields, types and words, as of 2025-2026.

Its schema of measures was not at hand: what is required of one is taken from its published examples.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft4Validator

from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run
from carbonwatch.reports import boamps
from tests.reports import runs

TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def words(*choices: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(choices)}


def item(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def several(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": of}


DATA = item(
    ["dataUsage", "dataType"],
    dataUsage=words("input", "output"),
    dataType=words(
        "tabular", "audio", "boolean", "image", "video", "object", "text", "token", "word", "other"
    ),
)  # fmt: skip
SCHEMA = item(
    ["task", "measures", "infrastructure"],
    header=item(
        ["reportDatetime"],
        reportId=TEXT,
        licensing=TEXT,
        reportStatus=words("draft", "final", "corrective", "other"),
        publisher=item(
            ["confidentialityLevel"],
            name=TEXT,
            projectName=TEXT,
            confidentialityLevel=words("public", "internal", "confidential", "secret"),
        ),
    ),
    task=item(
        ["taskStage", "taskFamily", "algorithms", "dataset"],
        taskStage=TEXT,
        taskFamily=TEXT,
        nbRequest=NUMBER,
        algorithms=several(item([], algorithmType=TEXT)),
        dataset=several(DATA),
        measuredAccuracy={"type": "number", "minimum": 0, "maximum": 1},
    ),
    measures=several(
        item(
            ["measurementMethod", "powerConsumption"],
            measurementMethod=TEXT,
            version=TEXT,
            powerConsumption=NUMBER,
            measurementDuration=NUMBER,
            measurementDateTime=TEXT,
        )
    ),
    system=item(["os"], os=TEXT),
    software=item(["language"], language=TEXT, version=TEXT),
    infrastructure=item(
        ["infraType", "components"],
        infraType=words("publicCloud", "privateCloud", "onPremise", "other"),
        cloudProvider=TEXT,
        components=several(
            item(
                ["componentType", "nbComponent"],
                componentName=TEXT,
                componentType=TEXT,
                nbComponent=WHOLE,
                memorySize=WHOLE,
            )
        ),
    ),
    environment=item(["country"], country=TEXT, location=TEXT, powerSourceCarbonIntensity=NUMBER),
    quality=words("high", "medium", "low"),
)
GIVEN: dict[str, Any] = {
    "stage": "training",
    "family": "text classification",
    "algorithm": "neural network",
    "data": "input:text,output:other",
    "infrastructure": "onPremise",
}


def faults(document: object) -> list[str]:
    return [error.message for error in Draft4Validator(SCHEMA).iter_errors(document)]


def test_with_what_only_the_authors_know_a_report_is_valid() -> None:
    document = json.loads(boamps.render(runs.on_a_server(), **GIVEN, confidentiality="public", accuracy=0.9))

    assert faults(document) == []
    assert "missing" not in document
    assert document["measures"][0]["powerConsumption"] == pytest.approx(0.0262)
    assert document["infrastructure"]["components"][1] == {
        "componentType": "gpu",
        "componentName": "NVIDIA A100-SXM4-40GB",
        "nbComponent": 1,
    }
    assert document["quality"] == "high"


def test_what_is_required_and_not_known_is_listed_and_not_made_up() -> None:
    document = json.loads(boamps.render(runs.on_a_server()))

    assert "task" not in document
    assert document["missing"][:5] == [
        "task.taskStage: stage=training",
        "task.taskFamily: family=...",
        "task.algorithms: algorithm=...",
        "task.dataset: data=input:text",
        "infrastructure.infraType: infrastructure=onPremise",
    ]


@pytest.mark.parametrize("example", [runs.not_metered, runs.not_split])
def test_an_energy_that_is_not_known_is_no_measure(example: runs.Example) -> None:
    document = json.loads(boamps.render(example(), **GIVEN))

    assert "measures" not in document
    assert "measures: the energy is not known" in document["missing"]


@runs.patient
@given(run=runs.runs())
def test_every_report_is_valid_or_says_what_it_lacks(run: Run) -> None:
    document = json.loads(boamps.render(run, **GIVEN))
    missing = document.pop("missing", [])

    assert bool(faults(document)) == bool(missing)


@pytest.mark.parametrize("name", runs.HOSTILE)
def test_hostile_names_stay_values(name: str) -> None:
    document = json.loads(boamps.render(runs.hostile(name), **{**GIVEN, "stage": name}))

    assert faults(document) == []


@pytest.mark.parametrize(
    "wrong", [{"infrastructure": "cellar"}, {"confidentiality": "x"}, {"data": "text"}, {"data": "input:smell"}]
)
def test_a_word_that_the_schema_does_not_have_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(CarbonwatchError):
        boamps.render(runs.on_a_server(), **wrong)  # type: ignore[arg-type]  # each of its type


def test_processors_are_counted_by_their_sockets_or_not_at_all() -> None:
    two, unknown = (
        json.loads(boamps.render(run, **GIVEN)) for run in (runs.on_a_server(), runs.on_a_virtual_machine())
    )

    guest = runs.on_a_virtual_machine()
    told = json.loads(boamps.render(replace(guest, facts={**guest.facts, "cpu_sockets": 1}), **GIVEN))

    assert two["infrastructure"]["components"][0]["nbComponent"] == 2
    assert told["infrastructure"]["components"][0]["nbComponent"] == 1
    assert "nbComponent" not in unknown["infrastructure"]["components"][0]
    assert unknown["missing"][0] == (
        "infrastructure.components.nbComponent: how many of Intel(R) Xeon(R) Processor @ 2.90GHz there are"
    )
