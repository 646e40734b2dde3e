from __future__ import annotations

import ctypes
import pathlib
from typing import Any

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sensors.intel_gpu import detect
from tests.compiler import compiled
from tests.sensors.trees import plant

S = 10**9
UNSUPPORTED = 0x78000003


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = pathlib.Path(__file__).parent / "fake_level_zero.c"
    return ctypes.CDLL(str(compiled(source, tmp_path_factory.mktemp("level_zero"), "libze_loader.so.1")))


@pytest.fixture
def level_zero(library: Any) -> Any:
    library.fake_reset()
    return library


def missing() -> Any:
    raise OSError("libze_loader.so.1: cannot open shared object file")


def test_of_each_card_the_whole_is_counted_and_its_parts_are_not(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "arc"), load=missing)

    error = (-0.1, 0.1)
    assert meter.domains == (
        Domain("intel_gpu:0000:03:00.0", "gpu", "measured", "Intel GPU (xe energy counter)", None, error),
        Domain("intel_gpu:0000:4d:00.0", "gpu", "measured", "Intel GPU (i915 energy counter)", None, error),
    )
    assert meter.rejected == {
        "intel_gpu:0000:03:00.0:pkg": "a part of the card",
        "intel_gpu:0000:4d:00.0:i915_gt0": "a part of the card",
    }


def test_energy_is_what_the_kernel_s_counter_moved_by(tmp_path: pathlib.Path) -> None:
    meter = detect(plant(tmp_path, "arc"), load=missing)
    meter.read(0)
    (tmp_path / "class" / "hwmon" / "hwmon2" / "energy1_input").write_text("125000000\n")

    assert meter.read(S) == {"intel_gpu:0000:03:00.0": 120 * S, "intel_gpu:0000:4d:00.0": 0}


def test_a_card_of_which_the_kernel_shows_nothing_is_asked_through_level_zero(
    tmp_path: pathlib.Path, level_zero: Any
) -> None:
    card = level_zero.fake_add_card()
    level_zero.fake_add_domain(card, 1, ctypes.c_uint64(5))
    whole = level_zero.fake_add_domain(card, 0, ctypes.c_uint64(1_000_000))

    meter = detect(plant(tmp_path, "laptop"), load=lambda: level_zero)
    meter.read(0)
    level_zero.fake_set(whole, ctypes.c_uint64(91_000_000))

    assert [(d.id, d.source) for d in meter.domains] == [("intel_gpu:0", "Intel GPU (Level Zero energy counter)")]
    assert meter.read(S) == {"intel_gpu:0": 90 * S}


def test_a_card_that_level_zero_reads_is_called_by_its_place_on_the_bus_as_the_kernel_calls_it(
    tmp_path: pathlib.Path, level_zero: Any
) -> None:
    level_zero.fake_tell_place(ctypes.c_uint32(0x4D))
    for _ in range(2):
        level_zero.fake_add_domain(level_zero.fake_add_card(), 0, ctypes.c_uint64(1))

    meter = detect(plant(tmp_path, "laptop"), load=lambda: level_zero)

    assert [d.id for d in meter.domains] == ["intel_gpu:0000:4d:00.0", "intel_gpu:0000:4e:00.0"]


def test_a_card_that_stops_answering_is_a_gap(tmp_path: pathlib.Path, level_zero: Any) -> None:
    whole = level_zero.fake_add_domain(level_zero.fake_add_card(), 0, ctypes.c_uint64(1))
    meter = detect(plant(tmp_path, "laptop"), load=lambda: level_zero)
    level_zero.fake_fail(whole, ctypes.c_uint32(UNSUPPORTED))

    assert meter.read(0) == {}
    assert meter.failed == {"intel_gpu:0": "zesPowerGetEnergyCounter: status 0x78000003"}


def test_a_counter_that_never_moved_is_none(tmp_path: pathlib.Path, level_zero: Any) -> None:
    level_zero.fake_add_domain(level_zero.fake_add_card(), 0, ctypes.c_uint64(0))

    with pytest.raises(SensorUnavailable, match="counts the energy of its card"):
        detect(plant(tmp_path, "laptop"), load=lambda: level_zero)


@pytest.mark.parametrize("status", [0x78000001, 0])
def test_a_machine_without_such_a_card_has_nothing_to_mend(
    tmp_path: pathlib.Path, level_zero: Any, status: int
) -> None:
    level_zero.fake_refuse(ctypes.c_uint32(status))

    with pytest.raises(SensorUnavailable) as caught:
        detect(plant(tmp_path, "laptop"), load=lambda: level_zero)

    assert caught.value.remedy == ""


def test_a_machine_without_level_zero_has_nothing_to_mend(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SensorUnavailable, match="cannot open shared object file") as caught:
        detect(plant(tmp_path, "laptop"), load=missing)

    assert caught.value.remedy == ""
