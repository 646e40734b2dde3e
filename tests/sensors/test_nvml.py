from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch.activity.nvml import follow
from carbonwatch.errors import SensorUnavailable, SettingsError
from carbonwatch.model import Domain
from carbonwatch.sampler import Sampler
from carbonwatch.sensors.nvml import NvmlMeter, detect
from carbonwatch.settings import Settings, resolve
from carbonwatch.tracker import Tracker

if TYPE_CHECKING:
    from tests.conftest import FakeNvml

S = 10**9


class Machine:
    """The fake library, its meter, and one clock for both."""

    def __init__(self, nvml: FakeNvml) -> None:
        self.nvml = nvml
        self.ns = 0
        self.meters: list[NvmlMeter] = []

    def meter(self, *gpus: str, environ: Mapping[str, str] | None = None) -> NvmlMeter:
        self.meters.append(detect(Settings(gpus=gpus), environ=environ or {}, sleep=self.advance))
        return self.meters[-1]

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * S)
        self.nvml.advance(seconds)

    def read(self) -> Mapping[str, int]:
        return self.meters[-1].read(self.ns)


@pytest.fixture
def machine(nvml: FakeNvml) -> Iterator[Machine]:
    machine = Machine(nvml)
    yield machine
    for meter in machine.meters:
        meter.close()


# what is read


def test_a_card_that_counts_energy_is_read_by_its_counter(machine: Machine) -> None:
    machine.nvml.add("GPU-3f2a")

    meter = machine.meter()

    source = "NVIDIA A100-SXM4-40GB (NVML energy counter)"
    assert meter.domains == (Domain("nvml:GPU-3f2a", "gpu", "measured", source, None, (-0.05, 0.05)),)
    assert meter.rejected == {}


def test_a_card_without_a_counter_is_read_by_its_power_and_its_error_is_wider(machine: Machine) -> None:
    card = machine.nvml.add("GPU-k80", "Tesla K80")
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)

    meter = machine.meter()

    source = "Tesla K80 (NVML power, integrated between reads)"
    assert meter.domains == (Domain("nvml:GPU-k80", "gpu", "measured", source, None, (-0.2, 0.2)),)


