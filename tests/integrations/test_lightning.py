import csv
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.digits import LIGHTNING
from tests.integrations.snippets import run, snippets

NAMES = {
    "lightning": ("lightning.pytorch", "lightning.pytorch.loggers"),
    "pytorch_lightning": ("pytorch_lightning", "pytorch_lightning.loggers"),
}
AFTER = """
known = {name: float(value) for name, value in trainer.callback_metrics.items()}
spent = Trainer(max_epochs=50, callbacks=[CarbonCallback("digits", budget_kwh=1e-12)], **quiet | {"logger": False})
spent.fit(model, batches)
"""


@pytest.mark.parametrize("package", NAMES)
def test_the_figures_go_to_the_loggers_and_a_budget_stops_the_trainer(tmp_path: Path, package: str) -> None:
    (snippet,) = snippets("Lightning")
    name, loggers = NAMES[package]
    before = LIGHTNING.replace("PACKAGE", name).replace("LOGGERS", loggers)

    known, epochs = run(tmp_path, before, snippet + AFTER, "[known, spent.current_epoch]")
    logged = metrics(tmp_path / "logs" / "lightning_logs" / "version_0" / "metrics.csv")
    assert known["carbonwatch/emissions_g"] > 0
    assert len(logged["carbonwatch/epoch_energy_kwh"]) == 3
    assert logged["carbonwatch/energy_kwh"][2] <= logged["carbonwatch/energy_kwh"][3]  # the totals, at the end
    assert len(logged["carbonwatch/duration_s"]) == 1
    assert epochs <= 1


def metrics(path: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            named: dict[str, Any] = {name: value for name, value in row.items() if value}
            for name, value in named.items():
                found.setdefault(name, []).append(float(value))
    return found
