from dataclasses import replace

import pytest

from carbonwatch import totals
from carbonwatch.reports import gpai
from tests.reports import runs


def value(text: str, item: str) -> str:
    line = next(line for line in text.splitlines() if line.startswith(f"| {item} |"))
    return line.strip("|").split("|")[1].strip()


def test_energy_is_in_megawatt_hours_with_its_interval_and_with_pue() -> None:
    used = runs.usage(runs.GPU, 24.3 * 3.6e9, spread=0.0)
    entry = replace(runs.entry(used), duration_s=40 * 86400.0)
    run = replace(runs.a_run(entry), pue=1.2, duration_s=40 * 86400.0)
    text = gpai.render(run, training_flops=2.4e25)

    assert value(text, "Amount of energy used for training") == (
        "24.3 MWh (90 % interval: 23.1 to 25.5); 29.2 MWh with the data centre's PUE of 1.2"
    )
    assert value(text, "Time").startswith("1 to 3 months: 40.0 days, 40.0 GPU days")
    assert value(text, "Amount of computation used for training") == "2.4e+25 FLOPs, as given"


def test_what_no_run_can_tell_is_listed_and_not_made_up() -> None:
    text = gpai.render(runs.not_split())

    assert value(text, "Amount of energy used for training") == "**not known**"
    assert value(text, "Benchmarked amount of computation used for inference") == "**not known**"
    assert "- amount of computation used for training\n- amount of energy used for training\n" in text


def test_several_runs_are_added() -> None:
    one = runs.on_a_server()
    text = gpai.render(totals.merge([one, replace(one, id="2")]))

    assert value(text, "Amount of energy used for training").startswith("0.0000524 MWh")
    assert "in 2 runs" in value(text, "Time")


@pytest.mark.parametrize("name", runs.HOSTILE)
def test_a_hostile_name_stays_in_its_cell(name: str) -> None:
    text = gpai.render(runs.hostile(name), inference_task=name)

    assert "<script>" not in text
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 8
