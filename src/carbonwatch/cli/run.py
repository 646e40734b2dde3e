"""Measure a program: any command, as it is.

Exit code, signals, terminal and standard streams are the program's own. The
summary comes on stderr at its end. What is measured is the program and all that
it starts; the rest of the machine is shown beside it. With --pid it is one that
runs already, until it ends or Ctrl-C.

Examples:
  carbonwatch run -- python train.py --epochs 10
  carbonwatch run --project nightly --json run.json -- make all
  carbonwatch run --pid 4711
  CARBONWATCH_COUNTRY=FR carbonwatch run --quiet -- ./simulate

Exit code: the program's; 127 if there is no such program, 126 if it can't be
run, 2 if an option is wrong and nothing was run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from carbonwatch import environment, plugins, store
from carbonwatch.activity import _taskclock
from carbonwatch.cli import UsageError, _child, _ending, _options, _sending, _terminal
from carbonwatch.errors import CarbonwatchError, GridUnavailable, Unavailable
from carbonwatch.model import Run, State
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S

OPERANDS = "-- COMMAND ..."

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.tracker import Tracker


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="The program, and its own arguments."
    )
    parser.add_argument(
        "--json", metavar="FILE", help="Write the whole run there: every entry with its quality and source."
    )
    parser.add_argument("--pid", type=int, metavar="N", help="A process that runs already, and all below it.")
    parser.add_argument(
        "--cgroup",
        action="store_true",
        help="Run the program in a control group of its own, which holds every process that it starts, also one that "
        "changes its user.",
    )
    parser.add_argument(
        "--when-clean",
        type=_options.seconds,
        metavar="TIME",
        help="Wait for the cleanest hours of the next day (see --within) for a run of that time: 90min, 4h.",
    )
    parser.add_argument(
        "--within", type=_options.seconds, default=86400, metavar="TIME", help="It has to end by then. Default: 24h."
    )
    _sending.add_arguments(parser)
    _options.add_settings(parser)


def main(args: argparse.Namespace) -> int:
    settings = _options.chosen(args)
    sending = _sending.opened(args)
    command = _command(args.command) if args.pid is None else []
    if args.json is not None:
        _check_file(args.json)
    if "logger" in settings.exporters:
        _terminal.tell_runs()
    if args.pid is not None:
        from carbonwatch.cli import _attach

        _check_alone(args)
        _hand_over(_attach.run(args.pid, settings), settings, args.json, sending)
        return 0
    try:
        path = _child.find(command[0])
    except OSError as error:
        return _not_run(error)
    if args.when_clean is not None:
        _wait(settings, args.when_clean, args.within)
    measured = _in_a_group if args.cgroup else _measured
    code, run = measured(path, command, settings, sending)
    if run is not None:
        _hand_over(run, settings, args.json, sending)
    return code if code >= 0 else _ending.die_of(-code)


def _command(words: Sequence[str]) -> list[str]:
    if words[:1] == ["--"] and len(words) > 1:
        return list(words[1:])
    if words and words[0] != "--":
        raise UsageError(f"The command begins after `--`, so that its options stay its own: run -- {' '.join(words)}")
    raise UsageError("There is no command to run. Give it after `--`: carbonwatch run -- python train.py")


def _check_alone(args: argparse.Namespace) -> None:
    """Raises UsageError for what has no meaning for a program that runs already."""
    for given, name in (
        (args.command, "a command"),
        (args.cgroup, "--cgroup"),
        (args.when_clean is not None, "--when-clean"),
    ):
        if given:
            raise UsageError(f"--pid measures a program that runs already, so {name} makes no sense with it.")


def _in_a_group(path: str, command: list[str], settings: Settings, sending: _sending.Sending) -> tuple[int, Run | None]:
    """As _measured(), in a control group of its own, where one can be had."""
    from carbonwatch.cli import _cgroup

    try:
        group = _cgroup.enter(settings)
    except Unavailable as error:
        _terminal.say(
            f"carbonwatch: There is no control group for the program: {error.reason} Its process tree is followed "
            "instead."
        )
        return _measured(path, command, settings, sending)
    try:
        return _measured(path, command, replace(settings, cpu_time="cgroup"), sending)
    finally:
        if group is not None:
            group.leave()


def _wait(settings: Settings, duration_s: int, within_s: int) -> None:
    """Waits for the cleanest hours. Where nobody tells which they are, the program runs now."""
    from carbonwatch.cli import when

    try:
        window = when.find(settings, duration_s, within_s)
    except GridUnavailable as error:
        _terminal.say(f"carbonwatch: It runs now: {error}")
        return
    if not settings.quiet:
        _terminal.say(f"carbonwatch: {when.told(window, duration_s)}")
    # by the clock on the wall, and looked at again: a machine may sleep meanwhile
    while window.is_worth and (left_s := window.start_ns / NS_PER_S - time.time()) > 0:
        time.sleep(min(left_s, 60))


def _measured(path: str, command: list[str], settings: Settings, sending: _sending.Sending) -> tuple[int, Run | None]:
    """The program's exit code, and what it used as far as that could be measured."""
    mask = _child.hold_signals()
    try:
        if settings.cpu_time != "proc":
            _taskclock.wake()
        tracker = _started(path, command, settings, sending)
        try:
            code = _child.run(path, command, mask)
        except OSError as error:
            _stopped(tracker, "failed")
            return _not_run(error), None
        return code, _stopped(tracker, "finished" if code == 0 else "failed")
    finally:
        _child.release_signals(mask)


