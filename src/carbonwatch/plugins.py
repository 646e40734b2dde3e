"""A file is the registration: `load("exporters", "json")` is the function `export` of exporters/json.py.

What is not ours is looked for among entry points of the group `carbonwatch.<kind>`, so that another
package can add a sensor, a grid provider, an exporter or a report with one function and one line.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

from carbonwatch.errors import Unavailable

# what a plugin of each kind is: the name of its function
SHAPES = {
    "sensors": "detect",  # (settings) -> Meter
    "activity": "follow",  # (settings, pid) -> Activity
    "grid": "series",  # (place, start_ns, end_ns, settings) -> Series
    "exporters": "export",  # (run, settings) -> None
    "reports": "render",  # (run) -> str
}


def load(kind: str, name: str) -> Callable[..., Any]:
    """The plugin's function. Raises Unavailable, with the names that exist, where there is none."""
    if name in own_names(kind):
        module = importlib.import_module(f"carbonwatch.{kind}.{name}")
        function: Callable[..., Any] = getattr(module, SHAPES[kind])
        return function
    foreign = _entry_points(kind)
    if name in foreign:
        return _loaded(kind, foreign[name])
    known = ", ".join(sorted({*own_names(kind), *foreign}))
    raise Unavailable(f"There is no {kind.rstrip('s')} called {name!r}.", f"There are: {known}.")


def names(kind: str) -> list[str]:
    """Every plugin of a kind that can be loaded here, ours and foreign ones."""
    return sorted({*own_names(kind), *_entry_points(kind)})


def own_names(kind: str) -> list[str]:
    """The plugins that come with carbonwatch: its files."""
    folder = os.path.join(os.path.dirname(__file__), kind)
    stems = (f[:-3] for f in os.listdir(folder) if f.endswith(".py") and not f.startswith("_"))
    return sorted(stems)


def _loaded(kind: str, point: Any) -> Callable[..., Any]:
    try:
        function: Callable[..., Any] = point.load()
    # border: whatever foreign code does at its import, what was asked for is not here
    except Exception as error:
        raise Unavailable(
            f"{point.name!r} of carbonwatch.{kind} ({point.value}) can't be imported: {error!r}.",
            "Mend or remove the package that it came with.",
        ) from error
    return function


def _entry_points(kind: str) -> dict[str, Any]:
    # importlib.metadata takes longer than all the rest of a start: only for names that are not ours
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"carbonwatch.{kind}")}
