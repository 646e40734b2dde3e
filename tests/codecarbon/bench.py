"""What the tests of CodeCarbon's names share."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carbonwatch.codecarbon import EmissionsTracker
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeActivity, FakeMeter, fake_sampler

KWH = 3_600_000.0


class Bench:
    """A tracker of a machine that draws 36 W, half of it this program's, on a clock that moves when told to."""

    def __init__(self, tracker: Callable[..., EmissionsTracker] = EmissionsTracker, **parameters: Any) -> None:
        self.clock = Clock(1)
        meters = [FakeMeter("cpu", power_w=30.0, idle_w=0.0), FakeMeter("ram", power_w=6.0, idle_w=0.0)]
        self.sampler = fake_sampler(meters, self.clock, FakeActivity(own=0.25, busy=0.5))
        given = {"force_carbon_intensity_g_co2e_kwh": 1000.0, "measure_power_secs": 3600, **parameters}
        self.tracker = tracker(meters=self.sampler, **given)

    def work(self, duration_s: float) -> None:
        self.clock.advance(duration_s)


def rows(name: str = "emissions.csv") -> list[dict[str, str]]:
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file, strict=True))


def settings(**parameters: Any) -> Settings:
    return EmissionsTracker(**parameters)._tracker.settings