def test_a_counter_that_stands_still_while_power_flows_is_no_zero(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    card = machine.nvml.add(power_w=50)
    machine.nvml.stick(card)

    meter = machine.meter()
    machine.read()
    machine.advance(10)

    assert meter.domains[0].source.endswith("(NVML power, integrated between reads)")
    assert machine.read() == {"nvml:GPU-a": 500 * S}
    assert "stand still" in caplog.text


def test_a_counter_that_stands_still_without_power_is_one(machine: Machine) -> None:
    machine.nvml.add(power_w=0)

    assert machine.meter().domains[0].source.endswith("(NVML energy counter)")


def test_a_card_that_tells_neither_is_rejected_and_the_others_are_read(machine: Machine) -> None:
    machine.nvml.add("GPU-a")
    silent = machine.nvml.add("GPU-b")
    for call in ("energy", "power"):
        machine.nvml.fail(silent, call, machine.nvml.NOT_SUPPORTED)

    meter = machine.meter()

    assert [d.id for d in meter.domains] == ["nvml:GPU-a"]
    assert meter.rejected == {"nvml:GPU-b": "it tells neither energy nor power (NVML: Not Supported)"}


def test_lost_cards_do_not_take_the_others_along(machine: Machine) -> None:
    for uuid in ("GPU-a", "GPU-b", "GPU-c"):
        card = machine.nvml.add(uuid)
        if uuid != "GPU-c":
            machine.nvml.fail(card, "energy", machine.nvml.GPU_IS_LOST)
            machine.nvml.fail(card, "power", machine.nvml.GPU_IS_LOST)

    assert [d.id for d in machine.meter().domains] == ["nvml:GPU-c"]


def test_a_board_of_mig_instances_is_metered_whole_and_once(machine: Machine) -> None:
    card = machine.nvml.add("GPU-a")
    machine.nvml.split(card, "MIG-1")

    meter = machine.meter(environ={"CUDA_VISIBLE_DEVICES": "MIG-1,MIG-GPU-a/2/0"})

    assert [d.id for d in meter.domains] == ["nvml:GPU-a"]
    assert "shared_device" in meter.domains[0].source


def test_cards_that_the_program_can_not_see_are_not_asked(machine: Machine) -> None:
    machine.nvml.add("GPU-a")
    other = machine.nvml.add("GPU-b")
    meter = machine.meter(environ={"CUDA_VISIBLE_DEVICES": "0"})
    asked = machine.nvml.asked(other)

    machine.read()

    assert machine.nvml.asked(other) == asked
    assert meter.rejected == {"nvml:GPU-b": "not visible (CUDA_VISIBLE_DEVICES=0)"}


def test_a_program_that_sees_no_gpu_has_nothing_to_mend(machine: Machine) -> None:
    machine.nvml.add()

    with pytest.raises(SensorUnavailable) as caught:
        machine.meter(environ={"CUDA_VISIBLE_DEVICES": ""})

    assert "nvml:GPU-a: not visible (CUDA_VISIBLE_DEVICES=)" in caught.value.reason
    assert caught.value.remedy == ""


def test_a_setting_that_names_no_gpu_stops_the_start_and_gives_the_library_back(machine: Machine) -> None:
    machine.nvml.add()

    with pytest.raises(SettingsError, match="gpus names '1'"):
        machine.meter("1")

    assert machine.nvml.opened == 0


def test_gpus_that_are_asked_for_and_have_no_driver_are_worth_a_remedy(machine: Machine) -> None:
    machine.nvml.unload_driver()

    with pytest.raises(SensorUnavailable) as caught:
        machine.meter("0")

    assert caught.value.remedy == "Leave out the setting gpus."


def test_indices_that_may_mean_another_card_are_warned_of(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.nvml.add("GPU-a", "NVIDIA T4")
    machine.nvml.add("GPU-b", "NVIDIA A100")

    machine.meter(environ={"CUDA_VISIBLE_DEVICES": "1"})

    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in caplog.text


# how much


def test_energy_is_exact_between_latches_whatever_power_did(machine: Machine) -> None:
    card = machine.nvml.add(power_w=40, latch_s=0.1)
    machine.meter()
    machine.advance(1 - machine.ns / S)
    before_nj = machine.read()["nvml:GPU-a"]

    for power_w, seconds in ((300, 2.0), (55, 0.5), (120.5, 1.5)):
        machine.nvml.set_power(card, power_w)
        machine.advance(seconds)

    assert machine.read()["nvml:GPU-a"] - before_nj == 808_250_000_000
    assert machine.meters[-1].failed == {}


def test_a_counter_lags_by_a_latch_and_loses_nothing(machine: Machine) -> None:
    machine.nvml.add(power_w=100, latch_s=0.1)
    machine.meter()
    machine.advance(1 - machine.ns / S)
    before_nj = machine.read()["nvml:GPU-a"]
    machine.advance(0.99)
    lagging_nj = machine.read()["nvml:GPU-a"]
    machine.advance(0.01)

    assert lagging_nj - before_nj == 90 * S
    assert machine.read()["nvml:GPU-a"] - before_nj == 100 * S


def test_power_that_rises_evenly_is_integrated_exactly(machine: Machine) -> None:
    card = machine.nvml.add(power_w=0)
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)
    machine.meter()
    for second in range(11):
        machine.nvml.set_power(card, 10 * second)
        counted = machine.read()
        machine.advance(1)

    assert counted == {"nvml:GPU-a": 500 * S}


def test_each_card_counts_its_own(machine: Machine) -> None:
    machine.nvml.add("GPU-a", power_w=100)
    machine.nvml.add("GPU-b", power_w=300)
    machine.meter()
    machine.advance(1 - machine.ns / S)
    before = machine.read()
    machine.advance(5)
    after = machine.read()

    assert {id_: after[id_] - before[id_] for id_ in after} == {"nvml:GPU-a": 500 * S, "nvml:GPU-b": 1500 * S}


# what goes wrong


def test_a_driver_that_was_loaded_again_costs_the_time_it_was_away_and_nothing_goes_back(machine: Machine) -> None:
    card = machine.nvml.add(power_w=100)
    machine.nvml.set_counted(card, 5_000_000)
    meter = machine.meter()
    machine.read()
    machine.advance(10)
    before = machine.read()

    machine.nvml.unload_driver()
    machine.advance(1)
    away, why = machine.read(), meter.failed
    machine.nvml.load_driver()
    machine.advance(1)
    back, doubt = machine.read(), meter.failed
    machine.advance(10)
    after = machine.read()

    assert away == {}
    assert why == {"nvml:GPU-a": "NVML: Driver Not Loaded"}
    assert back == before
    assert doubt == {"nvml:GPU-a": "its register was set back: this step is not counted"}
    assert after["nvml:GPU-a"] - back["nvml:GPU-a"] == 1000 * S
    assert meter.failed == {}


def test_a_read_that_fails_loses_nothing(machine: Machine) -> None:
    card = machine.nvml.add(power_w=100)
    meter = machine.meter()
    machine.advance(1 - machine.ns / S)
    before_nj = machine.read()["nvml:GPU-a"]
    machine.nvml.fail(card, "all", machine.nvml.GPU_IS_LOST)
    machine.advance(2)
    lost, why = machine.read(), meter.failed
    machine.nvml.fail(card, "all", 0)
    machine.advance(2)

    assert lost == {}
    assert why == {"nvml:GPU-a": "NVML: GPU is lost"}
    assert machine.read()["nvml:GPU-a"] - before_nj == 400 * S
    assert meter.failed == {}


def test_one_lost_card_leaves_the_others_counting(machine: Machine) -> None:
    lost = machine.nvml.add("GPU-a")
    machine.nvml.add("GPU-b")
    meter = machine.meter()
    machine.nvml.fail(lost, "all", machine.nvml.GPU_IS_LOST)

    counts = machine.read()

    assert counts.keys() == {"nvml:GPU-b"}
    assert meter.failed.keys() == {"nvml:GPU-a"}


def test_a_failure_is_logged_once_and_not_with_every_read(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    card = machine.nvml.add()
    machine.meter()
    machine.nvml.fail(card, "all", machine.nvml.GPU_IS_LOST)

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            machine.advance(1)
            machine.read()

    assert [r.getMessage() for r in caplog.records] == ["GPUs with a gap: {'nvml:GPU-a': 'NVML: GPU is lost'}"]


def test_closing_gives_the_library_back_and_later_reads_give_nothing(machine: Machine) -> None:
    machine.nvml.add()
    meter = machine.meter()

    meter.close()

    assert machine.nvml.opened == 0
    assert machine.read() == {}


# from the card to the run


@pytest.fixture
def no_rapl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Settings of a machine where GPUs alone are measured."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return {"path_sysfs": str(tmp_path), "sensors": ("rapl_powercap", "nvml"), "store": "none", "g_per_kwh": 360.0}


def test_a_run_books_what_the_card_counted_and_whose_it_was(machine: Machine, no_rapl: dict[str, object]) -> None:
    card = machine.nvml.add(power_w=100, latch_s=0.1)
    machine.nvml.set_processes(card, os.getpid(), 1)
    settings = resolve(no_rapl)
    meter = machine.meter()
    machine.advance(1 - machine.ns / S)
    activity = follow(settings, environ={}, wall_ns=lambda: machine.ns)
    tracker = Tracker(settings, meters=Sampler([meter], [activity], clock=lambda: machine.ns, thread=False))
    tracker.start()
    machine.advance(2)
    machine.nvml.sample(card, os.getpid(), machine.ns / S, 60)
    machine.nvml.sample(card, 1, machine.ns / S, 20)
    with tracker.start_task("train"):
        machine.nvml.set_power(card, 300)
        machine.advance(1)
        machine.nvml.sample(card, os.getpid(), machine.ns / S, 90)
    run = tracker.stop()
    activity.close()

    assert run.energy("machine", "gpu").value == pytest.approx(500)
    assert run.energy("own", "gpu").value == pytest.approx(0.75 * 200 + 300)
    assert run.only("train").energy("own").value == pytest.approx(300)
    assert run.measured == 1
    assert run.gaps == ()
    assert run.emissions("machine").value == pytest.approx(0.05)


def test_a_program_on_a_machine_with_a_card_and_no_rapl_is_measured(nvml: FakeNvml, no_rapl: dict[str, object]) -> None:
    card = nvml.add(power_w=100, latch_s=0.01)
    nvml.set_processes(card, os.getpid())
    nvml.use_real_time()

    with Tracker(resolve(no_rapl)) as tracker:
        began_s = time.process_time()
        while time.process_time() < began_s + 0.2:
            pass
    run = tracker.run

    assert [d.id for d in run.domains] == ["nvml:GPU-a"]
    assert run.energy("own").value == pytest.approx(100 * run.duration_s, abs=2)  # two latches
    assert nvml.opened == 0


def test_a_run_does_not_start_with_a_gpu_that_is_not_there(nvml: FakeNvml, no_rapl: dict[str, object]) -> None:
    nvml.add()

    with pytest.raises(SettingsError, match="gpus names '7'"):
        Tracker(resolve({**no_rapl, "gpus": "7"})).start()
