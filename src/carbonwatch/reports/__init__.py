"""What is shown of a run: one file per form of it, each with `render(run) -> str`.

To add one: a file with that function. It takes a Run and nothing else, may have options as keyword arguments with
defaults (OPTIONS says which of them `--with` takes), and gives text; who prints it, and whether in colour, is decided
elsewhere. What is not known is said to be so, and never shown as 0; a standard's report lists it (_missing.py). Words
and figures that reports for people share are in _figures.py.
"""

from __future__ import annotations

from carbonwatch import plugins
from carbonwatch.model import Run


def render(run: Run, form: str = "terminal") -> str:
    """A run as text: `terminal`, `markdown`, `json` or another report. Raises Unavailable for one that is not known."""
    return str(plugins.load("reports", form)(run))
