from pathlib import Path

from tests.integrations.digits import SKLEARN
from tests.integrations.snippets import run, snippets

ANSWER = """{
    "energy_kwh": model.energy_kwh_,
    "run": [model.run_.project, model.run_.state, model.run_.energy_j],
    "score": model.score(x, y),
    "classes": model.predict(x[:2]).tolist(),
    "searched": search.cv_results_["mean_test_energy"].tolist(),
    "best": search.best_estimator_.emissions_g_,
}"""


def test_a_model_knows_what_its_fit_used_and_a_search_shows_it_beside_the_score(tmp_path: Path) -> None:
    (snippet,) = snippets("scikit-learn")

    found = run(tmp_path, SKLEARN, snippet, ANSWER)
    assert found["run"] == ["digits", "finished", found["energy_kwh"] * 3.6e6]
    assert found["energy_kwh"] > 0
    assert found["score"] > 0.9
    assert len(found["classes"]) == 2
    assert max(found["searched"]) < 0
    assert found["best"] > 0
