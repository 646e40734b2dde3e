from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch.activity.nvml import follow
from carbonwatch.errors import SensorUnavailable, SettingsError
from carbonwatch.model import Domain, Figure
from carbonwatch.sampler import Sampler
from carbonwatch.sensors._polled import Polled
from carbonwatch.sensors.nvml import NvmlMeter, detect
from carbonwatch.settings import Settings, resolve
from carbonwatch.tracker import Tracker

if TYPE_CHECKING:
    from carbonwatch.sensors._polled import Sums
    from tests.conftest import FakeNvml

S = 10**9


class Machine:
    """The fake library, its meter, and one clock for both."""

    def __init__(self, nvml: FakeNvml) -> None:
        self.nvml = nvml
        self.ns = 0
        self.meters: list[NvmlMeter] = []

    def meter(self, *gpus: str, environ: Mapping[str, str] | None = None) -> NvmlMeter:
        clock = lambda: self.ns  # noqa: E731 - the fake's begins at nothing
        settings, environ = Settings(gpus=gpus), environ or {}
        self.meters.append(
            detect(settings, environ=environ, sleep=self.advance, wall_ns=clock, clock=clock, poll=self.no_process)
        )
        return self.meters[-1]

    def no_process(self, sums: Sums, every_s: float, *, mean_s: float = 0.0) -> Polled:
        raise OSError("nothing beside this test reads its cards")

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
    assert meter.domains == (Domain("nvml:GPU-3f2a", "gpu", "measured", source, error=(-0.05, 0.05), period_s=0.025),)
    assert meter.rejected == {}


def test_a_card_without_a_counter_is_read_by_its_power_and_its_error_is_wider(machine: Machine) -> None:
    card = machine.nvml.add("GPU-k80", "Tesla K80")
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)

    meter = machine.meter()

    source = "Tesla K80 (NVML power, integrated between reads)"
    assert meter.domains == (Domain("nvml:GPU-k80", "gpu", "measured", source, None, (-0.2, 0.2)),)


def test_a_card_without_a_counter_whose_driver_keeps_samples_is_read_by_these(machine: Machine) -> None:
    card = machine.nvml.add("GPU-p100", "Tesla P100")
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)
    machine.nvml.keep_samples(card, 0.02)
    machine.advance(1)

    meter = machine.meter()

    source = "Tesla P100 (NVML power samples, integrated)"
    assert meter.domains == (Domain("nvml:GPU-p100", "gpu", "measured", source, error=(-0.1, 0.1)),)
    assert meter.tick_s == 1.0


def test_a_card_without_a_counter_that_tells_its_mean_power_is_read_twice_a_second(machine: Machine) -> None:
    card = machine.nvml.add("GPU-x")
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)
    machine.nvml.tell_mean(card)

    meter = machine.meter()

    assert meter.domains[0].source.endswith("(NVML mean power of each second, integrated)")
    assert meter.tick_s == 0.5


def test_a_gpu_that_tells_nothing_on_a_module_that_does_is_read_as_the_whole_module(machine: Machine) -> None:
    card = machine.nvml.add("GPU-gh", "NVIDIA GH200 480GB", power_w=300)
    for call in ("energy", "power"):
        machine.nvml.fail(card, call, machine.nvml.NOT_SUPPORTED)
    machine.nvml.add_scope(card, machine.nvml.MODULE, 150)
    meter = machine.meter()
    first = machine.read()
    machine.advance(10)
    (id_,) = first

    assert (id_, meter.domains[0].component) == ("nvml:GPU-gh:module", "system")
    assert machine.read()[id_] - first[id_] == 4500 * S


def test_what_holds_the_gpu_and_what_is_inside_it_are_not_added_to_it(machine: Machine) -> None:
    card = machine.nvml.add("GPU-gh")
    machine.nvml.add_scope(card, machine.nvml.MODULE, 150)
    machine.nvml.add_scope(card, machine.nvml.MEMORY, 40)

    meter = machine.meter()

    assert [d.id for d in meter.domains] == ["nvml:GPU-gh"]
    assert meter.rejected == {
        "nvml:GPU-gh:module": "holds nvml:GPU-gh and a CPU with its memory, which are counted for themselves",
        "nvml:GPU-gh:memory": "inside nvml:GPU-gh",
    }


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


