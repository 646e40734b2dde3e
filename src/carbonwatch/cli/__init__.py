"""The command line: one file a command, named as the command is.

To add one: a file with a docstring (the help text; its first line stands in the overview), `add_arguments(parser)` and
`main(args) -> int`, and its name in one of GROUPS; OPERANDS is what its usage shows after the options. Only the module
of the chosen command is imported.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import NoReturn

from carbonwatch._version import __version__
from carbonwatch.cli import _ending, _terminal
from carbonwatch.errors import CarbonwatchError, cause

GROUPS = {
    "Measure": ("run", "monitor", "top", "when"),
    "Look at it": ("report", "runs", "board", "calc", "compare", "appendix", "reprice", "ci"),
    "Find out why": ("doctor", "grant", "grid", "estimate", "calibrate", "powerlimit"),
    "Come from CodeCarbon": ("import", "migrate", "detect", "login", "config", "get-token", "test-api"),
}

_OVERVIEW = """\
Measure the energy and CO2e of code, the same way you time it.

usage: carbonwatch COMMAND [options]

{commands}

  -h, --help     this text; `carbonwatch COMMAND --help` for the options of one
  --version      the version

Example:
  carbonwatch run -- python train.py     any program, with a summary at its end
  carbonwatch runs --since 7d            what ran in the last week
  carbonwatch doctor                     what is measured here, and what is not
"""


# argparse's words for a wrong value -> ours
_IN_OUR_WORDS = (
    (r"^argument (\S+): invalid int value: (.*)$", r"\1 is \2, which is no whole number"),
    (r"^argument (\S+): invalid float value: (.*)$", r"\1 is \2, which is no number"),
    (r"^argument (\S+): invalid choice: (.*) \(choose from (.*)\)$", r"\1 is \2; it must be one of \3"),
    (r"^argument (\S+): expected (?:one|at least one) argument$", r"\1 needs a value"),
    (r"^argument (\S+): ", r"\1: "),
)


class UsageError(CarbonwatchError):
    """A command line that makes no sense."""


def main(argv: Sequence[str]) -> int:
    """Runs a command line. A user's error is one message and exit code 2."""
    _terminal.prepare()
    try:
        code = _command(argv)
        _terminal.flush()
    except CarbonwatchError as error:
        _terminal.say(f"carbonwatch: {error}")
        return 2
    except BrokenPipeError:  # `| head` has seen enough
        _terminal.give_up_stdout()
        return _ending.CODE_OF_PIPE
    except OSError as error:  # stdout on a full disk, a folder that was deleted
        _terminal.give_up_stdout()
        _terminal.say(f"carbonwatch: {f'{error.filename}: ' if error.filename else ''}{cause(error)}")
        return 1
    except KeyboardInterrupt:
        return _ending.die_of(_ending.SIGINT)
    return code


def parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    module = _module(name)
    made = _Parser(
        prog=f"carbonwatch {name}",
        description=(module.__doc__ or "").strip(),
        usage=f"carbonwatch {name} [options] {getattr(module, 'OPERANDS', '')}".strip(),
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    module.add_arguments(made)
    return made


def overview() -> str:
    """The help text of all commands."""
    return _OVERVIEW.format(commands="\n\n".join(_groups()))


def commands() -> list[str]:
    """Names of the commands, as the overview has them."""
    return [name for group in GROUPS.values() for name in group]


def _command(argv: Sequence[str]) -> int:
    first = argv[0] if argv else "--help"
    if first in ("-h", "--help", "help"):
        _terminal.show(overview().rstrip())
        return 0
    if first == "--version":
        _terminal.show(f"carbonwatch {__version__}")
        return 0
    if first not in commands():
        raise UsageError(_no_such_command(first))
    try:
        args = parser(first).parse_args(_with_points(argv[1:]))
    except SystemExit as wanted_help:  # argparse has shown it
        return int(wanted_help.code or 0)
    return int(_module(first).main(args))


def _with_points(argv: Sequence[str]) -> list[str]:
    """The same with a point in the south as the option's value: argparse takes -23.5,-46.6 for an option."""
    found: list[str] = []
    for number, word in enumerate(argv):
        if word == "--":
            return [*found, *argv[number:]]
        if found[-1:] == ["--at"] and word[:1] == "-" and word[1:2].isdigit():
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"carbonwatch.cli.{name}")


def _groups() -> Iterator[str]:
    for title, names in GROUPS.items():
        lines = [f"  {name:<12} {_first_line(name)}" for name in names]
        yield "\n".join([f"{title}:", *lines])


def _first_line(name: str) -> str:
    return (_module(name).__doc__ or "").strip().partition("\n")[0]


def _no_such_command(name: str) -> str:
    hint = _terminal.nearest(name, commands())
    if name.startswith("-"):
        return f"There is no option {name!r} before a command.{hint} `carbonwatch --help` lists what there is."
    if hint:
        return f"There is no command {name!r}.{hint}"
    return f"There is no command {name!r}. To measure a program: carbonwatch run -- {name} ..."


class _Parser(argparse.ArgumentParser):
    """argparse, with errors as ours are: one message, and what to do."""

    def error(self, message: str) -> NoReturn:
        said = self._explained(message).rstrip(".")
        end = "" if said.endswith("?") else "."
        raise UsageError(f"{said}{end} `{self.prog} --help` shows what it takes.")

    def _explained(self, message: str) -> str:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown == message:
            for theirs, ours in _IN_OUR_WORDS:
                message = re.sub(theirs, ours, message)
            return f"{message[:1].upper()}{message[1:]}"
        first = unknown.split()[0]
        hint = _terminal.nearest(first.partition("=")[0], list(self._option_string_actions))
        return f"{self.prog.partition(' ')[2]} does not know {first!r}.{hint}"


def _formatter(prog: str) -> argparse.HelpFormatter:
    # always as wide as the docstrings are
    return argparse.RawDescriptionHelpFormatter(prog, width=80, max_help_position=26)
