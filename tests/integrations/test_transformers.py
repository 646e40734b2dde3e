import csv
from pathlib import Path

from tests.integrations.digits import TRANSFORMERS
from tests.integrations.snippets import run, snippets

# one interpreter: torch and transformers take seconds to import
SPENT = """
import json
with open("out/checkpoint-24/trainer_state.json") as file:
    saved = json.load(file)["log_history"]
spent = Trainer(model=model, args=args, train_dataset=data, callbacks=[CarbonCallback("x", budget_kwh=1e-12)])
spent.train()
log, spent_steps = trainer.state.log_history, spent.state.global_step
"""


def test_the_figures_stand_in_the_trainer_s_log_and_codecarbon_s_callback_runs_on_ours(tmp_path: Path) -> None:
    ours, theirs = snippets("Hugging Face")
    answer = """{
        "log": log, "saved": saved, "metrics": result.metrics, "spent": spent_steps, "steps": trainer.state.global_step
    }"""

    found = run(tmp_path, TRANSFORMERS, ours + SPENT + theirs, answer)
    assert [line["emissions_g"] > 0 for line in found["log"]] == [True] * 7
    assert found["log"][-1]["epoch_energy_kwh"] > 0
    assert found["metrics"]["emissions_g"] >= found["log"][-2]["emissions_g"]
    assert found["spent"] == 1
    assert [line["energy_kwh"] for line in found["saved"]] == [line["energy_kwh"] for line in found["log"][:6]]
    with (tmp_path / "out" / "emissions.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert found["steps"] == 24
    assert float(row["emissions"]) > 0
