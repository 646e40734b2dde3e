"""A machine's energy as rows that add up, by process: pure functions.

Counted in whole nanojoules, so that the sum of the rows is the machine's count and not only near it. The rule is
attribution's: the energy of work by CPU time, idle power by the cores used, and the rest is idle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from carbonwatch.activity._everybody import Key, Seen
from carbonwatch.attribution import Idle, usage
from carbonwatch.model import Domain, Sample, Work

ENDED = "ended, or the kernel's own"
IDLE = "idle"


class Row(NamedTuple):
    """A process, a container, or what belongs to none, over one interval."""

    pid: int | None
    user: str
    group: str
    name: str
    energy_nj: int
    gpu_nj: int
    cpu_s: float
    total_nj: int  # since the beginning


class Frame(NamedTuple):
    """All rows of an interval, what they add up to, and how sure that is."""

    rows: tuple[Row, ...]
    machine_nj: int
    total_nj: int
    duration_s: float
    error: tuple[float, float]  # relative
    qualities: tuple[str, ...]


def divided(total_nj: int, weights: Sequence[float]) -> list[int]:
    """A whole number in parts like the weights; their sum is the number. By equal parts where no weight is above 0."""
    if sum(weights) <= 0:
        weights = [1.0] * len(weights)
    grown = list(accumulate(weights))
    ends = [min(total_nj, round(total_nj * (part / grown[-1]))) for part in grown]
    ends[-1] = total_nj  # a float may be off by a few where it is larger than 2**53
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def used_between(before: Mapping[Key, Seen], now: Mapping[Key, Seen]) -> dict[Key, float]:
    """CPU seconds of everybody who is there now, since the look before.

    What came and went meanwhile, or used a last bit before it went, is that of who waited for it.
    """
    parents = {key.pid: seen.parent for key, seen in before.items() if key not in now}
    owed_s: dict[int, float] = {}
    for key, gone in before.items():
        if key not in now:
            heir = _heir(gone.parent, parents)
            owed_s[heir] = owed_s.get(heir, 0.0) + gone.cpu_s + gone.children_s
    used_s: dict[Key, float] = {}
    for key, seen in now.items():
        then = before.get(key)
        if then is None:
            used_s[key] = seen.cpu_s + seen.children_s
        else:
            waited_s = max(0.0, seen.children_s - then.children_s - owed_s.get(key.pid, 0.0))
            used_s[key] = max(0.0, seen.cpu_s - then.cpu_s) + waited_s
    return used_s


def _heir(pid: int, parents: Mapping[int, int]) -> int:
    """The nearest ancestor that is not gone: he is credited with all that went below him. `parents`: of the gone."""
    for _ in parents:
        if pid not in parents:
            break
        pid = parents[pid]
    return pid


class Accounts:
    """Frames from what is read, interval after interval, and what each has used since the beginning."""

    def __init__(self, domains: Iterable[Domain]) -> None:
        self._domains = {domain.id: domain for domain in domains}
        self._before: Mapping[Key, Seen] | None = None
        self._totals: dict[Key | str, int] = {}

    def begin(self, seen: Mapping[Key, Seen]) -> None:
        """What was used so far is nobody's."""
        self._before = seen

    def frame(
        self,
        sample: Sample,
        energy_nj: Mapping[str, int],
        seen: Mapping[Key, Seen],
        idle: Mapping[str, Idle],
        cards: Mapping[str, Mapping[int, float]],
    ) -> Frame:
        """The rows of an interval. `energy_nj` is what each domain counted in it; `cards`: who used a GPU."""
        cpu_s = used_between(self._before or {}, seen)
        by_cpu: dict[Key | str, int] = {}
        by_gpu: dict[Key | str, int] = {}
        keys = {key.pid: key for key in seen}
        for id_, counted_nj in energy_nj.items():
            domain = self._domains.get(id_)
            if domain is None:
                continue
            if domain.component == "gpu":
                _add(by_gpu, _of_card(counted_nj, cards.get(id_, {}), keys))
            else:
                _add(by_cpu, _of_cpus(domain, counted_nj, sample, cpu_s, idle.get(id_)))
        self._keep(seen, by_cpu, by_gpu)
        self._before = seen
        return self._frame(sample, seen, cpu_s, by_cpu, by_gpu)

    def _keep(self, seen: Mapping[Key, Seen], *parts: Mapping[Key | str, int]) -> None:
        """Adds to what everybody has used; what was of those that are gone goes to the row of the ended."""
        for part in parts:
            _add(self._totals, part)
        for gone in [key for key in self._totals if isinstance(key, Key) and key not in seen]:
            _add(self._totals, {ENDED: self._totals.pop(gone)})

    def _frame(
        self,
        sample: Sample,
        seen: Mapping[Key, Seen],
        cpu_s: Mapping[Key, float],
        by_cpu: Mapping[Key | str, int],
        by_gpu: Mapping[Key | str, int],
    ) -> Frame:
        rows = []
        for key, now in seen.items():
            cpu_nj, gpu_nj = by_cpu.get(key, 0), by_gpu.get(key, 0)
            total_nj = self._totals.get(key, 0)
            rows.append(Row(key.pid, now.user, now.group, now.name, cpu_nj + gpu_nj, gpu_nj, cpu_s[key], total_nj))
        for word in (ENDED, IDLE):
            cpu_nj, gpu_nj = by_cpu.get(word, 0), by_gpu.get(word, 0)
            rows.append(Row(None, "", "", word, cpu_nj + gpu_nj, gpu_nj, 0.0, self._totals.get(word, 0)))
        machine_nj = sum(by_cpu.values()) + sum(by_gpu.values())
        return Frame(
            tuple(rows),
            machine_nj,
            sum(self._totals.values()),
            sample.duration_s,
            self._error(sample),
            tuple(sorted({d.quality for d in self._domains.values()})),
        )

    def _error(self, sample: Sample) -> tuple[float, float]:
        """Of the sum; ends are added, as meters of one machine err together."""
        total_j = sum(sample.energy_j.get(id_, 0.0) for id_ in self._domains)
        if total_j <= 0:
            return 0.0, 0.0
        low, high = (
            sum(sample.energy_j.get(id_, 0.0) * domain.error[end] for id_, domain in self._domains.items())
            for end in (0, 1)
        )
        return low / total_j, high / total_j


