"""A run, or several, as one HTML file with charts that opens from the disk: nothing in it asks a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from carbonwatch import pages, plugins
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run, Trace
from carbonwatch.reports import _figures as figures
from carbonwatch.reports import _page

# what a reader may want to copy; the file itself, a part of such a file and the whole record are not
_NO_TEXTS = ("html", "json", "notebook")


def render(run: Run, *, traces: Sequence[Trace] = ()) -> str:
    """The run's page. With `traces`, as `Store.samples(id, most=1000)` gives them, also its power over time."""
    return together([(run, traces)], figures.title(run))


def together(runs: Iterable[tuple[Run, Sequence[Trace]]], title: str) -> str:
    """The page of several runs: beside each other, and each by itself."""
    documents = [{**_page.document(run, traces), "reports": _reports(run)} for run, traces in runs]
    return pages.whole("report", title, {"title": title, "runs": documents})


def _reports(run: Run) -> dict[str, str]:
    """The other reports that come with carbonwatch, as text; one that lacks something is left out."""
    found = {}
    for name in plugins.own_names("reports"):
        if name not in _NO_TEXTS:
            try:
                found[name] = str(plugins.load("reports", name)(run))
            except CarbonwatchError:
                continue
    return found
