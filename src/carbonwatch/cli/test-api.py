"""Say whether a server of CodeCarbon's API takes runs from here.

Asked are the server, the session of `carbonwatch login`, what that may see, and
the experiment that runs go to; shown is what the server says. Whether a
key (api_key) is accepted shows when one is sent: --send registers an empty run.

Examples:
  carbonwatch test-api
  carbonwatch test-api --send     in CI too: CODECARBON_API_KEY needs no login

Exit code: 0 if all that was asked is accepted, 1 if something is not, 2 if an
option is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import NamedTuple

from carbonwatch.cli import _account, _terminal
from carbonwatch.codecarbon import parameters, session
from carbonwatch.codecarbon._http import Refused
from carbonwatch.codecarbon.api import Api
from carbonwatch.errors import Unavailable

_SHOWN = 5  # organisations
_REMEDIES = {
    "experiment": "Choose one that you may see: carbonwatch config.",
    "api_key": "It is no key of that experiment's project. Get one: carbonwatch get-token.",
}
_WORDS = {True: "yes", False: "no", None: "-"}


class Found(NamedTuple):
    """What was asked for; whether it is accepted, None where it was not asked; and what is said of it."""

    what: str
    accepted: bool | None
    said: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--send", action="store_true", help="Register an empty run in the experiment, with the key.")
    _account.add_endpoint(parser)


def main(args: argparse.Namespace) -> int:
    found = list(checks(_account.endpoint(args), send=args.send))
    for what, accepted, said in found:
        _terminal.show(f"{_WORDS[accepted]:<4} {what:<13} {_terminal.printable(said)}")
    return 1 if any(each.accepted is False for each in found) else 0


def checks(endpoint: str, *, send: bool) -> Iterator[Found]:
    """Each thing that sending a run needs, until the server itself is not there."""
    where = parameters.configured()
    key, experiment = (where.get(name, ("", ""))[0] for name in ("api_key", "experiment_id"))
    yield (reached := _checked("server", lambda: _reached(endpoint)))
    if not reached.accepted:
        return
    api, asked = _session(endpoint, needed=not key)
    yield asked
    if api is not None:
        yield _checked("organisations", lambda: _organizations(api))
    yield _experiment(api, experiment)
    yield _key(endpoint, key, where.get("api_key", ("", ""))[1], experiment, send=send)


def _reached(endpoint: str) -> str:
    Api(endpoint).check()
    return f"{endpoint} answers"


def _session(endpoint: str, *, needed: bool) -> tuple[Api | None, Found]:
    """The server as who is signed in sees it; without a session a key is enough."""
    try:
        api = Api(endpoint, session.access_token(endpoint))
    except Unavailable as error:
        return None, Found("session", False if needed else None, str(error))
    asked = _checked("session", lambda: f"signed in as {api.user()}")
    return (api if asked.accepted else None), asked


def _organizations(api: Api) -> str:
    names = [each.name for each in api.organizations()]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "none yet: carbonwatch config makes one"


def _experiment(api: Api | None, experiment: str) -> Found:
    if not experiment:
        return Found("experiment", None, "none is set. Choose one: carbonwatch config")
    if api is None:
        return Found("experiment", None, f"{experiment}; only a session may see it")
    return _checked("experiment", lambda: f"{experiment} is {api.experiment(experiment).name!r}")


def _key(endpoint: str, key: str, where: str, experiment: str, *, send: bool) -> Found:
    if not key:
        return Found(
            "api_key", False if send else None, "none is set, so no run can be sent. Get one: carbonwatch get-token"
        )
    if not send:
        return Found("api_key", None, f"set in {where}; whether it is accepted shows with --send")
    return _checked("api_key", lambda: _sent(endpoint, key, experiment))


def _sent(endpoint: str, key: str, experiment: str) -> str:
    run = Api(endpoint).create_run(parameters.experiment_id({"experiment_id": experiment}), key)
    return f"accepted: the empty run {run} was registered"


def _checked(what: str, ask: Callable[[], str]) -> Found:
    try:
        return Found(what, True, ask())
    except Refused as error:
        remedy = error.remedy if error.status >= 500 else _REMEDIES.get(what, error.remedy)
        return Found(what, False, f"{error.reason} {remedy}".strip())
    except Unavailable as error:
        return Found(what, False, str(error))
