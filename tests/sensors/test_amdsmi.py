from __future__ import annotations

import ctypes
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sensors._gauges import GaugeMeter
from carbonwatch.sensors.amdsmi import detect
from tests.compiler import compiled
from tests.sensors.trees import plant

S = 10**9
MI250, TWIN, RADEON = "amdsmi:0000:29:00.0", "amdsmi:0000:2c:00.0", "amdsmi:0000:63:00.0"
BUSES = {MI250: 0x29, TWIN: 0x2C, RADEON: 0x63}


class Machine:
    """AMD SMI and the kernel's files of one machine, and one clock for both."""

    def __init__(self, api: Any, root: pathlib.Path) -> None:
        self.api = api
        self.root = root
        self.settings = plant(root, "mi250")
        self.ns = 0
        self.meters: list[GaugeMeter] = []
        self.number = {id_: api.fake_add(ctypes.c_uint64(bus), ctypes.c_double(0)) for id_, bus in BUSES.items()}
        self.set_power(MI250, 300)

    def set_power(self, id_: str, power_w: float) -> None:
        self.api.fake_power(self.number[id_], ctypes.c_double(power_w))

    def set_counted(self, id_: str, energy_j: float) -> None:
        self.api.fake_set(self.number[id_], ctypes.c_double(energy_j))

    def file(self, bus: str) -> pathlib.Path:
        folder = self.root / "bus" / "pci" / "drivers" / "amdgpu" / bus.removeprefix("amdsmi:")
        return next(folder.glob("hwmon/*/power1_average"))

    def meter(self, environ: Mapping[str, str] | None = None) -> GaugeMeter:
        self.meters.append(detect(self.settings, environ=environ or {}, load=lambda: self.api, sleep=self.advance))
        return self.meters[-1]

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * S)
        self.api.fake_advance(ctypes.c_double(seconds))

    def read(self) -> Mapping[str, int]:
        return self.meters[-1].read(self.ns)

    def energy_j(self, seconds: float) -> dict[str, float]:
        before = self.read()
        self.advance(seconds)
        after = self.read()
        return {id_: round((after[id_] - before[id_]) / S, 3) for id_ in after}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = pathlib.Path(__file__).parent / "fake_amd_smi.c"
    return ctypes.CDLL(str(compiled(source, tmp_path_factory.mktemp("amd"), "libamd_smi.so")))


@pytest.fixture
def machine(api: Any, tmp_path: pathlib.Path) -> Iterator[Machine]:
    api.fake_reset()
    machine = Machine(api, tmp_path)
    yield machine
    for meter in machine.meters:
        meter.close()
    assert api.fake_opened() == 0, "the library was not given back"


def test_a_board_is_read_by_its_accumulator(machine: Machine) -> None:
    machine.set_power(RADEON, 60)

    meter = machine.meter()

    source = "AMD Instinct MI250 (AMD SMI energy counter)"
    assert meter.domains[0] == Domain(MI250, "gpu", "measured", source, None, (-0.05, 0.05), period_s=0.1)
    assert [d.id for d in meter.domains] == [MI250, RADEON]


def test_the_second_half_of_a_board_is_counted_by_the_first(machine: Machine) -> None:
    meter = machine.meter()

    assert meter.rejected == {TWIN: "it tells neither energy nor power: another one may count for it, or a host"}


def test_a_board_that_sleeps_at_the_start_is_read_once_it_wakes(machine: Machine) -> None:
    machine.file(RADEON).write_text("\n")
    meter = machine.meter()
    asleep = machine.read().keys()
    why = meter.failed
    machine.file(RADEON).write_text("60000000\n")
    machine.advance(1)
    machine.read()

    assert asleep == {MI250}
    assert why == {RADEON: f"{machine.file(RADEON)} shows no number"}
    assert machine.energy_j(2)[RADEON] == 120


def test_graphics_inside_a_processor_is_no_board(machine: Machine) -> None:
    meter = machine.meter()

    assert not any("e5:00.0" in id_ for id_ in [*meter.rejected, *(d.id for d in meter.domains)])


def test_energy_is_exact_in_ticks_of_2_to_the_minus_16_joules_though_the_library_rounds_them(machine: Machine) -> None:
    machine.meter()

    assert machine.energy_j(1000)[MI250] == 300_000


def test_another_resolution_is_taken_as_it_is_given(machine: Machine) -> None:
    machine.api.fake_resolution(ctypes.c_float(30.6))
    machine.meter()

    assert machine.energy_j(100)[MI250] == pytest.approx(30_000 * 30.6e-6 * 65536, rel=1e-6)


