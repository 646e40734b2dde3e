"""The answer to "Experiments compute resources" of the NeurIPS paper checklist, in the macros of its style.

The checklist asks for the type of compute workers, memory, the time of each run and of all together, and whether the
project needed more than what is reported. What is not known leaves the answer to you: \\answerTODO{}.
"""

from __future__ import annotations

from collections.abc import Iterator

from carbonwatch.model import Run
from carbonwatch.reports import _figures as figures
from carbonwatch.reports import _missing as missing
from carbonwatch.reports import latex
from carbonwatch.reports._tex import escaped
from carbonwatch.totals import merged_runs
from carbonwatch.units import human_duration

OPTIONS = {"more_compute": "What the whole project needed beyond these runs, as a sentence"}


def render(run: Run, *, more_compute: str = "") -> str:
    """An item of the checklist, after comments that say what is left to be told."""
    unknown = [*_unknown(run), *([] if more_compute else [_MORE])]
    lines = [f"% Left to you: {text}." for text in unknown]
    lines += [f"% Not known, or assumed: {latex.ascii_only(text)}." for text in missing.of(run)]
    lines += [
        r"\item {\bf Experiments compute resources}",
        f"    \\item[] Answer: {_ANSWERS[bool(unknown)]}",
        f"    \\item[] Justification: {' '.join(_justification(run, more_compute))}",
    ]
    return "\n".join(lines) + "\n"


_ANSWERS = {False: r"\answerYes{}", True: r"\answerTODO{}"}
_MORE = "whether the project needed more compute than these runs, failed ones too (--with more_compute=...)"


def _unknown(run: Run) -> Iterator[str]:
    """What the checklist asks for and the run does not tell."""
    if not figures.devices(run):
        yield "the type of compute workers, CPU or GPU"
    if figures.memory_gb(run) is None:
        yield "the memory"
    if run.place.cloud is None:
        yield "the cloud provider, or that it was a machine of your own"
    if figures.is_planned(run):
        yield "what the experiments really took: these figures are of planned work"
    if figures.run_time_s(run) <= 0:
        yield "the time of execution"


def _justification(run: Run, more_compute: str) -> Iterator[str]:
    # the paragraph says hardware, memory, place, time in total, energy and emissions
    yield from latex.paragraph(run)
    several = merged_runs(run)
    if several:
        times_s = sorted(each.duration_s for each in several)
        spread = f"{human_duration(times_s[0])} to {human_duration(times_s[-1])}"
        yield f"Single runs {'would take' if figures.is_planned(run) else 'took'} {escaped(spread)}."
    if more_compute:
        yield escaped(figures.one_line(more_compute, 1000))
