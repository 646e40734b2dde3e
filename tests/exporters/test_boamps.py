import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from carbonwatch.exporters.boamps import export
from carbonwatch.settings import Settings
from tests.exporters.runs import RUN

CONTEXT = {
    "task": {
        "taskStage": "training",
        "taskFamily": "text classification",
        "algorithms": [{"algorithmType": "llm"}],
        "dataset": [{"dataUsage": "input", "dataType": "text"}],
    },
    "infrastructure": {"infraType": "onPremise"},
    "quality": "high",
    "mine": "not of the schema",
}
FACTS = {"cpu_model": "AMD EPYC", "cpu_count": 2, "os": "Linux-6.1", "ram_total_gb": 16.0}


def report(folder: Path, **facts: Any) -> dict[str, Any]:
    export(replace(RUN, facts={**FACTS, **facts}), Settings(output_dir=str(folder)))
    found: dict[str, Any] = json.loads((folder / "boamps_report_run-1.json").read_text())
    return found


def test_what_the_metadata_say_is_in_the_report(tmp_path: Path) -> None:
    for metadata in (CONTEXT, {"boamps": CONTEXT, "other": 1}):
        found = report(tmp_path, metadata=metadata)

        assert (found["task"]["taskStage"], found["quality"]) == ("training", "high")
        assert found["infrastructure"]["infraType"] == "onPremise"
        assert found["infrastructure"]["components"][0]["componentName"] == "AMD EPYC"
        assert [line for line in found["missing"] if line.startswith(("task", "infra"))] == [
            "infrastructure.components.nbComponent: how many of AMD EPYC there are"  # of it 2 CPUs are known, no socket
        ]
        assert "mine" not in found


def test_without_metadata_what_is_missing_is_listed(tmp_path: Path) -> None:
    for metadata in (None, "a note", {"boamps": "x"}):
        found = report(tmp_path, metadata=metadata)

        assert any(line.startswith("task.taskStage") for line in found["missing"])
