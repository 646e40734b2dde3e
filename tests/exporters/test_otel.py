import json
import subprocess
import sys

from carbonwatch.exporters.otel import check
from carbonwatch.settings import Settings

# a process of its own: a program's meter provider can be set once
PROGRAM = """
from dataclasses import replace

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from carbonwatch.exporters.otel import export
from carbonwatch.settings import Settings
from tests.exporters.runs import RUN

reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
for run in (replace(RUN, state="running"), RUN, RUN):
    export(run, Settings())
print(reader.get_metrics_data().to_json())
"""


def test_a_run_s_figures_are_counted_once_it_has_ended() -> None:
    check(Settings())
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    data = json.loads(answer.stdout)

    (scope,) = data["resource_metrics"][0]["scope_metrics"]
    found = {
        (metric["name"], metric["unit"], *sorted(point["attributes"].values())): point["value"]
        for metric in scope["metrics"]
        for point in metric["data"]["data_points"]
    }
    assert scope["scope"]["name"] == "carbonwatch"
    assert found["carbonwatch.energy", "J", "cpu", "digits", "own"] == 4000.0
    assert round(found["carbonwatch.emissions", "g", "cpu", "digits", "machine"], 9) == 0.9
    assert found["carbonwatch.duration", "s", "digits"] == 20.0
