import json
from dataclasses import replace

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from carbonwatch.exporters.otel import check, export
from carbonwatch.settings import Settings
from tests.exporters.runs import RUN


def test_a_run_s_figures_are_counted_once_it_has_ended() -> None:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    check(Settings())
    for run in (replace(RUN, state="running"), RUN, RUN):
        export(run, Settings())
    data = json.loads(reader.get_metrics_data().to_json())  # type: ignore[union-attr]

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
