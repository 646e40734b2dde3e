"""What the tables know of devices, and that it is what measuring runs would model."""

from __future__ import annotations

import pytest

from carbonwatch import cloudinstances, powermodel, tables
from carbonwatch.calculator import devices
from carbonwatch.calculator.devices import Device
from carbonwatch.cpunames import identify
from carbonwatch.sensors import gpu_model

USES = (0.0, 0.1, 0.37, 0.5, 0.9, 1.0)


def test_a_board_draws_what_its_sensor_would_model() -> None:
    [part] = devices.find(Device("gpu", "V100 PCIe")).parts

    assert [part.power_w(use) for use in (None, 0.0, 1.0)] == pytest.approx([162.5, 25.0, 187.5])
    assert part.error == gpu_model.ERROR_BUSY


@pytest.mark.parametrize("name", ["Xeon Platinum 8380", "EPYC 7742", "Core i7-1360P", "Ryzen 9 5950X"])
def test_a_processor_draws_what_the_power_model_says(name: str) -> None:
    machine = powermodel.describe(identify(name), sockets=1)
    [part] = devices.find(Device("cpu", name)).parts

    assert [part.power_w(use) for use in USES] == pytest.approx([powermodel.cpu_w(machine, u) for u in USES], rel=1e-4)


@pytest.mark.parametrize("name", ["aws/m5.xlarge", "aws/m5.metal", "azure/d4s_v5", "gcp/n2-standard-8"])
def test_an_instance_draws_its_share_of_its_host_and_its_memory(name: str) -> None:
    sold = cloudinstances.find(name)
    machine = powermodel.describe(identify(sold.cpu), vcpus=sold.threads, memory_gb=sold.memory_gb)
    cpu, ram = devices.find(Device("instance", name)).parts
    modelled_w = [(powermodel.cpu_w(machine, use), powermodel.memory_w(machine, use)) for use in USES]

    assert [cpu.power_w(use) for use in USES] == pytest.approx([watts for watts, _ in modelled_w], rel=1e-4)
    assert [ram.power_w(use) for use in USES] == pytest.approx([watts for _, watts in modelled_w], rel=1e-4)


def test_an_instance_brings_its_boards() -> None:
    parts = devices.find(Device("instance", "aws/p4d.24xlarge")).parts

    assert [part.component for part in parts] == ["cpu", "ram", "gpu"]
    assert parts[2].full_w == pytest.approx(8 * 300.0)


def test_a_family_takes_its_size() -> None:
    by_name, by_size = devices.find(Device("instance", "aws/m5.xlarge")), devices.find(
        Device("instance", "aws/m5", vcpus=4)
    )  # fmt: skip

    assert by_name.parts == by_size.parts


@pytest.mark.parametrize("kind", ["gpu", "tpu", "cpu"])
def test_what_is_listed_is_found_and_draws_less_idle_than_at_full_use(kind: devices.Kind) -> None:
    found = list(devices.listed(kind))

    assert {"gpu": 70, "tpu": 7, "cpu": 3500}[kind] <= len(found)
    assert [m.name for m in found if not 0 < m.parts[0].idle_w < m.parts[0].power_w(None) < m.parts[0].full_w] == []
    assert [m.name for m in found if m.made_kg <= 0] == []


def test_a_power_that_nobody_publishes_is_called_an_estimate_and_is_less_sure() -> None:
    rows = {row["name"]: row for row in tables.rows("tpu_tdp")}
    known, estimated = (devices.find(Device("tpu", name)).parts[0] for name in ("TPU v4", "Ironwood"))

    assert [name for name, row in rows.items() if row["basis"] == "estimate"] == ["TPU v5e", "TPU v6e", "TPU v7"]
    assert [row["basis"] == "estimate" for row in rows.values()] == [
        row["source"].startswith("estimate: ") for row in rows.values()
    ]
    assert known.error == gpu_model.ERROR_BUSY
    assert estimated.error[0] < known.error[0] < known.error[1] < estimated.error[1]


@pytest.mark.parametrize(("said", "name"), [("v6e", "TPU v6e"), ("trillium", "TPU v6e"), ("TPU7x", "TPU v7")])
def test_a_chip_is_found_by_what_it_is_called_too(said: str, name: str) -> None:
    assert devices.find(Device("tpu", said)).name == name


def test_every_instance_with_boards_is_one_that_is_known() -> None:
    rows = list(tables.rows("cloud_gpus"))

    assert [row["instance"] for row in rows if cloudinstances.lookup(row["instance"]) is None] == []
    assert {row["gpu"] for row in rows} <= set(devices.names("gpu"))


def test_every_board_has_its_memory_or_several_and_its_year() -> None:
    rows = [row for name in ("gpu_tdp", "tpu_tdp") for row in tables.rows(name)]

    assert [row["name"] for row in rows if not 2010 <= int(row["year"]) <= 2026 or float(row["tflops"]) <= 0] == []


@pytest.mark.parametrize(
    ("device", "label"),
    [
        (Device("instance", "aws/m5", vcpus=8), "aws/m5 with 8 vCPUs"),
        (Device("instance", "aws/m5.xlarge"), "aws/m5.xlarge"),
        (Device("cpu", "Xeon Platinum 8480+"), "Xeon Platinum 8480+"),
        (Device("tpu", "v4"), "TPU v4"),
    ],
)
def test_a_device_is_called_what_it_was_named_with_its_size(device: Device, label: str) -> None:
    assert devices.label(device) == label
