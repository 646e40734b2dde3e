import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carbonwatch.codecarbon import outputs
from carbonwatch.codecarbon.data import EmissionsData, TaskEmissionsData
from carbonwatch.errors import SettingsError
from tests.codecarbon.bench import Bench, rows
from tests.codecarbon.hosted import hosted
from tests.exporters.service import Service

LIMIT_S = 60.0


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


class Recorder(outputs.BaseOutput):
    """Everything that it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.lives = threading.Semaphore(0)

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        self.told.append(("out", total.duration, delta.duration))

    def live_out(self, total: EmissionsData, delta: EmissionsData) -> None:
        self.told.append(("live", total.duration, delta.duration))
        self.lives.release()

    def task_out(self, data: list[TaskEmissionsData], experiment_name: str) -> None:
        self.told.append((experiment_name, [(task.task_name, task.duration) for task in data]))

    def exit(self) -> None:
        self.told.append(("exit",))


# when outputs are told


def test_outputs_get_totals_what_is_new_the_tasks_and_the_end() -> None:
    recorder = Recorder()
    bench = Bench(output_handlers=[recorder], experiment_name="first")
    bench.tracker.start_task("fit")
    bench.work(100.0)
    bench.tracker.stop_task()
    bench.tracker.flush()
    bench.work(200.0)
    bench.tracker.stop()
    bench.tracker.stop()

    tasks = ("first", [("fit", 100.0)])
    assert recorder.told == [("out", 100.0, 100.0), tasks, ("out", 300.0, 200.0), tasks, ("exit",)]


def test_an_output_that_wants_to_is_told_while_the_run_goes_on() -> None:
    recorder = Recorder()
    bench = Bench(output_handlers=[recorder], api_call_interval=1, measure_power_secs=0.01)
    bench.tracker.start()
    bench.work(100.0)
    heard = recorder.lives.acquire(timeout=LIMIT_S)
    bench.work(200.0)
    bench.tracker.stop()

    assert heard
    assert recorder.told[0] == ("live", 100.0, 100.0)
    assert sum(told[2] for told in recorder.told if told[0] in ("out", "live")) == 300.0


def test_an_output_with_nothing_but_out_is_enough_and_no_thread_is_begun_for_it() -> None:
    class Plain:
        def out(self, total: Any, delta: Any) -> None:
            pass

    with Bench(output_handlers=[Plain()], api_call_interval=1).tracker:
        names = [thread.name for thread in threading.enumerate()]

    assert "carbonwatch-outputs" not in names


def test_an_output_that_fails_does_not_silence_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(outputs.BaseOutput):
        def out(self, total: EmissionsData, delta: EmissionsData) -> None:
            raise RuntimeError

    recorder = Recorder()
    with Bench(output_handlers=[Broken(), recorder]).tracker as tracker:
        tracker.run  # noqa: B018 - time passes

    assert [told[0] for told in recorder.told] == ["out", "exit"]
    assert "the result is still returned" in caplog.text


# each of them


def test_the_logger_gets_a_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("mine")
    caplog.set_level("INFO", "mine")
    bench = Bench(save_to_logger=True, logging_logger=outputs.LoggerOutput(logger), project_name="p")
    with bench.tracker:
        bench.work(100.0)

    (record,) = [r for r in caplog.records if r.name == "mine"]
    found = json.loads(record.getMessage())
    assert (found["project_name"], found["duration"], found["gpu_energy"]) == ("p", 100.0, None)


def test_without_a_logger_of_the_user_s_it_is_ours(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(output_methods="logger", log_level="info")
    with bench.tracker:
        bench.work(100.0)

    assert [r.name for r in caplog.records if r.getMessage().startswith("{")] == ["carbonwatch.codecarbon.outputs"]
    assert not Path("emissions.csv").exists()


def test_google_s_logger_gets_a_structure() -> None:
    class Logger:
        got: list[Any] = []  # noqa: RUF012

        def log_struct(self, info: dict[str, Any], severity: int) -> None:
            self.got.append((info["duration"], severity))

    bench = Bench(save_to_logger=True, logging_logger=outputs.GoogleCloudLoggerOutput(Logger()))
    with bench.tracker:
        bench.work(100.0)

    assert Logger.got == [(100.0, logging.INFO)]


def test_an_endpoint_gets_the_totals_and_the_user(service: Service) -> None:
    bench = Bench(emissions_endpoint=f"{service.url}/emissions", project_name="p")
    with bench.tracker:
        bench.work(100.0)

    ((path, found),) = service.sent()
    assert (path, found["project_name"], found["duration"], found["wue"]) == ("/emissions", "p", 100.0, 0.0)
    assert found["user"]


def test_an_endpoint_that_is_not_there_takes_no_result_away(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(emissions_endpoint="http://127.0.0.1:9/?key=s3cr3t")
    with bench.tracker:
        bench.work(100.0)

    assert bench.tracker.stop() == pytest.approx(0.001)
    assert "127.0.0.1 can't be reached" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_server_with_their_api_gets_the_run_and_then_its_emissions(service: Service) -> None:
    bench = Bench(save_to_api=True, api_endpoint=service.url, api_key="s3cr3t", experiment_id="e-1")
    bench.tracker.start()
    bench.work(100.0)
    bench.tracker.flush()
    bench.work(200.0)
    bench.tracker.stop()

    (runs, run), (path, first), (_, second) = service.sent()
    assert (runs, run["experiment_id"], run["tracking_mode"], run["latitude"]) == ("/runs", "e-1", "machine", None)
    assert (path, first["run_id"], first["duration"]) == ("/emissions", "run-1", 100)
    assert (second["duration"], round(second["emissions_sum"], 9)) == (200, 0.002)
    assert {headers["x-api-token"] for _, _, headers, _ in service.got} == {"s3cr3t"}


def test_what_a_server_missed_is_sent_later(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.codes = [201, 503]
    bench = Bench(save_to_api=True, api_endpoint=service.url, api_key="s3cr3t")
    bench.tracker.start()
    bench.work(100.0)
    bench.tracker.flush()
    bench.work(200.0)
    bench.tracker.stop()

    assert [found.get("duration") for _, found in service.sent()] == [None, 100, 100, 200]
    assert "refused it (503)" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_key_is_not_sent_after_a_redirect(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with hosted() as moved:
        moved.answers["/runs"] = (302, f"{service.url}/runs".encode())
        bench = Bench(save_to_api=True, api_endpoint=moved.address, api_key="s3cr3t")
        bench.tracker.start()
        bench.work(100.0)
        bench.tracker.stop()

    assert service.got == []
    assert "refused it (302)" in caplog.text


def test_a_push_gateway_gets_their_metrics_and_is_cleared_at_the_end(service: Service) -> None:
    service.codes = [200, 202]
    bench = Bench(save_to_prometheus=True, prometheus_url=service.url, project_name="p q")
    with bench.tracker:
        bench.work(100.0)

    (put, path, _, body), (delete, *_) = service.got
    assert (put, path, delete) == ("PUT", "/metrics/job/p_q_base", "DELETE")
    assert 'codecarbon_duration{project_name="p q"} 100.0' in body.decode()
    assert 'codecarbon_energy_total{project_name="p q"} 0.001' in body.decode()


def test_a_push_gateway_that_wants_a_password_gets_it(service: Service) -> None:
    environ = {"PROMETHEUS_USERNAME": "u", "PROMETHEUS_PASSWORD": "s3cr3t"}
    bench = Bench(output_handlers=[outputs.PrometheusOutput(service.url, environ=environ)])
    with bench.tracker:
        bench.work(100.0)

    assert service.got[0][2]["authorization"] == "Basic dTpzM2NyM3Q="


def test_logfire_gets_metrics() -> None:
    import logfire
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    bench = Bench(save_to_logfire=True)
    logfire.configure(send_to_logfire=False, console=False, metrics=logfire.MetricsOptions(additional_readers=[reader]))
    with bench.tracker:
        bench.work(100.0)
    data = json.loads(reader.get_metrics_data().to_json())  # type: ignore[union-attr]
    logfire.shutdown()

    metrics = {
        metric["name"]: metric["data"]["data_points"][0]["value"]
        for scope in data["resource_metrics"][0]["scope_metrics"]
        for metric in scope["metrics"]
    }
    assert (metrics["codecarbon_duration"], round(metrics["codecarbon_energy_consumed"], 9)) == (100.0, 0.001)
    assert metrics["codecarbon_cpu_power"] == pytest.approx(30.0)
    assert "codecarbon_gpu_power" not in metrics


def test_a_file_of_one_s_own_has_rows_and_tasks(tmp_path: Path) -> None:
    output = outputs.FileOutput("mine.csv", str(tmp_path), "update")
    bench = Bench(output_methods=[], output_handlers=[output])
    bench.tracker.start_task("fit")
    bench.work(100.0)
    bench.tracker.stop_task()
    bench.tracker.flush()
    bench.work(100.0)
    bench.tracker.stop()

    assert [row["duration"] for row in rows(output.save_file_path)] == ["200.0"]
    (tasks,) = (name for name in os.listdir(tmp_path) if name.startswith("emissions_base_"))
    assert [(row["task_name"], row["duration"]) for row in rows(str(tmp_path / tasks))] == [("fit", "100.0")]
    with pytest.raises(SettingsError, match="which is no directory"):
        outputs.FileOutput("mine.csv", "nowhere")
    with pytest.raises(SettingsError, match="on_csv_write is 'replace'"):
        outputs.FileOutput("mine.csv", str(tmp_path), "replace")


def test_a_boamps_report_holds_the_run_and_what_its_user_says(tmp_path: Path) -> None:
    context = {"task": {"taskStage": "training"}, "infrastructure": {"infraType": "onPremise"}}
    (tmp_path / "context.json").write_text(json.dumps(context))
    made = outputs.BoAmpsOutput.from_file(str(tmp_path / "context.json"), str(tmp_path))
    bench = Bench(output_methods="boamps", output_handlers=[made], metadata={"boamps": context})
    with bench.tracker:
        bench.work(100.0)
    name = f"boamps_report_{bench.tracker.run_id}.json"
    by_method, by_handler = (json.loads((folder / name).read_text()) for folder in (Path(), tmp_path))

    for found in (by_method, by_handler):
        assert (found["task"], found["infrastructure"]["infraType"]) == ({"taskStage": "training"}, "onPremise")
        assert found["measures"][0]["powerConsumption"] == pytest.approx(0.001)


def test_a_method_s_text_is_its_name() -> None:
    assert [method.value for method in outputs.OutputMethod] == [
        "csv",
        "api",
        "logger",
        "prometheus",
        "logfire",
        "boamps",
    ]
