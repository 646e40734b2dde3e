"""Energy of the memory where nothing measures it: watts per GB by its generation, more of them while the CPUs work.

How busy the CPUs are stands in for memory traffic, which nothing counts here: an assumption, and a wide interval.
A GB is 2**30 bytes. Its generation is that of the processor.
"""

from __future__ import annotations

from carbonwatch import hardware, powermodel
from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.powermodel import Machine
from carbonwatch.sensors._model import ModelMeter, busy_clock
from carbonwatch.sensors.cpu_model import this_machine
from carbonwatch.settings import Settings

_GIVEN_ERROR = (-0.35, 0.5)


def detect(settings: Settings) -> ModelMeter:
    """A model of all memory. Raises SensorUnavailable where its size or the CPUs' work is not known."""
    given_w = settings.ram_w
    if given_w is not None:
        domain = Domain("ram:model", "ram", "modelled", "setting ram_w: a constant", error=_GIVEN_ERROR, idle_w=given_w)
        return ModelMeter(domain, lambda *_: given_w, None)
    if not (settings.hardware_ram_gb or hardware.memory_gb(settings.path_procfs)):
        raise SensorUnavailable(
            "Nothing tells how much memory there is, so what it draws is not known.", "Give its power: ram_w."
        )
    clock = busy_clock(settings)
    machine = this_machine(settings, clock.cpus)
    return ModelMeter(_domain(machine), lambda load, _: powermodel.memory_w(machine, load), clock)


def _domain(machine: Machine) -> Domain:
    idle_w, full_w = powermodel.memory_w(machine, 0.0), powermodel.memory_w(machine, 1.0)
    source = (
        f"model of {machine.memory_gb:.3g} GB as {machine.memory.upper()}: {idle_w:.3g} W idle, {full_w:.3g} W with "
        "all CPUs busy (their load stands in for memory traffic)"
    )
    return Domain("ram:model", "ram", "modelled", source, error=powermodel.MEMORY_BAND.error90, idle_w=idle_w)
