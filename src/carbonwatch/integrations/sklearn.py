"""scikit-learn: `Measured(estimator)` measures each `fit`, in a pipeline, a cross-validation or a grid search as well.

    model = Measured(RandomForestClassifier(), project="digits").fit(x, y)
    model.energy_kwh_, model.emissions_g_, model.run_

In a search, `scoring={"score": "accuracy", "energy": negative_energy}` puts it beside the score, in
`cv_results_["mean_test_energy"]`.
"""

from __future__ import annotations

from typing import Any

import carbonwatch
from carbonwatch.integrations._border import missing

try:
    from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
    from sklearn.utils.metaestimators import available_if
except ImportError as error:
    raise missing("scikit-learn", "sklearn") from error


def _has(name: str) -> Any:
    return lambda measured: hasattr(measured._inner, name)


class Measured(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """An estimator whose `fit` is measured. `settings` are carbonwatch's; a wrong one raises SettingsError at `fit`."""

    def __init__(self, estimator: Any, project: str | None = None, settings: dict[str, Any] | None = None) -> None:
        self.estimator = estimator
        self.project = project
        self.settings = settings

    def fit(self, x: Any, y: Any = None, **parameters: Any) -> Measured:
        project = self.project or type(self.estimator).__name__
        inner = clone(self.estimator)
        with carbonwatch.measure(project, **(self.settings or {})) as measurement:
            inner.fit(x, *(() if y is None else (y,)), **parameters)
        self.estimator_ = inner
        self.run_ = measurement.run
        self.energy_kwh_ = measurement.energy_kwh
        self.emissions_g_ = measurement.emissions_g
        return self

    @property
    def _inner(self) -> Any:
        return getattr(self, "estimator_", self.estimator)

    @available_if(_has("predict"))  # type: ignore[untyped-decorator]
    def predict(self, x: Any, **parameters: Any) -> Any:
        return self.estimator_.predict(x, **parameters)

    @available_if(_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, x: Any, **parameters: Any) -> Any:
        return self.estimator_.predict_proba(x, **parameters)

    @available_if(_has("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, x: Any) -> Any:
        return self.estimator_.decision_function(x)

    @available_if(_has("transform"))  # type: ignore[untyped-decorator]
    def transform(self, x: Any) -> Any:
        return self.estimator_.transform(x)

    @available_if(_has("score"))  # type: ignore[untyped-decorator]
    def score(self, x: Any, y: Any = None, **parameters: Any) -> Any:
        return self.estimator_.score(x, y, **parameters)

    @property
    def classes_(self) -> Any:
        return self.estimator_.classes_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import get_tags

        return get_tags(self.estimator)


def negative_energy(estimator: Measured, x: Any, y: Any = None) -> float:  # noqa: ARG001 - as a scorer is called
    """kWh of the fit, below 0: for scikit-learn more is better."""
    return -float(estimator.energy_kwh_)
