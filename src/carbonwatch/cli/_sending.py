"""`--api` of `run` and `monitor`: what was used goes to a server of CodeCarbon's API, now and then and at the end."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from carbonwatch.model import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.codecarbon.outputs import Handlers


class Sending:
    """Where a run is sent to; nowhere, where that was not asked for."""

    def __init__(self, handlers: Handlers | None = None, every_s: float | None = None) -> None:
        self._handlers = handlers
        self._every_s = every_s

    def begin(self, run: Callable[[], Run]) -> None:
        """The run has begun, and can be asked for while it goes on."""
        if self._handlers and self._every_s:
            from carbonwatch.codecarbon.data import EmissionsData

            self._handlers.tell_live(lambda: EmissionsData.of(run()), self._every_s)

    def end(self, run: Run) -> None:
        """The run has ended. What can't be sent is a warning."""
        if self._handlers:
            from carbonwatch.codecarbon.data import EmissionsData

            self._handlers.tell(EmissionsData.of(run), [])
            self._handlers.end()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--api",
        action="store_true",
        help="Send what is used to the server that `carbonwatch config` chose, while it goes on too.",
    )
    parser.add_argument(
        "--api-every",
        type=_seconds,
        metavar="SECONDS",
        help="The same, so often. Default: api_call_interval times measure_power_secs, 120.",
    )


def opened(args: argparse.Namespace) -> Sending:
    """Where to send a run. Raises SettingsError where the server, or a key for it, is not known."""
    if not args.api and args.api_every is None:
        return Sending()
    from carbonwatch.codecarbon import parameters
    from carbonwatch.codecarbon.outputs import Handlers

    given = {**parameters.given({}), "output_methods": "api"}
    every_s = args.api_every or parameters.live_interval_s(given)
    return Sending(Handlers(parameters.handlers(given), parameters.experiment_name(given)), every_s)


def _seconds(text: str) -> float:
    try:
        every_s = float(text)
    except ValueError:
        every_s = 0.0
    if not 1 <= every_s < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait: a number of seconds, 1 or more")
    return every_s
