"""Show who draws how many watts now: processes or containers, live.

The rows add up to the machine's line. Idle power of cores that nobody uses is
a row of its own; so is the work of processes that have ended meanwhile. On a
terminal: c changes to containers and back, q ends.

Examples:
  carbonwatch top
  carbonwatch top --by container --number 10
  carbonwatch top --once
  carbonwatch top --once --json | jq '.rows[0]'
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from carbonwatch import environment, idle, location, nvidia
from carbonwatch.activity._everybody import Cards, Engines, MacCards, OnCards, everybody
from carbonwatch.cli import _options, _rows, _terminal, _until
from carbonwatch.cli._rows import Accounts, Frame, Row
from carbonwatch.errors import Unavailable
from carbonwatch.grid import _chosen, bundled
from carbonwatch.model import Intensity
from carbonwatch.sampler import Sampler, cut, open_sampler
from carbonwatch.settings import Settings
from carbonwatch.units import J_PER_KWH, human_energy, human_mass, human_power

# drawn by hand: rich takes 16 ms of CPU for this table, more than all the rest and than the 1 % of a core we allow
_FIRST_S = 0.5  # until there is something to see
_WIDTH = 120  # where there is no terminal
_BARS = " ▏▎▍▌▋▊▉█"
_BAR_WIDTH = 12
_COURSE = "▁▂▃▄▅▆▇█"
_COURSE_SHOWN = 30
_CYAN, _HEAD = "36", "7"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by", choices=("process", "container"), default="process", help="What a row is. Default: process."
    )
    parser.add_argument("--number", type=int, metavar="N", help="At most so many rows; the rest is one.")
    parser.add_argument("--once", action="store_true", help="One table, of one interval.")
    parser.add_argument("--json", action="store_true", help="One JSON object an interval, for programs.")
    _options.add_settings(parser)


def main(args: argparse.Namespace) -> int:
    settings = _options.chosen(args)
    watching = Watching(settings)
    try:
        with _until.asked_to_end() as interrupted:
            if args.once:
                _once(watching, args, interrupted)
            elif args.json or not _terminal.is_terminal(sys.stdout):
                _lines(watching, args, interrupted)
            else:
                _live(watching, args, interrupted)
    finally:
        watching.close()
    return 0


class Watching:
    """The machine, interval after interval."""

    def __init__(self, settings: Settings, sampler: Sampler | None = None) -> None:
        self.settings = settings
        self._sampler = sampler or open_sampler(settings)
        try:
            self._everybody = everybody(settings.path_procfs, environment.command)
        except Unavailable:
            self._sampler.close()
            raise
        self._accounts = Accounts(self._sampler.domains)
        known = idle.load(idle.store_file(), settings.path_procfs, settings.path_sysfs)
        self._idle = idle.Watch(self._sampler.domains, known)
        self._cards = _cards(settings) if any(d.component == "gpu" for d in self._sampler.domains) else []
        place = location.locate(settings)
        self.intensity, _ = _chosen.intensity(place, settings)
        self.pue = bundled.overheads(place)[0] if settings.pue is None else settings.pue
        self._before = self._sampler.read()
        self._accounts.begin(self._everybody.look())
        self._on_cards(self._before.ns)

    def frame(self) -> Frame:
        """What came since the last one, or since the beginning."""
        reading, seen = self._sampler.read(), self._everybody.look()
        sample = cut(self._before, reading)
        counted = {
            id_: nj - self._before.energy_nj[id_] for id_, nj in reading.energy_nj.items() if id_ in sample.energy_j
        }
        self._before = reading
        return self._accounts.frame(sample, counted, seen, self._idle.after(sample), self._on_cards(reading.ns))

    def _on_cards(self, ns: int) -> dict[str, dict[int, float]]:
        """Who used which GPU since the last frame."""
        now_us = time.time_ns() // 1000
        return {id_: used for cards in self._cards for id_, used in cards.look(ns, now_us).items()}

    def close(self) -> None:
        """Gives back what is held open."""
        self._sampler.close()
        for cards in self._cards:
            cards.close()


def _cards(settings: Settings) -> list[OnCards]:
    """Who works on GPUs, of whatever make."""
    ways: list[Callable[[], OnCards]] = [lambda: Engines(settings), lambda: _nvidia(settings)]
    ways += [MacCards] if sys.platform == "darwin" else []
    found: list[OnCards] = []
    for opened in ways:
        try:
            found.append(opened())
        except Unavailable:
            continue
    return found


def _nvidia(settings: Settings) -> OnCards:
    nvml = nvidia.open_nvml(settings.path_procfs, os.environ)
    return Cards(nvml, nvidia.choose(nvml, settings.gpus, os.environ).boards)


def rows_of(frame: Frame, by: str, most: int | None) -> list[Row]:
    """The rows to be shown."""
    return _rows.shown(frame.rows if by == "process" else _rows.by_group(frame.rows), most)


def g_per_hour(energy_nj: int, duration_s: float, intensity: Intensity, pue: float) -> float:
    """What an hour of the same emits."""
    return energy_nj / 1e9 / duration_s * 3600 / J_PER_KWH * intensity.g_per_kwh * pue if duration_s > 0 else 0.0


def as_json(frame: Frame, rows: list[Row], intensity: Intensity, pue: float) -> str:
    """One line for programs; `energy_nj` of the rows adds up to the machine's, exactly."""
    import json

    def values(row: Row) -> dict[str, Any]:
        return {
            "pid": row.pid,
            "user": row.user or None,
            "container": row.group or None,
            "name": row.name,
            "power_w": _watts(row.energy_nj, frame),
            "gpu_power_w": _watts(row.gpu_nj, frame),
            "g_per_h": g_per_hour(row.energy_nj, frame.duration_s, intensity, pue),
            "cpu_s": row.cpu_s,
            "energy_nj": row.energy_nj,
            "total_j": row.total_nj / 1e9,
        }

    machine = {
        "power_w": _watts(frame.machine_nj, frame),
        "power_error": frame.error,
        "g_per_h": g_per_hour(frame.machine_nj, frame.duration_s, intensity, pue),
        "energy_nj": frame.machine_nj,
        "total_j": frame.total_nj / 1e9,
        "qualities": frame.qualities,
    }
    document = {
        "time": time.time(),
        "duration_s": frame.duration_s,
        "g_per_kwh": intensity.g_per_kwh,
        "pue": pue,
        "machine": machine,
        "rows": [values(row) for row in rows],
    }
    return json.dumps(document)


