"""The run's row of emissions.csv as JSON, by POST to an address of yours: the setting http_url.

The shape is that of CodeCarbon's HTTP output: one object, its columns as names. Asked is nothing else, and an answer of
200 or 201 is enough.
"""

from __future__ import annotations

from carbonwatch.errors import SettingsError
from carbonwatch.exporters import _http, emissions_csv
from carbonwatch.model import Run
from carbonwatch.settings import Settings


def check(settings: Settings) -> None:
    """Raises SettingsError where it would have nowhere to send a run to."""
    if not (settings.http_url or "").startswith(("http://", "https://")):
        raise SettingsError(
            "exporters has 'http', and http_url is no address, so no run would be sent. Set it: "
            "CARBONWATCH_HTTP_URL=https://example.org/runs."
        )


def export(run: Run, settings: Settings) -> None:
    """Sends the run. Raises Unavailable where the address does not take it in time."""
    _http.post_json(settings.http_url or "", emissions_csv.row(run))
