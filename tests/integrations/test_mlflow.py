from pathlib import Path

from tests.integrations.digits import EPOCHS
from tests.integrations.snippets import run, snippets

BEFORE = f"""
import warnings
warnings.filterwarnings("ignore")
import mlflow
mlflow.set_tracking_uri("file:mlruns")
{EPOCHS}
"""
AFTER = """
client, run_id = mlflow.MlflowClient(), mlflow.last_active_run().info.run_id
names = client.get_run(run_id).data.metrics
found = {name: [[each.step, each.value] for each in client.get_metric_history(run_id, name)] for name in names}
"""


def test_epochs_and_totals_are_metrics_of_the_active_run(tmp_path: Path) -> None:
    (snippet,) = snippets("MLflow")

    found = run(tmp_path, BEFORE, snippet + AFTER, "found", MLFLOW_ALLOW_FILE_STORE="true")
    assert sorted(step for step, _ in found["carbonwatch/epoch_energy_kwh"]) == [1, 2, 3]
    assert [step for step, _ in found["carbonwatch/emissions_g"]] == [1, 2, 3, 3]
    assert found["carbonwatch/duration_s"][0][1] > 0
