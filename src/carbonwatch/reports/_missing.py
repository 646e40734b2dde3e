"""What is not known of a run, or only assumed: a standard's report lists it instead of making it up."""

from __future__ import annotations

from collections.abc import Iterator

from carbonwatch.model import Run
from carbonwatch.reports import _figures as figures
from carbonwatch.units import human_duration


def of(run: Run, *, making: bool = True) -> list[str]:
    """Each as a sentence without its end. `making`: also that the making of the hardware is not counted."""
    hardware = ["emissions of making the hardware: not in the figure"] if making else []
    return [*_of_energy(run), *_of_emissions(run), *hardware, *_of_facts(run)]


def _of_energy(run: Run) -> Iterator[str]:
    if figures.is_planned(run):
        yield "that it ran: this is an estimate of planned work"
    if figures.is_partly_planned(run):
        yield "that all of it ran: a part is an estimate of planned work"
    if run.state == "running":
        yield "the run is still going on: the figures go up to now"
    if run.state == "killed":
        yield "the run was killed: the figures go up to its last sample"
    if not run.entries:
        yield "energy: nothing was metered"
    elif figures.whose_is_unknown(run):
        yield "this program's share of the machine's energy: nothing told who worked"
    elif run.measured is not None and run.measured < 1:
        yield f"a measurement of all energy: {figures.percent(1 - run.measured)} of it is modelled or assumed"
    if run.gaps:
        lasted_s = sum(gap.end_ns - gap.start_ns for gap in run.gaps) / 1e9
        yield f"what meters would have shown during gaps of {human_duration(lasted_s)} in all"


def _of_emissions(run: Run) -> Iterator[str]:
    zones = {intensity.zone for intensity in run.intensities}
    if run.entries and "world" in zones:
        yield "where it ran: the world's mean intensity stands in"
    if run.covered is not None and run.covered < 1 and zones - {"given"}:
        yield "the grid's intensity of its own hours: means of a year are used"
    if run.pue == 1:
        yield "the data centre's overhead: a PUE of 1 is taken"


def _of_facts(run: Run) -> Iterator[str]:
    if not figures.devices(run):
        yield "the hardware"
    if figures.memory_gb(run) is None:
        yield "how much memory the machine has"
