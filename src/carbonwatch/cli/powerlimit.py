"""Show or set the power limit of GPUs, or find the one of least energy.

A GPU that may draw less works slower and mostly saves more than that costs.
`sweep` runs a command at several limits and shows what each one took; the
limits from before are put back at its end, also after Ctrl-C or an error of
the command. After a kill -9: carbonwatch powerlimit restore.

To set a limit takes root. Under sudo the command is root's too, unless it
begins with sudo -u USER.

Examples:
  carbonwatch powerlimit show
  sudo carbonwatch powerlimit set 250
  sudo carbonwatch powerlimit sweep --repeat 3 -- python train.py
  sudo carbonwatch powerlimit sweep --limits 400,300,200 --goal edp \\
      --batch-sizes 32,64 -- python train.py --batch-size {batch}
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from carbonwatch import environment, powerlimits, sweeps
from carbonwatch.cli import UsageError, _child, _ending, _options, _terminal
from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.nvidia import Board, Limits, Nvml, choose, open_nvml
from carbonwatch.settings import Settings
from carbonwatch.sweeps import Trial

OPERANDS = "ACTION ..."
BATCH = "{batch}"
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")  # what asks to end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = _action(actions, "show", "[options]", "Limits, defaults, and what can be set.")
    fix = _action(actions, "set", "[options] WATTS", "Set a limit, which holds until the next start.")
    fix.add_argument("limit_w", type=_watts, metavar="WATTS", help="For all GPUs, or those of --gpus.")
    _action(actions, "restore", "", "Put back what a killed sweep left behind.")
    sweep = _action(actions, "sweep", "[options] -- COMMAND ...", "Run a command at several limits.")
    sweep.add_argument("--limits", type=_limits, default=[], metavar="W,W", help="Limits. Default: 6 even steps.")
    sweep.add_argument(
        "--batch-sizes", type=_words, default=[""], metavar="N,N", help=f"Also vary what stands for {BATCH} in COMMAND."
    )
    sweep.add_argument("--repeat", type=_count, default=1, metavar="N", help="Run each so often. Default: 1.")
    sweep.add_argument(
        "--goal",
        choices=tuple(sweeps.GOALS),
        default="energy",
        help="What is to be least: energy, or energy times time (edp), or times its square (ed2p). Default: energy.",
    )
    sweep.add_argument(
        "--settle", type=_settle, default=2.0, metavar="S", help="Seconds between a new limit and a run. Default: 2."
    )
    sweep.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="The program, and its own arguments."
    )
    for action in (show, fix):
        _options.add_settings(action, ["gpus", "path_procfs"])
    _options.add_settings(sweep)


def _action(actions: Any, name: str, operands: str, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = actions.add_parser(
        name,
        prog=f"carbonwatch powerlimit {name}",
        usage=f"carbonwatch powerlimit {name} {operands}".strip(),
        help=text,
        description=text,
        allow_abbrev=False,
    )
    return made


def main(args: argparse.Namespace) -> int:
    if args.action == "restore":
        return _restore()
    return {"show": _show, "set": _set, "sweep": _sweep}[args.action](args)


def _show(args: argparse.Namespace) -> int:
    with _opened(_options.chosen(args)) as (nvml, boards):
        found = powerlimits.limits(nvml, boards)
    _terminal.show(f"{'GPU':>3}  {'limit':>6}  {'default':>7}  can be set")
    for board, each in found.items():
        ends = f"{each.least_w:g} to {each.most_w:g} W"
        _terminal.show(f"{board.number:>3}  {each.limit_w:>4g} W  {each.default_w:>5g} W  {ends}  {board.name}")
    if powerlimits.kept().read():
        _terminal.show("A sweep goes on, or was killed: carbonwatch powerlimit restore")
    return 0


def _set(args: argparse.Namespace) -> int:
    with _opened(_options.chosen(args)) as (nvml, boards):
        found = powerlimits.limits(nvml, boards)
        powerlimits.common(found, [args.limit_w])  # fails here, before any is set
        for board, before in found.items():
            powerlimits.change(nvml, board, args.limit_w)
            _terminal.show(f"GPU {board.number} ({board.name}): {before.limit_w:g} W -> {args.limit_w:g} W")
    return 0


def _restore() -> int:
    kept = powerlimits.kept()
    if not kept.read():
        _terminal.show("No power limits are to be put back.")
        return 0
    nvml = open_nvml("/proc", os.environ)
    try:
        for uuid, limit_w in kept.restore(nvml).items():
            _terminal.show(f"{uuid}: {limit_w:g} W")
    finally:
        nvml.close()
    return 0


def _sweep(args: argparse.Namespace) -> int:
    settings, command = _options.chosen(args), _command(args.command, args.batch_sizes)
    path = _child.find(command[0])
    with _opened(settings) as (nvml, boards):
        found = powerlimits.limits(nvml, boards)
        tried = powerlimits.common(found, args.limits)
        plan = [(w, batch) for _ in range(args.repeat) for batch in args.batch_sizes for w in tried]
        mask = _child.hold_signals()  # from here on none ends us before the limits are back
        try:
            sweep = _Sweep(nvml, boards, path, command, mask, settings, args)
            with _held(nvml, found):
                code = sweep.run(plan)
            if sweep.trials:
                _terminal.show("\n".join(["", *sweeps.table(sweep.trials, args.goal), ""]))
            if len(sweep.trials) == len(plan):
                _terminal.show("\n".join(sweeps.advice(sweep.trials, args.goal, sweep.gpus)))
            _terminal.flush()
        finally:
            _child.release_signals(mask)
    return code if code >= 0 else _ending.die_of(-code)


@contextmanager
def _held(nvml: Nvml, found: dict[Board, Limits]) -> Iterator[None]:
    """Puts limits back at the end, whatever that is."""
    for board, each in found.items():
        powerlimits.change(nvml, board, each.limit_w)  # fails here where this user may not
    kept = powerlimits.kept()
    kept.write({board.uuid: each.limit_w for board, each in found.items()})
    try:
        yield
    finally:
        kept.restore(nvml)


class _Sweep:
    """A command, run at limits."""

    def __init__(
        self,
        nvml: Nvml,
        boards: Sequence[Board],
        path: str,
        command: list[str],
        mask: set[Any],
        settings: Settings,
        args: argparse.Namespace,
    ) -> None:
        self.trials: list[Trial] = []
        self.gpus = ",".join(str(board.number) for board in boards)
        self._nvml, self._boards = nvml, boards
        self._path, self._words, self._mask, self._settings = path, command, mask, settings
        self._goal, self._settle_s = args.goal, args.settle

    def run(self, plan: Sequence[tuple[float, str]]) -> int:
        """Adds a trial for each; stops at the first command that fails, or that was told to end. Gives the code."""
        for limit_w, batch in plan:
            for board in self._boards:
                powerlimits.change(self._nvml, board, limit_w)
            time.sleep(self._settle_s)
            if _pending():
                return 0  # it ends us as soon as it is let through
            named = f"{limit_w:g} W" + (f", batches of {batch}" if batch else "")
            _terminal.say(f"carbonwatch: {len(self.trials) + 1} of {len(plan)}: {named}")
            code = self._try(limit_w, batch)
            if code:
                _terminal.say(f"carbonwatch: The command ended with {code} at {named}; the sweep stops.")
                return code
        return 0

    def _try(self, limit_w: float, batch: str) -> int:
        from carbonwatch.tracker import Tracker

        command = [word.replace(BATCH, batch) for word in self._words]
        facts = sweeps.facts(limit_w, batch, self._goal, self.gpus, self.trials)
        told: list[int] = []
        tracker = Tracker(self._settings, facts={"command": environment.command(command), **facts})
        tracker.start()
        code = 1
        try:
            code = _child.run(self._path, command, self._mask, told.append)
        finally:
            run = tracker.stop("failed" if code else "finished")
        if not run.entries:
            raise Unavailable("Nothing was metered, so there is no least energy.", "`carbonwatch doctor` says why.")
        asked = [number for number in told if number in _numbers()]
        if not code and not asked:
            self.trials.append(sweeps.trial(run, limit_w, batch))
        return code or -(asked or [0])[-1]


def _numbers() -> set[int]:
    return {int(number) for name in _ENDING if (number := getattr(signal, name, None)) is not None}


def _pending() -> bool:
    return hasattr(signal, "sigpending") and bool(set(map(int, signal.sigpending())) & _numbers())


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Nvml, list[Board]]]:
    nvml = open_nvml(settings.path_procfs, os.environ)
    try:
        boards = choose(nvml, settings.gpus, os.environ).boards
        if not boards:
            raise SettingsError("No GPU is visible to this program. Name those meant: --gpus 0,1.")
        yield nvml, boards
    finally:
        nvml.close()


def _command(words: Sequence[str], batch_sizes: Sequence[str]) -> list[str]:
    if words[:1] != ["--"] or len(words) < 2:
        raise UsageError("There is no command to run. Give it after `--`: powerlimit sweep -- python train.py")
    command = list(words[1:])
    if batch_sizes != [""] and not any(BATCH in word for word in command):
        raise UsageError(f"--batch-sizes varies what stands for {BATCH}, which is nowhere in the command.")
    return command


def _watts(text: str) -> float:
    try:
        watts = float(text)
    except ValueError:
        watts = 0.0
    if not 0 < watts < sys.maxsize:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of watts.")
    return watts


def _settle(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to an hour.")
    return seconds


def _limits(text: str) -> list[float]:
    return [_watts(each) for each in text.split(",")]


def _words(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of runs.")
    return int(text)
