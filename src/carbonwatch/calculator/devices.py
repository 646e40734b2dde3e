"""What a device draws, from the tables alone: boards, chips, processors, and what clouds sell.

Every device is made of parts that draw so much idle and so much at full use, on a line or on a processor's curve. The
page of web/ reads the same parts (`page.py`), so what is known of a device is said here once.

To add a GPU: a line in data/gpu_tdp.csv; a TPU: data/tpu_tdp.csv; a processor: data/cpu_tdp.csv; an instance:
data/cloud_instances.csv and, with its boards, data/cloud_gpus.csv.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import Literal, get_args

from carbonwatch import cloudinstances, embodied, powermodel, tables
from carbonwatch.cloudinstances import Instance
from carbonwatch.cpunames import identify
from carbonwatch.errors import SettingsError
from carbonwatch.model import Component
from carbonwatch.powermodel import Machine
from carbonwatch.sensors import gpu_model

Kind = Literal["gpu", "tpu", "cpu", "instance"]
Shape = tuple[float, float, float]

KINDS: tuple[Kind, ...] = get_args(Kind)
MEMORY = "ddr4"  # of memory that is given by its size alone: what most servers have
BOARDS_OF_SERVER, SOCKETS_OF_SERVER = 8, 2  # by which a server's making is shared out: assumptions

# a power that is worked out from what Google says of efficiency: an assumption, by how such words are rounded
_ESTIMATE_ERROR = 0.5
_TPUS = {"trillium": "v6e", "ironwood": "v7", "7x": "v7"}  # other names of theirs
_USUAL = 0.5  # use that is taken where nobody says it; of boards it is what training draws
_USUAL_OF_BOARD = (gpu_model.UNKNOWN - gpu_model.IDLE) / gpu_model.BUSY


@dataclass(frozen=True, slots=True)
class Device:
    """Some devices of one kind, as a user names them."""

    kind: Kind
    name: str  # "A100 SXM4", "TPU v4", "Xeon Gold 6330", "aws/p4d.24xlarge"
    count: int = 1
    utilisation: float | None = None  # 0 to 1; None: not known
    vcpus: float | None = None  # of an instance that is named by its family alone: "aws/m5"


@dataclass(frozen=True, slots=True)
class Part:
    """What one component of a device draws: idle, at full use and, by its shape, between."""

    component: Component
    idle_w: float
    full_w: float
    shape: Shape | None  # None: a straight line
    error: tuple[float, float]  # relative
    unknown_error: tuple[float, float]  # where its use is not known
    usual: float = _USUAL

    def power_w(self, utilisation: float | None) -> float:
        """Watts at a use from 0 to 1, or at the usual one."""
        use = self.usual if utilisation is None else utilisation
        return self.idle_w + (self.full_w - self.idle_w) * _height(self.shape, use)

    def times(self, factor: float) -> Part:
        return replace(self, idle_w=self.idle_w * factor, full_w=self.full_w * factor)


@dataclass(frozen=True, slots=True)
class Model:
    """A device of the tables: its parts, and what making one emitted."""

    kind: Kind
    name: str
    parts: tuple[Part, ...]
    made_kg: float
    is_estimate: bool = False  # its power is published by nobody, and worked out


def find(device: Device) -> Model:
    """What is known of one of these devices. Raises SettingsError for a name that the tables do not have."""
    if device.kind == "instance":
        return _instance(device.name, device.vcpus)
    found = {"gpu": _gpu, "tpu": _tpu, "cpu": _cpu}[device.kind](device.name)
    if found is None:
        near = get_close_matches(device.name, names(device.kind), 3, 0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise SettingsError(
            f"{device.name!r} is no {device.kind.upper()} that the tables know, so its power is not known."
            f"{hint} `carbonwatch calc --list {device.kind}` lists them."
        )
    return found


def label(device: Device) -> str:
    """One of them as it was named: the table's name of a processor is a key, and a family does not tell its size."""
    if device.kind == "cpu":
        return device.name.strip()
    name = find(device).name
    if device.kind != "instance" or device.vcpus is None:
        return name
    return f"{name} with {device.vcpus:g} vCPU{'' if device.vcpus == 1 else 's'}"


def names(kind: Kind) -> list[str]:
    """The devices of a kind that the tables know; instances by family, where a family has a row."""
    table, column = {
        "gpu": ("gpu_tdp", "name"),
        "tpu": ("tpu_tdp", "name"),
        "cpu": ("cpu_tdp", "key"),
        "instance": ("cloud_instances", "instance"),
    }[kind]
    return [row[column] for row in tables.rows(table)]


def memory(ram_gb: float, kind: str = MEMORY) -> Part:
    """Memory that is given by its size."""
    return _per_gb(kind).times(ram_gb)


def memory_made_kg(ram_gb: float) -> float:
    """What making so much memory emitted."""
    # a server's first memory is part of what making it emits
    return (embodied.total_kg(ram_gb=1016.0).value - embodied.total_kg(ram_gb=16.0).value) / 1000 * ram_gb


@cache
def _gpu(name: str) -> Model | None:
    row = gpu_model.model(name)
    return None if row is None else Model("gpu", row["name"], (_board(float(row["tdp_w"])),), _board_made_kg())


@cache
def _tpu(name: str) -> Model | None:
    wanted = name.lower().replace("tpu", "").strip()
    row = tables.row("tpu_tdp", f"TPU {_TPUS.get(wanted, wanted)}")
    if row is None:
        return None
    board, is_estimate = _board(float(row["tdp_w"])), row["basis"] == "estimate"
    if is_estimate:
        board = replace(board, error=_less_sure(board.error), unknown_error=_less_sure(board.unknown_error))
    return Model("tpu", row["name"], (board,), _board_made_kg(), is_estimate)


