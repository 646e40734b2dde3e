"""Several runs as one: a project, an experiment, the ranks of a job. A total is a Run, so every report can show it.

Joules and grams add up, and so do the ends of their intervals: what the meters and the grid's figures are wrong by,
they are wrong by in all runs alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Place, Run, State

SEVERAL_PLACES = "several runs"  # the evidence of a place that is many


@dataclass(frozen=True, slots=True)
class MergedRun:
    """What is left of a run in a total."""

    id: str
    project: str
    state: State
    started_ns: int
    duration_s: float
    metered: bool


def merge(runs: Sequence[Run]) -> Run:
    """Several runs as one: every joule at its own price; `merged_runs()` of it says which ones they were.

    Its duration is the time during which any of them ran. One PUE stands for all: such that the emissions of the
    headline are the sum of theirs. Raises CarbonwatchError where their headlines are different things.
    """
    if len(runs) == 1:
        return runs[0]
    if len({run.scope for run in runs}) != 1:
        raise CarbonwatchError(
            "Runs of whole machines and of programs can't be added: what a program used is a part of its machine's. "
            "Choose those of one scope: --scope process, or --scope machine."
        )
    projects = list(dict.fromkeys(run.project for run in runs))
    return Run(
        id=f"{len(runs)} runs",
        project=projects[0] if len(projects) == 1 else f"{len(projects)} projects",
        scope=runs[0].scope,
        state="running" if any(run.state == "running" for run in runs) else "finished",
        started_ns=min(run.started_ns for run in runs),
        duration_s=_covered_s(runs),
        entries=tuple(entry for run in runs for entry in run.entries),
        gaps=tuple(gap for run in runs for gap in run.gaps),
        notes=tuple(dict.fromkeys((*_overlap(runs), *(note for run in runs for note in run.notes)))),
        place=_one_place(runs),
        facts={**_common_facts(runs), "runs": [asdict(_merged(run)) for run in runs]},
        overhead_s=sum(run.overhead_s for run in runs),
        pue=_weighted([(run.pue, run.emissions_g / run.pue) for run in runs]),
        wue_l_per_kwh=_weighted([(run.wue_l_per_kwh, run.energy_j) for run in runs]),
    )


def merged_runs(run: Run) -> tuple[MergedRun, ...]:
    """The runs that a total is made of; none where it is a run of its own."""
    parts = run.facts.get("runs")
    names = set(MergedRun.__slots__)
    # facts are anybody's
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) and set(part) == names for part in parts):
        return ()
    return tuple(MergedRun(**part) for part in parts)


def _merged(run: Run) -> MergedRun:
    return MergedRun(run.id, run.project, run.state, run.started_ns, run.duration_s, bool(run.entries))


def _covered_s(runs: Iterable[Run]) -> float:
    """Seconds during which at least one of them ran."""
    covered_s, end_ns = 0.0, 0
    for run in sorted(runs, key=lambda run: run.started_ns):
        stop_ns = run.started_ns + round(run.duration_s * 1e9)
        covered_s += max(0, stop_ns - max(end_ns, run.started_ns)) / 1e9
        end_ns = max(end_ns, stop_ns)
    return covered_s


def _overlap(runs: Iterable[Run]) -> list[str]:
    """A note where two of them ran on one machine at a time: one may hold the other."""
    until_ns: dict[object, int] = {}
    together = 0
    for run in sorted(runs, key=lambda run: run.started_ns):
        host, end_ns = run.facts.get("host"), run.started_ns + round(run.duration_s * 1e9)
        if not isinstance(host, str):
            continue
        together += run.started_ns < until_ns.get(host, 0)
        until_ns[host] = max(end_ns, until_ns.get(host, 0))
    if not together:
        return []
    return [f"{together} of these runs began while another ran on the same machine: what both measured counts twice."]


def _one_place(runs: Sequence[Run]) -> Place:
    if all(run.place == runs[0].place for run in runs):
        return runs[0].place
    codes = (run.place.cloud or run.place.subdivision or run.place.country or "unknown" for run in runs)
    return Place(candidates=tuple(dict.fromkeys(codes)), evidence=SEVERAL_PLACES)


def _common_facts(runs: Sequence[Run]) -> dict[str, object]:
    """What is the same for all of them."""
    first, *others = runs
    return {k: v for k, v in first.facts.items() if all(k in run.facts and run.facts[k] == v for run in others)}


def _weighted(values: Sequence[tuple[float, float]]) -> float:
    """The mean by weight; of all alike where nothing weighs anything."""
    weight = sum(w for _, w in values)
    if weight > 0 and len({value for value, _ in values}) > 1:
        return sum(value * w for value, w in values) / weight
    return sum(value for value, _ in values) / len(values) if len({v for v, _ in values}) > 1 else values[0][0]
