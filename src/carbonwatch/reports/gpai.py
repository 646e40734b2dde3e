"""Energy and time of a run for the Model Documentation Form of the EU's Code of Practice for general-purpose AI models.

The form (July 2025, chapter Transparency) asks for the energy of training in MWh with two significant figures at least,
for how it was found, for computation in FLOPs and for the time of training. Its other items are about the model.
"""

from __future__ import annotations

from carbonwatch._version import __version__
from carbonwatch.model import Run
from carbonwatch.reports import _figures as figures
from carbonwatch.reports import _missing as missing
from carbonwatch.reports.markdown import escaped
from carbonwatch.totals import merged_runs
from carbonwatch.units import human_duration, human_number

OPTIONS = {
    "training_flops": "Computation used for training, in FLOPs: 2.4e25",
    "inference_flops": "Benchmarked computation used for inference, in FLOPs: 5.1e17",
    "inference_task": "What that benchmark did, and on which hardware",
}
_J_PER_MWH = 3.6e9
_SECONDS_PER_DAY = 86400.0
_SPANS = ((30, "less than 1 month"), (91, "1 to 3 months"), (183, "3 to 6 months"))
_NOT_GIVEN = "**not known**"


def render(
    run: Run,
    *,
    training_flops: float | None = None,
    inference_flops: float | None = None,
    inference_task: str = "",
) -> str:
    """The form's items on energy and computation as Markdown; those that are not known say so, and are listed."""
    items = {
        "Time": _time(run),
        "Amount of computation used for training": _flops(training_flops),
        "Amount of energy used for training": _energy(run),
        "Measurement methodology (energy)": _methodology(run),
        "Benchmarked amount of computation used for inference": _flops(inference_flops),
        "Measurement methodology (inference)": escaped(figures.one_line(inference_task, 1000)) or _NOT_GIVEN,
    }
    left = [f"{name.lower()}" for name, value in items.items() if value == _NOT_GIVEN]
    lines = ["## Energy and computation", "", "| item | value |", "| :-- | :-- |"]
    lines += [f"| {name} | {value} |" for name, value in items.items()]
    lines += ["", "Not known, or assumed:", "", *(f"- {escaped(text)}" for text in (*left, *missing.of(run)))]
    return "\n".join(lines) + "\n"


def _time(run: Run) -> str:
    """How long, as the form has it: a span, days on the clock, and days of hardware."""
    days = figures.run_time_s(run) / _SECONDS_PER_DAY
    span = next((name for limit, name in _SPANS if days < limit), "more than 6 months")
    gpu_days = sum(e.duration_s for e in run.entries if e.usage.domain.component == "gpu") / _SECONDS_PER_DAY
    hardware = f"{human_number(gpu_days)} GPU days" if gpu_days else f"{human_number(days)} machine days"
    runs = f" in {len(merged_runs(run))} runs" if merged_runs(run) else ""
    source = "planned" if figures.is_planned(run) else "from carbonwatch's clock"
    return f"{span}: {human_number(days)} days{runs}, {hardware} ({source})"


def _energy(run: Run) -> str:
    if not run.entries or figures.whose_is_unknown(run):
        return _NOT_GIVEN
    figure = run.energy(run.headline).times(1 / _J_PER_MWH)
    value, low, high = (human_number(end) for end in (figure.value, figure.low, figure.high))
    at_machine = f"{value} MWh (90 % interval: {low} to {high})"
    if run.pue == 1:
        return at_machine
    return f"{at_machine}; {human_number(figure.value * run.pue)} MWh with the data centre's PUE of {run.pue:g}"


def _methodology(run: Run) -> str:
    if not run.entries:
        return _NOT_GIVEN
    sources = [text for label, texts in figures.details(run) if label == "Sources" for text in texts]
    lasted = human_duration(figures.run_time_s(run))
    text = f"carbonwatch {__version__}, {figures.meaning(run)}, over {lasted}. {'; '.join(sources)}."
    return escaped(figures.one_line(text, 900))


def _flops(flops: float | None) -> str:
    return _NOT_GIVEN if flops is None else f"{flops:.2g} FLOPs, as given"
