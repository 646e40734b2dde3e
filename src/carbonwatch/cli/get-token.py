"""Get a key of a project (api_key), with which its runs are sent.

The server makes a new one each time, and shows it this once. It is written to
stdout alone, or with --save into the config file that runs read. Sign in first:
carbonwatch login.

Examples:
  carbonwatch get-token                       of the project that config chose
  carbonwatch get-token 8edb03e1-9a28-452a-9c93-a3b6560136d7
  carbonwatch get-token --save
  export CODECARBON_API_KEY=$(carbonwatch get-token)

Exit code: 0 if there is a key, 2 if not.
"""

from __future__ import annotations

import argparse
import os

from carbonwatch.cli import UsageError, _account, _terminal
from carbonwatch.codecarbon import config_file

OPERANDS = "[PROJECT]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "project", nargs="?", metavar="PROJECT", help="The project's id. Default: project_id of the config file."
    )
    parser.add_argument("--name", default=_account.KEYS_NAME, help="What the server lists it as. Default: carbonwatch")
    parser.add_argument("--save", action="store_true", help="Put it into the config file instead of showing it.")
    parser.add_argument(
        "--file", metavar="PATH", default="~/.codecarbon.config", help="Of --save. Default: %(default)s"
    )
    _account.add_endpoint(parser)


def main(args: argparse.Namespace) -> int:
    project = args.project or _account.configured("project_id")
    if not project:
        raise UsageError(
            "It is not known of which project. Give its id (carbonwatch get-token ID), or choose one: carbonwatch "
            "config."
        )
    path = os.path.expanduser(args.file)
    if args.save:
        config_file.check(path)
    key = _account.signed_in(_account.endpoint(args)).create_token(project, args.name)
    if not args.save:
        _terminal.show(key)
        return 0
    config_file.write(path, {"api_key": key})
    _terminal.say(f"carbonwatch: The key is api_key in {path} now.")
    return 0
