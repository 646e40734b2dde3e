"""The emissions of a run for a model's card on the Hugging Face Hub: its metadata, in grams, and a section of text.

https://huggingface.co/docs/hub/model-cards-co2 says which fields there are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from carbonwatch._version import __version__
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run
from carbonwatch.reports import _figures as figures
from carbonwatch.reports import _missing as missing
from carbonwatch.reports.markdown import escaped
from carbonwatch.units import human_duration

OPTIONS = {
    "training_type": "pre-training or fine-tuning",
    "location": "Where it was, as finely as you like: Brooklyn, NY, USA",
}
_TRAININGS = ("pre-training", "fine-tuning")


def render(run: Run, *, training_type: str = "", location: str = "") -> str:
    """The top of a README.md: metadata between its lines, then a section that says what the figure rests on."""
    if training_type and training_type not in _TRAININGS:
        raise CarbonwatchError(f"training_type is {training_type!r}; the Hub knows {' and '.join(_TRAININGS)}.")
    lines = ["---", *_metadata(run, training_type, location), "---", "", *_section(run, training_type)]
    return "\n".join(lines) + "\n"


def _metadata(run: Run, training_type: str, location: str) -> Iterator[str]:
    known = {
        "emissions": _grams(run),
        "source": f"carbonwatch {__version__}{', an estimate of planned work' if figures.is_planned(run) else ''}",
        "training_type": training_type,
        "geographical_location": figures.one_line(location) or figures.whole_where(run),
        "hardware_used": figures.devices(run),
    }
    yield "co2_eq_emissions:"
    # a JSON value is a YAML value; signs as they are, since YAML reads no pairs of surrogates
    yield from (f"  {name}: {_value(value)}" for name, value in known.items() if value not in (None, ""))


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text.encode(errors="replace").decode()


def _grams(run: Run) -> float | None:
    if not run.entries or figures.whose_is_unknown(run) or not math.isfinite(run.emissions_g):
        return None
    return float(f"{run.emissions_g:.3g}")


def _section(run: Run, training_type: str) -> Iterator[str]:
    yield "## Environmental impact"
    yield ""
    yield from (f"{escaped(warning)}\n" for warning in figures.plans(run))
    yield f"- Emissions: {figures.emissions(run)}"
    yield f"- Energy: {figures.energy(run)}, {figures.meaning(run)}"
    yield f"- Time: {human_duration(figures.run_time_s(run))}"
    for label, texts in figures.details(run):
        if label in ("Machine", "Place", "Intensity", "PUE", "Social cost"):
            yield f"- {label}: {escaped('; '.join(texts))}"
    unknown = [*([] if training_type else ["training_type: pre-training or fine-tuning"]), *missing.of(run)]
    yield ""
    yield "Not known, or assumed:"
    yield ""
    yield from (f"- {escaped(text)}" for text in unknown)
