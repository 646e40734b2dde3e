from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.nvidia import Nvml
from carbonwatch.sampler import open_sampler
from carbonwatch.sensors.gpu_model import Board, GpuMeter, detect, rated_w
from carbonwatch.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import FakeNvml

SECOND = 10**9


def no_library(path_procfs: str, environ: Mapping[str, str]) -> Nvml:
    raise Unavailable("There is no NVIDIA driver on this machine.")


def settings(folder: Path) -> Settings:
    return Settings(path_procfs=str(folder / "proc"), path_sysfs=str(folder / "sys"))


def nvidia(folder: Path, model: str) -> None:
    path = folder / "proc" / "driver" / "nvidia" / "gpus" / "0000:65:00.0"
    path.mkdir(parents=True)
    (path / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 45\nGPU UUID: \t GPU-1\n")


def amd(folder: Path, name: str, busy: int) -> Path:
    path = folder / "sys" / "class" / "drm" / "card0" / "device"
    path.mkdir(parents=True)
    (path / "product_name").write_text(f"{name}\n")
    (path / "gpu_busy_percent").write_text(f"{busy}\n")
    return path / "gpu_busy_percent"


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        ("NVIDIA A100-SXM4-80GB", 400),
        ("NVIDIA A100-PCIE-40GB", 250),
        ("NVIDIA H100 80GB HBM3", 700),
        ("NVIDIA H100 PCIe", 350),
        ("NVIDIA H200", 700),
        ("Tesla V100-SXM2-16GB", 300),
        ("Tesla T4", 70),
        ("NVIDIA GeForce RTX 4090", 450),
        ("NVIDIA GeForce RTX 3080 Ti", 350),
        ("AMD Instinct MI250X", 560),
        ("NVIDIA Future 9000", None),
        ("", None),
    ],
)
def test_a_board_is_rated_by_the_name_that_its_driver_gives(name: str, watts: float | None) -> None:
    assert rated_w(name) == watts


def test_a_board_of_which_only_the_name_is_known_draws_what_training_does(tmp_path: Path) -> None:
    nvidia(tmp_path, "Tesla T4")
    meter = detect(settings(tmp_path), environ={}, library=no_library)
    meter.read(0)
    counts = meter.read(2 * SECOND)
    meter.close()

    assert counts == {"gpu-model:GPU-1": round(2 * 70 * 0.65 * SECOND)}
    assert meter.domains[0].error == (-0.77, 0.4)
    assert meter.domains[0].idle_w is None


@pytest.mark.parametrize(
    ("visible", "gpus", "is_shown"),
    [("0", (), True), ("GPU-1", (), True), ("1", (), False), ("", (), False), ("-1", (), False), ("1", ("0",), True)],
)
def test_a_board_is_modelled_only_for_who_sees_it(
    tmp_path: Path, visible: str, gpus: tuple[str, ...], is_shown: bool
) -> None:
    nvidia(tmp_path, "Tesla T4")
    chosen = replace(settings(tmp_path), gpus=gpus)
    try:
        ids = [d.id for d in detect(chosen, environ={"CUDA_VISIBLE_DEVICES": visible}, library=no_library).domains]
    except SensorUnavailable:
        ids = []

    assert ids == ["gpu-model:GPU-1"] * is_shown


def test_a_board_that_says_how_busy_it_is_draws_by_it(tmp_path: Path) -> None:
    busy = amd(tmp_path, "AMD Instinct MI100", 0)
    meter = detect(settings(tmp_path), library=no_library)
    meter.read(0)
    idle = meter.read(SECOND)["gpu-model:card0"]
    busy.write_text("100\n")
    meter.read(SECOND)
    full = meter.read(2 * SECOND)["gpu-model:card0"] - idle
    meter.close()

    assert (idle, full) == (30 * SECOND, 225 * SECOND)
    assert meter.domains[0].idle_w == 30.0


