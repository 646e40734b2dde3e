"""Watch the whole machine until Ctrl-C.

On a terminal the table is refreshed in place; elsewhere there is one line per
interval. The summary stands at the end, and the run is kept as any other.

Examples:
  carbonwatch monitor
  carbonwatch monitor --duration 60 --interval-s 5 > power.log
  carbonwatch monitor --prometheus 9110       at http://127.0.0.1:9110/metrics
"""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import NamedTuple

from carbonwatch import store
from carbonwatch.cli import _options, _sending, _terminal
from carbonwatch.model import Component, Run
from carbonwatch.settings import Settings
from carbonwatch.tracker import Tracker
from carbonwatch.units import human_duration, human_energy, human_mass, human_power

Show = Callable[[Run, "list[Row]", list[float]], None]

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")
_BARS = "▁▂▃▄▅▆▇█"
_BARS_SHOWN = 60


class Row(NamedTuple):
    """What one component, or all of them, draws now and has used so far."""

    name: str
    power_w: float
    mean_w: float
    energy_j: float
    emissions_g: float
    quality: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--duration", type=_seconds, default=None, metavar="SECONDS", help="End after so long. Default: at Ctrl-C."
    )
    parser.add_argument(
        "--prometheus",
        type=_address,
        metavar="PORT",
        help="Serve the figures to Prometheus there, to this machine alone; HOST:PORT for others.",
    )
    _sending.add_arguments(parser)
    _options.add_settings(parser)


def main(args: argparse.Namespace) -> int:
    args.scope = args.scope or "machine"  # what the settings say is meant for programs
    settings = _options.chosen(args)
    sending = _sending.opened(args)
    if "logger" in settings.exporters:
        _terminal.tell_runs()
    tracker = Tracker(settings, facts={"command": "carbonwatch monitor"})
    ended = _asked_to_end()
    drawn = _Screen() if _terminal.is_terminal(sys.stdout) else None
    with _shown(args, drawn.show if drawn else _show_line) as show, tracker:
        sending.begin(lambda: tracker.run)
        try:
            watch(tracker, settings, args.duration, ended, show)
        except BrokenPipeError:  # the run has ended well, though nobody reads on
            sending.end(tracker.stop())
            raise
    if drawn:
        drawn.clear()
    if not settings.quiet:
        _terminal.show(("" if drawn else "\n") + _terminal.summary(tracker.run, sys.stdout, store.path(settings)))
    sending.end(tracker.run)
    return 0


@contextmanager
def _shown(args: argparse.Namespace, show: Show) -> Iterator[Show]:
    """What shows an interval, to Prometheus too if that is wanted."""
    if args.prometheus is None:
        yield show
        return
    from carbonwatch.cli import _prometheus

    page = ""

    def both(run: Run, found: list[Row], powers_w: list[float]) -> None:
        nonlocal page
        page = _prometheus.page(run, found)
        show(run, found, powers_w)

    with _prometheus.served(args.prometheus, lambda: page) as address:
        _terminal.say(f"carbonwatch: for Prometheus at {address}")
        yield both


def _address(text: str) -> tuple[str, int]:
    from carbonwatch.cli import _prometheus

    try:
        return _prometheus.address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def watch(
    tracker: Tracker,
    settings: Settings,
    duration_s: float | None,
    ended: SimpleQueue[int],
    show: Show,
) -> None:
    """Shows the run at each interval, until it is asked to end."""
    began_s = time.monotonic()
    end_s = float("inf") if duration_s is None else began_s + duration_s
    before = tracker.run
    powers_w: list[float] = []
    while True:
        now_s = time.monotonic()
        # beats that were missed, asleep or stopped, are left out
        due_s = now_s + settings.interval_s - (now_s - began_s) % settings.interval_s
        if _waited(ended, min(due_s, end_s)) or due_s > end_s:
            return
        run = tracker.run
        found = rows(run, before)
        powers_w.append(found[-1].power_w if found else 0.0)
        del powers_w[:-_BARS_SHOWN]
        show(run, found, powers_w)
        before = run


def rows(run: Run, before: Run) -> list[Row]:
    """The components that are metered, and all together if there is more than one."""
    found = [_row(run, before, component, component) for component in run.components]
    return [*found, _row(run, before, "all", None)] if len(found) > 1 else found


