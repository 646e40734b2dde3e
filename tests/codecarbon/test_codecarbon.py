import asyncio
import json
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from carbonwatch.codecarbon import EmissionsTracker, TaskEmissionsTracker, track_emissions, track_task_emissions
from carbonwatch.errors import SettingsError
from carbonwatch.testing import Clock, fake_sampler
from tests.codecarbon.bench import KWH, Bench, rows

# start, stop, flush


def test_stop_gives_kg_of_the_machine_and_writes_a_row() -> None:
    bench = Bench(project_name="digits")
    bench.tracker.start()
    bench.work(100.0)

    assert bench.tracker.stop() == pytest.approx(0.001)
    (row,) = rows()
    assert (row["project_name"], row["duration"], row["tracking_mode"]) == ("digits", "100.0", "machine")
    assert [float(row[name]) for name in ("emissions", "cpu_energy", "ram_energy", "energy_consumed")] == pytest.approx(
        [0.001, 3000 / KWH, 600 / KWH, 3600 / KWH]
    )


def test_tracking_mode_process_is_the_program_s_own_share() -> None:
    bench = Bench(tracking_mode="process")
    bench.tracker.start()
    bench.work(100.0)

    assert bench.tracker.stop() == pytest.approx(0.0005)


def test_stop_gives_the_same_again_and_writes_no_second_row() -> None:
    bench = Bench()
    bench.tracker.start()
    bench.tracker.start()
    bench.work(100.0)
    first = bench.tracker.stop()
    bench.work(100.0)

    assert (bench.tracker.stop(), bench.tracker.flush(), bench.tracker.final_emissions) == (first, first, first)
    assert len(rows()) == 1


def test_stop_before_start_gives_none_and_writes_nothing() -> None:
    bench = Bench()

    assert (bench.tracker.flush(), bench.tracker.stop()) == (None, None)
    assert os.listdir() == []


def test_each_flush_adds_a_row_of_all_so_far_marked_as_running() -> None:
    bench = Bench()
    bench.tracker.start()
    bench.work(100.0)
    flushed = bench.tracker.flush()
    bench.work(100.0)
    bench.tracker.stop()

    assert flushed == pytest.approx(0.001)
    assert [(row["state"], row["duration"]) for row in rows()] == [("running", "100.0"), ("finished", "200.0")]
    assert len({row["run_id"] for row in rows()}) == 1


def test_on_csv_write_update_leaves_one_row_a_run() -> None:
    bench = Bench(on_csv_write="update")
    bench.tracker.start()
    bench.work(100.0)
    bench.tracker.flush()
    bench.work(100.0)
    bench.tracker.stop()

    assert [(row["state"], row["duration"]) for row in rows()] == [("finished", "200.0")]


def test_a_with_block_gives_the_tracker_and_a_failed_one_is_kept_as_failed() -> None:
    bench = Bench()

    def fail() -> None:
        bench.work(100.0)
        raise KeyError

    with pytest.raises(KeyError), bench.tracker as inside:
        fail()

    assert inside is bench.tracker
    assert [(row["state"], row["duration"]) for row in rows()] == [("failed", "100.0")]


def test_a_failing_output_takes_no_result_away(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    Path("emissions.csv").mkdir()
    with bench.tracker:
        bench.work(100.0)

    assert bench.tracker.stop() == pytest.approx(0.001)
    assert "could not write the run" in caplog.text


def test_a_forked_child_gets_none_and_leaves_its_parent_s_run_alone() -> None:
    code = """
import os
from carbonwatch import EmissionsTracker
with EmissionsTracker() as tracker:
    tracker.start_task("work")
    pid = os.fork()
    if pid == 0:
        tracker.stop_task("work")
        print([tracker.flush(), tracker.stop()], flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
"""
    answer = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)

    assert (answer.stdout, answer.stderr) == ("[None, None]\n", "")
    assert [row["state"] for row in rows()] == ["finished"]


def test_on_a_full_disk_the_program_goes_on_and_gets_its_result(tmp_path: Path) -> None:
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))  # no file may grow longer, root's neither
from carbonwatch import EmissionsTracker
tracker = EmissionsTracker()
with tracker:
    tracker.start_task("work")
    sum(range(1_000_000))
    tracker.stop_task("work")
print(tracker.stop() > 0)
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CARBONWATCH_STORE": str(tmp_path / "runs.db")},
        capture_output=True,
        text=True,
    )

    assert (answer.stdout, answer.returncode) == ("True\n", 0), answer.stderr
    assert answer.stderr.count("emissions_csv could not write the run") == 1
    assert Path("emissions.csv").read_bytes() == b""


# tasks


def test_a_task_has_its_own_duration_and_energy() -> None:
    bench = Bench()
    bench.tracker.start()
    bench.work(1000.0)
    bench.tracker.start_task("load")
    bench.work(100.0)
    data = bench.tracker.stop_task("load")
    bench.work(1000.0)
    bench.tracker.stop()

    assert data is not None
    assert [data.duration, data.emissions, data.cpu_energy] == pytest.approx([100.0, 0.001, 3000 / KWH])
    assert bench.tracker.final_emissions_data.duration == 2100.0


def test_start_task_starts_the_tracker() -> None:
    bench = Bench()
    bench.tracker.start_task("load")
    bench.work(100.0)
    bench.tracker.stop_task("load")

    assert bench.tracker.stop() == pytest.approx(0.001)


def test_a_task_that_comes_again_has_figures_and_a_row_of_its_own() -> None:
    bench = Bench()
    for duration_s in (100.0, 300.0):
        bench.tracker.start_task("epoch")
        bench.work(duration_s)
        bench.tracker.stop_task("epoch")
    bench.tracker.stop()

    (name,) = (n for n in os.listdir() if n != "emissions.csv")
    assert name == f"emissions_base_{bench.tracker.run.id}.csv"
    assert [(r["task_name"], r["duration"]) for r in rows(name)] == [("epoch", "100.0"), ("epoch", "300.0")]
    assert sum(float(r["energy_consumed"]) for r in rows(name)) == pytest.approx(float(rows()[0]["energy_consumed"]))


def test_the_file_of_tasks_has_their_columns_and_ours_to_the_right() -> None:
    bench = Bench()
    bench.tracker.start_task("load")
    bench.tracker.stop()
    (name,) = (n for n in os.listdir() if n != "emissions.csv")

    assert (
        Path(name)
        .read_text()
        .startswith(
            "task_name,timestamp,project_name,run_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,"
            "cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,country_iso_code,region,"
            "cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,"
            "longitude,latitude,ram_total_size,tracking_mode,cpu_utilization_percent,gpu_utilization_percent,ram_utilization_percent,ram_used_gb,on_cloud,"
            "emissions_low,"
        )
    )


def test_stop_task_without_a_name_ends_the_latest_and_stop_ends_them_all() -> None:
    bench = Bench()
    bench.tracker.start_task()
    bench.work(1.0)
    bench.tracker.start_task("inner")
    bench.work(2.0)
    inner = bench.tracker.stop_task()
    bench.work(4.0)
    bench.tracker.stop()

    assert inner is not None
    assert inner.duration == 2.0
    (name,) = (n for n in os.listdir() if n != "emissions.csv")
    assert [(r["task_name"], r["duration"]) for r in rows(name)] == [("inner", "2.0"), ("task-1", "7.0")]


def test_a_task_within_one_of_its_name_ends_first() -> None:
    bench = Bench()
    bench.tracker.start_task("a")
    bench.work(1.0)
    bench.tracker.start_task("a")
    bench.work(2.0)
    ended = [bench.tracker.stop_task("a"), bench.tracker.stop_task("a")]

    assert [data and data.duration for data in ended] == [2.0, 3.0]


def test_a_task_that_is_not_open_is_said_to_be_so(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    assert (bench.tracker.stop_task("load"), bench.tracker.stop_task()) == (None, None)
    assert "no task called 'load' is open" in caplog.text


def test_many_tasks_are_written_as_they_end() -> None:
    bench = Bench()
    for _ in range(100):
        bench.tracker.start_task("batch")
        bench.work(1.0)
        bench.tracker.stop_task("batch")

    assert len(rows(f"emissions_base_{bench.tracker.run.id}.csv")) == 100


def test_a_program_that_ends_without_stop_keeps_its_run_and_its_tasks() -> None:
    code = """
from carbonwatch import EmissionsTracker
tracker = EmissionsTracker()
tracker.start_task("ended")
tracker.stop_task("ended")
tracker.start_task("open")
"""
    subprocess.run([sys.executable, "-c", code], check=True)

    assert [row["state"] for row in rows()] == ["finished"]
    (name,) = (n for n in os.listdir() if n != "emissions.csv")
    assert [(r["task_name"], float(r["duration"]) > 0) for r in rows(name)] == [("ended", True), ("open", True)]


def test_an_experiment_s_name_leads_to_no_other_folder() -> None:
    bench = Bench(experiment_name="../../etc/x")
    bench.tracker.start_task("load")
    bench.tracker.stop()

    assert sorted(os.listdir()) == ["emissions.csv", f"emissions_______etc_x_{bench.tracker.run.id}.csv"]
    assert bench.tracker.run.facts["experiment_name"] == "../../etc/x"


def test_task_emissions_tracker_measures_a_block() -> None:
    bench = Bench()
    with TaskEmissionsTracker("load", tracker=bench.tracker) as task:
        bench.work(100.0)
    bench.tracker.stop()

    assert task.emissions_data is not None
    assert task.emissions_data.emissions == pytest.approx(0.001)


def test_task_emissions_tracker_alone_ends_its_own_tracker_as_failed_when_the_block_fails() -> None:
    with pytest.raises(KeyError), TaskEmissionsTracker("load", project_name="p"):
        raise KeyError

    assert [(row["project_name"], row["state"]) for row in rows()] == [("p", "failed")]


# the data


def test_numbers_that_are_not_known_are_nan_so_that_no_program_breaks_on_them() -> None:
    bench = Bench()
    with bench.tracker:
        bench.work(1.0)
    data = bench.tracker.final_emissions_data

    assert math.isnan(data.gpu_energy)
    assert f"{data.gpu_energy:.3f} {data.gpu_model}" == "nan "
    assert (data.longitude, json.loads(data.toJSON())["gpu_energy"]) == (None, None)


def test_a_run_in_which_nothing_was_metered_is_not_0() -> None:
    tracker = EmissionsTracker(meters=fake_sampler([], Clock()))
    with tracker:
        pass

    assert math.isnan(tracker.final_emissions)


def test_handlers_get_totals_and_what_came_since_the_last_time() -> None:
    class Handler:
        def __init__(self) -> None:
            self.got: list[tuple[float, float, float]] = []

        def out(self, total: Any, delta: Any) -> None:
            self.got.append((total.duration, delta.duration, round(delta.emissions, 9)))

    class Broken:
        def out(self, total: Any, delta: Any) -> None:
            raise RuntimeError

    handler = Handler()
    bench = Bench(output_handlers=[Broken(), handler])
    bench.tracker.start()
    bench.work(100.0)
    bench.tracker.flush()
    bench.work(200.0)
    bench.tracker.stop()
    bench.tracker.stop()

    assert handler.got == [(100.0, 100.0, 0.001), (300.0, 200.0, 0.002)]


def test_hardware_has_their_keys() -> None:
    found = EmissionsTracker().get_detected_hardware()

    assert list(found) == [
        "ram_total_size",
        "cpu_count",
        "cpu_physical_count",
        "cpu_model",
        "gpu_count",
        "gpu_model",
        "gpu_ids",
    ]
    assert found["cpu_count"] == os.cpu_count()


# the decorator


def states() -> list[str]:
    return [row["state"] for row in rows()]


def test_a_function_is_measured_at_each_call_and_keeps_its_value_and_name() -> None:
    @track_emissions
    def double(x: int) -> int:
        return 2 * x

    assert [double(1), double(x=2)] == [2, 4]
    assert double.__name__ == "double"
    assert states() == ["finished", "finished"]


def test_a_decorator_with_parameters_refuses_unknown_ones_at_once() -> None:
    @track_emissions(project_name="p", offline=True, country_iso_code="FRA")
    def work() -> str:
        return "done"

    assert work() == "done"
    assert [(row["project_name"], row["country_iso_code"]) for row in rows()] == [("p", "FRA")]
    with pytest.raises(SettingsError, match="no parameter 'contry_iso_code'"):
        track_emissions(contry_iso_code="FRA")


def test_a_function_s_exception_is_its_own() -> None:
    @track_emissions()
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        fail()
    assert states() == ["failed"]


def test_methods_are_measured() -> None:
    class Model:
        @track_emissions
        def fit(self, x: int) -> tuple[Any, int]:
            return self, x

        @staticmethod
        @track_emissions
        def load() -> str:
            return "data"

    model = Model()
    assert (model.fit(1), model.load()) == ((model, 1), "data")
    assert len(rows()) == 2


def test_a_coroutine_is_measured_until_it_returns() -> None:
    @track_emissions
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    coroutine = work()
    assert not Path("emissions.csv").exists()
    assert asyncio.run(coroutine) == 7
    assert states() == ["finished"]


def test_a_generator_is_measured_until_its_end_and_takes_what_is_sent() -> None:
    @track_emissions
    def count() -> Iterator[Any]:
        got = yield 1
        yield got
        return

    generator: Any = count()
    assert (next(generator), generator.send("x"), list(generator)) == (1, "x", [])
    assert states() == ["finished"]


def test_a_generator_that_its_consumer_has_enough_of_did_not_fail() -> None:
    @track_emissions
    def count() -> Iterator[int]:
        yield from range(9)

    generator: Any = count()
    next(generator)
    generator.close()

    assert states() == ["finished"]


def test_an_asynchronous_generator_is_measured_and_closed_with_its_consumer() -> None:
    closed = []

    @track_emissions
    async def count() -> AsyncIterator[Any]:
        try:
            got = yield 1
            yield got
        finally:
            closed.append(True)

    async def consume() -> list[Any]:
        whole = [item async for item in count()]
        generator: Any = count()
        some = [await generator.asend(None), await generator.asend("x")]
        await generator.aclose()
        return whole + some

    assert asyncio.run(consume()) == [1, None, 1, "x"]
    assert closed == [True, True]
    assert states() == ["finished", "finished"]


def test_a_task_s_function_is_a_part_of_its_tracker_s_run() -> None:
    bench = Bench()

    @track_task_emissions(tracker=bench.tracker, task_name="fit")
    def fit(duration_s: float) -> str:
        bench.work(duration_s)
        return "fitted"

    @track_task_emissions(tracker=bench.tracker)
    def score() -> None:
        bench.work(1.0)

    assert fit(100.0) == "fitted"
    score()
    bench.tracker.stop()

    assert [(task, bench.tracker.run.only(task).duration_s) for task in bench.tracker.run.tasks] == [
        ("fit", 100.0),
        ("score", 1.0),
    ]


def test_a_signal_may_end_it() -> None:
    bench = Bench()
    bench.tracker.start()
    bench.work(1.0)
    bench.tracker.service_shutdown(15, None)

    assert [row["state"] for row in rows()] == ["finished"]
    assert rows()[0]["run_id"] == bench.tracker.run_id
