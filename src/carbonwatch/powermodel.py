"""Watts of a machine that nothing measures, and how wide the guess is.

Two scopes, never to be added up or compared: the components (what counters in the machine would show) and the node
(the wall, with power supplies, fans, board and disks). S sockets of rated power TDP, load u:

    node   S * I  +  m * GB  +  S * TDP * k * f(u)
    CPUs   S * TDP * (0.12 + 0.84 * k * f(u))

I, k and the curve f belong to the microarchitecture, scaled by what the machine is; tools/fit_power.py fits them on
SPECpower_ssj2008 and docs/explanation/power-model.md says how well. A virtual machine has its share of a host.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from carbonwatch import tables
from carbonwatch.cpunames import Processor

Row = Mapping[str, str | float]  # of a table of coefficients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, Protocol

    Form = Literal["server", "desktop", "laptop", "board"]

    class Source(Protocol):
        """Where coefficients come from: the tables, or a fit in memory."""

        def architecture(self, name: str) -> Row | None: ...
        def scale(self, feature: str) -> Row | None: ...
        def model(self, key: str) -> Row | None: ...


FORMS: tuple[Form, ...] = ("server", "desktop", "laptop", "board")
HOST_LOAD = 0.5  # of a host whose tenants are not known: an assumption
UNSOLD = 1.3  # a host's capacity that nobody rents, and its tuning: the wall's power over the model's, in the median

_IDLE_SHARE, _BUSY_SHARE = 0.12, 0.84  # of the rated power, for the CPUs alone
UNTUNED = 0.7  # how far everyday hosts are from SPECpower's, which lower their clocks at part load
_LOSSES = (
    0.12  # of a power supply, at least: an assumption (on 2 x EPYC 7502 the wall grew by 1.14 W for each W inside)
)
_WORKSTATION = 1.0  # k of processors that run up to their rated power
_ONSET = 0.04  # load at which the first cores are awake
_BURST = 0.7  # power grows with this power of load while some cores are busy and the others sleep

# watts per GB by generation: idle inside a server (fitted, with all else), then alone: idle, and on top at full load
_MEMORY = {
    "ddr2": (0.88, 0.35, 0.30),
    "ddr3": (0.88, 0.35, 0.30),
    "ddr4": (0.123, 0.17, 0.20),
    "ddr5": (0.08, 0.10, 0.15),
    "lpddr": (0.05, 0.05, 0.05),
}
MEMORY_KINDS = tuple(_MEMORY)
_OLD_MEMORY_GB, _OLD_MEMORY_ABOVE = 32.0, 0.3  # the old generations were measured with DIMMs of 4 GB

# idle at the wall, without a screen; 80 % interval as factors. From 149 and 225 product carbon footprints
_SMALL_IDLE_W: dict[str, float] = {"desktop": 13.0, "laptop": 5.4, "board": 2.5}
_SMALL_DYNAMIC = 0.74


@dataclass(frozen=True, slots=True)
class Machine:
    """What the model knows of a machine, ready to be evaluated."""

    processor: Processor
    form: Form
    sockets: int
    cores: int  # of the whole machine or, for a virtual one, of its host
    threads: int
    memory_gb: float | None  # of a virtual machine: its own
    memory: str  # "ddr4"
    tdp_w: float  # of one socket
    idle_w: float  # at the wall, of one socket, without memory
    dynamic: float  # full load's power above idle over TDP, at the wall
    shape: tuple[float, float, float]
    share: float = 1.0  # of its host, for a virtual machine
    tier: str = "D"  # how well the processor is known; a microarchitecture and a given TDP are as good as a model
    steps: tuple[str, ...] = ()

    @property
    def is_virtual(self) -> bool:
        return self.share < 1.0


class Tables:
    """Coefficients from data/."""

    def architecture(self, name: str) -> Row | None:
        return tables.row("uarch_power", name)

    def scale(self, feature: str) -> Row | None:
        return tables.row("power_scale", feature)

    def model(self, key: str) -> Row | None:
        return tables.row("model_power", key)


def describe(
    processor: Processor,
    *,
    sockets: int | None = None,
    cores: int | None = None,
    threads: int | None = None,
    memory_gb: float | None = None,
    memory: str | None = None,
    form: Form | None = None,
    vcpus: float | None = None,
    tdp_w: float | None = None,
    source: Source | None = None,
) -> Machine:
    """The machine around a processor. `cores` and `threads` are of all sockets; what is not given is filled in.

    `vcpus` makes it a virtual machine with that many of its host's hardware threads.
    """
    source, form = source or Tables(), form or _form(processor)
    row, known_as = _architecture(processor, source)
    sockets = sockets or _sockets(row, form, processor, vcpus, cores)
    each = _cores_of_socket(row, processor, sockets, cores)
    rated = tdp_w or processor.tdp_w or _assumed_tdp(row, each)
    idle_w, dynamic = _scaled(row, source, processor, form, sockets, each, rated)
    all_threads = max(1, round(sockets * each * _threads_per_core(row, cores, threads)))
    return Machine(
        processor=processor,
        form=form,
        sockets=sockets,
        cores=max(1, round(sockets * each)),
        threads=all_threads,
        memory_gb=memory_gb,
        memory=memory or _memory_kind(row, form, processor),
        tdp_w=rated,
        idle_w=idle_w,
        dynamic=dynamic,
        shape=_shape(row),
        share=min(1.0, vcpus / all_threads) if vcpus else 1.0,
        tier="A" if tdp_w and processor.tier == "B" else processor.tier,
        steps=(*processor.steps, *_assumed(known_as, tdp_w or processor.tdp_w, rated, each, vcpus, all_threads)),
    )


def _assumed(
    known_as: str, tdp_w: float | None, rated_w: float, cores: float, vcpus: float | None, threads: int
) -> Iterator[str]:
    """What was filled in around the processor."""
    if known_as:
        yield known_as
    if tdp_w is None:
        yield f"rated power assumed: {rated_w:.3g} W a socket of {cores:g} cores"
    if vcpus:
        yield f"{vcpus:g} of {threads} threads of a host at {HOST_LOAD:.0%} load"


def _shape(row: Row) -> tuple[float, float, float]:
    """The curve's weights; exactly 1 together, whatever the table rounds."""
    a, b = float(row["f_a"]), float(row["f_b"])
    return a, b, 1.0 - a - b


