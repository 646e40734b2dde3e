import asyncio
import csv
import json
import logging
import math
import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from carbonwatch import codecarbon
from carbonwatch.codecarbon import EmissionsTracker, OfflineEmissionsTracker, TaskEmissionsTracker, track_emissions
from carbonwatch.errors import SettingsError
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeActivity, FakeMeter, fake_sampler

# every parameter of CodeCarbon 3.3.2's two trackers
THEIRS = """
    project_name measure_power_secs api_call_interval api_endpoint api_key output_dir output_file output_methods
    save_to_file save_to_api save_to_logger logging_logger save_to_prometheus save_to_logfire prometheus_url
    output_handlers gpu_ids emissions_endpoint experiment_id experiment_name electricitymaps_api_token
    co2_signal_api_token tracking_mode log_level on_csv_write logger_preamble force_cpu_power force_ram_power pue wue
    force_carbon_intensity_g_co2e_kwh force_mode_cpu_load allow_multiple_runs rapl_include_dram rapl_prefer_psys
    metadata country_iso_code region cloud_provider cloud_region country_2letter_iso_code
"""
KWH = 3_600_000.0


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user without settings, in a folder of his own, whose runs are not kept."""
    for name in os.environ:
        if name.startswith(("CODECARBON_", "CARBONWATCH_", "AWS_")):
            monkeypatch.delenv(name)
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("CARBONWATCH_STORE", "none")
    monkeypatch.chdir(work)
    level = logging.getLogger("carbonwatch").level
    yield
    logging.getLogger("carbonwatch").setLevel(level)


class Bench:
    """A tracker of a machine that draws 36 W, half of it this program's, on a clock that moves when told to."""

    def __init__(self, tracker: Callable[..., EmissionsTracker] = EmissionsTracker, **parameters: Any) -> None:
        self.clock = Clock(1)
        meters = [FakeMeter("cpu", power_w=30.0, idle_w=0.0), FakeMeter("ram", power_w=6.0, idle_w=0.0)]
        self.sampler = fake_sampler(meters, self.clock, FakeActivity(own=0.25, busy=0.5))
        given = {"force_carbon_intensity_g_co2e_kwh": 1000.0, "measure_power_secs": 3600, **parameters}
        self.tracker = tracker(meters=self.sampler, **given)

    def work(self, duration_s: float) -> None:
        self.clock.advance(duration_s)


def rows(name: str = "emissions.csv") -> list[dict[str, str]]:
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file, strict=True))


def settings(**parameters: Any) -> Settings:
    return EmissionsTracker(**parameters)._tracker.settings


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
    assert (data.duration, data.emissions, data.cpu_energy) == (100.0, pytest.approx(0.001), pytest.approx(3000 / KWH))
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
            "cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,country_iso_code,cloud_provider,"
            "cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,ram_total_size,"
            "tracking_mode,cpu_utilization_percent,gpu_utilization_percent,ram_utilization_percent,ram_used_gb,on_cloud,"
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
    assert f"{data.gpu_energy:.3f} {data.region}" == "nan "
    assert (data.longitude, json.loads(data.toJSON())["gpu_energy"]) == (None, None)
    with pytest.raises(AttributeError, match="no column 'energy'"):
        data.energy  # noqa: B018 - the look is the test


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


# parameters


def test_every_parameter_of_codecarbon_is_taken() -> None:
    assert set(codecarbon.parameters()) == set(THEIRS.split())


def test_every_parameter_stands_in_the_guide() -> None:
    guide = (Path(__file__).parents[1] / "docs/how-to/switch-from-codecarbon.md").read_text(encoding="utf-8")
    _, table = guide.split("## Every parameter")
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]

    assert {name.strip(" `") for cell in cells for name in cell.split(",")} == set(THEIRS.split())


