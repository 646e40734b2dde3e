"""Watts of a machine that is only described: by a processor's name, sockets, memory, load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from carbonwatch import cloudinstances, powermodel
from carbonwatch.cpunames import Cpuid, identify
from carbonwatch.errors import SettingsError
from carbonwatch.powermodel import Band, Machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.powermodel import Form

BOUNDARIES = ("components", "node")
_GB_PER_CORE = 4.0  # where nothing tells: an assumption, and what clouds sell
_VENDORS = {"intel": "GenuineIntel", "amd": "AuthenticAMD"}


@dataclass(frozen=True, slots=True)
class PowerEstimate:
    """Watts at one load, how wide they are, how well the machine is known and why."""

    load: float
    boundary: str  # "components": CPUs and memory, as counters would show; "node": the wall
    watts: float
    lo80: float
    hi80: float
    lo95: float
    hi95: float
    tier: str  # A: the model is known, B its microarchitecture, C its maker, D nothing
    reason: str
    parts_w: dict[str, float]  # they add up to the watts
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def estimate_power(
    cpu: str = "",
    *,
    instance: str | None = None,
    sockets: int | None = None,
    cores: int | None = None,
    threads: int | None = None,
    ram_gb: float | None = None,
    load: float = 0.5,
    vcpus: float | None = None,
    boundary: str = "components",
    form: str | None = None,
    memory: str | None = None,
    tdp_w: float | None = None,
    family: int | None = None,
    model: int | None = None,
    stepping: int = 0,
) -> PowerEstimate:
    """Watts that a machine draws at a load from 0 to 1, with its 80 % and 95 % intervals.

    `cores` and `threads` are of all sockets. `vcpus` makes it a virtual machine on such a host. `family` and `model`
    are CPUID's, for names that hold no model ("AMD EPYC"). `instance` is what a cloud sells ("aws/m5.xlarge"): it fills
    in processor, vCPUs and memory.
    """
    cpuid = _cpuid(cpu, family, model, stepping)
    machine, notes = describe(cpu, sockets, cores, threads, ram_gb, vcpus, form, memory, tdp_w, cpuid, instance)
    return at_load(machine, load, boundary, notes)


def describe(
    cpu: str,
    sockets: int | None = None,
    cores: int | None = None,
    threads: int | None = None,
    ram_gb: float | None = None,
    vcpus: float | None = None,
    form: str | None = None,
    memory: str | None = None,
    tdp_w: float | None = None,
    cpuid: Cpuid | None = None,
    instance: str | None = None,
) -> tuple[Machine, tuple[str, ...]]:
    """The machine, and what was assumed about it. Raises SettingsError where the description makes no sense."""
    sold = None if instance is None else cloudinstances.named(instance)
    if sold is not None:
        cpu, ram_gb, vcpus = cpu or sold.cpu, ram_gb or sold.memory_gb, vcpus or sold.threads
    _check(sockets=sockets, cores=cores, threads=threads, ram_gb=ram_gb, vcpus=vcpus, tdp_w=tdp_w)
    _check_counts(sockets, cores, threads)
    if memory is not None and memory not in powermodel.MEMORY_KINDS:
        raise SettingsError(f"memory is {memory!r}; it must be one of {', '.join(powermodel.MEMORY_KINDS)}.")
    machine = powermodel.describe(
        identify(cpu, cpuid),
        sockets=sockets,
        cores=cores,
        threads=threads,
        memory_gb=ram_gb,
        memory=memory,
        form=_known_form(form),
        vcpus=vcpus,
        tdp_w=tdp_w,
    )
    if sold is not None:
        machine = replace(machine, steps=(*machine.steps, f"sold as {sold.name}"))
    if ram_gb is not None or machine.form == "board":
        return machine, ()
    assumed_gb = _GB_PER_CORE * (vcpus or machine.cores)
    return powermodel.with_memory(machine, assumed_gb), (f"memory assumed: {assumed_gb:g} GB",)


def at_load(machine: Machine, load: float, boundary: str = "components", notes: tuple[str, ...] = ()) -> PowerEstimate:
    """Watts of a described machine at a load from 0 to 1."""
    if not 0.0 <= load <= 1.0:  # also refuses NaN
        raise SettingsError(f"load is {load!r}; it must be between 0 (idle) and 1 (all cores busy).")
    if boundary not in BOUNDARIES:
        raise SettingsError(f"boundary is {boundary!r}; it must be one of {', '.join(BOUNDARIES)}.")
    cpu_w, memory_w = powermodel.cpu_w(machine, load), powermodel.memory_w(machine, load)
    if boundary == "node":
        watts = powermodel.node_w(machine, load)
        band = powermodel.node_band(machine, load)
        parts, ends = powermodel.node_parts_w(machine, load), band.times(watts)
    else:
        watts, parts = cpu_w + memory_w, {"cpu": cpu_w, "ram": memory_w}
        ends = _sum(powermodel.cpu_band(machine).times(cpu_w), powermodel.MEMORY_BAND.times(memory_w))
    reason, doubts = "; ".join(machine.steps), (*notes, *_doubts(machine, boundary))
    if boundary == "node" and memory_w > watts / 2:
        doubts = (*doubts, f"memory in use may draw more than in servers that were fitted: {memory_w:.4g} W by itself")
    intervals = (ends.lo80, ends.hi80, ends.lo95, ends.hi95)
    return PowerEstimate(load, boundary, watts, *intervals, machine.tier, reason, parts, doubts)


def _doubts(machine: Machine, boundary: str) -> tuple[str, ...]:
    if boundary != "node":
        return ()
    if machine.is_virtual:
        return ("no guest's power was ever published beside its load: the interval of a share of a host is assumed",)
    if machine.form != "server":
        return ("idle power is that of the kind of machine, without a screen: its interval is assumed",)
    return ("fitted on servers tuned by their vendors: an untuned one may draw 1.3 times the upper end",)


def _sum(first: Band, second: Band) -> Band:
    """Ends are added: parts of one machine err together."""
    return Band(first.lo95 + second.lo95, first.lo80 + second.lo80, first.hi80 + second.hi80, first.hi95 + second.hi95)


def _check(**given: float | None) -> None:
    for name, value in given.items():
        if value is not None and not 0 < value < float("inf"):
            raise SettingsError(f"{name} is {value!r}; it must be a number above 0. Leave it out if it is not known.")


def _known_form(form: str | None) -> Form | None:
    known = next((name for name in powermodel.FORMS if name == form), None)
    if form is not None and known is None:
        raise SettingsError(f"form is {form!r}; it must be one of {', '.join(powermodel.FORMS)}.")
    return known


def _check_counts(sockets: int | None, cores: int | None, threads: int | None) -> None:
    if cores and sockets and cores < sockets:
        raise SettingsError(f"cores is {cores} and sockets {sockets}; cores are counted over all sockets.")
    if threads and cores and threads < cores:
        raise SettingsError(f"threads is {threads} and cores {cores}; a core has one thread at least.")


def _cpuid(cpu: str, family: int | None, model: int | None, stepping: int) -> Cpuid | None:
    if family is None and model is None:
        return None
    if family is None or model is None:
        raise SettingsError("CPUID needs family and model together; /proc/cpuinfo has both.")
    maker = identify(cpu).maker
    if maker not in _VENDORS:
        raise SettingsError(f"{cpu!r} does not say whose processor it is, so its family and model mean nothing.")
    return Cpuid(_VENDORS[maker], family, model, stepping)
