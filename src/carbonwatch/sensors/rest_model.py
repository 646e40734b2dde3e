"""Energy of what counters inside a machine leave out: power supply, fans, board, disks. For `power_boundary = "node"`.

What the model gives for the wall less what it gives for CPUs and memory, so that neither is counted twice; what a power
supply loses for GPUs is not in it. A meter of the whole system makes it superfluous.
"""

from __future__ import annotations

from carbonwatch import powermodel
from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.powermodel import Machine
from carbonwatch.sensors._model import ModelMeter, busy_clock
from carbonwatch.sensors.cpu_model import this_machine
from carbonwatch.settings import Settings

_UNTUNED = 1.3  # SPECpower's servers are tuned by their vendors: an assumption for all others, on the upper end


def detect(settings: Settings) -> ModelMeter:
    """A model of the rest of the machine. Raises SensorUnavailable where only components are asked for."""
    if settings.power_boundary != "node":
        # as asked, so that there is nothing to mend
        raise SensorUnavailable("Only components are asked for; power_boundary=node adds the rest of the machine.")
    clock = busy_clock(settings)
    machine = this_machine(settings, clock.cpus)
    return ModelMeter(_domain(machine), lambda load, uneven: powermodel.rest_w(machine, load, uneven), clock)


def _domain(machine: Machine) -> Domain:
    idle_w, full_w = powermodel.rest_w(machine, 0.0), powermodel.rest_w(machine, 1.0)
    source = (
        f"model of the rest of a {machine.form}: {idle_w:.3g} W idle, {full_w:.3g} W at full load "
        f"({'; '.join(machine.steps)})"
    )
    return Domain("node:rest", "rest", "modelled", source, error=_error(machine), idle_w=idle_w)


def _error(machine: Machine) -> tuple[float, float]:
    """The wall's interval at half load, all of it on the rest."""
    low, high = powermodel.node_band(machine, 0.5).error90
    scale = powermodel.node_w(machine, 0.5) / powermodel.rest_w(machine, 0.5)
    return max(-1.0, low * scale), ((1.0 + high) * _UNTUNED - 1.0) * scale