def with_memory(machine: Machine, memory_gb: float) -> Machine:
    """The same machine with so much memory."""
    return replace(machine, memory_gb=memory_gb)


def cpu_w(machine: Machine, load: float, concentration: float = 0.0) -> float:
    """Watts of the CPUs alone, as a counter of all packages would show; of a virtual machine, its share of them."""
    rated_w = machine.sockets * machine.tdp_w * machine.share
    dynamic = _WORKSTATION if machine.processor.segment == "workstation" else machine.dynamic
    uneven = UNTUNED + (1.0 - UNTUNED) * concentration
    return rated_w * (_IDLE_SHARE + _BUSY_SHARE * dynamic * _height(machine, load, uneven))


def memory_w(machine: Machine, load: float) -> float:
    """Watts of the memory alone; load stands in for its traffic, which is an assumption."""
    _, idle, busy = _MEMORY[machine.memory]
    return (machine.memory_gb or 0.0) * (idle + busy * load)


def node_w(machine: Machine, load: float, concentration: float = 0.0) -> float:
    """Watts at the wall, memory included; of a virtual machine, its share of the host."""
    own = machine.share * machine.sockets
    dynamic_w = own * machine.tdp_w * machine.dynamic * _height(machine, load, concentration)
    whole = own * machine.idle_w + _memory_in_node_w(machine) + dynamic_w
    return whole * (UNSOLD if machine.is_virtual else 1.0)


def rest_w(machine: Machine, load: float, concentration: float = 0.0) -> float:
    """Watts at the wall that are neither CPUs' nor memory's: power supply, fans, board, disks.

    At least what a power supply loses: memory that is in use may draw more than SPECpower's nodes show.
    """
    components_w = cpu_w(machine, load, concentration) + memory_w(machine, load)
    return max(_LOSSES * components_w, node_w(machine, load, concentration) - components_w)


def node_parts_w(machine: Machine, load: float) -> dict[str, float]:
    """`node_w` by component; memory is what it draws inside a node that was tuned."""
    whole = node_w(machine, load)
    factor = UNSOLD if machine.is_virtual else 1.0
    ram = min(whole, _memory_in_node_w(machine) * factor)
    cpu = min(whole - ram, cpu_w(machine, load))
    return {"cpu": cpu, "ram": ram, "rest": whole - ram - cpu}


