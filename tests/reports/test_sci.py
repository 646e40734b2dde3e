from dataclasses import replace

import pytest

from carbonwatch import embodied
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run
from carbonwatch.reports import sci
from carbonwatch.units import J_PER_KWH
from tests.reports import runs


def one_kwh() -> Run:
    """1 kWh at 100 g, for an hour, on a whole machine of 1000 kg."""
    entry = runs.entry(runs.usage(runs.GPU, J_PER_KWH, spread=0.0), intensity=runs.GIVEN)
    return replace(runs.a_run(entry), duration_s=3600.0, facts={})


def head(text: str) -> str:
    return text.partition("\n")[0]


def row(text: str, term: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {term} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_score_is_energy_by_intensity_and_the_share_of_making_it_per_unit() -> None:
    # M = 1000 kg x 1 h / (4 x 8766 h) = 28.52 g, so (100 g + 28.52 g) / 1000
    text = sci.render(one_kwh(), per=1000, unit="requests", embodied_kg=1000, resource_share=1)

    assert head(text) == "## SCI: 129 mg CO2e (124–134 mg) for each of 1000 requests, 129 g for all of them"
    assert row(text, "E")[0] == "1.00 kWh"
    assert row(text, "I")[0] == "100 g CO2e/kWh"
    assert row(text, "E x I")[0] == "100 g CO2e (95.0–105 g)"
    assert row(text, "M")[0] == "28.5 g CO2e (28.5 g)"
    assert row(text, "R")[0] == "1000 requests"


def test_pue_is_part_of_the_energy() -> None:
    text = sci.render(replace(one_kwh(), pue=1.5), per=1, unit="run")

    assert row(text, "E") == ["1.50 kWh", "this program's own share, 100 % measured, with a PUE of 1.50"]
    assert row(text, "E x I")[0] == "150 g CO2e (143–158 g)"


def test_without_a_unit_there_is_no_score_and_it_is_said() -> None:
    text = sci.render(one_kwh())

    assert head(text).endswith("in all: R not chosen")
    assert "- R, what the score is per: --per 1000 requests\n" in text


def test_what_stands_in_for_a_machine_s_own_footprint_is_said() -> None:
    text = sci.render(runs.on_a_server(), per=1, unit="run")

    assert "- the machine's own product footprint: an estimate of a server stands in" in text
    assert "stands in (resource\\_share)" in text


def test_a_virtual_machine_s_share_of_its_host_is_not_made_up() -> None:
    text = sci.render(runs.on_a_virtual_machine(), per=1, unit="run")

    assert head(text).startswith("## SCI without M: ")
    assert row(text, "M")[0] == "not known"
    assert head(sci.render(runs.on_a_virtual_machine(), per=1, unit="run", resource_share=0.01)).startswith("## SCI: ")


def test_what_a_run_noted_of_its_machine_is_taken() -> None:
    noted = embodied.facts("server", sockets=1, ram_gb=16, gpus=0, share=0.5, given_kg=2000.0)
    text = sci.render(replace(one_kwh(), facts=noted), per=1, unit="run")

    # 2000 kg x 1 h / (4 x 8766 h) x 0.5
    assert row(text, "M") == [
        "28.5 g CO2e (28.5 g)",
        "2000 kg in 4 years, as noted with the run: setting hardware\\_embodied\\_kg",
    ]


@pytest.mark.parametrize("example", [runs.not_metered, runs.not_split])
def test_an_energy_that_is_not_known_gives_no_score(example: runs.Example) -> None:
    assert head(sci.render(example(), per=10, unit="runs")) == "## SCI unknown"


@pytest.mark.parametrize("per", [0.0, -1.0, float("nan"), float("inf")])
def test_a_unit_must_be_a_number_above_nothing(per: float) -> None:
    with pytest.raises(CarbonwatchError, match="must be a number above 0"):
        sci.render(one_kwh(), per=per, unit="x")


@pytest.mark.parametrize("name", runs.HOSTILE)
def test_a_hostile_name_stays_in_its_cell(name: str) -> None:
    text = sci.render(runs.hostile(name), per=2, unit=name)

    assert "<script>" not in text
    assert max(map(len, text.splitlines())) < 2000


def test_a_small_score_is_not_lost() -> None:
    run = runs.a_run(runs.entry(runs.usage(runs.GPU, 0.001, spread=0.0), intensity=runs.FRANCE), facts={})

    assert "SCI: 8.61 pg CO2e" in head(sci.render(run, per=1000, unit="requests", embodied_kg=0, resource_share=1))
