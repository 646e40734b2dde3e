"""Whose joules: splits what a domain counted into idle, own and others'. Pure functions.

The rule is "dynamic + reserved idle". With E the joules counted, B those that the machine draws for doing
nothing (idle power x time), and CPU seconds of the run's process tree (own), of everybody (busy), of all cores
(capacity) and kept for the run (reserved):

    own  = (E - B) * own / busy  +  B * max(own, reserved) / capacity
    idle = B * (cores that nobody used or reserved) / capacity

So own shares of any number of runs and idle never exceed E: each core-second is claimed once. A run knows its own
reservation and the rest of its container's or job's; cores kept for anybody else and not used are idle to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from carbonwatch.model import Domain, Sample, Usage, Work

# Power at 0, 10 ... 100 % load over power at full load: the median of 212 SPECpower_ssj2008 servers of 2017 and
# later (spec.org/power_ssj2008). Gives the idle part where nothing says what the machine draws idle.
POWER_AT_LOAD = (0.2, 0.325, 0.376, 0.422, 0.47, 0.529, 0.595, 0.669, 0.774, 0.893, 1.0)
POLICY = "dynamic+reserved_idle"


class Idle(NamedTuple):
    """What a domain draws doing nothing, between which watts that lies, and who says so."""

    watts: float
    low_w: float
    high_w: float
    by: str


_UNKNOWN: Mapping[str, Idle] = {}


def attribute(sample: Sample, domains: Iterable[Domain], idle: Mapping[str, Idle] = _UNKNOWN) -> tuple[Usage, ...]:
    """What each domain used in a sample, and for whom. `idle` is by domain, where its own idle_w is not known."""
    return tuple(
        usage(domain, sample.energy_j[domain.id], sample.work, sample.duration_s, idle.get(domain.id))
        for domain in domains
        if domain.id in sample.energy_j
    )


def usage(
    domain: Domain, machine_j: float, work: Mapping[str, Work], duration_s: float, idle: Idle | None = None
) -> Usage:
    """One domain's joules, split by the work done meanwhile (`Sample.work`)."""
    done = work.get(domain.id if domain.component == "gpu" else "cpu")
    if done is None:
        return _unsplit(domain, machine_j)
    if domain.component == "gpu":
        return _by_gpu_time(domain, machine_j, done)
    if idle is None and domain.idle_w is not None:
        idle = Idle(domain.idle_w, domain.idle_w, domain.idle_w, "model")
    return _by_cpu_time(domain, machine_j, done, duration_s, idle)


def _unsplit(domain: Domain, machine_j: float) -> Usage:
    """Nobody can tell who worked: taken as the run's own, and anything down to nothing of it may be true."""
    return Usage(domain, machine_j, 0.0, machine_j, 0.0, machine_j)


def _by_cpu_time(domain: Domain, machine_j: float, work: Work, duration_s: float, idle: Idle | None) -> Usage:
    work = _consistent(work)
    share = work.own_s / work.busy_s if work.busy_s else 0.0
    claim = min(1.0, max(work.own_s, work.reserved_s) / work.capacity_s) if work.capacity_s else 0.0
    others_s = work.busy_s - work.own_s + work.others_reserved_s
    others = others_s / work.capacity_s if work.capacity_s else 0.0

    if idle is None:  # from none of it being idle power to all of it
        load = work.busy_s / work.capacity_s if work.capacity_s else 0.0
        baseline_j, ends_j = machine_j * idle_share(load), [0.0, machine_j]
    else:
        baseline_j, *ends_j = (min(machine_j, w * duration_s) for w in (idle.watts, idle.low_w, idle.high_w))
    own_j = _own_j(machine_j, baseline_j, share, claim)
    possible_j = (own_j, *(_own_j(machine_j, end_j, share, claim) for end_j in ends_j))
    idle_j = baseline_j * max(0.0, 1.0 - claim - others)
    return Usage(domain, machine_j, idle_j, own_j, min(possible_j), max(possible_j), baseline_j, work)


def _own_j(machine_j: float, baseline_j: float, share: float, claim: float) -> float:
    return (machine_j - baseline_j) * share + baseline_j * claim


def alternatives(used: Usage) -> dict[str, float]:
    """What other conventions would call own, in joules, from the sums that a usage keeps; empty where nobody can tell.

    full_cost: all of it by busy time. dynamic: without idle power. capacity: all of it by the time of all cores.
    """
    if used.work is None:
        return {}
    work = _consistent(used.work)
    share = work.own_s / work.busy_s if work.busy_s else 0.0
    part = work.own_s / work.capacity_s if work.capacity_s else 0.0
    return {
        "full_cost": used.machine_j * share,
        "dynamic": (used.machine_j - used.baseline_j) * share,
        "capacity": used.machine_j * part,
    }


def _by_gpu_time(domain: Domain, machine_j: float, work: Work) -> Usage:
    """By share of SM time; a card that only the run has open is the run's, one that nobody uses is idle."""
    if work.busy_s > 0:
        share = min(1.0, work.own_s / work.busy_s)
        return _gpu(domain, machine_j, share, 0.0, work)
    if work.reserved_s > 0:
        return _gpu(domain, machine_j, 1.0, 0.0, work)
    return _gpu(domain, machine_j, 0.0, machine_j, work)


def _gpu(domain: Domain, machine_j: float, share: float, idle_j: float, work: Work) -> Usage:
    own_j = machine_j * share
    return Usage(domain, machine_j, idle_j, own_j, own_j, own_j, idle_j, work)


def _consistent(work: Work) -> Work:
    """Busy time has ticks of 10 ms, own time is exact: in short samples busy may lag behind own."""
    busy_s = max(work.own_s, min(work.busy_s, work.capacity_s) if work.capacity_s else work.busy_s)
    return Work(work.own_s, busy_s, max(work.capacity_s, busy_s), work.reserved_s, work.others_reserved_s)


def idle_share(load: float) -> float:
    """Idle power over power at this load, from the median curve."""
    steps = len(POWER_AT_LOAD) - 1
    below = min(int(load * steps), steps - 1)
    fraction = load * steps - below
    power = POWER_AT_LOAD[below] * (1 - fraction) + POWER_AT_LOAD[below + 1] * fraction
    return POWER_AT_LOAD[0] / power