def screen(
    frame: Frame,
    rows: list[Row],
    intensity: Intensity,
    pue: float,
    powers_w: list[float],
    width: int,
    colour: bool,
    by: str = "process",
) -> list[str]:
    """The lines of the view: the machine on top, then who makes it up."""
    if not frame.qualities:
        return ["Nothing can be metered here. `carbonwatch doctor` says why."]

    def grams(energy_nj: int) -> str:
        return f"{human_mass(g_per_hour(energy_nj, frame.duration_s, intensity, pue))}/h"

    machine_w = _watts(frame.machine_nj, frame)
    low, high = (machine_w * (1 + end) for end in frame.error)
    sure = f" ({human_power(low)} to {human_power(high)})" if low != high else ""
    head = [
        f"{human_power(machine_w)}  {grams(frame.machine_nj)}  {human_energy(frame.total_nj / 1e9)} so far",
        f"{' and '.join(frame.qualities)}{sure}; {intensity.name}, {intensity.g_per_kwh:.3g} g/kWh"
        + (f", PUE {pue:.3g}" if pue != 1 else ""),
        _course(powers_w),
    ]
    lines = [_terminal.painted(_terminal.cut(head[0], width), _terminal.BOLD, colour)]
    lines += [_terminal.painted(_terminal.cut(line, width), _terminal.DIM, colour) for line in head[1:] if line]
    return [*lines, "", *_table(frame, rows, grams, width, colour, by)]


def _table(frame: Frame, rows: list[Row], grams: Any, width: int, colour: bool, by: str) -> list[str]:
    has_gpu, has_pid = any(row.gpu_nj for row in rows), by == "process"
    titles = ["PID", "USER"] * has_pid + ["POWER", "", "CO2e", "CPU"] + ["GPU"] * has_gpu + ["USED", "WHO"]
    cells = [titles]
    for row in rows:
        share = row.energy_nj / frame.machine_nj if frame.machine_nj else 0.0
        cells.append(
            [str(row.pid or ""), _terminal.cut(row.user, 10)] * has_pid
            + [human_power(_watts(row.energy_nj, frame)), _bar(share), grams(row.energy_nj), _percent(row, frame)]
            + [human_power(_watts(row.gpu_nj, frame))] * has_gpu
            + [human_energy(row.total_nj / 1e9), _terminal.printable(row.name)]
        )
    right = [at for at, title in enumerate(titles) if title not in ("USER", "", "WHO")]
    padded = _terminal.table(cells, right, len(titles) - 1, width)
    first = _terminal.painted("".join(padded[0]).ljust(width if width < 200 else 0), _HEAD, colour)
    return [first, *(_painted(line, row, titles.index(""), colour) for line, row in zip(padded[1:], rows, strict=True))]


def _painted(cells: list[str], row: Row, bar: int, colour: bool) -> str:
    if row.pid is None and row.name in (_rows.IDLE, _rows.ENDED):
        return _terminal.painted("".join(cells).rstrip(), _terminal.DIM, colour)
    cells = [_terminal.painted(cell, _CYAN, colour) if at == bar else cell for at, cell in enumerate(cells)]
    return "".join(cells).rstrip()


