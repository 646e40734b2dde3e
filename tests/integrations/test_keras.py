from pathlib import Path

from tests.integrations.digits import KERAS
from tests.integrations.snippets import run, snippets

AFTER = """
from carbonwatch.integrations.keras import CarbonCallback as Callback
spent = model.fit(x, y, epochs=50, verbose=0, callbacks=[Callback("digits", budget_kwh=1e-12)])
callback = Callback("digits")
again = [model.fit(x, y, epochs=2, verbose=0, callbacks=[callback]).history for _ in range(2)]
plain = model.fit(x, y, epochs=5, initial_epoch=2, verbose=0, callbacks=[callback])
"""
ANSWER = """{
    "history": history.history,
    "epochs with a spent budget": len(spent.history["loss"]),
    "again": again,
    "left": callback.training.epochs,
    "run": [callback.training.run.project, callback.training.run.state],
}"""


def test_the_figures_stand_in_the_history_and_a_budget_stops_the_fit(tmp_path: Path) -> None:
    (snippet,) = snippets("Keras")

    found = run(tmp_path, KERAS, snippet + AFTER, ANSWER)
    history = found["history"]
    assert {len(values) for values in history.values()} == {3}
    assert 0 < history["energy_kwh"][0] < history["energy_kwh"][2]
    assert abs(sum(history["epoch_emissions_g"]) - history["emissions_g"][2]) < 1e-9
    assert history["predicted_energy_kwh"][2] == history["energy_kwh"][2]
    assert found["epochs with a spent budget"] == 1
    assert [fit["energy_kwh"][0] for fit in found["again"]] == [fit["epoch_energy_kwh"][0] for fit in found["again"]]
    assert found["left"] == 3
    assert found["run"] == ["digits", "finished"]