def concentration(loads: Sequence[float]) -> float:
    """How unevenly cores are loaded: 0 if all alike, 1 if each is either idle or full."""
    total = math.fsum(loads)
    mean = total / len(loads) if loads else 0.0
    if not 0.0 < mean < 1.0:
        return 0.0
    weighted = math.fsum(load * load for load in loads) / total
    return min(1.0, max(0.0, (weighted - mean) / (1.0 - mean)))


def curve(shape: tuple[float, float, float], load: float, concentrated: float = 0.0) -> float:
    """Dynamic power at a load, as a share of that at full load."""
    load = min(1.0, max(0.0, load))
    a, b, c = shape
    spread = a * (1.0 - math.exp(-load / _ONSET)) + b * load + c * load**4
    return concentrated * float(load**_BURST) + (1.0 - concentrated) * spread


def _height(machine: Machine, load: float, concentrated: float) -> float:
    """The curve; of a guest, its part of what the host's load costs: linear, for the other tenants fill the rest."""
    if machine.is_virtual:
        return curve(machine.shape, HOST_LOAD) / HOST_LOAD * min(1.0, max(0.0, load))
    return curve(machine.shape, load, concentrated)


# --- intervals


@dataclass(frozen=True, slots=True)
class Band:
    """Factors on an estimate: what 80 % and 95 % of machines like it are within."""

    lo95: float
    lo80: float
    hi80: float
    hi95: float

    def times(self, factor: float) -> Band:
        return Band(self.lo95 * factor, self.lo80 * factor, self.hi80 * factor, self.hi95 * factor)

    @property
    def error90(self) -> tuple[float, float]:
        """The 90 % interval as relative errors, between the two on the log scale."""
        part = 0.535  # of the way from 1.282 to 1.960 sigma, where 1.645 is
        low = self.lo80 ** (1 - part) * self.lo95**part
        high = self.hi80 ** (1 - part) * self.hi95**part
        return low - 1.0, high - 1.0


# assumptions, as no guest's and hardly any laptop's power was ever published together with its load
_VIRTUAL_NODE = Band(0.55, 0.7, 1.5, 1.9)
_VIRTUAL_CPU = Band(0.5, 0.7, 2.0, 2.6)
_SMALL = Band(0.35, 0.5, 2.0, 3.0)
# of 12 machines with RAPL, two thirds were within the inner one
_CPU: dict[str, Band] = {
    "A": Band(0.5, 0.65, 1.5, 1.9),
    "B": Band(0.4, 0.55, 2.1, 2.8),
    "C": Band(0.35, 0.5, 2.3, 3.2),
    "D": Band(0.3, 0.4, 2.8, 4.0),
}
MEMORY_BAND = Band(0.4, 0.6, 2.0, 2.6)  # hosts with DDR4 were seen between 0.1 and 0.6 W/GB


def node_band(machine: Machine, load: float) -> Band:
    """How far the wall may be from `node_w`."""
    if machine.is_virtual:
        return _VIRTUAL_NODE
    if machine.form != "server":
        return _SMALL
    return _from_table(machine.tier, load)


def cpu_band(machine: Machine) -> Band:
    """How far the packages may be from `cpu_w`."""
    return _VIRTUAL_CPU if machine.is_virtual else _CPU[machine.tier]


def _from_table(tier: str, load: float) -> Band:
    """Between the two nearest loads of data/power_intervals.csv."""
    step = min(9, max(0, int(load * 10)))
    part = min(1.0, max(0.0, load * 10 - step))
    below, above = (tables.row("power_intervals", f"{tier}{at * 10}") for at in (step, step + 1))
    if below is None or above is None:
        raise ValueError(f"no interval for tier {tier!r}")
    ends = (float(below[end]) * (1 - part) + float(above[end]) * part for end in ("lo95", "lo80", "hi80", "hi95"))
    return Band(*ends)


# --- filling in

FEATURES = ("entry", "ex", "single", "cores", "tdp")
_ENTRY = ("entry", "desktop", "laptop")


