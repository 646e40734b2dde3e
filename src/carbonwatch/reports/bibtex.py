"""What the LaTeX report of a run cites, for the file of references: its keys are the same."""

from __future__ import annotations

from carbonwatch.model import Run
from carbonwatch.reports import _citations as citations


def render(run: Run) -> str:
    """BibTeX entries: this program, the sources of the intensities, and of the social cost where it was asked for."""
    return "\n".join(entry(work) for work in citations.of(run))


def entry(work: citations.Work) -> str:
    """One work."""
    fields = "".join(f"  {name} = {{{value}}},\n" for name, value in work.fields)
    return f"@{work.kind}{{{work.key},\n{fields}}}\n"
