"""Two groups of runs beside each other: by energy, emissions, time or power, with a verdict in a sentence.

Chance and meters err in different ways. Repetitions show how far chance reaches, and that is what tests ask about. What
a meter or the grid's figure is wrong by is the same in all runs of a machine, so no repetition shows it: it is
said beside the verdict, and so is what else differs between the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from carbonwatch import significance
from carbonwatch.errors import CarbonwatchError, Unavailable
from carbonwatch.model import Run
from carbonwatch.units import (
    J_PER_KWH,
    energy_range,
    human_duration,
    human_energy,
    human_mass,
    human_number,
    human_power,
    mass_range,
)

QUANTITIES: Mapping[str, tuple[Callable[[Run], float], Callable[[float], str]]] = {
    "energy": (lambda run: run.energy_j, human_energy),
    "emissions": (lambda run: run.emissions_g, lambda g: f"{human_mass(g)} CO2e"),
    "duration": (lambda run: run.duration_s, human_duration),
    "power": (lambda run: run.energy_j / run.duration_s if run.duration_s > 0 else 0.0, human_power),
    "intensity": (
        lambda run: run.emissions_g / (run.energy_j / J_PER_KWH * run.pue) if run.energy_j else 0.0,
        lambda g: f"{human_number(g)} g/kWh",
    ),
}
_NOISE = 1e-9  # relative
Values = tuple[float, ...]
_FACTS = {"host": "machines", "cpu_model": "processors", "version": "versions of carbonwatch"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two groups of runs by one quantity. `result` is None where there are too few runs, or no SciPy: `why_not`."""

    names: tuple[str, str]
    quantity: str
    values: tuple[tuple[float, ...], tuple[float, ...]]
    groups: tuple[significance.Group, significance.Group]
    result: significance.Result | None
    why_not: str
    doubts: tuple[str, ...]  # what tests do not see

    @property
    def difference(self) -> float:
        """Of the means; 0 where they differ by no more than the rounding of floats."""
        apart = self.groups[1].mean - self.groups[0].mean
        return 0.0 if self._is_noise(apart) else apart

    def _is_noise(self, value: float) -> bool:
        return abs(value) <= _NOISE * max(abs(group.mean) for group in self.groups)

    def text(self, value: float) -> str:
        """A value of the quantity as short text, with its sign."""
        value = 0.0 if self._is_noise(value) else value
        return ("−" if value < 0 else "") + QUANTITIES[self.quantity][1](abs(value))

    def error_text(self, group: significance.Group) -> str:
        """A standard error in the unit of its mean."""
        if group.standard_error is None:
            return "–"
        ends = (group.standard_error, group.standard_error, group.mean)
        if self.quantity == "energy":
            return energy_range(*ends)
        return f"{mass_range(*ends)} CO2e" if self.quantity == "emissions" else self.text(group.standard_error)


def compare(
    names: tuple[str, str], first: Sequence[Run], second: Sequence[Run], quantity: str = "energy"
) -> Comparison:
    """The runs whose figure is known. Raises CarbonwatchError where a group has none."""
    value = QUANTITIES[quantity][0]
    known = tuple([run for run in runs if run.is_known or quantity == "duration"] for runs in (first, second))
    for name, runs in zip(names, known, strict=True):
        if not runs:
            raise CarbonwatchError(f"No run of {name} has a known {quantity}, so there is nothing to compare.")
    one, two = _without_noise(*(tuple(value(run) for run in runs) for runs in known))
    result, why_not = _tested(one, two)
    doubts = (*_left_out(names, (first, second), known), *_doubts(known[0], known[1], quantity))
    groups = significance.group(one), significance.group(two)
    return Comparison(names, quantity, (one, two), groups, result, why_not, doubts)


def _without_noise(one: Values, two: Values) -> tuple[Values, Values]:
    """Values that differ by the rounding of floats alone are the same: tests would take it for a spread."""
    if _is_one((*one, *two)):
        return (one[0],) * len(one), (one[0],) * len(two)
    first, second = ((values[0],) * len(values) if _is_one(values) else values for values in (one, two))
    return first, second


def _is_one(values: Values) -> bool:
    return max(values) - min(values) <= _NOISE * max(map(abs, values))


def verdict(found: Comparison) -> str:
    """In a sentence: by how much the second differs, and whether chance can explain it."""
    first, second = found.names
    if found.difference == 0:
        return f"{second} and {first} have the same mean {found.quantity}."
    share = f" ({_percent(found.difference / found.groups[0].mean)})" if found.groups[0].mean else ""
    word = "more" if found.difference > 0 else "less"
    what = f"{second} has {found.text(abs(found.difference))}{share} {word} {found.quantity} than {first}"
    if found.result is None:
        return f"{what}; whether chance explains it can't be told. {found.why_not}"
    p = next(test.p for test in found.result.tests if test.name == "Welch's t")
    agreeing = sum(test.p < 1 - significance.LEVEL for test in found.result.tests)
    tests = f"Welch's t: {p_text(p)}; {agreeing} of {len(found.result.tests)} tests below 0.05"
    if found.result.is_significant:
        return f"{what}, and chance hardly explains it ({tests})."
    return f"{what}, but chance may explain it ({tests})."


def p_text(p: float) -> str:
    """A probability: p = 0.031, p < 0.0001."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def _tested(one: Sequence[float], two: Sequence[float]) -> tuple[significance.Result | None, str]:
    if min(len(one), len(two)) < 2:
        return None, "A test needs two runs of each at least: repeat them."
    try:
        return significance.compare(one, two), ""
    except Unavailable as error:
        return None, str(error)


def _left_out(names: tuple[str, str], all_of: Sequence[Sequence[Run]], known: Sequence[Sequence[Run]]) -> list[str]:
    counts = [(name, len(runs) - len(kept)) for name, runs, kept in zip(names, all_of, known, strict=True)]
    return [f"{count} of {name} are left out: their figure is not known" for name, count in counts if count]


def _doubts(first: Sequence[Run], second: Sequence[Run], quantity: str) -> list[str]:
    both = (*first, *second)
    differing = [word for fact, word in _FACTS.items() if len({str(run.facts.get(fact)) for run in both}) > 1]
    found = [f"they ran on different {word}" for word in differing]
    if quantity == "duration":
        return found
    if len({run.scope for run in both}) > 1:
        found.append("some are of the whole machine and some of a program")
    if len({run.place for run in both}) > 1 and quantity in ("emissions", "intensity"):
        found.append("they ran at different places")
    energies = [run.energy(run.headline) for run in both if run.energy_j > 0]
    off = max((max(e.high / e.value - 1, 1 - e.low / e.value) for e in energies), default=0.0)
    if quantity != "intensity" and off:
        found.append(
            f"meters and models err by up to {_percent(off)}, in all runs of a machine alike; no interval has that"
        )
    return found


def _percent(share: float) -> str:
    return f"{human_number(abs(share) * 100, 2)} %"