def test_parameters_become_settings() -> None:
    found = settings(
        project_name="p",
        measure_power_secs="15",
        output_file="mine.csv",
        on_csv_write="update",
        gpu_ids=[0, "GPU-1"],
        tracking_mode="process",
        force_cpu_power=65,
        force_ram_power=10,
        pue=1.2,
        wue="0.5",
        force_carbon_intensity_g_co2e_kwh=50,
        rapl_prefer_psys="True",
        region="california",
        country_2letter_iso_code="us",
        force_mode_cpu_load=True,
        save_to_file="false",
    )
    wanted = {
        "project": "p",
        "interval_s": 15.0,
        "output_file": "mine.csv",
        "csv_write": "update",
        "gpus": ("0", "GPU-1"),
        "scope": "process",
        "cpu_w": 65.0,
        "ram_w": 10.0,
        "pue": 1.2,
        "wue": 0.5,
        "g_per_kwh": 50.0,
        "prefer_psys": True,
        "region": "california",
        "country": "us",
        "sensors": ("nvml", "cpu_model", "ram_model"),
        "exporters": (),
    }

    assert {name: getattr(found, name) for name in wanted} == wanted


def test_without_parameters_it_is_as_codecarbon_is() -> None:
    found = settings()

    assert (found.project, found.scope, found.exporters, found.output_dir, found.output_file, found.csv_write) == (
        "codecarbon",
        "machine",
        ("emissions_csv",),
        os.getcwd(),
        "emissions.csv",
        "append",
    )


