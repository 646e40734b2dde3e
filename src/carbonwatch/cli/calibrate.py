"""Fit what is counted or modelled here to a meter at the wall.

The machine idles, then works at several loads, while the meter is read; a line
is fitted through the readings, shown with its residual, and kept for this
machine. Without --plug or --csv you are asked what the meter shows. Runs use it
where the setting calibrated says so, and mark every figure with the residual.

With --idle no meter is needed: what the counters show while nobody works is
kept, and splits the energy of later runs.

Examples:
  carbonwatch calibrate --idle --seconds 60
  carbonwatch calibrate --plug tasmota=http://192.168.1.20
  carbonwatch calibrate --plug redfish=https://bmc.example --plot fit.png
  carbonwatch calibrate --csv readings.csv    columns time (Unix s) and watts
  carbonwatch calibrate --plug ipmitool -- python train.py
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median

from carbonwatch import calibration, hardware, idle, plugs, settings
from carbonwatch.attribution import Idle
from carbonwatch.calibration import CalibrationError, Pair
from carbonwatch.cli import _calibration_plot, _calibration_view
from carbonwatch.errors import SettingsError
from carbonwatch.sampler import Sampler, cut, open_sampler

LOADS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SETTLE_S = 5.0
# works for a share of each tenth of a second
_WORK = """
import sys, time
share = float(sys.argv[1])
while True:
    end = time.monotonic() + 0.1 * share
    while time.monotonic() < end:
        pass
    time.sleep(0.1 * (1 - share))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    wall = parser.add_mutually_exclusive_group()
    wall.add_argument("--plug", metavar="KIND=URL", help=f"The meter: {', '.join(plugs.ANSWERS)} or ipmitool.")
    wall.add_argument("--csv", metavar="FILE", help="Readings with their time, written by another program meanwhile.")
    wall.add_argument("--idle", action="store_true", help="Keep what each counter shows while the machine idles.")
    parser.add_argument("--token", help="Password or access token of the meter.")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="Length of each load. Default: 30.")
    parser.add_argument("--every", type=float, default=2.0, metavar="S", help="Seconds between readings. Default: 2.")
    parser.add_argument(
        "--plot",
        action="append",
        default=[],
        metavar="FILE",
        help="Draws readings, line and residuals: a name that ends in .svg, or .png (carbonwatch[plot]).",
    )
    parser.add_argument("--no-save", action="store_true", help="Shows the line and keeps nothing.")
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="Your own load, instead of ours.")


def main(args: argparse.Namespace) -> int:
    if not 0 < args.every <= args.seconds < float("inf"):
        raise SettingsError(
            f"--every is {args.every:g} and --seconds {args.seconds:g}; a load needs one reading at least."
        )
    for path in args.plot:
        _calibration_plot.check(path)  # fails here, not after minutes
    if args.csv:
        _check_readings(args.csv)
    chosen = settings.resolve({"calibrated": False})  # what is counted, as it is
    machine = hardware.fingerprint(chosen.path_procfs, chosen.path_sysfs)
    sampler = open_sampler(chosen)
    try:
        if args.idle:
            return _keep_idle(args, sampler, machine)
        pairs = _pairs(args, sampler)
    finally:
        sampler.close()
    domains = tuple(domain.id for domain in sampler.domains)
    line = calibration.fit(pairs, machine, datetime.date.today().isoformat(), domains)
    print(f"{line}\n{line.readings} readings, {line.left_out} left out as far off the others; machine {machine}")
    for path in args.plot:
        _calibration_plot.write(path, pairs, line)
    if not args.no_save:
        path = calibration.store_file()
        calibration.save(line, path)
        print(f"Kept in {path}. Runs use it when asked: calibrated = true, or CARBONWATCH_CALIBRATED=1.")
    return 0


def _keep_idle(args: argparse.Namespace, sampler: Sampler, machine: str) -> int:
    found = idle_power(
        sampler,
        lambda: time.sleep(args.every),
        max(1, round(args.seconds / args.every)),
        datetime.date.today().isoformat(),
    )
    for id_, watts in found.items():
        print(f"{id_}: {watts.watts:.4g} W idle ({watts.low_w:.4g} to {watts.high_w:.4g} W)")
    if not args.no_save:
        path = idle.store_file()
        idle.save(found, path, machine)
        print(f"Kept in {path}, for {machine}.")
    return 0


def idle_power(sampler: Sampler, wait: Callable[[], object], count: int, made_at: str) -> dict[str, Idle]:
    """What each counter showed while nobody worked, with nine tenths of its readings. Raises CalibrationError."""
    counted = [d.id for d in sampler.domains if d.quality == "measured" and d.component != "gpu"]
    if not counted:
        raise CalibrationError(
            "No counter measures CPU or memory here, and a model knows its own idle power: there is nothing to keep. "
            "`carbonwatch doctor` says why."
        )
    powers_w: dict[str, list[float]] = {id_: [] for id_ in counted}
    before = sampler.read()
    for _ in range(count):
        wait()
        reading = sampler.read()
        sample, before = cut(before, reading), reading
        work = sample.work.get("cpu")
        if work is None or work.busy_s <= idle.QUIET * work.capacity_s:
            for id_ in counted:
                if id_ in sample.energy_j:
                    powers_w[id_].append(sample.energy_j[id_] / sample.duration_s)
    if min(map(len, powers_w.values())) < idle.FEWEST:
        raise CalibrationError(
            f"The machine idled in fewer than {idle.FEWEST} of {count} readings, so its idle power can't be told. End "
            "what works on it, or read for longer (--seconds)."
        )
    by = f"carbonwatch calibrate --idle, {made_at}"
    return {
        id_: Idle(median(seen), idle.low_quantile(seen, 0.05), idle.low_quantile(seen, 0.95), by)
        for id_, seen in powers_w.items()
    }


