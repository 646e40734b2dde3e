"""CodeCarbon's quantities, for programs that count with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from carbonwatch.units import J_PER_KWH

_KG_PER_LB = 0.45359237  # the international pound, exact


@dataclass
class Time:
    """A duration."""

    seconds: float
    SECONDS_TO_HOURS: ClassVar[float] = 1 / 3600

    @property
    def hours(self) -> float:
        return self.seconds / 3600

    @classmethod
    def from_seconds(cls, seconds: float) -> Time:
        return cls(seconds)


@dataclass
class EmissionsPerKWh:
    """Carbon intensity."""

    kgs_per_kWh: float  # noqa: N815 - their name
    LBS_MWH_TO_KG_KWH: ClassVar[float] = _KG_PER_LB / 1000
    G_KWH_TO_KG_KWH: ClassVar[float] = 0.001

    @classmethod
    def from_lbs_per_mWh(cls, lbs_per_mWh: float) -> EmissionsPerKWh:  # noqa: N802, N803 - pounds a megawatt-hour
        return cls(lbs_per_mWh * cls.LBS_MWH_TO_KG_KWH)

    @classmethod
    def from_g_per_kWh(cls, g_per_kWh: float) -> EmissionsPerKWh:  # noqa: N802, N803
        return cls(g_per_kWh / 1000)

    @classmethod
    def from_kgs_per_kWh(cls, kgs_per_kWh: float) -> EmissionsPerKWh:  # noqa: N802, N803
        return cls(kgs_per_kWh)


@dataclass(order=True)
class Energy:
    """Energy."""

    kWh: float  # noqa: N815
    UJOULES_TO_JOULES: ClassVar[float] = 1e-6
    MILLIJOULES_TO_JOULES: ClassVar[float] = 1e-3
    JOULES_TO_KWH: ClassVar[float] = 1 / J_PER_KWH

    def __post_init__(self) -> None:
        self.kWh = float(self.kWh)

    @classmethod
    def from_power_and_time(cls, *, power: Power, time: Time) -> Energy:
        return cls(power.kW * time.hours)

    @classmethod
    def from_ujoules(cls, energy: float) -> Energy:
        return cls(energy / 1e6 / J_PER_KWH)

    @classmethod
    def from_millijoules(cls, energy: float) -> Energy:
        return cls(energy / 1e3 / J_PER_KWH)

    @classmethod
    def from_energy(cls, kWh: float) -> Energy:  # noqa: N803
        return cls(kWh)

    def __add__(self, other: Energy) -> Energy:
        return Energy(self.kWh + other.kWh)

    def __sub__(self, other: Energy) -> Energy:
        return Energy(self.kWh - other.kWh)

    def __mul__(self, factor: float) -> Energy:
        return Energy(self.kWh * factor)

    def __truediv__(self, divisor: float) -> Energy:
        return Energy(self.kWh / divisor)

    def __float__(self) -> float:
        return self.kWh


@dataclass
class Power:
    """Power."""

    kW: float  # noqa: N815
    MILLI_WATTS_TO_WATTS: ClassVar[float] = 0.001
    WATTS_TO_KILO_WATTS: ClassVar[float] = 0.001

    @classmethod
    def from_milli_watts(cls, milli_watts: float) -> Power:
        return cls(milli_watts / 1e6)

    @classmethod
    def from_watts(cls, watts: float) -> Power:
        return cls(watts / 1000)

    @classmethod
    def from_energies_and_delay(cls, e1: Energy, e2: Energy, delay: Time) -> Power:
        """Mean power between two states of a counter, whichever comes first."""
        return cls(abs(e2.kWh - e1.kWh) / delay.hours if delay.hours else 0.0)

    @classmethod
    def from_energy_delta_and_delay(cls, e: Energy, delay: Time) -> Power:
        return cls.from_energies_and_delay(e, Energy(0), delay)

    @property
    def W(self) -> float:  # noqa: N802
        return self.kW * 1000

    def __add__(self, other: Power) -> Power:
        return Power(self.kW + other.kW)

    def __mul__(self, factor: float) -> Power:
        return Power(self.kW * factor)

    def __truediv__(self, divisor: float) -> Power:
        return Power(self.kW / divisor)

    def __floordiv__(self, divisor: float) -> Power:
        return Power(self.kW // divisor)


@dataclass
class Water:
    """Water."""

    litres: float

    @classmethod
    def from_litres(cls, litres: float) -> Water:
        return cls(litres)

    def __add__(self, other: Water) -> Water:
        return Water(self.litres + other.litres)
