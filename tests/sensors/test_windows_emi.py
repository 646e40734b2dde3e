from __future__ import annotations

import struct
from typing import Any

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.sensors._rapl import STANDS_STILL
from carbonwatch.sensors.windows_emi import Channel, EmiMeter, Shown, detect, measurement, metadata, version
from carbonwatch.settings import Settings

S = 10**9
PWH_PER_J = 10**9 / 3.6
RAPL = ("RAPL_Package0_PKG", "RAPL_Package0_DRAM", "RAPL_Package0_PP0", "RAPL_Package0_PP1")


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def names_of_device() -> bytes:
    """HardwareOEM and HardwareModel of 16 characters each, and HardwareRevision."""
    return wide("Microsoft").ljust(32, b"\0") + wide("PPM").ljust(32, b"\0") + struct.pack("<H", 1)


def metadata_v2(*channels: str, unit: int = 0) -> bytes:
    """As a driver packs EMI_METADATA_V2: each name follows its size, and the next channel follows that."""
    packed = (struct.pack("<IH", unit, len(wide(name)) + 2) + wide(name) + b"\0\0" for name in channels)
    return names_of_device() + struct.pack("<H", len(channels)) + b"".join(packed)


class FakeWindows:
    """Metering devices that answer control codes with bytes, as DeviceIoControl does."""

    def __init__(self, *devices: tuple[str, ...], unit: int = 0) -> None:
        self.channels = devices
        self.unit = unit
        self.shown = [[1000 * (d + 1) + c for c in range(len(names))] for d, names in enumerate(devices)]
        self.mirrored = False
        self.refused = self.silent = False
        self.opened = 0

    def paths(self) -> list[str]:
        return [rf"\\?\device{number}" for number in range(len(self.channels))]

    def open(self, path: str) -> Any:
        if self.refused:
            raise OSError("it can't be opened, error 5")
        self.opened += 1
        return int(path[-1])

    def control(self, handle: Any, code: int, size: int) -> bytes:
        answer = metadata_v2(*self.channels[handle], unit=self.unit)
        answers = {
            0x224000: struct.pack("<H", 2),
            0x224004: struct.pack("<I", len(answer)),
            0x224008: answer,
            0x22400C: b"".join(struct.pack("<QQ", energy, 5) for energy in self.shown[handle]),
        }
        if self.silent and code == 0x22400C:
            raise OSError("control code 0x22400c is refused, error 31")
        return answers[code][:size]

    def close(self, handle: Any) -> None:
        self.opened -= 1

    def advance(self, device: int, channel: int, energy_j: float) -> None:
        self.shown[device][channel] += round(energy_j * PWH_PER_J)

    def meter(self) -> EmiMeter:
        return detect(Settings(), devices=self, sleep=lambda _: None)


# structures


def test_a_version_is_a_short() -> None:
    assert version(b"\x02\x00") == 2


def test_channels_of_version_2_follow_each_other_by_the_length_of_their_names() -> None:
    assert metadata(metadata_v2(*RAPL), 2) == [Channel(name, 0) for name in RAPL]


def test_version_1_has_one_channel() -> None:
    name = wide("SoC") + b"\0\0"
    packed = struct.pack("<I", 0) + names_of_device() + struct.pack("<H", len(name)) + name

    assert metadata(packed, 1) == [Channel("SoC", 0)]


def test_an_answer_that_is_cut_short_is_no_metadata() -> None:
    with pytest.raises(struct.error):
        metadata(metadata_v2(*RAPL)[:-8], 2)


def test_a_measurement_is_energy_and_time_of_each_channel() -> None:
    assert measurement(struct.pack("<QQQQ", 2**63, 7, 3, 8), 2) == [Shown(2**63, 7), Shown(3, 8)]


# what is counted


def test_packages_and_their_memory_are_counted_and_their_parts_are_inside() -> None:
    meter = FakeWindows(RAPL).meter()

    assert meter.domains == (
        Domain(
            "emi:package-0",
            "cpu",
            "measured",
            "RAPL_Package0_PKG (Energy Meter Interface)",
            None,
            (-0.05, 0.05),
            period_s=0.001,
        ),
        Domain(
            "emi:dram-0",
            "ram",
            "measured",
            "RAPL_Package0_DRAM (Energy Meter Interface)",
            None,
            (-0.1, 0.1),
            period_s=0.001,
        ),
    )
    assert meter.rejected == {
        "emi:RAPL_Package0_PP0": "inside package-0",
        "emi:RAPL_Package0_PP1": "inside package-0",
    }