def _watts(energy_nj: int, frame: Frame) -> float:
    return energy_nj / 1e9 / frame.duration_s if frame.duration_s > 0 else 0.0


def _percent(row: Row, frame: Frame) -> str:
    return f"{row.cpu_s / frame.duration_s * 100:.0f} %" if row.cpu_s and frame.duration_s > 0 else ""


def _bar(share: float) -> str:
    steps = round(max(0.0, min(1.0, share)) * _BAR_WIDTH * 8)
    return ("█" * (steps // 8) + _BARS[steps % 8].strip()).ljust(_BAR_WIDTH)


def _course(powers_w: list[float]) -> str:
    """The power of the last intervals, from nothing to the highest."""
    highest_w = max(powers_w, default=0.0)
    if highest_w <= 0 or len(powers_w) < 2:
        return ""
    steps = (min(7, int(power_w / highest_w * 8)) for power_w in powers_w[-_COURSE_SHOWN:])
    return f"{''.join(_COURSE[step] for step in steps)}  up to {human_power(highest_w)}"


def _once(watching: Watching, args: argparse.Namespace, interrupted: int) -> None:
    if not select.select([interrupted], [], [], watching.settings.interval_s)[0]:
        _show(watching, watching.frame(), args)


def _lines(watching: Watching, args: argparse.Namespace, interrupted: int) -> None:
    """A table or a JSON object an interval, for who is no terminal."""
    for _ in _beats(watching.settings.interval_s, [interrupted]):
        _show(watching, watching.frame(), args)


def _show(watching: Watching, frame: Frame, args: argparse.Namespace) -> None:
    rows = rows_of(frame, args.by, args.number)
    if args.json:
        text = as_json(frame, rows, watching.intensity, watching.pue)
    else:
        width, colour = _terminal.width(sys.stdout) or _WIDTH, _terminal.colour(sys.stdout)
        text = "\n".join(screen(frame, rows, watching.intensity, watching.pue, [], width, colour, args.by))
    _terminal.show(text)
    _terminal.flush()


def _live(watching: Watching, args: argparse.Namespace, interrupted: int) -> None:
    by, frame = args.by, None
    powers_w: list[float] = []
    with _whole_screen(), _single_keys() as keys:
        for key in _beats(watching.settings.interval_s, [interrupted, *keys], _FIRST_S):
            if key == "q":
                return
            if key == "c":
                by = "container" if by == "process" else "process"
            if key is None or frame is None:
                frame = watching.frame()
                powers_w = [*powers_w[-_COURSE_SHOWN:], _watts(frame.machine_nj, frame)]
            _draw(watching, frame, by, args.number, powers_w)


def _draw(watching: Watching, frame: Frame, by: str, most: int | None, powers_w: list[float]) -> None:
    width, height = os.get_terminal_size(sys.stdout.fileno())
    width, height = width or 80, height or 24  # a terminal that does not know how large it is
    room = max(1, height - 8)
    rows = rows_of(frame, by, room if most is None else min(most, room))
    colour = _terminal.colour(sys.stdout)
    lines = screen(frame, rows, watching.intensity, watching.pue, powers_w, width, colour, by)[: height - 1]
    lines.append(_terminal.painted(_terminal.cut("c: containers or processes   q: end", width), _terminal.DIM, colour))
    sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines[:-1]) + f"{lines[-1]}\x1b[K\x1b[J")
    sys.stdout.flush()


def _beats(interval_s: float, ends: list[int], first_s: float | None = None) -> Iterator[str | None]:
    """None each interval, or a key that was pressed; until the first of the descriptors can be read."""
    interrupted, *keys = ends
    due_s = time.monotonic() + (interval_s if first_s is None else min(first_s, interval_s))
    while True:
        ready = select.select(ends, [], [], max(0.0, due_s - time.monotonic()))[0]
        if interrupted in ready:
            return
        if ready:
            pressed = os.read(keys[0], 16).decode(errors="replace")
            if not pressed:  # nobody is there any more
                return
            yield from pressed
        else:
            yield None
            # beats that were missed, asleep or stopped, are left out
            due_s += interval_s * max(1, int((time.monotonic() - due_s) / interval_s) + 1)


@contextmanager
def _whole_screen() -> Iterator[None]:
    """The terminal's other screen, without a cursor; what was there before is there after."""
    sys.stdout.write("\x1b[?1049h\x1b[?25l")
    try:
        yield
    finally:
        sys.stdout.write("\x1b[?25h\x1b[?1049l")
        sys.stdout.flush()


@contextmanager
def _single_keys() -> Iterator[list[int]]:
    """Keys as they are pressed, from a descriptor; none where nobody can press any."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield []
        return
    if not _terminal.is_terminal(sys.stdin):
        yield []
        return

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield [fd]
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