def _of_cpus(
    domain: Domain, counted_nj: int, sample: Sample, cpu_s: Mapping[Key, float], idle: Idle | None
) -> dict[Key | str, int]:
    work = sample.work.get("cpu", Work(0.0, 0.0, 0.0))
    seen_s = sum(cpu_s.values())
    busy_s = max(work.busy_s, seen_s)
    capacity_s = max(work.capacity_s, busy_s)
    if capacity_s <= 0:
        return {ENDED: counted_nj}
    counted_j = counted_nj / 1e9
    baseline_j = usage(domain, counted_j, {"cpu": Work(0.0, busy_s, capacity_s)}, sample.duration_s, idle).baseline_j
    dynamic_j = counted_j - baseline_j

    def used_j(seconds: float) -> float:
        return (dynamic_j * (seconds / busy_s) if busy_s > 0 else 0.0) + baseline_j * (seconds / capacity_s)

    resting_j = baseline_j * (1.0 - busy_s / capacity_s) + (dynamic_j if busy_s <= 0 else 0.0)
    keys: list[Key | str] = [*cpu_s, ENDED, IDLE]
    weights = [*map(used_j, cpu_s.values()), used_j(busy_s - seen_s), max(0.0, resting_j)]
    return dict(zip(keys, divided(counted_nj, weights), strict=True))


def _of_card(counted_nj: int, used: Mapping[int, float], keys: Mapping[int, Key]) -> dict[Key | str, int]:
    if not used:
        return {IDLE: counted_nj}
    parts: dict[Key | str, int] = {}
    for pid, part_nj in zip(used, divided(counted_nj, list(used.values())), strict=True):
        _add(parts, {keys.get(pid, ENDED): part_nj})
    return parts


def _add(to: dict[Key | str, int], more: Mapping[Key | str, int]) -> None:
    for key, part_nj in more.items():
        to[key] = to.get(key, 0) + part_nj


def by_group(rows: Iterable[Row]) -> list[Row]:
    """Rows of containers and services instead of processes."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        name = row.name if row.pid is None else row.group or "outside any container"
        found.setdefault(name, []).append(row)
    return [_together(name, of_name) for name, of_name in found.items()]


def _together(name: str, rows: Sequence[Row]) -> Row:
    return Row(
        None,
        "",
        "",
        name,
        sum(row.energy_nj for row in rows),
        sum(row.gpu_nj for row in rows),
        sum(row.cpu_s for row in rows),
        sum(row.total_nj for row in rows),
    )


def shown(rows: Iterable[Row], most: int | None) -> list[Row]:
    """The rows that use most, and the others in one; what belongs to no process stands at the end."""
    rows = list(rows)
    special = [row for row in rows if row.pid is None and row.name in (ENDED, IDLE)]
    ordered = sorted(
        (row for row in rows if row not in special), key=lambda row: (-row.energy_nj, -row.total_nj, row.name)
    )
    room = len(ordered) if most is None else most
    kept = [row for row in ordered[:room] if row.total_nj]
    rest = ordered[len(kept) :]
    if rest and len(kept) == room > 0:  # the row of the others takes one, too
        kept, rest = kept[:-1], [kept[-1], *rest]
    others = [_together("1 other" if len(rest) == 1 else f"{len(rest)} others", rest)] if rest else []
    return [*kept, *others, *(row for row in special if row.total_nj)]