@pytest.mark.parametrize(
    ("latch_s", "period_s"), [(0.001, 0.02), (0.02, 0.025), (0.05, 0.055), (0.1, 0.105), (0.2, 0.205)]
)
def test_how_often_a_counter_is_renewed_is_measured_at_the_start(
    machine: Machine, latch_s: float, period_s: float
) -> None:
    machine.nvml.add(latch_s=latch_s)
    machine.advance(0.7)

    assert machine.meter().domains[0].period_s == period_s
    assert machine.ns / S < 0.7 + 2 * latch_s + 0.015


@pytest.mark.parametrize("seed", range(20))
def test_a_machine_that_stalls_meanwhile_makes_the_period_longer_and_never_shorter(machine: Machine, seed: int) -> None:
    machine.nvml.add(latch_s=0.1)
    chance = random.Random(seed)

    def stall(seconds: float) -> None:
        machine.advance(seconds + (chance.uniform(0, 0.3) if chance.random() < 0.2 else 0.0))

    clock = lambda: machine.ns  # noqa: E731 - the fake's
    machine.meters.append(detect(Settings(), environ={}, sleep=stall, wall_ns=clock, clock=clock))

    assert 0.1 <= machine.meters[0].domains[0].period_s < 1.5


def test_cards_of_several_periods_are_measured_at_the_same_time(machine: Machine) -> None:
    for uuid, latch_s in (("GPU-a", 0.02), ("GPU-b", 0.1), ("GPU-c", 0.2)):
        machine.nvml.add(uuid, latch_s=latch_s)

    assert [d.period_s for d in machine.meter().domains] == [0.025, 0.105, 0.205]
    assert machine.ns == 4 * S // 10


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


def test_samples_show_what_happened_between_two_reads(machine: Machine) -> None:
    card = machine.nvml.add(power_w=50)
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)
    machine.nvml.keep_samples(card, 0.02)
    machine.advance(1)
    machine.meter()
    first_nj = machine.read()["nvml:GPU-a"]
    for power_w, seconds in ((50, 0.5), (350, 0.3), (50, 1.2)):  # a burst that a read a second does not see
        machine.nvml.set_power(card, power_w)
        machine.advance(seconds)

    assert (machine.read()["nvml:GPU-a"] - first_nj) / S == pytest.approx(190, abs=3)  # one step of the grid


def test_samples_count_up_to_the_instant_of_the_read_and_never_back(machine: Machine) -> None:
    card = machine.nvml.add(power_w=300)
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)
    machine.nvml.keep_samples(card, 0.1)
    machine.advance(1)
    machine.meter()
    counts = [machine.read()["nvml:GPU-a"]]
    for power_w in (300, 60, 60, 60, 300):
        machine.nvml.set_power(card, power_w)
        machine.advance(0.07)
        counts.append(machine.read()["nvml:GPU-a"])

    assert counts[1] - counts[0] == 21 * S
    assert counts == sorted(counts)


def test_samples_go_on_after_the_clock_was_set_back(machine: Machine) -> None:
    card = machine.nvml.add(power_w=100)
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)
    machine.nvml.keep_samples(card, 0.02)
    machine.advance(100)
    off_ns = [0]
    meter = detect(
        Settings(), environ={}, sleep=machine.advance, wall_ns=lambda: machine.ns - off_ns[0], poll=machine.no_process
    )
    machine.meters.append(meter)
    first_nj = meter.read(machine.ns)["nvml:GPU-a"]
    off_ns[0] = 3600 * S
    for _ in range(3):
        machine.advance(1)
        count_nj = meter.read(machine.ns)["nvml:GPU-a"]

    assert count_nj - first_nj == 300 * S
    assert meter.failed == {}