def test_what_could_not_be_read_is_left_out_and_comes_with_the_next_count(tmp_path: Path) -> None:
    busy = amd(tmp_path, "AMD Instinct MI100", 0)
    meter = detect(settings(tmp_path), library=no_library)
    meter.read(0)
    busy.write_text("")
    nothing, failed = meter.read(SECOND), dict(meter.failed)
    busy.write_text("0\n")
    count = meter.read(2 * SECOND)
    meter.close()

    assert (nothing, list(failed)) == ({}, ["gpu-model:card0"])
    assert count == {"gpu-model:card0": 60 * SECOND}
    assert meter.failed == {}


@given(st.lists(st.integers(-SECOND, 100 * SECOND), max_size=20))
def test_the_count_never_goes_back(steps_ns: list[int]) -> None:
    meter = GpuMeter([Board("gpu-model:0", "a board", 100.0, None)])
    ns, counts = 0, [meter.read(0)["gpu-model:0"]]
    for step_ns in steps_ns:
        ns += step_ns
        counts.append(meter.read(ns)["gpu-model:0"])

    assert counts == sorted(counts)
    assert all(isinstance(count, int) for count in counts)


def mute(nvml: FakeNvml) -> int:
    """A board that tells neither energy nor power."""
    card = nvml.add()
    nvml.fail(card, "energy", nvml.NOT_SUPPORTED)
    nvml.fail(card, "power", nvml.NOT_SUPPORTED)
    return card


def test_a_board_that_tells_how_busy_it_is_and_no_power_draws_by_it(tmp_path: Path, nvml: FakeNvml) -> None:
    card = mute(nvml)
    nvml.set_busy(card, 50)
    meter = detect(settings(tmp_path), environ={})
    meter.read(0)
    count = meter.read(SECOND)
    meter.close()

    assert count == {"nvml:GPU-a": round(400 * (0.10 + 0.65 / 2) * SECOND)}
    assert meter.domains[0].idle_w == 40.0


def test_a_board_that_tells_nothing_draws_what_training_does(tmp_path: Path, nvml: FakeNvml) -> None:
    card = mute(nvml)
    nvml.fail(card, "busy", nvml.NOT_SUPPORTED)
    meter = detect(settings(tmp_path), environ={})
    meter.read(0)
    count = meter.read(SECOND)
    meter.close()

    assert count == {"nvml:GPU-a": 260 * SECOND}


def test_a_board_that_is_measured_is_not_modelled(tmp_path: Path, nvml: FakeNvml) -> None:
    nvml.add()

    with pytest.raises(SensorUnavailable, match="known model"):
        detect(settings(tmp_path), environ={})


def test_a_board_that_the_program_is_not_shown_is_not_modelled(tmp_path: Path, nvml: FakeNvml) -> None:
    mute(nvml)

    with pytest.raises(SensorUnavailable, match="known model"):
        detect(settings(tmp_path), environ={"CUDA_VISIBLE_DEVICES": ""})


def test_a_board_that_is_lost_is_a_gap(tmp_path: Path, nvml: FakeNvml) -> None:
    card = mute(nvml)
    meter = detect(settings(tmp_path), environ={})
    meter.read(0)
    nvml.fail(card, "all", nvml.GPU_IS_LOST)
    count = meter.read(SECOND)
    failed = dict(meter.failed)
    meter.close()

    assert (count, list(failed)) == ({}, ["nvml:GPU-a"])


def test_the_model_stands_in_by_default_where_nothing_measures_a_gpu(tmp_path: Path, nvml: FakeNvml) -> None:
    mute(nvml)
    sampler = open_sampler(replace(settings(tmp_path), sensors=("nvml", "gpu_model")))
    ids = [domain.id for domain in sampler.domains]
    sampler.close()

    assert ids == ["nvml:GPU-a"]
    assert "gpu_model" in Settings().sensors


def test_no_gpu_of_a_known_model_is_unavailable(tmp_path: Path) -> None:
    nvidia(tmp_path, "NVIDIA Future 9000")

    with pytest.raises(SensorUnavailable, match="known model"):
        detect(settings(tmp_path), library=no_library)