def _less_sure(error: tuple[float, float]) -> tuple[float, float]:
    """An error with that of an estimated power: in quadrature on the log scale."""
    low, high = (math.hypot(math.log1p(end), math.log1p(_ESTIMATE_ERROR)) for end in error)
    return _short(math.expm1(-low)), _short(math.expm1(high))


def _board(tdp_w: float) -> Part:
    return Part(
        "gpu",
        _short(tdp_w * gpu_model.IDLE),
        _short(tdp_w * (gpu_model.IDLE + gpu_model.BUSY)),
        None,
        gpu_model.ERROR_BUSY,
        gpu_model.ERROR_UNKNOWN,
        _USUAL_OF_BOARD,
    )


@cache
def _cpu(name: str) -> Model | None:
    """Of a processor whose model or generation is known."""
    processor = identify(name)
    if processor.tier not in ("A", "B"):
        return None
    machine = powermodel.describe(processor, sockets=1)
    form = machine.form if machine.form in ("desktop", "laptop") else "server"
    of_one = SOCKETS_OF_SERVER if form == "server" else 1
    made_kg = embodied.total_kg(form, sockets=of_one).value / of_one
    return Model("cpu", processor.model or name, (_processor(machine),), made_kg)


def _processor(machine: Machine) -> Part:
    idle_w, full_w = powermodel.cpu_w(machine, 0.0), powermodel.cpu_w(machine, 1.0)
    shape = None if machine.is_virtual else machine.shape
    return _with_errors("cpu", idle_w, full_w, shape, powermodel.cpu_band(machine).error90)


def _with_errors(
    component: Component, idle_w: float, full_w: float, shape: Shape | None, error: tuple[float, float]
) -> Part:
    """A part that draws anything from idle to full, each with its error, where its use is not known."""
    error = (_short(error[0]), _short(error[1]))
    part = Part(component, _short(idle_w), _short(full_w), shape, error, error)
    usual_w = part.power_w(None)
    low, high = part.idle_w * (1 + error[0]) / usual_w - 1, part.full_w * (1 + error[1]) / usual_w - 1
    return replace(part, unknown_error=(_short(low), _short(high)))


@cache
def _per_gb(kind: str) -> Part:
    machine = replace(powermodel.describe(identify("")), memory_gb=1.0, memory=kind)
    idle_w, full_w = powermodel.memory_w(machine, 0.0), powermodel.memory_w(machine, 1.0)
    return _with_errors("ram", idle_w, full_w, None, powermodel.MEMORY_BAND.error90)


def _instance(name: str, vcpus: float | None) -> Model:
    sold = cloudinstances.find(name) if vcpus is None else family(name, vcpus)
    if sold.vcpus <= 0:
        raise SettingsError(
            f"{name!r} is a family of instances, so how large one is is not known. Name its size, as in aws/m5.xlarge."
        )
    parts, made_kg = parts_of(sold)
    return Model("instance", sold.name, parts, made_kg)


def family(name: str, vcpus: float) -> Instance:
    """An instance by its family and its size. Raises SettingsError where there is no such row."""
    row = tables.row("cloud_instances", name.strip().lower())
    if row is None:
        raise SettingsError(f"{name!r} is no family of instances that is known. {cloudinstances.like(name)}")
    return Instance(row["instance"], row["cpu"], vcpus, vcpus * float(row["threads_per_vcpu"]),
                    vcpus * float(row["gb_per_vcpu"]))  # fmt: skip


def parts_of(sold: Instance) -> tuple[tuple[Part, ...], float]:
    """Processor, memory and boards of an instance, and what making its share of a host emitted."""
    machine = host(sold)
    processor = per_thread(sold).times(sold.threads) if machine.is_virtual else _processor(machine)
    parts = [processor, memory(sold.memory_gb, machine.memory)]
    made_kg = machine.share * embodied.total_kg(sockets=machine.sockets).value + memory_made_kg(sold.memory_gb)
    if (found := boards(sold)) is not None:
        board, count = found
        parts.append(board.parts[0].times(count))
        made_kg += board.made_kg * count
    return tuple(parts), made_kg


def boards(sold: Instance) -> tuple[Model, float] | None:
    """The GPUs of an instance, and how many; None where it has none that are known."""
    row = tables.row("cloud_gpus", sold.name)
    board = _gpu(row["gpu"]) if row else None
    return (board, float(row["count"])) if row and board else None


def host(sold: Instance) -> Machine:
    """The machine that an instance is a share of."""
    return powermodel.describe(identify(sold.cpu), vcpus=sold.threads)


def per_thread(sold: Instance) -> Part:
    """What a hardware thread of an instance draws that does not have its host to itself."""
    return _processor(powermodel.describe(identify(sold.cpu), vcpus=1.0))


def _board_made_kg() -> float:
    one = embodied.total_kg(gpus=1).value - embodied.total_kg(gpus=0).value
    return one + embodied.total_kg(sockets=SOCKETS_OF_SERVER).value / BOARDS_OF_SERVER


def _height(shape: Shape | None, use: float) -> float:
    """Dynamic power as a share of that at full use."""
    if shape is None:
        return use
    return powermodel.curve(shape, use, powermodel.UNTUNED) / powermodel.curve(shape, 1.0, powermodel.UNTUNED)


def _short(value: float) -> float:
    """Six digits: more are not known, and would be two thirds of what the page carries."""
    return float(f"{value:.6g}")


def listed(kind: Kind) -> Iterator[Model]:
    """Every device of a kind but instances, as the page offers them."""
    for name in names(kind):
        found = find(Device(kind, name)) if kind != "cpu" else _cpu(name)
        if found is not None and found.name == name:
            yield found
