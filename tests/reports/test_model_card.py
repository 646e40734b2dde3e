from dataclasses import replace
from typing import Any

import pytest
from huggingface_hub import ModelCard, ModelCardData
from hypothesis import given

from carbonwatch import totals
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run
from carbonwatch.reports import model_card
from tests.reports import runs


def emissions(run: Run, **options: str) -> dict[str, Any]:
    """What the Hub's own package reads in the card."""
    card = ModelCard(model_card.render(run, **options), ignore_metadata_errors=False)
    assert isinstance(card.data, ModelCardData)
    found: dict[str, Any] = card.data.to_dict()["co2_eq_emissions"]  # type: ignore[no-untyped-call]  # theirs
    return found


def test_the_hub_s_package_reads_grams_hardware_and_place() -> None:
    assert emissions(runs.on_a_server(), training_type="fine-tuning") == {
        "emissions": 0.958,
        "source": "carbonwatch 0.1.0.dev0",
        "training_type": "fine-tuning",
        "geographical_location": "France",
        "hardware_used": "Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz (112 CPUs), 1 × NVIDIA A100-SXM4-40GB",
    }


def test_a_kilogram_is_a_thousand_grams() -> None:
    use = runs.usage(runs.GPU, 3.6e6 / 31 * 1000)

    assert emissions(runs.a_run(runs.entry(use)))["emissions"] == 1000.0


def test_what_is_not_known_is_left_out_and_listed() -> None:
    text = model_card.render(runs.not_split())

    assert "emissions" not in emissions(runs.not_split())
    assert "- training\\_type: pre-training or fine-tuning\n" in text
    assert "- this program's share of the machine's energy: nothing told who worked\n" in text


def test_a_place_can_be_told_more_finely() -> None:
    assert emissions(runs.on_a_server(), location="Lyon, France")["geographical_location"] == "Lyon, France"


def test_a_training_type_that_the_hub_does_not_know_is_refused() -> None:
    with pytest.raises(CarbonwatchError, match="pre-training and fine-tuning"):
        model_card.render(runs.on_a_server(), training_type="magic")


@pytest.mark.parametrize("name", runs.HOSTILE)
def test_a_hostile_name_stays_a_value(name: str) -> None:
    found = emissions(runs.hostile(name), location=name)

    assert set(found) == {"emissions", "source", "geographical_location", "hardware_used"}
    assert "\n" not in found["hardware_used"]
    assert "<script>" not in model_card.render(runs.hostile(name)).split("---\n", 2)[2]


@runs.patient
@given(run=runs.runs())
def test_every_run_s_card_can_be_read(run: Run) -> None:
    assert emissions(replace(run, project="any"))["source"] == "carbonwatch 0.1.0.dev0"


def test_a_place_that_is_not_known_stands_beside_the_one_that_is() -> None:
    both = totals.merge([runs.on_a_server(), replace(runs.on_a_virtual_machine(), id="2")])

    assert 'geographical_location: "France, and a place that is not known"' in model_card.render(both)


def test_planned_work_is_said_to_be_planned() -> None:
    text = model_card.render(runs.planned())

    assert ', an estimate of planned work"' in text
    assert "nothing ran, and this is what it would use and emit" in text
