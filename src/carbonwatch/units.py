"""The rim where SI turns into what people read: J into kWh, g into kg, numbers into short text.

Inside the program everything is in joules, watts, seconds, nanoseconds and grams.
"""

from __future__ import annotations

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
    """Joules as short text: mJ, J or kJ below a watt-hour, then Wh, kWh and MWh."""
    if abs(energy_j) < 3600:
        return _scaled(energy_j, (("mJ", 1e-3), ("J", 1.0), ("kJ", 1e3)))
    return _scaled(energy_j / 3600, (("Wh", 1.0), ("kWh", 1e3), ("MWh", 1e6), ("GWh", 1e9)))


def human_mass(mass_g: float) -> str:
    """Grams of CO2e as short text; less than a gram in milligrams or micrograms."""
    return _scaled(mass_g, (("µg", 1e-6), ("mg", 1e-3), ("g", 1.0), ("kg", 1e3), ("t", 1e6), ("kt", 1e9)))


def human_power(power_w: float) -> str:
    """Watts as short text."""
    return _scaled(power_w, (("mW", 1e-3), ("W", 1.0), ("kW", 1e3), ("MW", 1e6)))


def human_duration(duration_s: float) -> str:
    """Seconds as short text: 850 ms, 12.3 s, 4 min 05 s, 3 h 20 min, 2 d 4 h."""
    if duration_s < 60:
        return _scaled(duration_s, (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)))
    seconds = round(duration_s)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600} h"


def human_number(value: float) -> str:
    """Three significant digits, never an exponent: 0.0123, 4.57, 123, 45600."""
    if value == 0:
        return "0"
    digits = _digits_before_point(value)
    text = f"{round(value, 3 - digits):.{max(0, 3 - digits)}f}"
    # 9.999 rounds up to 10.00: one digit more before the point, one less after it
    if _digits_before_point(float(text)) != digits:
        text = f"{float(text):.{max(0, 2 - digits)}f}"
    return text


def _digits_before_point(value: float) -> int:
    exponent = int(f"{abs(value):e}".split("e")[1])
    return exponent + 1


def _scaled(value: float, scale: tuple[tuple[str, float], ...]) -> str:
    """The value in the largest unit that leaves at least 1 before the point."""
    if value == 0:
        return f"0 {next(unit for unit, size in scale if size >= 1.0)}"
    chosen = scale[0]
    for unit, size in scale:
        # 0.9995 rounds to 1.00 of this unit with three digits
        if abs(value) >= size * 0.9995:
            chosen = (unit, size)
    return f"{human_number(value / chosen[1])} {chosen[0]}"
