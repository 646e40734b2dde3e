from pathlib import Path

from tests.integrations.digits import NUMPY
from tests.integrations.snippets import run, snippets

BEFORE = f"""
import optuna
{NUMPY}
optuna.logging.set_verbosity(optuna.logging.ERROR)

def objective(trial):
    size = trial.suggest_int("size", 10, 512)
    for _ in range(300):
        x[:512] @ x[:512].T
    return 1 / size
"""
AFTER = """
frugal = CarbonCallback(budget_kwh=1e-12)
spent = optuna.create_study()
spent.optimize(frugal.measured(objective), n_trials=50, callbacks=[frugal])
"""
ANSWER = """{
    "values": [trial.values for trial in study.trials],
    "attributes": [trial.user_attrs for trial in study.trials],
    "total": study.user_attrs,
    "tasks": {name: run.only(name).energy_j for name in run.tasks},
    "trials with a spent budget": len(spent.trials),
}"""


def test_trials_know_their_energy_as_an_attribute_and_an_objective_and_a_budget_ends_the_study(tmp_path: Path) -> None:
    (snippet,) = snippets("Optuna")

    found = run(tmp_path, BEFORE, snippet + AFTER, ANSWER)
    energies = [attributes["energy_kwh"] for attributes in found["attributes"]]
    assert [value[1] for value in found["values"]] == energies
    assert min(energies) > 0
    assert list(found["tasks"]) == [f"trial {number}" for number in range(4)]
    assert abs(sum(found["tasks"].values()) / 3.6e6 - sum(energies)) < 1e-12
    assert found["total"]["energy_kwh"] >= sum(energies)
    assert found["trials with a spent budget"] == 1
