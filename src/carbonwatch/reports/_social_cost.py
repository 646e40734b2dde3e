"""What a tonne of CO2 costs the world, as a published median or a value of the user's own. Never shown unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from carbonwatch.model import Run
from carbonwatch.units import human_number

FACT = "social_cost"
_G_PER_T = 1e6
_LEAST_PLAIN = 0.001


@dataclass(frozen=True, slots=True)
class SocialCost:
    """US dollars a tonne of CO2, and whose figure it is."""

    usd_per_t: float
    low_usd_per_t: float | None  # None: no range was given
    high_usd_per_t: float | None
    source: str


# as in its abstract (doi 10.1038/s41558-018-0282-y), which does not say of which year the dollars are
RICKE = SocialCost(417.0, 177.0, 805.0, "Ricke et al. 2018, median for the world, 66 % interval")


def given(usd_per_t: float) -> SocialCost:
    """A value of the user's own, without a range."""
    return SocialCost(usd_per_t, None, None, "as given")


def noted(run: Run, cost: SocialCost) -> Run:
    """The run with the price in its facts: reports show it from there."""
    return replace(run, facts={**run.facts, FACT: asdict(cost)})


def of(run: Run) -> SocialCost | None:
    """The price that was asked for; None where none was."""
    known = run.facts.get(FACT)
    if not isinstance(known, Mapping) or set(known) != set(SocialCost.__slots__):
        return None
    return SocialCost(**known)


def lines(run: Run) -> list[str]:
    """The headline's emissions at this price, and whose price it is."""
    cost = of(run)
    if cost is None or not run.entries or (run.headline == "own" and not run.is_split):
        return []
    return [f"{amount(run, cost)}, at {_per_t(cost)} US$ per t CO2", cost.source]


def amount(run: Run, cost: SocialCost) -> str:
    """US dollars, with the range of the price alone: 0.40 US$ (0.17–0.77)."""
    tonnes = run.emissions_g / _G_PER_T
    value = f"{_number(tonnes * cost.usd_per_t)} US$"
    if cost.low_usd_per_t is None or cost.high_usd_per_t is None:
        return value
    low, high = (_number(tonnes * end) for end in (cost.low_usd_per_t, cost.high_usd_per_t))
    return f"{value} ({low}–{high})"


def _number(value: float) -> str:
    """Two digits; with an exponent where it would begin with many zeros."""
    return f"{value:.1e}" if 0 < value < _LEAST_PLAIN else human_number(value, 2)


def _per_t(cost: SocialCost) -> str:
    value = human_number(cost.usd_per_t)
    if cost.low_usd_per_t is None or cost.high_usd_per_t is None:
        return value
    return f"{value} ({human_number(cost.low_usd_per_t)}–{human_number(cost.high_usd_per_t)})"
