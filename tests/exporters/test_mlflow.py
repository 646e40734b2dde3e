from pathlib import Path

from tests.integrations.snippets import run

BEFORE = """
import warnings
warnings.filterwarnings("ignore")
import dataclasses, sys
sys.path.insert(0, ROOT)
import mlflow
mlflow.set_tracking_uri("file:mlruns")
from carbonwatch.exporters.mlflow import check, export
from carbonwatch.settings import Settings
from tests.exporters.runs import RUN
"""
CODE = """
check(Settings())
with mlflow.start_run() as active:
    export(RUN, Settings())
for state in ("running", "finished"):
    export(dataclasses.replace(RUN, state=state, id="run-2"), Settings())
client = mlflow.MlflowClient()
own, inside = client.search_runs(["0"], order_by=["start_time DESC"])
if inside.info.run_id != active.info.run_id:
    own, inside = inside, own
"""
ANSWER = """{
    "metrics": inside.data.metrics,
    "tags": {name: value for name, value in inside.data.tags.items() if name.startswith("carbonwatch")},
    "own": [own.info.run_name, own.info.status, own.data.tags["carbonwatch.run_id"]],
    "history": len(client.get_metric_history(own.info.run_id, "carbonwatch/energy_kwh")),
}"""
ROOT = str(Path(__file__).parents[2])


def test_totals_go_to_the_active_run_or_to_one_of_its_own(tmp_path: Path) -> None:
    found = run(tmp_path, f"ROOT = {ROOT!r}{BEFORE}", CODE, ANSWER, MLFLOW_ALLOW_FILE_STORE="true")

    assert found["metrics"]["carbonwatch/energy_kwh"] == 3600.0 / 3.6e6
    assert round(found["metrics"]["carbonwatch/emissions_g"], 9) == 0.54
    assert found["tags"] == {
        "carbonwatch.project": "digits",
        "carbonwatch.run_id": "run-1",
        "carbonwatch.zone": "FR",
    }
    assert found["own"] == ["digits", "FINISHED", "run-2"]
    assert found["history"] == 2
