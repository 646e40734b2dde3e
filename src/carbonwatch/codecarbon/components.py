"""What a tracker meters, as CodeCarbon's classes: for programs that look at `tracker._hardware`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from carbonwatch.codecarbon.units import Power
from carbonwatch.model import Component, Domain

MODE_CPU_LOAD = "cpu_load"  # of a model by load
_MODE_RAPL = "intel_rapl"


class BaseHardware:
    """One component of the machine, with the meters that count it."""

    def __init__(self, domains: Iterable[Domain], power_w: Callable[[], float], tracking_mode: str = "machine") -> None:
        self._domains = tuple(domains)
        self._power_w = power_w
        self._tracking_mode = tracking_mode

    def total_power(self) -> Power:
        """Mean power since the run began; 0 before."""
        return Power.from_watts(self._power_w())

    def description(self) -> str:
        """What is metered, and by what."""
        return f"{type(self).__name__}({'; '.join(domain.source for domain in self._domains)})"

    __repr__ = description


class CPU(BaseHardware):
    """The processors. `_mode` says whether their counters are read or their load is modelled."""

    model = ""

    @property
    def _mode(self) -> str:
        return _MODE_RAPL if any(domain.id.startswith("rapl") for domain in self._domains) else MODE_CPU_LOAD

    def get_model(self) -> str:
        """The processor's name."""
        return self.model


class GPU(BaseHardware):
    """The boards."""

    @property
    def num_gpus(self) -> int:
        """How many are metered."""
        return len(self._domains)


class RAM(BaseHardware):
    """The memory."""

    machine_memory_GB = 0.0  # noqa: N815 - their name


class AppleSiliconChip(BaseHardware):
    """Never given: what Apple's meters count is a CPU and a GPU here as everywhere."""


# in their order
_KINDS: dict[Component, type[BaseHardware]] = {"ram": RAM, "cpu": CPU, "gpu": GPU}


def found(domains: Iterable[Domain], power_w: Callable[[Component], float], tracking_mode: str) -> list[BaseHardware]:
    """One for each kind of component that is metered."""
    metered = tuple(domains)
    known = ((name, [domain for domain in metered if domain.component == name]) for name in _KINDS)
    return [_KINDS[name](own, _of(power_w, name), tracking_mode) for name, own in known if own]


def _of(power_w: Callable[[Component], float], component: Component) -> Callable[[], float]:
    return lambda: power_w(component)
