"""Sign in at a server of CodeCarbon's API: for config and get-token.

It shows a page's address; sign in there with any browser. If that browser is on
another machine (ssh), it ends with an error at localhost:8090: paste the error
page's address here. With --device a short code does instead, where the server
allows it. The session is kept in a file of yours alone, renewed by itself, and
sent to that server alone. Runs need none: they are sent with a project's key.

Examples:
  carbonwatch login
  carbonwatch login --device      with a code, in a browser anywhere
  carbonwatch login --out         sign out, here and at the server
  carbonwatch login --api-endpoint https://carbon.example.org --provider \\
    https://id.example.org/realms/x/.well-known/openid-configuration

Exit code: 0 if you are signed in, 2 if not.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping

from carbonwatch.cli import _account, _terminal
from carbonwatch.cli import board as board_command
from carbonwatch.codecarbon import session, sign_in
from carbonwatch.codecarbon._http import Refused
from carbonwatch.codecarbon.api import Api
from carbonwatch.errors import Unavailable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", action="store_true", help="Sign in with a code that you type in a browser.")
    parser.add_argument("--no-browser", action="store_true", help="Only say the address; open it yourself.")
    parser.add_argument("--out", action="store_true", help="Sign out instead.")
    parser.add_argument(
        "--provider",
        metavar="URL",
        help="What the identity provider says of itself, of a server that is not CodeCarbon's own: its "
        ".well-known/openid-configuration. Also AUTH_SERVER_WELL_KNOWN.",
    )
    parser.add_argument(
        "--client-id", metavar="NAME", help="As what it knows us. Also AUTH_CLIENT_ID. Default: codecarbon-cli"
    )
    parser.add_argument(
        "--port",
        type=board_command.port,
        default=sign_in.PORT,
        metavar="N",
        help="Port of this machine that the browser brings its answer to; the provider has to allow it. Default: 8090",
    )
    _account.add_endpoint(parser)


def main(args: argparse.Namespace) -> int:
    address = _account.endpoint(args)
    if args.out:
        was_in = session.forget(address)
        _terminal.say(f"carbonwatch: {'Signed out of' if was_in else 'Nobody was signed in at'} {address}.")
        return 0
    session.check_file()
    if not sign_in.is_private(address):
        _terminal.say(f"carbonwatch: {address} is not https: your session can be read on the way there.")
    provider = sign_in.provider(address, args.provider, args.client_id)
    if args.device:
        signed_in = sign_in.with_code(provider, _show_code)
    else:
        signed_in = sign_in.with_browser(provider, _shower(args, os.environ), port=args.port, pasted=_pasted())
    user = _user(Api(address, signed_in.access_token))
    path = session.keep(address, signed_in)
    _terminal.say(f"carbonwatch: Signed in at {address} as {_terminal.printable(user)}. The session is kept in {path}.")
    if _account.configured("experiment_id") is None:
        _terminal.say("Next, choose where runs go: carbonwatch config")
    return 0


def _user(api: Api) -> str:
    """Who the server takes the user for. Raises Unavailable where it does not believe the provider."""
    try:
        return api.user()
    except Refused as error:
        remedy = error.remedy if error.status >= 500 else "Does this identity provider belong to it? See --provider."
        raise Unavailable(f"{error.reason} So nobody is signed in.", remedy) from None


def _shower(args: argparse.Namespace, environ: Mapping[str, str]) -> Callable[[str], None]:
    def show(page: str) -> None:
        _terminal.say(f"Sign in on this page:\n\n  {page}\n")
        if _terminal.is_terminal(sys.stdin):
            _terminal.say("If the browser then can't open localhost, paste the address of its page here.")
        if not args.no_browser and _has_browser(environ):
            board_command.open_page(page)

    return show


def _show_code(page: str, code: str) -> None:
    _terminal.say(f"Sign in on this page, in a browser anywhere:\n\n  {page}\n\nIt asks for the code {code}.")


def _has_browser(environ: Mapping[str, str]) -> bool:
    """Whether a window can be opened where the user sits: not by ssh, and no browser in the terminal itself."""
    if environ.get("SSH_CONNECTION"):
        return False
    return sys.platform in ("darwin", "win32") or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _pasted() -> Callable[[], str] | None:
    """What was typed since the last time, without waiting for more; None where that can't be asked."""
    if sys.platform == "win32" or sys.stdin is None or sys.stdin.closed:
        return None
    import select

    is_open = True

    def typed() -> str:
        nonlocal is_open
        if not is_open or not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        line = sys.stdin.readline()
        is_open = bool(line)  # nothing, not even a line's end: nobody types here
        return line

    return typed
