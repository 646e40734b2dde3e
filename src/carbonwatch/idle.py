"""What the machine draws doing nothing, where a counter measures it and says nothing of that.

By `carbonwatch calibrate --idle`, where that was done on this hardware; else from the quietest tenth of a run, once
it has had a few quiet seconds; else nobody knows, and a convention splits the energy (`attribution`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

from carbonwatch import attribution, folders, hardware, machines
from carbonwatch.attribution import Idle
from carbonwatch.errors import SettingsError
from carbonwatch.model import Domain, Sample

log = logging.getLogger(__name__)

_WHAT = "idle power"  # what the file holds
QUIET = 0.1  # of all CPUs' time: busier samples say little of idleness
FEWEST, FEWEST_S = 5, 5.0  # quiet samples, and their time, before they are believed
_SHORTEST_S = 0.2  # CPU time has ticks of 10 ms
_MOST = 600  # the latest ten minutes


class Watch:
    """Idle power of some domains as far as it is known, sample after sample."""

    def __init__(self, domains: Iterable[Domain], known: Mapping[str, Idle]) -> None:
        self._known = {d.id: known[d.id] for d in domains if d.id in known and _wants(d)}
        self._sought = {d.id: Quietest() for d in domains if _wants(d) and d.id not in known}
        self._modelled = {d.id: d.idle_w for d in domains if d.idle_w is not None and d.component != "gpu"}

    def after(self, sample: Sample) -> Mapping[str, Idle]:
        """What is known, with what a sample adds to it."""
        work = sample.work.get("cpu")
        if self._sought and work is not None and work.capacity_s > 0 and sample.duration_s >= _SHORTEST_S:
            load = work.busy_s / work.capacity_s
            for id_, quietest in self._sought.items():
                if id_ in sample.energy_j:
                    quietest.add(sample.energy_j[id_] / sample.duration_s, load, sample.duration_s)
        return self.known()

    def known(self) -> Mapping[str, Idle]:
        """Idle power by domain; one is left out where nothing is known."""
        found = {id_: quietest.idle() for id_, quietest in self._sought.items()}
        return {**self._known, **{id_: idle for id_, idle in found.items() if idle is not None}}

    def facts(self) -> dict[str, Any]:
        """What is known now, for the record."""
        every: dict[str, Idle | None] = {id_: quietest.idle() for id_, quietest in self._sought.items()}
        every |= self._known
        every |= {id_: Idle(watts, watts, watts, "model") for id_, watts in self._modelled.items()}
        none = {"by": "convention"}  # its width is that of the run's own share
        return {id_: none if idle is None else idle._asdict() for id_, idle in every.items()}


def _wants(domain: Domain) -> bool:
    """Whether a domain is split by idle power and does not bring its own."""
    return domain.idle_w is None and domain.component != "gpu"


class Quietest:
    """Idle power from the quietest tenth of the samples in which the machine did next to nothing."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, float, float]] = []  # idle by the load curve, all power, seconds

    def add(self, power_w: float, load: float, duration_s: float) -> None:
        if load <= QUIET:
            self._seen.append((power_w * attribution.idle_share(load), power_w, duration_s))
            del self._seen[:-_MOST]

    def idle(self) -> Idle | None:
        """None before there were enough. No machine draws less than idle, so what it drew is the upper end."""
        if len(self._seen) < FEWEST or sum(seconds for _, _, seconds in self._seen) < FEWEST_S:
            return None
        watts, high_w = (low_quantile(values) for values in list(zip(*self._seen, strict=True))[:2])
        return Idle(watts, max(0.0, 2 * watts - high_w), high_w, "quietest tenth of this run")


def low_quantile(values: Iterable[float], part: float = 0.1) -> float:
    """What that part of the values lies below."""
    ordered = sorted(values)
    return ordered[int(part * (len(ordered) - 1))]


# --- what was measured on purpose, beside the user's settings


def store_file(environ: Mapping[str, str] | None = None) -> str:
    """The file that keeps idle power of this user's machines."""
    return os.path.join(folders.settings_folder(environ), "idle.json")


def save(found: Mapping[str, Idle], path: str, machine: str) -> None:
    """Keeps a machine's idle power by domain; what was known of it before is replaced."""
    machines.put(path, _WHAT, machine, {id_: idle._asdict() for id_, idle in found.items()})


def load(path: str, path_procfs: str, path_sysfs: str) -> dict[str, Idle]:
    """Idle power of this machine, by domain; nothing where the hardware is another by now."""
    if not os.path.exists(path):  # as with most users: the machine need not be looked at
        return {}
    kept = machines.read(path, _WHAT).get(hardware.fingerprint(path_procfs, path_sysfs), {})
    try:
        return {id_: Idle(**values) for id_, values in kept.items()}
    except TypeError as error:
        raise SettingsError(f"{path} holds something else than idle power ({error}). Remove it.") from error