def test_a_counter_that_stands_still_while_power_flows_is_not_believed(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.api.fake_stick(machine.number[MI250])

    meter = machine.meter()

    assert meter.domains[0].source == "AMD Instinct MI250 (amdgpu power, integrated between reads)"
    assert meter.domains[0].error == (-0.2, 0.2)
    assert machine.energy_j(10)[MI250] == 3000
    assert MI250 in caplog.text


def test_a_counter_that_is_far_from_the_board_s_power_is_not_believed(machine: Machine) -> None:
    machine.set_power(MI250, 3)

    assert machine.meter().domains[0].source.startswith("AMD Instinct MI250 (amdgpu power")


def test_a_counter_that_stops_during_a_run_is_a_gap_not_a_zero(machine: Machine) -> None:
    meter = machine.meter()
    machine.read()
    machine.api.fake_stick(machine.number[MI250])
    machine.advance(1)
    machine.read()
    early = dict(meter.failed)
    machine.advance(2)
    machine.read()

    assert early == {}
    assert meter.failed == {MI250: "its energy counter stands still"}


def test_a_counter_that_was_set_back_loses_its_step_alone(machine: Machine) -> None:
    meter = machine.meter()
    before = machine.read()
    machine.set_counted(MI250, 0)
    machine.advance(1)
    reset, why = machine.read(), meter.failed[MI250]
    machine.advance(10)

    assert reset[MI250] == before[MI250]
    assert why == "its register was set back: this step is not counted"
    assert machine.read()[MI250] - reset[MI250] == pytest.approx(3000 * S, rel=1e-6)


def test_a_board_that_does_not_answer_leaves_the_others_counting(machine: Machine) -> None:
    meter = machine.meter()
    machine.api.fake_fail(machine.number[MI250], 10)

    counts = machine.read()

    assert counts.keys() == {RADEON}
    assert meter.failed == {MI250: "AMD SMI: status 10"}


def test_without_the_library_power_is_read_from_the_kernel(machine: Machine) -> None:
    def missing() -> Any:
        raise OSError("libamd_smi.so: cannot open shared object file")

    meter = detect(machine.settings, environ={}, load=missing)

    assert [(d.id, d.source) for d in meter.domains] == [
        (MI250, "AMD Instinct MI250 (amdgpu power, integrated between reads)"),
        (RADEON, "AMD GPU (amdgpu power, integrated between reads)"),
    ]
    assert meter.tick_s == 0.5


def test_a_library_that_refuses_is_as_none(machine: Machine) -> None:
    machine.api.fake_refuse(ctypes.c_uint32(10))

    assert machine.meter().domains[0].source.startswith("AMD Instinct MI250 (amdgpu power")


@pytest.mark.parametrize(
    ("environ", "seen"),
    [
        ({"ROCR_VISIBLE_DEVICES": "2"}, [RADEON]),
        ({"HIP_VISIBLE_DEVICES": "0"}, [MI250]),
        ({"CUDA_VISIBLE_DEVICES": "0"}, [MI250]),
        ({"ROCR_VISIBLE_DEVICES": "2,0", "HIP_VISIBLE_DEVICES": "1"}, [MI250]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-deadbeef"}, [MI250, RADEON]),
    ],
)
def test_boards_that_the_program_can_not_see_are_not_counted(
    machine: Machine, environ: dict[str, str], seen: list[str]
) -> None:
    assert [d.id for d in machine.meter(environ).domains] == seen


def test_a_program_that_sees_no_board_has_nothing_to_mend(machine: Machine) -> None:
    with pytest.raises(SensorUnavailable) as caught:
        machine.meter({"ROCR_VISIBLE_DEVICES": ""})

    assert f"{MI250}: not visible (ROCR_VISIBLE_DEVICES=)" in caught.value.reason
    assert caught.value.remedy == ""


def test_a_machine_without_such_a_board_has_nothing_to_mend(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SensorUnavailable) as caught:
        detect(plant(tmp_path, "laptop"), environ={})

    assert caught.value.remedy == ""


def test_how_a_board_is_now_is_noted_with_a_run(tmp_path: pathlib.Path) -> None:
    settings = plant(tmp_path, "mi250")
    device = tmp_path / "bus" / "pci" / "drivers" / "amdgpu" / "0000:29:00.0"
    for name, content in {
        "gpu_busy_percent": "98",
        "mem_info_vram_used": str(3 << 30),
        "hwmon/hwmon4/temp1_input": "61000",
        "hwmon/hwmon4/freq1_input": "1700000000",
    }.items():
        (device / name).write_text(f"{content}\n")

    def no_library() -> Any:
        raise OSError("libamd_smi.so")

    meter = detect(settings, environ={}, load=no_library)

    assert meter.facts == {
        "gpu_state": {
            "amdsmi:0000:29:00.0": {
                "temperature_c": 61,
                "sm_clock_mhz": 1700,
                "busy_percent": 98,
                "memory_used_gb": 3,
            },
            "amdsmi:0000:63:00.0": {},
        }
    }