def _started(path: str, command: list[str], settings: Settings, sending: _sending.Sending) -> Tracker | None:
    try:
        from carbonwatch import conditions
        from carbonwatch.tracker import Tracker

        packages = conditions.packages_of(path)
        facts = {"command": environment.command(command), **({"packages": packages} if packages else {})}
        tracker = Tracker(settings, facts=facts)
        tracker.start()
        tracker.settle()
        sending.begin(lambda: tracker.run)
    except CarbonwatchError:
        raise
    # border: whatever else is wrong with measuring (say, a Python without sqlite3), the program is run
    except Exception as error:
        _terminal.say(f"carbonwatch: The program runs, but is not measured: {error!r}")
        return None
    return tracker


def _stopped(tracker: Tracker | None, state: State) -> Run | None:
    try:
        return None if tracker is None else tracker.stop(state)
    # border: the exit code is the program's, whatever happens to the result
    except Exception as error:
        _terminal.say(f"carbonwatch: The result is lost: {error!r}")
        return None


def _not_run(error: OSError) -> int:
    """Says why the program could not be run, and gives a shell's exit code for it."""
    what = str(error) if error.errno is None else f"{error.filename} can't be run: {error.strerror}."
    _terminal.say(f"carbonwatch: {what}")
    return 127 if isinstance(error, FileNotFoundError) else 126


def _hand_over(run: Run, settings: Settings, file: str | None, sending: _sending.Sending) -> None:
    try:
        if not settings.quiet:
            _terminal.say("\n" + _terminal.summary(run, sys.stderr, store.path(settings)))
        if file is not None:
            _write(file, plugins.load("reports", "json")(run))
        sending.end(run)
    # border: as above; the run is in the store
    except Exception as error:
        _terminal.say(f"carbonwatch: The result could not be handed over: {error}. `carbonwatch report` has it.")


def _check_file(path: str) -> None:
    """Raises UsageError where the run could not be written there at its end."""
    folder = os.path.dirname(os.path.realpath(path))
    if path == "-":
        raise UsageError("stdout is the command's own, so --json can't write there. Give a file, or /dev/stderr.")
    if os.path.isdir(path) or not path:
        raise UsageError(f"--json {path!r} is no file, so the run could not be written. Give a file's name.")
    if not os.path.isdir(folder):
        raise UsageError(f"{folder} does not exist, so {path} could not be written. Create it, or choose another file.")
    if not os.access(folder if _is_replaced(path) else path, os.W_OK):
        raise UsageError(f"{path} may not be written by this user, so the run would be lost. Choose another file.")


def _is_replaced(path: str) -> bool:
    """A pipe or a device is written to; a file is replaced as a whole, so that nobody reads half a run."""
    return os.path.isfile(path) or not os.path.exists(path)


def _write(path: str, text: str) -> None:
    if not _is_replaced(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return
    target = os.path.realpath(path)
    new = f"{target}.{os.getpid()}.tmp"
    try:
        with open(new, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(new, target)
    except OSError:
        if os.path.exists(new):
            os.unlink(new)
        raise
