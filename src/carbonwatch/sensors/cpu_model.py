"""Energy of the CPUs where nothing measures it, from what processor this is and how loaded each CPU is.

The watts, and how wide they are, come from `carbonwatch.powermodel`: those that a counter of all packages would show.
Of a virtual machine it is the share of its host that it was given, idle part included; time that other guests took
(steal) and time spent waiting are not counted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from carbonwatch import hardware, powermodel
from carbonwatch.cpunames import Processor, identify
from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.hardware import Hardware
from carbonwatch.model import Domain
from carbonwatch.powermodel import Machine
from carbonwatch.sensors._model import ModelMeter, Watts, busy_clock
from carbonwatch.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.cloudinstances import Instance

log = logging.getLogger(__name__)

# of full power, where the user says what that is
_IDLE_SHARE = 0.17
_GIVEN_ERROR = (-0.35, 0.5)
_METAL = "metal"
_NARROWER = "narrower with its name or its rated power: cpu or tdp_w in [tool.carbonwatch.hardware]"


def detect(settings: Settings) -> ModelMeter:
    """A model of all CPUs. Raises SensorUnavailable where nothing tells how busy they are."""
    clock = busy_clock(settings)
    machine = this_machine(settings, clock.cpus)
    if settings.cpu_w is not None:
        return ModelMeter(_given(machine, clock.cpus, settings.cpu_w), _scaled(machine, settings.cpu_w), clock)
    return ModelMeter(_domain(machine, clock.cpus), lambda load, uneven: powermodel.cpu_w(machine, load, uneven), clock)


def this_machine(settings: Settings, cpus: int, environ: Mapping[str, str] | None = None) -> Machine:
    """What the model knows of this machine, or of the virtual machine's share of its host."""
    found = hardware.look(cpus, settings.path_procfs, settings.path_sysfs)
    instance = _instance(settings, os.environ if environ is None else environ)
    given = settings.hardware_cpu
    processor = _processor(found, instance) if given is None else identify(given)
    if instance is not None:
        found = replace(found, is_virtual=_METAL not in instance.name)
    memory_gb = settings.hardware_ram_gb or hardware.memory_gb(settings.path_procfs)
    # a guest's own sockets and cores say nothing about its host
    sockets = _whole(settings.hardware_sockets) or (None if found.is_virtual else found.sockets)
    cores = _whole(settings.hardware_cores) or (None if found.is_virtual else _cores(found))
    threads = _whole(settings.hardware_threads) or (None if found.is_virtual else cpus)
    machine = powermodel.describe(
        processor,
        sockets=sockets,
        cores=cores,
        threads=threads if cores is None or threads is None or threads >= cores else None,
        memory_gb=memory_gb,
        memory=settings.hardware_memory,
        form=_form(settings.hardware_form or found.form),
        vcpus=settings.hardware_vcpus or (_threads(instance, cpus) if found.is_virtual else None),
        tdp_w=settings.hardware_tdp_w,
    )
    return machine if instance is None else replace(machine, steps=(*machine.steps, f"sold as {instance.name}"))


def _instance(settings: Settings, environ: Mapping[str, str]) -> Instance | None:
    """What the cloud calls this machine, by the setting, the environment or the firmware."""
    name = settings.hardware_instance or hardware.sold_as(environ, settings.path_sysfs)
    if name is None:
        return None
    from carbonwatch import cloudinstances

    if name == cloudinstances.METADATA:
        urls = dict(pair.split("=", 1) for pair in settings.grid_urls)
        return _asked(urls.get("metadata"))
    return cloudinstances.lookup(name)


@cache  # three sensors want to know
def _asked(url: str | None) -> Instance | None:
    from carbonwatch import cloudinstances

    log.info("asking the cloud what this machine is: setting hardware_instance=metadata")
    try:
        return cloudinstances.named(cloudinstances.METADATA, *([url] if url else []))
    except (Unavailable, SettingsError) as error:
        log.warning("hardware_instance=metadata: %s The processor is taken for what the machine says.", error)
        return None


def _processor(found: Hardware, instance: Instance | None) -> Processor:
    """The machine's own word, and what its cloud sells where that says more and does not contradict it."""
    own = found.processor
    if instance is None or not instance.cpu:
        return own
    sold = identify(instance.cpu)
    contradicts = own.microarchitecture not in (None, sold.microarchitecture)
    return own if contradicts or own.tier <= sold.tier else sold


def _threads(instance: Instance | None, cpus: int) -> float:
    """Of the host; a vCPU may be a core, which is two."""
    return cpus if instance is None else cpus * instance.threads / instance.vcpus


def _cores(found: Hardware) -> int | None:
    return found.cores_of_socket and found.cores_of_socket * found.sockets


def _whole(value: float | None) -> int | None:
    return None if value is None else max(1, round(value))


def _form(form: str | None) -> powermodel.Form | None:
    return next((known for known in powermodel.FORMS if known == form), None)


def _domain(machine: Machine, cpus: int) -> Domain:
    idle_w, full_w = powermodel.cpu_w(machine, 0.0), powermodel.cpu_w(machine, 1.0)
    steps = [*machine.steps, *([_NARROWER] if machine.tier in "CD" else [])]
    source = f"model of {cpus} CPUs: {idle_w:.3g} W idle, {full_w:.3g} W at full load ({'; '.join(steps)})"
    error = powermodel.cpu_band(machine).error90
    return Domain("cpu:model", "cpu", "modelled", source, error=error, idle_w=idle_w)


def _given(machine: Machine, cpus: int, full_w: float) -> Domain:
    idle_w = full_w * _IDLE_SHARE
    basis = f"setting cpu_w; curve: {machine.steps[1]}"
    source = f"model of {cpus} CPUs: {idle_w:.3g} W idle, {full_w:.3g} W at full load ({basis})"
    return Domain("cpu:model", "cpu", "modelled", source, error=_GIVEN_ERROR, idle_w=idle_w)


def _scaled(machine: Machine, full_w: float) -> Watts:
    """The processor's curve between a sixth of the given power and all of it."""
    idle_w = full_w * _IDLE_SHARE

    def watts(load: float, uneven: float) -> float:
        return idle_w + (full_w - idle_w) * powermodel.curve(machine.shape, load, uneven)

    return watts
