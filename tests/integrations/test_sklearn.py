from pathlib import Path

import pytest

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
    assert found["run"] == ["digits", "finished", pytest.approx(found["energy_kwh"] * 3.6e6)]
    assert found["energy_kwh"] > 0
    assert found["score"] > 0.9
    assert len(found["classes"]) == 2
    assert max(found["searched"]) < 0
    assert found["best"] > 0


def test_it_is_what_scikit_learn_asks_of_an_estimator(tmp_path: Path) -> None:
    code = """
import warnings
warnings.filterwarnings("ignore")
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator
from carbonwatch.integrations.sklearn import Measured
checks = check_estimator(Measured(LogisticRegression()), on_fail=None)
failed = [check["check_name"] for check in checks if check["status"] == "failed"]
"""
    failed, passed = run(tmp_path, "", code, '[failed, sum(check["status"] == "passed" for check in checks)]')

    assert failed == []
    assert passed > 30