def features(segment: str, architecture: str, sockets: int, cores: float, tdp_w: float) -> tuple[float, ...]:
    """What scales idle and dynamic power of a server beside its microarchitecture, in the order of FEATURES."""
    entry = segment in _ENTRY
    return (
        float(entry and architecture not in _ONLY_ENTRY),
        float(segment == "ex"),
        float(sockets == 1 and not entry),
        math.log(min(192.0, max(2.0, cores)) / 16.0),
        math.log(min(500.0, max(20.0, tdp_w)) / 150.0),
    )


_ONLY_ENTRY = frozenset(
    ["skylake-client", "rocketlake", "raptorlake", "alderlake", "meteorlake+", "tigerlake", "icelake-client"]
)


def _scaled(
    row: Row, source: Source, processor: Processor, form: str, sockets: int, cores: float, tdp_w: float
) -> tuple[float, float]:
    """Idle watts of a socket, and dynamic range over TDP."""
    if form != "server":
        return _SMALL_IDLE_W[form] / sockets, _SMALL_DYNAMIC
    values = features(processor.segment, str(row["uarch"]), sockets, cores, tdp_w)
    idle, dynamic = math.log(float(row["idle_w_per_socket"])), math.log(float(row["k_dyn"]))
    for name, value in zip(FEATURES, values, strict=True):
        scale = source.scale(name) if value else None
        if scale:
            idle += float(scale["idle"]) * value
            dynamic += float(scale["dynamic"]) * value
    own = source.model(processor.model) if processor.model else None
    if own:
        idle += math.log(float(own["idle_factor"]))
        dynamic += math.log(float(own["dynamic_factor"]))
    return math.exp(idle), math.exp(dynamic)


def _architecture(processor: Processor, source: Source) -> tuple[Row, str]:
    """The nearest row that there is, and what to say if it is another's."""
    name = processor.microarchitecture
    row = source.architecture(name) if name else None
    if row is not None:
        return row, ""
    stand_in = processor.maker if processor.maker in ("intel", "amd", "arm") else "any"
    row = source.architecture(stand_in)
    if row is None:
        raise ValueError(f"no coefficients for {stand_in!r}")
    return row, f"taken as a typical {'processor' if stand_in == 'any' else stand_in.upper() + ' server processor'}"


def _form(processor: Processor) -> Form:
    if processor.segment in ("desktop", "laptop", "board"):
        return processor.segment
    return "server"


def _sockets(row: Row, form: str, processor: Processor, vcpus: float | None, cores: int | None) -> int:
    """One, unless it is a host of virtual machines or has more cores than one socket."""
    if cores and processor.cores and form == "server":
        return max(1, round(cores / processor.cores))
    if vcpus and form == "server" and processor.segment in ("server", "ex"):
        return int(float(row["host_sockets"]))
    return 1


def _cores_of_socket(row: Row, processor: Processor, sockets: int, cores: int | None) -> float:
    if cores:
        return cores / sockets
    return processor.cores or float(row["host_cores"])


def _threads_per_core(row: Row, cores: int | None, threads: int | None) -> float:
    if cores and threads:
        return max(1.0, threads / cores)
    return float(row["threads_per_core"])


def _assumed_tdp(row: Row, cores: float) -> float:
    """That of the generation's typical processor, by the number of cores; fewer cores clock higher."""
    return float(row["host_tdp_w"]) * math.pow(cores / float(row["host_cores"]), 0.6)


def _memory_kind(row: Row, form: str, processor: Processor) -> str:
    if processor.microarchitecture == "apple-m" or form == "board":
        return "lpddr"
    if form == "laptop" and float(row["ddr_gen"]) >= 5:
        return "lpddr"
    return f"ddr{max(2, round(float(row['ddr_gen'])))}"


def _memory_in_node_w(machine: Machine) -> float:
    """Idle memory as a server's idle power holds it; in a laptop or desktop it is inside the idle power already."""
    if machine.form != "server" or machine.memory_gb is None:
        return 0.0
    per_gb = _MEMORY[machine.memory][0]
    if machine.memory in ("ddr2", "ddr3"):
        above = max(0.0, machine.memory_gb - _OLD_MEMORY_GB)
        return per_gb * (machine.memory_gb - above) + _OLD_MEMORY_ABOVE * above
    return per_gb * machine.memory_gb