def test_a_driver_that_takes_no_samples_any_more_leaves_a_gap(machine: Machine) -> None:
    card = machine.nvml.add(power_w=100)
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)
    machine.nvml.keep_samples(card, 0.02)
    machine.advance(1)
    meter = machine.meter()
    machine.read()
    machine.nvml.keep_samples(card, 3600)
    machine.advance(6)

    assert machine.read() == {}
    assert meter.failed == {"nvml:GPU-a": "NVML: the driver takes no samples of its power"}


def test_the_mean_of_each_second_leaves_no_moment_out(machine: Machine) -> None:
    card = machine.nvml.add(power_w=50)
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)
    machine.nvml.tell_mean(card)
    machine.meter()
    machine.advance(2)
    first_nj = machine.read()["nvml:GPU-a"]
    for tenth in range(50):  # bursts of a tenth of a second, between reads
        machine.nvml.set_power(card, 350 if tenth in (2, 17, 31) else 50)
        machine.advance(0.1)
        if tenth % 5 == 4:
            machine.read()

    assert (machine.read()["nvml:GPU-a"] - first_nj) / S == pytest.approx(250 + 3 * 30, rel=0.01)


OLD_CARD = """
import os, time
from carbonwatch.sensors.nvml import detect
from carbonwatch.settings import Settings

meter = detect(Settings(), environ=os.environ)
(id_,) = [domain.id for domain in meter.domains]


def count():
    while True:
        ns = time.monotonic_ns()
        counts = meter.read(ns)
        if id_ in counts:
            return ns, counts[id_]
        time.sleep(0.01)


first = count()
time.sleep(0.1)
last = count()
print(meter.domains[0].source, "|", (last[1] - first[1]) / (last[0] - first[0]))
meter.close()
"""