def screen(run: Run, found: list[Row], powers_w: list[float], width: int, colour: bool) -> list[str]:
    """The lines of the live table."""
    if not found:
        return ["Nothing can be metered here. `carbonwatch doctor` says why."]
    head = ("", "now", "mean", "energy", "CO2e", "quality")
    cells = [
        (
            row.name,
            human_power(row.power_w),
            human_power(row.mean_w),
            human_energy(row.energy_j),
            human_mass(row.emissions_g),
            row.quality,
        )
        for row in found
    ]
    # wide enough for what is to come, so that the table does not jump
    table = [f"{c[0]:<8}{c[1]:>10}{c[2]:>10}{c[3]:>12}{c[4]:>12}  {c[5]}" for c in (head, *cells)]
    title = f"{run.facts.get('host') or 'This machine'}, {human_duration(int(run.duration_s))}; Ctrl-C ends"
    lines = [title, "", *table, "", bars(powers_w)]
    lines = [_terminal.cut(line, width).rstrip() for line in lines]
    bold, dim = {len(lines) - 3}, {0, 2}
    return [
        _terminal.painted(line, _terminal.BOLD if i in bold else _terminal.DIM if i in dim else "", colour)
        for i, line in enumerate(lines)
    ]


def bars(powers_w: list[float]) -> str:
    """The power of the last intervals as a row of bars, from nothing to the highest."""
    highest_w = max(powers_w, default=0.0)
    if highest_w <= 0:
        return ""
    steps = [min(len(_BARS) - 1, int(power_w / highest_w * len(_BARS))) for power_w in powers_w]
    return f"{''.join(_BARS[step] for step in steps)}  up to {human_power(highest_w)}"


def line(run: Run, found: list[Row]) -> str:
    """One interval as a line: when, power now by component, and what has come together."""
    when = datetime.datetime.fromtimestamp(run.started_ns / 1e9 + run.duration_s).astimezone()
    powers = "  ".join(f"{row.name} {human_power(row.power_w)}" for row in found) or "nothing is metered"
    emissions = human_mass(run.emissions("machine").value)
    return f"{when.isoformat(timespec='seconds')}  {powers}  {human_energy(run.energy('machine').value)}  {emissions}"


class _Screen:
    """The live table, drawn over its last state."""

    def __init__(self) -> None:
        self._lines = 0

    def show(self, run: Run, found: list[Row], powers_w: list[float]) -> None:
        width = _terminal.width(sys.stdout) or 80
        lines = screen(run, found, powers_w, width, _terminal.colour(sys.stdout))
        self.clear()
        print("\n".join(lines), flush=True)
        self._lines = len(lines)

    def clear(self) -> None:
        if self._lines:
            # to the beginning of the table, also over the ^C that the terminal has shown
            print(f"\r\x1b[{self._lines}A\x1b[J", end="")
        self._lines = 0


def _show_line(run: Run, found: list[Row], _powers_w: list[float]) -> None:
    print(line(run, found), flush=True)


def _row(run: Run, before: Run, name: str, component: Component | None) -> Row:
    energy_j = run.energy("machine", component).value
    passed_s = run.duration_s - before.duration_s
    grown_j = energy_j - before.energy("machine", component).value
    qualities = {d.quality for d in run.domains if component in (None, d.component)}
    return Row(
        name,
        grown_j / passed_s if passed_s > 0 else 0.0,
        energy_j / run.duration_s if run.duration_s > 0 else 0.0,
        energy_j,
        run.emissions("machine", component).value,
        " and ".join(sorted(qualities)),
    )


def _asked_to_end() -> SimpleQueue[int]:
    """Holds something once a signal to end has come. A queue of this kind may be filled by a signal's handler."""
    ended: SimpleQueue[int] = SimpleQueue()
    for name in _ENDING:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda received, _frame: ended.put(received))
    return ended


def _waited(ended: SimpleQueue[int], until_s: float) -> bool:
    """Waits until then. True if it is asked to end before."""
    try:
        ended.get(timeout=max(0.0, until_s - time.monotonic()))
    except Empty:
        return False
    return True


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from error
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds
