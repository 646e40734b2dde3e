"""Say when the grid will be cleanest: now, or later.

Looks through the forecast of the first source of the setting `grid` that has
one, for the hours in which a run would cause the least CO2e per kilowatt-hour.

Examples:
  carbonwatch when --duration 4h --grid electricity_maps
  carbonwatch when --duration 90min --within 12h --grid neso --boundary direct
  carbonwatch when --duration 2h && make train       only if now is a good time

Exit code: 0 if now is the time, or waiting would save less than 5 %; 1 if it
pays to wait; 2 if that can't be told.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass

from carbonwatch import ledger, location, plugins
from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.cli.reprice import SETTINGS, check_sources
from carbonwatch.errors import GridUnavailable
from carbonwatch.model import Series
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S, human_duration, human_number

_WORTH = 0.05  # less than that is not worth to wait for


@dataclass(frozen=True, slots=True)
class Window:
    """The cleanest time for a run, beside the time from now on."""

    start_ns: int
    wait_s: float
    g_per_kwh: float
    now_g_per_kwh: float
    zone: str
    boundary: str
    source: str

    @property
    def saved(self) -> float:
        """Share of now's emissions that waiting saves."""
        return 1 - self.g_per_kwh / self.now_g_per_kwh if self.now_g_per_kwh > 0 else 0.0

    @property
    def is_worth(self) -> bool:
        """Whether it pays to wait for it."""
        return self.saved >= _WORTH


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--duration", type=_options.seconds, required=True, metavar="TIME", help="How long the run takes: 90min, 4h."
    )
    parser.add_argument(
        "--within", type=_options.seconds, default=86400, metavar="TIME", help="It has to end by then. Default: 24h."
    )
    parser.add_argument("--json", action="store_true", help="The same for programs.")
    _options.add_settings(parser, (*SETTINGS[1:], "country", "region", "cloud", "place", "at"))


def main(args: argparse.Namespace) -> int:
    settings = _options.chosen(args)
    window = find(settings, args.duration, args.within)
    _terminal.show(as_json(window) if args.json else told(window, args.duration))
    return 1 if window.is_worth else 0


def find(settings: Settings, duration_s: int, within_s: int) -> Window:
    """The window of the first source that has a forecast. Raises Unavailable or UsageError."""
    check_sources(settings)
    if within_s < duration_s:
        raise UsageError("A run can't end within less time than it takes. Give --within more than --duration.")
    place = location.locate(settings)
    now_ns = time.time_ns()
    reasons = []
    for name in settings.grid:
        try:
            series = plugins.load("grid", name)(place, now_ns, now_ns + within_s * NS_PER_S, settings)
            return cleanest(series, now_ns, duration_s, within_s)
        except GridUnavailable as error:
            reasons.append(str(error))
    raise GridUnavailable("No source tells what is to come.", " ".join(reasons))


def cleanest(series: Series, now_ns: int, duration_s: int, within_s: int) -> Window:
    """The earliest of the windows with the least g/kWh. Raises GridUnavailable without a forecast from now on."""
    length_ns, latest_ns = duration_s * NS_PER_S, now_ns + (within_s - duration_s) * NS_PER_S
    # between two edges of slots the mean moves evenly, so one of them is the best
    edges = {edge - back for slot in series.slots for edge in (slot.start_ns, slot.end_ns) for back in (0, length_ns)}
    starts = sorted({now_ns, latest_ns, *(edge for edge in edges if now_ns < edge < latest_ns)})
    means = {start: ledger.mean(series.slots, start, start + length_ns) for start in starts}
    now_g_per_kwh = means[now_ns]
    if series.period == "year" or now_g_per_kwh is None:
        raise GridUnavailable(f"{series.source} has no forecast of the next {human_duration(duration_s)}.")
    known = {start: g_per_kwh for start, g_per_kwh in means.items() if g_per_kwh is not None}
    best_ns = min(known, key=lambda start: (known[start], start))
    return Window(
        start_ns=best_ns,
        wait_s=(best_ns - now_ns) / NS_PER_S,
        g_per_kwh=known[best_ns],
        now_g_per_kwh=now_g_per_kwh,
        zone=series.zone,
        boundary=series.boundary,
        source=series.source,
    )


def told(window: Window, duration_s: int) -> str:
    """The window for people."""
    lasting = f"on average over {human_duration(duration_s)}"
    forecast = f"Forecast for {window.zone}: {window.source}, {window.boundary}."
    now = f"{human_number(window.now_g_per_kwh)} g CO2e/kWh"
    if not window.is_worth:
        return f"Start now: {now} {lasting}; waiting would save less than {100 * _WORTH:.0f} %.\n{forecast}"
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(window.start_ns // NS_PER_S))
    return (
        f"Start at {at}, in {human_duration(window.wait_s)}: {human_number(window.g_per_kwh)} g CO2e/kWh {lasting}, "
        f"{100 * window.saved:.0f} % less than now ({now}).\n{forecast}"
    )


def as_json(window: Window) -> str:
    """The window for programs."""
    import json

    return json.dumps({**asdict(window), "saved": window.saved, "worth_waiting": window.is_worth}, indent=2)
