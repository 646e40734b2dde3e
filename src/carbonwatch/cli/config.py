"""Choose where runs go at a server of CodeCarbon's API, or show what is set.

Organisation, project and experiment are chosen from those that you may see, and
written into a config file that CodeCarbon reads too, with a key of the project.
What no option names is asked for on a terminal; elsewhere it is taken if there
is one alone. Sign in before: carbonwatch login. carbonwatch's own settings are
shown by `carbonwatch doctor`.

Examples:
  carbonwatch config
  carbonwatch config --show                       what is set, and where
  carbonwatch config --organization Lab --project nightly --experiment a --new
  carbonwatch config --file .codecarbon.config    for this folder alone

Exit code: 0 if it is written or shown, 2 if not.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from carbonwatch.cli import UsageError, _account, _terminal
from carbonwatch.codecarbon import config_file, parameters
from carbonwatch.codecarbon.api import Api, Named

_SECRETS = ("api_key", "electricitymaps_api_token", "co2_signal_api_token")

Ask = Callable[[str], str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--show", action="store_true", help="Show what files and variables say, and change nothing.")
    for kind in ("organization", "project", "experiment"):
        parser.add_argument(f"--{kind}", metavar="NAME", help=f"The {_word(kind)}, by its name or its id.")
    parser.add_argument("--new", action="store_true", help="Make what is named and not there.")
    parser.add_argument("--file", metavar="PATH", default=_account.FILE, help="Default: %(default)s")
    _account.add_endpoint(parser)


def main(args: argparse.Namespace) -> int:
    if args.show:
        _show()
        return 0
    path = os.path.expanduser(args.file)
    config_file.check(path)
    endpoint = _account.endpoint(args)
    values = {"api_endpoint": endpoint, **choose(_account.signed_in(endpoint), args, _ask())}
    config_file.write(path, values)
    _terminal.say(f"carbonwatch: {path} is written: {', '.join(values)}.")
    for name, (value, where) in parameters.configured().items():
        if value != values.get(name, value):
            _terminal.say(f"But {name} is set in {where} too, which goes before it.")
    if "api_key" in values and os.path.isdir(os.path.join(os.path.dirname(os.path.abspath(path)), ".git")):
        _terminal.say(f"It holds a key: keep it out of git (echo {os.path.basename(path)} >> .gitignore).")
    _terminal.say("Runs are sent with `carbonwatch run --api -- ...`, and by trackers with save_to_api=True.")
    return 0


def choose(api: Api, args: argparse.Namespace, ask: Ask | None) -> dict[str, str]:
    """The ids that were chosen, and a key of the project where there is none yet."""
    organization = _pick("organization", args, api.organizations(), api.create_organization, ask)
    project = _pick(
        "project", args, api.projects(organization.id), lambda name: api.create_project(name, organization.id), ask
    )
    experiment = _pick(
        "experiment", args, api.experiments(project.id), lambda name: api.create_experiment(name, project.id), ask
    )
    before = parameters.configured()
    has_key = "api_key" in before and before.get("project_id", ("", ""))[0] == project.id
    ids = {"organization_id": organization.id, "project_id": project.id, "experiment_id": experiment.id}
    return ids if has_key else {**ids, "api_key": api.create_token(project.id, _account.KEYS_NAME)}


def _pick(
    kind: str, args: argparse.Namespace, found: Sequence[Named], create: Callable[[str], Named], ask: Ask | None
) -> Named:
    wanted = getattr(args, kind)
    if wanted is not None:
        return _named(kind, wanted, found, create if args.new else None)
    if ask is not None:
        return _asked(kind, found, create, ask)
    if len(found) == 1:
        return found[0]
    raise UsageError(f"Which {_word(kind)} is not said, and nobody can be asked here. Say it: --{kind} {_names(found)}")


def _named(kind: str, wanted: str, found: Sequence[Named], create: Callable[[str], Named] | None) -> Named:
    matching = [each for each in found if wanted == each.id] or [each for each in found if wanted == each.name]
    if len(matching) == 1:
        return matching[0]
    if matching:
        ids = ", ".join(each.id for each in matching)
        raise UsageError(f"There are {len(matching)} called {wanted!r}. Give the id of the one: {ids}")
    if create is None:
        raise UsageError(
            f"You have no {_word(kind)} {wanted!r}. To make it: --new. There are: {_names(found) if found else 'none'}"
        )
    return create(wanted)


def _asked(kind: str, found: Sequence[Named], create: Callable[[str], Named], ask: Ask) -> Named:
    _terminal.say(f"Which {_word(kind)}?")
    for number, each in enumerate(found, 1):
        _terminal.say(f"  {number}  {_terminal.printable(each.name)}")
    while True:
        answer = ask("A number, or a new name: " if found else "There is none yet. A name for it: ").strip()
        if answer.isdecimal() and 1 <= int(answer) <= len(found):
            return found[int(answer) - 1]
        if answer and not answer.isdecimal():
            same = [each for each in found if each.name == answer]
            return same[0] if same else create(answer)


def _ask() -> Ask | None:
    """A question to who sits at the terminal; None where nobody does."""
    return _answer if _terminal.is_terminal(sys.stdin) and _terminal.is_terminal(sys.stderr) else None


def _answer(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:  # Ctrl-D
        raise UsageError("Nothing was chosen, so nothing is written.")
    return line


def _show() -> None:
    found = parameters.configured()
    for name, (value, where) in sorted(found.items()):
        shown = "***" if name in _SECRETS else _terminal.printable(value)
        _terminal.show(f"{name} = {shown}  ({where})")
    if not found:
        _terminal.say("There is no .codecarbon.config here or in your home, and no CODECARBON_* variable is set.")


def _names(found: Sequence[Named]) -> str:
    return ", ".join(_terminal.printable(each.name) for each in found) or "NAME --new"


def _word(kind: str) -> str:
    return "organisation" if kind == "organization" else kind
