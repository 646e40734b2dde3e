from __future__ import annotations

import ctypes
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sensors._rapl import STANDS_STILL
from carbonwatch.sensors.apple import AppleMeter, detect
from carbonwatch.settings import Settings
from tests.compiler import compiled

S = 10**9


class Mac:
    """A Mac's libraries with the counters that a test puts in."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.meters: list[AppleMeter] = []

    def add(self, name: str, unit: str = "mJ", value: int = 0) -> int:
        return int(self.api.fake_add(name.encode(), unit.encode(), ctypes.c_int64(value)))

    def set(self, channel: int, value: int) -> None:
        self.api.fake_set(channel, ctypes.c_int64(value))

    def meter(self) -> AppleMeter:
        self.meters.append(detect(Settings(), load=lambda: (self.api, self.api)))
        return self.meters[-1]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = pathlib.Path(__file__).parent / "fake_ioreport.c"
    return ctypes.CDLL(str(compiled(source, tmp_path_factory.mktemp("apple"), "libIOReport.so")))


@pytest.fixture
def mac(api: Any) -> Iterator[Mac]:
    api.fake_reset()
    mac = Mac(api)
    yield mac
    for meter in mac.meters:
        meter.close()
    assert api.fake_alive() == 0, "something that macOS made was not given back"


def test_totals_are_counted_and_what_they_hold_is_not(mac: Mac) -> None:
    for name in ("EACC_CPU0", "PACC0_CPU", "CPU Energy", "GPU Energy", "GPU SRAM0", "ANE0", "DRAM0", "DCS0"):
        mac.add(name)

    meter = mac.meter()

    error = (-0.2, 0.2)
    assert meter.domains == (
        Domain("apple:cpu", "cpu", "measured", "Apple CPU (IOReport)", None, error, period_s=0.1),
        Domain("apple:gpu", "gpu", "measured", "Apple GPU (IOReport)", None, error, period_s=0.1),
        Domain("apple:ane", "gpu", "measured", "Apple ANE (IOReport)", None, error, period_s=0.1),
        Domain("apple:dram", "ram", "measured", "Apple DRAM (IOReport)", None, error, period_s=0.1),
    )
    assert meter.rejected.keys() == {f"apple:{name}" for name in ("EACC_CPU0", "PACC0_CPU", "GPU SRAM0", "DCS0")}


def test_each_counter_has_its_own_unit(mac: Mac) -> None:
    cpu, gpu, dram = mac.add("CPU Energy", "mJ", 7), mac.add("GPU Energy", "nJ", 9), mac.add("DRAM", "uJ", 1)
    meter = mac.meter()
    meter.read(0)
    mac.set(cpu, 5007)
    mac.set(gpu, 2_000_000_009)
    mac.set(dram, 500_001)

    assert meter.read(S) == {"apple:cpu": 5 * S, "apple:gpu": 2 * S, "apple:dram": S // 2}


def test_dies_are_added_up(mac: Mac) -> None:
    first, second = mac.add("DIE_0_CPU Energy"), mac.add("DIE_1_CPU Energy")
    meter = mac.meter()
    meter.read(0)
    mac.set(first, 1000)
    mac.set(second, 3000)

    assert meter.read(S) == {"apple:cpu": 4 * S}


def test_a_unit_that_is_not_known_is_not_guessed(mac: Mac) -> None:
    mac.add("CPU Energy")
    mac.add("GPU Energy", "kJ")

    meter = mac.meter()

    assert [d.id for d in meter.domains] == ["apple:cpu"]
    assert meter.rejected == {"apple:GPU Energy": "its unit is 'kJ', which is not known"}


def test_processors_that_use_nothing_are_a_gap_and_a_neural_engine_may(mac: Mac) -> None:
    mac.add("CPU Energy", "mJ", 7)
    mac.add("ANE0")
    meter = mac.meter()
    meter.read(0)
    counts = meter.read(6 * S)

    assert (counts, meter.failed) == ({"apple:ane": 0}, {"apple:cpu": STANDS_STILL})


def test_a_sample_that_fails_is_a_gap_and_loses_nothing(mac: Mac) -> None:
    cpu = mac.add("CPU Energy")
    meter = mac.meter()
    meter.read(0)
    mac.api.fake_silence(1)
    silent, why = meter.read(S), meter.failed
    mac.api.fake_silence(0)
    mac.set(cpu, 8000)

    assert silent == {}
    assert why == {"apple:cpu": "IOReport gives no sample"}
    assert meter.read(2 * S) == {"apple:cpu": 8 * S}
    assert meter.failed == {}


def test_a_sample_with_fewer_counters_is_a_gap(mac: Mac) -> None:
    mac.add("PACC0_CPU")
    mac.add("CPU Energy")
    meter = mac.meter()
    mac.api.fake_shrink()

    assert meter.read(0) == {}
    assert meter.failed == {"apple:cpu": "IOReport gives fewer counters than at first"}


def test_a_counter_that_was_set_back_loses_its_step_alone(mac: Mac) -> None:
    cpu = mac.add("CPU Energy", value=9000)
    meter = mac.meter()
    meter.read(0)
    mac.set(cpu, 100)

    assert meter.read(S) == {"apple:cpu": 0}
    assert meter.failed == {"apple:cpu": "its register was set back: this step is not counted"}


def test_a_virtual_mac_has_no_counters(mac: Mac) -> None:
    mac.api.fake_hide(1)

    with pytest.raises(SensorUnavailable, match="no energy counters") as caught:
        mac.meter()

    assert "powermetrics" in caught.value.remedy


def test_a_subscription_that_is_refused_gives_back_what_was_made_for_it(mac: Mac) -> None:
    mac.api.fake_refuse(1)

    with pytest.raises(SensorUnavailable, match="refuses"):
        mac.meter()


def test_an_intel_mac_is_told_of_powermetrics(mac: Mac) -> None:
    mac.add("GPU Energy")

    with pytest.raises(SensorUnavailable, match="no energy of the CPUs") as caught:
        mac.meter()

    assert "powermetrics" in caught.value.remedy


def test_a_mac_whose_library_is_gone_is_told_of_powermetrics() -> None:
    def gone() -> tuple[Any, Any]:
        raise OSError("image not found")

    with pytest.raises(SensorUnavailable, match="image not found"):
        detect(Settings(), load=gone)


def test_a_closed_meter_reads_nothing_any_more(mac: Mac) -> None:
    mac.add("CPU Energy")
    meter = mac.meter()

    meter.close()

    assert meter.read(0) == {}
    assert meter.failed == {"apple:cpu": "the meter is closed"}
