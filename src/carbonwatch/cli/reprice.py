"""Price a run by its own hours: the last one, or the one named.

Asks the sources of the setting `grid` what a kilowatt-hour emitted in each hour
of the run, and keeps the new prices. Not a joule changes, and to do it again
changes nothing. What no source knows keeps the yearly mean of the place.

Only what is kept in the store changes: an emissions.csv, and whatever else the
run wrote at its end, stays as it is. Reports of the run have the new prices.

Examples:
  carbonwatch reprice --grid energy_charts            the last run
  carbonwatch reprice 019abcde --grid neso --boundary direct
  CARBONWATCH_GRID=electricity_maps carbonwatch reprice && echo complete

Exit code: 0 if all of the energy is priced by its own hour now, 1 if only a
part of it or none is, and 2 if it could not be tried.
"""

from __future__ import annotations

import argparse

from carbonwatch import pricing, store
from carbonwatch.cli import UsageError, _options, _terminal
from carbonwatch.cli.report import open_store
from carbonwatch.model import Run
from carbonwatch.settings import Settings
from carbonwatch.store import journal
from carbonwatch.units import human_mass

SETTINGS = (
    "store",
    "grid",
    "grid_timeout_s",
    "grid_urls",
    "boundary",
    "electricity_maps_token",
    "eia_key",
    "watttime_user",
    "watttime_password",
    "cache_dir",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", nargs="?", default="last", metavar="RUN", help="Beginning of the run's id. Default: last."
    )
    _options.add_settings(parser, SETTINGS)


def main(args: argparse.Namespace) -> int:
    settings = _options.chosen(args)
    check_sources(settings)
    with open_store(settings) as kept:
        before = kept.run(args.run)
    if before.state == "running":
        raise UsageError(
            f"The run {before.id} is still running, and would write its old prices again. Wait for its end."
        )
    after = pricing.reprice(before, settings, insist=True)
    path = store.path(settings)
    if after != before and path is not None:
        journal.share(path).reprice(after)
    _terminal.show(told(before, after))
    return 0 if after.covered == 1 else 1


def check_sources(settings: Settings) -> None:
    """Raises UsageError where no source is chosen, and Unavailable where one does not exist."""
    if not settings.grid:
        raise UsageError(
            "No source of hourly intensity is chosen. Name one: --grid electricity_maps (or CARBONWATCH_GRID)."
        )
    pricing.check(settings)


def told(before: Run, after: Run) -> str:
    """What has changed, in a line, and what is left to say."""
    covered = f"{100 * (after.covered or 0):.0f} % of the energy is priced by its own hour"
    masses = [f"{human_mass(run.emissions_g)} CO2e" for run in (before, after)]
    change = masses[1] if masses[0] == masses[1] else f"{masses[0]} before, {masses[1]} now"
    notes = [note for note in after.notes if note.startswith(pricing.SAID)]
    return "\n".join((f"{after.project} {after.id}: {change}; {covered}.", *notes))