def inside(sampler: Sampler) -> tuple[int, float]:
    """Instant, and joules of all domains counted up to it."""
    reading = sampler.read()
    return reading.ns, sum(reading.energy_nj[d.id] for d in sampler.domains if d.id in reading.energy_nj) / 1e9


def _pairs(args: argparse.Namespace, sampler: Sampler) -> list[Pair]:
    if args.csv:
        return _beside_a_file(args, sampler)
    count = max(1, round(args.seconds / args.every))
    if args.plug:
        wall = plugs.open_plug(args.plug, args.token)
        wall()  # fails here, not after minutes
        pairs: list[Pair] = []
        view = _calibration_view.View(_loads(args.command), count, args.every, _SETTLE_S)
        for _ in _phases(args.command, lambda _: view.begin()):
            pairs += calibration.collect(
                lambda: inside(sampler), wall, lambda: time.sleep(args.every), count, view.seen
            )
        view.end()
        return pairs
    return [_asked(sampler, args.seconds) for _ in range(2) for _ in _phases(args.command, _say)]


def _say(load: float) -> None:
    print(f"load {load:.0%}", file=sys.stderr, flush=True)


def _loads(command: Sequence[str]) -> tuple[float, ...]:
    return (0.0, 1.0) if command else LOADS


def _phases(command: Sequence[str], begin: Callable[[float], object]) -> Iterator[None]:
    """Idle, then each load, settled."""
    for load in _loads(command):
        with _working(load, command):
            begin(load)
            time.sleep(_SETTLE_S)
            yield


@contextmanager
def _working(load: float, command: Sequence[str]) -> Iterator[None]:
    words = [list(command)] if command else [[sys.executable, "-c", _WORK, str(load)]] * (os.cpu_count() or 1)
    workers = [subprocess.Popen(each, stdout=subprocess.DEVNULL) for each in words] if load else []
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()


def _asked(sampler: Sampler, seconds: float) -> Pair:
    before_ns, before_j = inside(sampler)
    time.sleep(seconds)
    ns, joules = inside(sampler)
    return Pair((joules - before_j) / (ns - before_ns) * 1e9, answered(sys.stdin))


def answered(lines: Iterable[str]) -> float:
    """The watts that who sits there reads off the meter; asked for again where they are no number."""
    _ask("The meter at the wall shows, in W: ")
    for line in lines:
        try:
            wall_w = float(line.replace(",", "."))
        except ValueError:
            wall_w = 0.0
        if 0 < wall_w < float("inf"):
            return wall_w
        _ask("That is no number of watts. It shows, in W: ")
    raise CalibrationError("Nobody says what the meter shows. Let it be asked: --plug; or give its readings: --csv.")


def _ask(question: str) -> None:
    print(question, end="", file=sys.stderr, flush=True)


def _beside_a_file(args: argparse.Namespace, sampler: Sampler) -> list[Pair]:
    spans: list[tuple[float, float, float]] = []
    for _ in _phases(args.command, _say):
        for _ in range(max(1, round(args.seconds / args.every))):
            began_s, (before_ns, before_j) = time.time(), inside(sampler)
            time.sleep(args.every)
            ns, joules = inside(sampler)
            spans.append((began_s, time.time(), (joules - before_j) / (ns - before_ns) * 1e9))
    return joined(spans, readings(args.csv))


def _check_readings(path: str) -> None:
    """Fails here, not after minutes: the meter's program may have written nothing yet, but its file is there."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            columns = csv.DictReader(file).fieldnames
    except FileNotFoundError as error:
        raise SettingsError(
            f"There is no file {path}, so what is measured would have no readings beside it. Begin to write the "
            "meter's readings first: a line `time,watts`, then one for each."
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise SettingsError(f"{path} can't be read as readings ({error!r}).") from error
    if columns and not {"time", "watts"} <= set(columns):
        raise SettingsError(f"{path} has the columns {', '.join(columns)}. It needs time, in Unix seconds, and watts.")


def readings(path: str) -> list[tuple[float, float]]:
    """Time and watts of a file of readings."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return [_reading(row) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError) as error:  # TypeError: a line that is not whole
        raise SettingsError(
            f"{path} can't be read as readings ({error!r}). It needs the columns time, in Unix seconds, and watts."
        ) from error


def _reading(row: Mapping[str, str]) -> tuple[float, float]:
    return float(row["time"]), float(row["watts"])


def joined(spans: Sequence[tuple[float, float, float]], found: Sequence[tuple[float, float]]) -> list[Pair]:
    """Power inside over each span beside the mean of the wall's readings in it; spans without any are left out."""
    pairs = []
    for start_s, end_s, inside_w in spans:
        walls = [watts for at_s, watts in found if start_s <= at_s <= end_s]
        if walls:
            pairs.append(Pair(inside_w, sum(walls) / len(walls)))
    return pairs