def test_a_cloud_region_is_taken_whole_or_refused() -> None:
    assert settings(cloud_provider="aws", cloud_region="eu-west-3").cloud == "aws/eu-west-3"
    with pytest.raises(SettingsError, match="cloud_region is not given"):
        EmissionsTracker(cloud_provider="aws")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"proyect_name": "p"}, "no parameter 'proyect_name', so it would have no effect. Did you mean 'project_name'"),
        ({"measure_power_secs": -1}, "measure_power_secs is -1"),
        ({"measure_power_secs": "often"}, "measure_power_secs is 'often'"),
        ({"pue": float("nan")}, "pue is nan"),
        ({"pue": -1.0}, "pue is -1.0"),
        ({"pue": 0.5}, "pue is 0.5"),
        ({"wue": -0.1}, "wue is -0.1"),
        ({"force_cpu_power": 0}, "force_cpu_power is 0"),
        ({"force_carbon_intensity_g_co2e_kwh": -5}, "force_carbon_intensity_g_co2e_kwh is -5"),
        ({"country_iso_code": "FRX"}, "country_iso_code is 'FRX'"),
        ({"country_2letter_iso_code": "XX"}, "country_2letter_iso_code is 'XX'"),
        ({"region": "atlantis", "country_iso_code": "USA"}, "region is 'atlantis'"),
        ({"tracking_mode": "all"}, "tracking_mode is 'all'"),
        ({"on_csv_write": "replace"}, "on_csv_write is 'replace'"),
        ({"save_to_file": "maybe"}, "save_to_file is 'maybe'; it must be true or false"),
        ({"log_level": "loud"}, "log_level is 'loud'"),
        ({"output_methods": ["xml"]}, "output_methods has 'xml'"),
        ({"output_dir": "nowhere"}, "output_dir is 'nowhere'"),
        ({"output_file": "../emissions.csv"}, "output_file is '../emissions.csv'"),
        ({"metadata": {"a": object()}}, "which JSON can't hold"),
    ],
)
@pytest.mark.parametrize("tracker", [EmissionsTracker, OfflineEmissionsTracker])
def test_a_parameter_that_makes_no_sense_stops_the_start_and_is_named_as_it_was_given(
    tracker: type[EmissionsTracker], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        tracker(**parameters)

    assert message in str(caught.value)


@pytest.mark.parametrize("country", ["FRA", "FR", "fra"])
def test_a_country_goes_by_any_of_its_codes(country: str) -> None:
    with Bench(OfflineEmissionsTracker, country_iso_code=country).tracker as tracker:
        pass

    assert tracker.final_emissions_data.country_iso_code == "FRA"


def test_what_has_no_effect_is_said_once_where_it_was_turned_on(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        EmissionsTracker(save_to_logfire=True, save_to_prometheus=False)

    assert [r.getMessage() for r in caplog.records] == ["save_to_logfire has no effect: runs are not sent to Logfire"]


def test_output_methods_are_theirs_or_our_exporters() -> None:
    assert settings(output_methods=["csv"]).exporters == ("emissions_csv",)
    assert settings(output_methods="csv, json").exporters == ("emissions_csv", "json")


def test_metadata_goes_with_the_run() -> None:
    with Bench(metadata={"lr": 0.1}, experiment_id="e-1", experiment_name="first").tracker as tracker:
        pass

    facts = tracker.run.facts
    assert EmissionsTracker(metadata='{"lr": 0.1}').run.facts["metadata"] == {"lr": 0.1}
    assert EmissionsTracker(metadata="a note").run.facts["metadata"] == "a note"
    assert (facts["metadata"], facts["experiment_id"], facts["experiment_name"]) == ({"lr": 0.1}, "e-1", "first")
    assert rows()[0]["experiment_id"] == "e-1"


# where parameters come from


def config(path: Path, **values: str) -> None:
    path.write_text("[codecarbon]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))


def test_the_call_goes_before_the_environment_the_folder_s_file_the_user_s_and_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def layer(*names: str, value: str) -> dict[str, str]:
        return dict.fromkeys(names, value)

    config(tmp_path / "home/.codecarbon.config", **layer("project_name", "wue", "pue", "force_cpu_power", value="4"))
    config(Path(".codecarbon.config"), **layer("project_name", "wue", "pue", value="3"))
    monkeypatch.setenv("CODECARBON_PROJECT_NAME", "2")
    monkeypatch.setenv("CODECARBON_WUE", "2")
    for name in ("PROJECT", "WUE", "PUE", "CPU_W", "RAM_W"):
        monkeypatch.setenv(f"CARBONWATCH_{name}", "5")
    found = settings(project_name="1")

    assert (found.project, found.wue, found.pue, found.cpu_w, found.ram_w) == ("1", 2.0, 3.0, 4.0, 5.0)


def test_text_from_files_and_environment_becomes_what_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    config(Path(".codecarbon.config"), measure_power_secs="15", save_to_file="False", rapl_prefer_psys="True")
    monkeypatch.setenv("CODECARBON_GPU_IDS", "0, 1")
    monkeypatch.setenv("CODECARBON_REGION", "")
    found = settings()

    assert (found.interval_s, found.exporters, found.prefer_psys, found.gpus, found.region) == (
        15.0,
        (),
        True,
        ("0", "1"),
        None,
    )


def test_what_codecarbon_s_command_line_keeps_in_its_file_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    config(Path(".codecarbon.config"), organization_id="o", project_id="p", experiment_id="e", projekt_name="typo")
    EmissionsTracker()

    assert [r.getMessage() for r in caplog.records] == [
        "there is no parameter 'projekt_name' (from ./.codecarbon.config), so it has no effect. Did you mean "
        "'project_name'?"
    ]


@pytest.mark.parametrize("content", [b"[codecarbon\n", b"[codecarbon]\nx\n", b"\xff"])
def test_a_config_file_that_is_broken_stops_the_start(content: bytes) -> None:
    Path(".codecarbon.config").write_bytes(content)

    with pytest.raises(SettingsError, match=r"\.codecarbon\.config can't be read"):
        EmissionsTracker()


def test_a_broken_config_file_is_not_shown_for_a_token_may_stand_in_it() -> None:
    Path(".codecarbon.config").write_text("[codecarbon]\nelectricitymaps_api_token s3cr3t-7f9a\n")

    with pytest.raises(SettingsError, match="ParsingError in line 2") as caught:
        EmissionsTracker()
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["electricitymaps_api_token", "co2_signal_api_token"])
def test_electricity_maps_token_turns_it_on_by_either_name(name: str) -> None:
    found = settings(**{name: "s3cr3t"})

    assert (found.grid, found.electricity_maps_token) == (("electricity_maps",), "s3cr3t")


def test_the_present_name_of_the_token_wins_and_an_empty_one_is_none() -> None:
    both = settings(electricitymaps_api_token="new", co2_signal_api_token="old")

    assert both.electricity_maps_token == "new"
    assert settings(electricitymaps_api_token="").grid == ()


def test_our_own_setting_may_choose_another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBONWATCH_GRID", "energy_charts")

    assert settings(electricitymaps_api_token="s3cr3t").grid == ("energy_charts",)


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
