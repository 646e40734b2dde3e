import time
from typing import Any

import pytest

from carbonwatch.codecarbon.components import CPU, MODE_CPU_LOAD, RAM
from carbonwatch.codecarbon.parameters import parameters
from carbonwatch.codecarbon.units import Energy
from tests.codecarbon.bench import KWH
from tests.codecarbon.bench import Bench as Typed


class Bench(Typed):
    """The same, for looking at what no type checker knows of."""

    tracker: Any


def test_figures_are_those_of_now_under_the_names_that_programs_read() -> None:
    bench = Bench()
    before = bench.tracker._total_energy.kWh
    bench.tracker.start()
    bench.work(100.0)
    tracker = bench.tracker

    assert before == 0.0
    assert isinstance(tracker._total_energy, Energy)
    found = (tracker._total_energy, tracker._total_cpu_energy, tracker._total_ram_energy)
    assert [energy.kWh for energy in found] == pytest.approx([3600 / KWH, 3000 / KWH, 600 / KWH])
    assert [power.W for power in (tracker._cpu_power, tracker._ram_power)] == pytest.approx([30.0, 6.0])
    assert tracker._total_emissions == pytest.approx(0.001)
    assert tracker._prepare_emissions_data().energy_consumed == pytest.approx(3600 / KWH)


def test_after_the_end_they_are_the_run_s() -> None:
    bench = Bench()
    bench.tracker.start()
    bench.work(100.0)
    emissions = bench.tracker.stop()
    bench.work(100.0)

    assert (bench.tracker._total_emissions, bench.tracker._start_time, bench.tracker._scheduler) == (
        emissions,
        None,
        None,
    )


def test_the_start_is_told_by_the_clock_of_programs() -> None:
    bench = Bench()
    assert bench.tracker._start_time is None
    bench.tracker.start()
    bench.work(100.0)

    started_s: Any = bench.tracker._start_time
    assert time.perf_counter() - started_s >= 100.0


def test_tasks_go_by_their_names_with_what_each_used() -> None:
    bench = Bench()
    for name, duration_s in (("load", 1.0), ("train", 2.0), ("train", 4.0)):
        bench.tracker.start_task(name)
        bench.work(duration_s)
        bench.tracker.stop_task()
    bench.tracker.start_task("open")
    found = bench.tracker._tasks

    assert [(key, task.task_name, task.is_active) for key, task in found.items()] == [
        ("load", "load", False),
        ("train", "train", False),
        ("train_2", "train", False),
        ("open", "open", True),
    ]
    assert [task.emissions_data.duration for task in found.values()] == [1.0, 2.0, 4.0, 0.0]
    assert found["train"].out().task_name == "train"
    assert bench.tracker._active_task == "open"
    bench.tracker.stop()


def test_hardware_is_what_is_metered() -> None:
    bench = Bench(tracking_mode="process")
    bench.tracker.start()
    bench.work(10.0)
    ram, cpu = bench.tracker._hardware

    assert (type(cpu), type(ram)) == (CPU, RAM)
    assert (cpu._mode, cpu._tracking_mode, cpu.total_power().W) == (MODE_CPU_LOAD, "process", pytest.approx(15.0))
    assert ram.machine_memory_GB == bench.tracker.get_detected_hardware()["ram_total_size"]
    assert bench.tracker._conf["hardware"] == [ram.description(), cpu.description()]


def test_every_parameter_has_its_value_of_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECARBON_API_CALL_INTERVAL", "4")
    monkeypatch.setenv("CODECARBON_SAVE_TO_LOGFIRE", "no")
    tracker = Bench(project_name="digits", force_ram_power="5", output_methods="csv", gpu_ids=[1]).tracker

    assert all(hasattr(tracker, f"_{name}") for name in parameters())
    assert (tracker._project_name, tracker._api_call_interval, tracker._force_ram_power) == ("digits", 4, 5.0)
    assert (tracker._save_to_logfire, tracker._save_to_file, tracker._force_cpu_power) == (False, True, None)
    assert (tracker._output_methods, tracker._gpu_ids, tracker._pue) == (["csv"], ["1"], 1.0)
    assert {name: tracker._conf[name] for name in ("project_name", "api_call_interval")} == {
        "project_name": "digits",
        "api_call_interval": 4,
    }


def test_a_parameter_may_be_set_until_the_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECARBON_PROJECT_NAME", "of the environment")
    bench = Bench(project_name="of the call")
    bench.tracker._set_from_conf("mine", "experiment_id")
    bench.tracker.start()
    bench.tracker._set_from_conf("too late", "experiment_id")
    bench.tracker.stop()

    data = bench.tracker.final_emissions_data
    assert (data.experiment_id, data.project_name) == ("mine", "of the call")


def test_an_output_may_be_added_to_the_list_of_them() -> None:
    told: list[float] = []

    class Output:
        def out(self, total: object, delta: object) -> None:
            told.append(1.0)

    bench = Bench()
    bench.tracker._output_handlers.append(Output())
    bench.tracker.start()
    bench.work(1.0)
    bench.tracker.stop()

    assert told == [1.0]


def test_the_place_is_theirs() -> None:
    bench = Bench(country_iso_code="FRA", region=None)
    with bench.tracker:
        bench.work(1.0)

    assert (bench.tracker._geo.country_iso_code, bench.tracker._geo.country_name) == ("FRA", "France")
    assert bench.tracker._get_geo_metadata() == bench.tracker._geo
    assert bench.tracker._get_cloud_metadata().is_on_private_infra
    assert bench.tracker._emissions.get_private_infra_emissions(Energy(1), bench.tracker._geo) == 1.0


def test_what_they_have_not_either_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="'EmissionsTracker' object has no attribute '_nothing'"):
        _ = Bench().tracker._nothing
