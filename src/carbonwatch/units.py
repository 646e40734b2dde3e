"""The rim where SI turns into what people read: J into kWh, g into kg, numbers into short text.

Inside the program everything is in joules, watts, seconds, nanoseconds and grams.
"""

from __future__ import annotations

import math

J_PER_KWH = 3_600_000.0
NJ_PER_J = 1_000_000_000
NS_PER_S = 1_000_000_000


def kwh(energy_j: float) -> float:
    """Joules as kilowatt-hours."""
    return energy_j / J_PER_KWH


def joules(energy_kwh: float) -> float:
    """Kilowatt-hours as joules."""
    return energy_kwh * J_PER_KWH


def human_energy(energy_j: float) -> str:
    """Joules as short text: nJ to kJ below a watt-hour, then Wh, kWh and MWh."""
    return _scaled(energy_j, _ENERGY)


def human_mass(mass_g: float, digits: int = 3) -> str:
    """Grams of CO2e as short text; less than a gram in milligrams, down to picograms."""
    return _scaled(mass_g, _MASS, digits)


def human_power(power_w: float) -> str:
    """Watts as short text."""
    return _scaled(power_w, (("µW", 1e-6), ("mW", 1e-3), ("W", 1.0), ("kW", 1e3), ("MW", 1e6)))


def human_volume(volume_l: float) -> str:
    """Litres as short text."""
    return _scaled(volume_l, (("nl", 1e-9), ("µl", 1e-6), ("ml", 1e-3), ("l", 1.0), ("m³", 1e3)))


def human_duration(duration_s: float) -> str:
    """Seconds as short text: 850 ms, 12.3 s, 4 min 05 s, 3 h 20 min, 2 d 4 h."""
    if duration_s < 59.95:  # from there on 60.0 s, which is a minute
        return _scaled(duration_s, (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)))
    seconds = round(duration_s)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600} h"


def energy_range(low_j: float, high_j: float, value_j: float) -> str:
    """The ends of an interval as short text, in the unit of the value in it: 29.7–32.8 Wh."""
    return _range(low_j, high_j, value_j, _ENERGY, 3)


def energy_unit(energy_j: float) -> tuple[str, float]:
    """The unit that human_energy() would take, and its size in joules: for columns of a table."""
    return _unit(energy_j, _ENERGY, 3)


def mass_range(low_g: float, high_g: float, value_g: float, digits: int = 3) -> str:
    """The ends of an interval as short text, in the unit of the value in it: 8.1–18.4 g."""
    return _range(low_g, high_g, value_g, _MASS, digits)


def human_number(value: float, digits: int = 3) -> str:
    """Three significant digits, never an exponent: 0.0123, 4.57, 123, 45600."""
    if value == 0:
        return "0"
    if not math.isfinite(value):  # more than a float holds, of a file with absurd figures
        return str(value)
    before = _digits_before_point(value)
    text = f"{round(value, digits - before):.{max(0, digits - before)}f}"
    # 9.999 rounds up to 10.00: one digit more before the point, one less after it
    if _digits_before_point(float(text)) != before:
        text = f"{float(text):.{max(0, digits - 1 - before)}f}"
    return text


def _digits_before_point(value: float) -> int:
    exponent = int(f"{abs(value):e}".split("e")[1])
    return exponent + 1


_Scale = tuple[tuple[str, float], ...]

_ENERGY: _Scale = (
    ("nJ", 1e-9),
    ("µJ", 1e-6),
    ("mJ", 1e-3),
    ("J", 1.0),
    ("kJ", 1e3),
    ("Wh", 3.6e3),
    ("kWh", 3.6e6),
    ("MWh", 3.6e9),
    ("GWh", 3.6e12),
)
_MASS: _Scale = (
    ("pg", 1e-12),
    ("ng", 1e-9),
    ("µg", 1e-6),
    ("mg", 1e-3),
    ("g", 1.0),
    ("kg", 1e3),
    ("t", 1e6),
    ("kt", 1e9),
)


_LEAST = 0.001  # of the smallest unit; what is less is shown to be less, and not to be nothing


def _scaled(value: float, scale: _Scale, digits: int = 3) -> str:
    """The value in the largest unit that leaves at least 1 before the point."""
    unit, size = _unit(value, scale, digits)
    return f"{_at_least(value / size, digits)} {unit}"


def _at_least(value: float, digits: int) -> str:
    return f"<{_LEAST}" if 0 < value < _LEAST else human_number(value, digits)


def _unit(value: float, scale: _Scale, digits: int) -> tuple[str, float]:
    if value == 0:
        return next((unit, size) for unit, size in scale if size >= 1.0)
    # as it will be shown: 999.6 J are 1.00 kJ
    fitting = [(unit, size) for unit, size in scale if abs(float(human_number(value / size, digits))) >= 1]
    return fitting[-1] if fitting else scale[0]


def _range(low: float, high: float, value: float, scale: _Scale, digits: int) -> str:
    low_text, low_unit = _near(low, value or high, scale, digits)
    high_text, high_unit = _near(high, value or high, scale, digits)
    if low_unit != high_unit:
        return f"{low_text} {low_unit}–{high_text} {high_unit}"
    return f"{'–'.join(dict.fromkeys((low_text, high_text)))} {high_unit}"


def _near(value: float, other: float, scale: _Scale, digits: int) -> tuple[str, str]:
    """In the unit of the other one, unless it would be lost in it or swell."""
    is_near = value == 0 or other / 1000 <= value <= other * 1000
    unit, size = _unit(other if is_near else value, scale, digits)
    return _at_least(value / size, digits), unit
