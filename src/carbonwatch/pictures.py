"""Pictures of a run for a paper: power over time, as SVG or PNG."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence

from carbonwatch.charts import COLOURS, Layer, over_time
from carbonwatch.errors import CarbonwatchError, Unavailable
from carbonwatch.model import COMPONENTS, Component, Run, Trace
from carbonwatch.units import NS_PER_S, human_duration, human_energy

STEPS = 360  # over the width of a picture
_NAMES: dict[Component, str] = {"cpu": "CPU", "gpu": "GPU", "ram": "RAM"}
_FONT = os.path.join(os.path.dirname(__file__), "data", "DejaVuSans.ttf")
ZOOM = 3  # dots of a PNG to one of the SVG: fit for print
_MACHINE = "#555555"
_LEAST = 1e-6  # of a step; less is how numbers are rounded
_FARTHEST = 1.9  # durations from one interval to the next, without a hole


def power(run: Run, traces: Sequence[Trace], *, steps: int = STEPS) -> str:
    """Watts by component that are the run's own, and of the whole machine as a line, as SVG.

    Raises CarbonwatchError where no samples are kept.
    """
    if not traces or run.duration_s <= 0:
        raise CarbonwatchError(
            f"No samples of the run {run.id} are kept, so there is no power over time to draw. Runs that are measured "
            "for a second or more, and kept in the store, have some."
        )
    steps = max(1, min(steps, max(len(trace.start_ns) for trace in traces)))
    own = [
        Layer(_NAMES.get(component, component), _watts(run, of_component, "own", steps), colour)
        for component, colour in zip(COMPONENTS, COLOURS, strict=False)
        if (of_component := [trace for trace in traces if trace.domain.component == component])
    ]
    machine = Layer("machine", _watts(run, traces, "machine", steps), _MACHINE)
    title = f"Power of {run.project} over {human_duration(run.duration_s)}, {human_energy(run.energy_j)}"
    layers = [machine] if run.headline == "machine" or not run.is_split else own
    return over_time(
        layers, run.duration_s, unit="power, W", title=title, line=None if layers == [machine] else machine
    )


def watts(run: Run, traces: Sequence[Trace], steps: int) -> tuple[float | None, ...]:
    """The headline's power in so many steps of the run; None where nothing is known."""
    if not traces or run.duration_s <= 0:
        return ()
    return _watts(run, traces, "machine" if run.headline == "machine" or not run.is_split else "own", steps)


def on_paper(svg: str) -> str:
    """The same with black words on white, for files."""
    head, mark, body = svg.partition(">\n")
    return f'{head} color="#222222">\n<rect width="100%" height="100%" fill="#ffffff"/>\n{body}' if mark else svg


def png(svg: str, zoom: int = ZOOM) -> bytes:
    """The picture in dots, so many to each. Raises Unavailable without the library that draws it."""
    try:
        import resvg_py
    except ImportError as error:
        raise Unavailable(
            "Pictures in PNG are drawn by resvg, which is not installed.",
            "pip install 'carbonwatch[plot]', or choose a file that ends in .svg.",
        ) from error
    # its own font: machines without any would leave the words out
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=zoom, font_files=[_FONT], sans_serif_family="DejaVu Sans"))


def _watts(run: Run, traces: Iterable[Trace], part: str, steps: int) -> tuple[float | None, ...]:
    """Mean power of each step; None where no meter was read."""
    step_s = run.duration_s / steps
    energy_j: list[float] = [0.0] * steps
    is_known = [False] * steps
    for trace in traces:
        for start_s, end_s, power_w in _levels(run, trace, part):
            first, last = int(start_s // step_s), int(end_s // step_s)
            for step in range(max(0, first), min(steps, last + 1)):
                inside_s = min(end_s, (step + 1) * step_s) - max(start_s, step * step_s)
                if inside_s > step_s * _LEAST:
                    energy_j[step] += power_w * inside_s
                    is_known[step] = True
    return tuple(j / step_s if known else None for j, known in zip(energy_j, is_known, strict=True))


def _levels(run: Run, trace: Trace, part: str) -> Iterator[tuple[float, float, float]]:
    """From when to when, in seconds of the run, a meter showed how many watts.

    Intervals that were merged begin at even distances, and last as long as the samples in them: each goes on to the
    next one, unless that is so far away that some are missing.
    """
    starts = [(ns - run.started_ns) / NS_PER_S for ns in trace.start_ns]
    joules = trace.machine_j if part == "machine" else trace.own_j
    following = [*starts[1:], math.inf]
    for start_s, next_s, duration_s, amount_j in zip(starts, following, trace.duration_s, joules, strict=True):
        if duration_s > 0:
            end_s = next_s if next_s - start_s < _FARTHEST * duration_s else start_s + duration_s
            yield start_s, end_s, amount_j / duration_s
