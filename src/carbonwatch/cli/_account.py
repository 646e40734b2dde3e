"""What the commands share that ask a server of CodeCarbon's API: which one, and as whom."""

from __future__ import annotations

import argparse

from carbonwatch.codecarbon import parameters, session
from carbonwatch.codecarbon.api import Api

FILE = "~/.codecarbon.config"
KEYS_NAME = "carbonwatch"  # as what the server lists a key that was made here


def add_endpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--api-endpoint",
        metavar="URL",
        help="The server. Default: api_endpoint of CODECARBON_API_ENDPOINT or the config file, else CodeCarbon's own.",
    )


def endpoint(args: argparse.Namespace) -> str:
    """The server's address. Raises SettingsError where it is none."""
    given = parameters.given({})
    return parameters.api_endpoint({**given, "api_endpoint": args.api_endpoint or given.get("api_endpoint")})


def signed_in(address: str) -> Api:
    """The server, asked as who is signed in there. Raises Unavailable where nobody is."""
    return Api(address, session.access_token(address))


def configured(name: str) -> str | None:
    """What CodeCarbon's variables and config files say, also to its command line alone."""
    value, _ = parameters.configured().get(name, (None, ""))
    return value