def test_a_card_that_tells_single_moments_alone_is_read_by_a_process_of_its_own(nvml_library: Path) -> None:
    environ = {
        **{k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"},
        "LD_LIBRARY_PATH": str(nvml_library.parent),
        "FAKE_NVML_CARDS": "1",
        "FAKE_NVML_NO_COUNTER": "1",
    }

    done = subprocess.run([sys.executable, "-c", OLD_CARD], env=environ, capture_output=True, text=True, timeout=60)

    source, _, power_w = done.stdout.partition(" | ")
    assert source == "NVIDIA A100-SXM4-40GB (NVML power, integrated from 20 reads a second)", done.stderr
    assert float(power_w) == pytest.approx(400)


def test_where_no_process_can_be_started_power_is_read_with_the_samples(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    card = machine.nvml.add()
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)

    assert machine.meter().domains[0].source.endswith("(NVML power, integrated between reads)")
    assert "nothing beside this test reads its cards" in caplog.text


def test_a_process_that_can_not_read_the_cards_is_let_go(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    card = machine.nvml.add()
    machine.nvml.fail(card, "energy", machine.nvml.NOT_SUPPORTED)

    meter = detect(Settings(), environ={}, sleep=machine.advance)  # the fake library is in this process alone
    machine.meters.append(meter)

    assert meter.domains[0].source.endswith("(NVML power, integrated between reads)")
    assert "a process of its own can't read it" in caplog.text


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


# windows


class Load:
    """A load that jumps between 60 and 300 W at random on all cards, and what it has really used."""

    def __init__(self, machine: Machine, cards: int) -> None:
        self.machine, self.cards = machine, cards
        self.chance = random.Random(20)
        self.power_w, self.left_s, self.used_j = 60.0, 0.0, 0.0

    def advance(self, seconds: float) -> None:
        while seconds > 0:
            if self.left_s <= 0:
                self.power_w, self.left_s = 360.0 - self.power_w, self.chance.expovariate(1 / 0.15)
                for card in range(self.cards):
                    self.machine.nvml.set_power(card, self.power_w)
            step_s = min(seconds, self.left_s)
            self.machine.advance(step_s)
            self.used_j += self.power_w * step_s
            self.left_s, seconds = self.left_s - step_s, seconds - step_s


def measured_windows(
    machine: Machine, errors: Mapping[str, float], longest_s: float, *, precise: bool, latch_s: float = 0.1
) -> Iterator[tuple[str, float, Figure]]:
    """Many windows of a second and more: for each card its id, the truth and what is said."""
    for uuid, error in errors.items():
        card = machine.nvml.add(uuid, power_w=60, latch_s=latch_s)
        machine.nvml.set_error(card, error)
    load = Load(machine, len(errors))
    meter = machine.meter()
    sampler = Sampler([meter], [], clock=lambda: machine.ns, sleep=load.advance, thread=False)
    settings = Settings(store="none", g_per_kwh=100.0, scope="machine")
    with Tracker(settings, meters=sampler, environ={}) as tracker:
        for _ in range(200):
            load.advance(load.chance.uniform(0, 0.3))
            sampler.tick()
            window = tracker.window("step", precise=precise)
            before_j = load.used_j
            load.advance(load.chance.uniform(1.0, longest_s))
            truth_j = load.used_j - before_j
            for entry in window.end().run.entries:
                yield entry.usage.domain.id, truth_j, entry.usage.part("machine", window.duration_s)


@pytest.mark.parametrize("longest_s", [1.01, 3.0])
@pytest.mark.parametrize("latch_s", [0.02, 0.1, 0.2])
def test_19_windows_in_20_of_a_second_and_more_lie_within_what_they_say(
    machine: Machine, longest_s: float, latch_s: float
) -> None:
    errors = {f"GPU-{n}": error for n, error in enumerate((-0.045, -0.02, 0.0, 0.02, 0.045))}

    within = [
        said.low <= truth_j <= said.high
        for _, truth_j, said in measured_windows(machine, errors, longest_s, precise=False, latch_s=latch_s)
    ]

    assert len(within) == 1000
    assert sum(within) / len(within) >= 0.95


def test_a_precise_window_of_a_second_on_a_counter_of_a_tenth_is_off_by_less_than_two_hundredths(
    machine: Machine,
) -> None:
    found = list(measured_windows(machine, {"GPU-a": 0.0}, 1.1, precise=True))

    squares = [(said.value / truth_j - 1) ** 2 for _, truth_j, said in found]

    assert (sum(squares) / len(squares)) ** 0.5 <= 0.02
    assert sum(said.low <= truth_j <= said.high for _, truth_j, said in found) / len(found) >= 0.95


def test_precise_windows_of_cards_of_several_errors_lie_within_what_they_say(machine: Machine) -> None:
    errors = {f"GPU-{n}": error for n, error in enumerate((-0.045, 0.0, 0.045))}

    within = [
        said.low <= truth_j <= said.high for _, truth_j, said in measured_windows(machine, errors, 3, precise=True)
    ]

    assert sum(within) / len(within) >= 0.95


def test_a_precise_window_in_real_time_is_about_right_on_any_machine(
    nvml: FakeNvml, no_rapl: dict[str, object]
) -> None:
    nvml.add(power_w=100, latch_s=0.02)
    nvml.use_real_time()
    with Tracker(resolve({**no_rapl, "scope": "machine"})) as tracker, tracker.window("step", precise=True) as window:
        began_s = time.process_time()
        while time.process_time() < began_s + 0.1:
            pass

    assert window.energy_j == pytest.approx(100 * window.duration_s, abs=4)  # two latches, if a stall left it at that


def test_a_driver_that_is_loaded_again_inside_a_window_is_its_gap(machine: Machine) -> None:
    card = machine.nvml.add(power_w=100)
    machine.nvml.set_counted(card, 5_000_000)
    sampler = Sampler([machine.meter()], [], clock=lambda: machine.ns, sleep=machine.advance, thread=False)
    with Tracker(Settings(store="none", g_per_kwh=100.0), meters=sampler, environ={}) as tracker:
        window = tracker.window("step")
        machine.advance(5)
        machine.nvml.unload_driver()
        machine.advance(1)
        sampler.tick()
        machine.nvml.load_driver()
        machine.advance(1)
        sampler.tick()
        machine.advance(5)
        window.end()

    assert [g.reason for g in window.run.gaps] == [
        "NVML: Driver Not Loaded",
        "its register was set back: this step is not counted",
    ]
    assert window.run.energy("machine").value == pytest.approx(500, abs=10)  # of the time after


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
