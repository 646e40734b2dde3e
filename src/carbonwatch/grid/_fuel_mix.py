"""What a kWh emits that is made of a known mix of fuels: a contract's, a microgrid's, or a grid's at one hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from carbonwatch.errors import SettingsError
from carbonwatch.model import Intensity
from carbonwatch.tables import Row, row, rows

Mix = Mapping[str, float]  # fuel -> its share

_ROUNDING = 0.01  # shares that somebody has written down add up to 1 that well
_ONE_FIGURE_ERROR = 0.4  # of a fuel with a median and no range: the tables' class C
_ENDS = ("min", "median", "max")


def intensity_of_mix(mix: Mix, boundary: str = "lifecycle") -> Intensity:
    """The mix at each fuel's median; the band has all fuels at their least, and at their most.

    Shares add up to 1, or to 100 %. Raises SettingsError.
    """
    shares = _shares(mix)
    figures = {end: sum(share * _factor(fuel, boundary, end) for fuel, share in shares.items()) for end in _ENDS}
    return Intensity(
        g_per_kwh=figures["median"],
        low=figures["min"],
        high=figures["max"],
        zone="given",
        name=", ".join(f"{fuel.replace('_', ' ')} {100 * share:.3g} %" for fuel, share in shares.items()),
        basis="mix",
        boundary=boundary,
        source="given mix of fuels; IPCC AR5 WG3 Annex III and as in the table of fuels",
        year=None,
        license="facts",
    )


def mix_of(setting: Sequence[str]) -> dict[str, float]:
    """Fuels and shares of the setting `energy_mix`: "nuclear=0.7", or "nuclear=70%". Raises SettingsError."""
    mix: dict[str, float] = {}
    for part in setting:
        fuel, _, share = part.partition("=")
        percent = share.strip().endswith("%")
        try:
            mix[fuel.strip()] = float(share.strip().removesuffix("%")) / (100 if percent else 1)
        except ValueError as error:
            raise SettingsError(
                f"energy_mix has {part!r}, which is no fuel with its share. Write FUEL=SHARE, as in "
                "nuclear=0.7,hydro=0.2,gas=0.1."
            ) from error
    _shares(mix)
    return mix


def _shares(mix: Mix) -> dict[str, float]:
    """Each fuel by the table's name, with its share of 1."""
    whole = sum(mix.values())
    size = 100.0 if abs(whole - 100) <= 100 * _ROUNDING else 1.0
    if not mix or any(not 0 <= share <= size for share in mix.values()) or abs(whole / size - 1) > _ROUNDING:
        raise SettingsError(
            f"The shares of energy_mix add up to {whole:g}, and none may be below 0, so they are no whole. "
            "Let them add up to 1, or to 100 %."
        )
    return {_known(fuel): share / whole for fuel, share in mix.items()}


def _known(fuel: str) -> str:
    name = fuel.strip().lower().replace(" ", "_").replace("-", "_")
    if row("fuel_factors", name) is not None:
        return name
    from difflib import get_close_matches

    names = [each["fuel"] for each in rows("fuel_factors")]
    near = get_close_matches(name, names, 1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names)}."
    raise SettingsError(f"energy_mix has {fuel!r}, which is no fuel that there is a figure for. {hint}")


def _factor(fuel: str, boundary: str, end: str) -> float:
    factors = row("fuel_factors", fuel)
    assert factors is not None
    figure = factors[f"{boundary}_{end}"]
    return float(figure) if figure else _without_range(factors, boundary, end)


def _without_range(factors: Row, boundary: str, end: str) -> float:
    median = float(factors[f"{boundary}_median"])
    return median / (1 + _ONE_FIGURE_ERROR) if end == "min" else median * (1 + _ONE_FIGURE_ERROR)