def test_energy_is_exact_in_picowatt_hours() -> None:
    windows = FakeWindows(RAPL[:2])
    meter = windows.meter()
    meter.read(0)
    windows.shown[0][0] += 5 * 10**9

    assert meter.read(S) == {"emi:package-0": 18 * S, "emi:dram-0": 0}


def test_of_dies_that_show_one_counter_one_is_counted() -> None:
    windows = FakeWindows(("RAPL_Package0_PKG", "RAPL_Package1_PKG"), ("RAPL_Package2_PKG",))
    windows.shown = [[500, 500], [900]]

    def move(_: float) -> None:
        windows.shown = [[501, 501], [904]]

    meter = detect(Settings(), devices=windows, sleep=move)

    assert [d.id for d in meter.domains] == ["emi:package-0", "emi:package-2"]
    assert meter.rejected == {"emi:package-1": "shows the counter of emi:package-0 once more"}


def test_counters_that_stand_still_together_are_not_taken_for_one() -> None:
    windows = FakeWindows(("RAPL_Package0_PKG", "RAPL_Package1_PKG"))
    windows.shown = [[500, 500]]

    assert len(windows.meter().domains) == 2


def test_a_channel_of_another_unit_or_name_is_left_out() -> None:
    assert FakeWindows(("VBAT", "RAPL_Package0_PKG")).meter().rejected == {
        "emi:VBAT": "its name says nothing known of what it meters"
    }
    with pytest.raises(SensorUnavailable, match="meters no processor"):
        FakeWindows(RAPL, unit=1).meter()


# what goes wrong


def test_a_device_that_does_not_answer_is_a_gap_and_loses_nothing() -> None:
    windows = FakeWindows(("RAPL_Package0_PKG",))
    meter = windows.meter()
    meter.read(0)
    windows.silent = True
    silent, why = meter.read(S), meter.failed
    windows.silent = False
    windows.advance(0, 0, 36)

    assert silent == {}
    assert why == {"emi:package-0": "the metering device does not answer (control code 0x22400c is refused, error 31)"}
    assert meter.read(2 * S) == {"emi:package-0": 36 * S}


def test_a_counter_that_was_set_back_loses_its_step_alone() -> None:
    windows = FakeWindows(("RAPL_Package0_PKG",))
    windows.shown = [[10**15]]
    meter = windows.meter()
    meter.read(0)
    windows.shown = [[0]]

    assert meter.read(S) == {"emi:package-0": 0}
    assert meter.failed == {"emi:package-0": "its register was set back: this step is not counted"}


def test_devices_that_refuse_are_said_and_given_back() -> None:
    windows = FakeWindows(RAPL)
    windows.refused = True

    with pytest.raises(SensorUnavailable, match=r"1 metering devices, and none answers .*error 5"):
        windows.meter()


def test_a_machine_without_metering_devices_has_nothing_to_mend() -> None:
    with pytest.raises(SensorUnavailable, match="no metering device") as caught:
        FakeWindows().meter()

    assert caught.value.remedy == ""


def test_elsewhere_than_on_windows_it_says_so() -> None:
    with pytest.raises(SensorUnavailable, match="Windows can't be asked"):
        detect(Settings())


def test_closing_gives_the_devices_back() -> None:
    windows = FakeWindows(RAPL, ("RAPL_Package1_PKG",))
    meter = windows.meter()

    meter.close()

    assert windows.opened == 0
    assert meter.read(0) == {}


def test_a_counter_that_stands_at_0_is_none_and_not_0() -> None:
    windows = FakeWindows(RAPL)
    windows.shown[0][0] = 0

    meter = windows.meter()

    assert [d.id for d in meter.domains] == ["emi:dram-0"]
    assert meter.rejected["emi:package-0"] == "never moves: its counter stands at 0, as in virtual machines"


def test_a_counter_that_does_not_move_for_seconds_is_a_gap_until_it_does() -> None:
    windows = FakeWindows(RAPL[:1])
    meter = windows.meter()
    meter.read(0)
    still, why = meter.read(6 * S), dict(meter.failed)
    windows.advance(0, 0, 7)

    assert (still, why) == ({}, {"emi:package-0": STANDS_STILL})
    assert meter.read(7 * S)["emi:package-0"] == pytest.approx(7 * S, rel=1e-6)
