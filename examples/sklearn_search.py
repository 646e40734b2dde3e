"""A grid search in scikit-learn that shows each candidate's energy beside its score.

pip install "carbonwatch[sklearn]"
python examples/sklearn_search.py
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV

from carbonwatch.integrations.sklearn import Measured, negative_energy


def main() -> None:
    x, y = load_digits(return_X_y=True)
    model = Measured(RandomForestClassifier(random_state=0), project="digits search")
    scoring = {"accuracy": "accuracy", "energy": negative_energy}
    grid = {"estimator__n_estimators": [10, 50, 200]}
    search = GridSearchCV(model, grid, scoring=scoring, refit="accuracy", cv=3).fit(x, y)
    for trees, accuracy, energy_kwh in zip(
        search.cv_results_["param_estimator__n_estimators"],
        search.cv_results_["mean_test_accuracy"],
        search.cv_results_["mean_test_energy"],
        strict=True,
    ):
        print(f"{trees:>4} trees  accuracy {accuracy:.3f}  {-energy_kwh * 3.6e6:8.2f} J a fit")
    print(f"the best one, fitted on all: {search.best_estimator_.emissions_g_ * 1000:.3g} mg CO2e")


if __name__ == "__main__":
    main()
