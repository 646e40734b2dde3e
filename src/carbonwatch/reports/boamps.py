"""A run in the BoAmps format for the energy of AI tasks (Boavizta; its schemas as of 2025-2026).

The schema wants to know things that nothing here measures: stage and family of the task, its algorithms and data. They
are yours to give; what is required and not given is not made up, but listed under `missing`, and until then the report
does not fit the schema.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any

from carbonwatch._version import __version__
from carbonwatch.errors import CarbonwatchError
from carbonwatch.model import Run
from carbonwatch.reports import _figures as figures
from carbonwatch.reports import _missing as missing
from carbonwatch.units import J_PER_KWH, NS_PER_S

OPTIONS = {
    "stage": "Stage of the task: training, finetuning, inference, ...",
    "family": "Family of the task: text classification, image generation, ...",
    "algorithm": "Kind of algorithm: llm, neural network, random forest, ...",
    "data": "Use and kind of the data: input:text, output:token; several with commas",
    "requests": "Number of requests, if the stage is inference",
    "accuracy": "Measured accuracy, 0 to 1",
    "infrastructure": "publicCloud, privateCloud, onPremise or other",
    "publisher": "Name of the organisation that publishes it",
    "confidentiality": "public, internal, confidential or secret",
    "licence": "Under which licence the report is published",
}
_CHOICES = {
    "infrastructure": ("publicCloud", "privateCloud", "onPremise", "other"),
    "confidentiality": ("public", "internal", "confidential", "secret"),
}
_USES = ("input", "output")
_KINDS = ("tabular", "audio", "boolean", "image", "video", "object", "text", "token", "word", "other")
# the schema's words for how far a figure may be off
_QUALITIES = ((0.1, "high"), (0.25, "medium"))


def render(
    run: Run,
    *,
    stage: str = "",
    family: str = "",
    algorithm: str = "",
    data: str = "",
    requests: float | None = None,
    accuracy: float | None = None,
    infrastructure: str = "",
    publisher: str = "",
    confidentiality: str = "",
    licence: str = "",
    known: Mapping[str, Any] | None = None,
) -> str:
    """The report as JSON, with a list `missing` where something required is not known.

    What stands in `known`, in the schema's own structure, goes before what the run tells.
    """
    _check("infrastructure", infrastructure)
    _check("confidentiality", confidentiality)
    task = {
        "taskStage": stage,
        "taskFamily": family,
        "nbRequest": requests,
        "algorithms": [{"algorithmType": algorithm}] if algorithm else None,
        "dataset": _data(data),
        "measuredAccuracy": accuracy,
    }
    document = {
        "header": _header(run, publisher, confidentiality, licence),
        "task": task,
        "measures": _measures(run),
        "system": {"os": str(run.facts.get("os") or "").partition("-")[0]},
        "software": _software(run),
        "infrastructure": _infrastructure(run, infrastructure),
        "environment": _environment(run),
        "quality": _quality(run),
    }
    return _text(_known(_over(document, known or {})), run)


def _text(whole: dict[str, Any], run: Run) -> str:
    lacking = [*_lacking(whole), *missing.of(run)]
    return json.dumps({**whole, "missing": lacking} if _lacking(whole) else whole, indent=1, allow_nan=False) + "\n"


def _over(document: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """A document with other values in it, section by section."""
    merged = dict(document)
    for name, value in known.items():
        before = merged.get(name)
        merged[name] = _over(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return merged


def _check(name: str, value: str) -> None:
    if value and value not in _CHOICES[name]:
        raise CarbonwatchError(f"{name} is {value!r}; BoAmps knows {', '.join(_CHOICES[name])}.")


def _data(text: str) -> list[dict[str, str]] | None:
    """input:text,output:token as the schema has it."""
    found = []
    for part in filter(None, text.split(",")):
        usage, _, kind = part.strip().partition(":")
        if usage not in _USES or kind not in _KINDS:
            raise CarbonwatchError(
                f"data is {text!r}; write input:KIND or output:KIND, where KIND is one of {', '.join(_KINDS)}."
            )
        found.append({"dataUsage": usage, "dataType": kind})
    return found or None


def _header(run: Run, publisher: str, confidentiality: str, licence: str) -> dict[str, Any]:
    ended_ns = run.started_ns + round(run.duration_s * NS_PER_S)
    return {
        "licensing": licence,
        "reportId": run.id,
        "reportDatetime": _instant(ended_ns) if run.started_ns > 0 else None,
        "reportStatus": "draft" if run.state == "running" else "final",
        # the schema takes a publisher with its confidentiality alone
        "publisher": {
            "name": publisher,
            "projectName": figures.one_line(run.project),
            "confidentialityLevel": confidentiality,
        }
        if confidentiality
        else None,
    }


def _measures(run: Run) -> list[dict[str, Any]] | None:
    if not run.entries or figures.whose_is_unknown(run) or not math.isfinite(run.energy_j):
        return None
    tracked = {
        f"{component}TrackingMode": "; ".join(
            dict.fromkeys(d.source.partition(" (")[0] for d in run.domains if d.component == component)
        )
        for component in ("cpu", "gpu")
    }
    return [
        {
            "measurementMethod": "carbonwatch, an estimate" if figures.is_planned(run) else "carbonwatch",
            "version": __version__,
            **{name: figures.one_line(mode) for name, mode in tracked.items()},
            "powerConsumption": run.energy_j / J_PER_KWH,  # in kWh, whatever its name says
            "measurementDuration": figures.run_time_s(run),
            "measurementDateTime": _instant(run.started_ns) if run.started_ns > 0 else None,
        }
    ]


def _software(run: Run) -> dict[str, Any] | None:
    version = run.facts.get("python_version")
    return {"language": "python", "version": str(version)} if version else None


def _infrastructure(run: Run, chosen: str) -> dict[str, Any]:
    cloud = run.place.cloud or ""
    return {
        "infraType": chosen or ("publicCloud" if cloud else ""),
        "cloudProvider": cloud.partition("/")[0],
        "components": [*_processors(run), *_graphics(run), *_memory(run)],
    }


def _processors(run: Run) -> list[dict[str, Any]]:
    name = run.facts.get("cpu_model")
    if not name:
        return []
    # sockets: `cpu_count` is how many CPUs the system sees, and not that
    metered = len({d.id for d in run.domains if d.component == "cpu" and "package" in d.id})
    sockets = metered or run.facts.get("cpu_sockets")
    return [{"componentType": "cpu", "componentName": figures.one_line(str(name)), "nbComponent": sockets}]


def _graphics(run: Run) -> list[dict[str, Any]]:
    counted = (text.partition(" × ") for text in figures.gpus(run))
    return [
        {"componentType": "gpu", "componentName": figures.one_line(name), "nbComponent": int(count)}
        for count, _, name in counted
    ]


def _memory(run: Run) -> list[dict[str, Any]]:
    memory_gb = figures.memory_gb(run)
    # the schema takes whole gigabytes
    return [{"componentType": "ram", "nbComponent": 1, "memorySize": round(memory_gb)}] if memory_gb else []


def _environment(run: Run) -> dict[str, Any] | None:
    country = figures.whole_where(run)
    if not country:
        return None
    only = run.intensities[0].g_per_kwh if len(run.intensities) == 1 else None
    return {
        "country": country,
        "location": figures.one_line(run.place.subdivision or run.place.cloud or ""),
        "powerSourceCarbonIntensity": only,
    }


def _quality(run: Run) -> str | None:
    figure = run.energy(run.headline)
    if not run.entries or figures.whose_is_unknown(run) or figure.value <= 0:
        return None
    off = max(figure.high / figure.value - 1, 1 - figure.low / figure.value)
    return next((word for limit, word in _QUALITIES if off <= limit), "low")


def _instant(ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ns // NS_PER_S))


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what is not known: an empty text, None, and what holds nothing else."""
    kept = {}
    for name, value in values.items():
        inner = _known(value) if isinstance(value, Mapping) else value
        if isinstance(inner, list):
            inner = [_known(item) for item in inner]
        if inner not in (None, "", {}, []):
            kept[name] = inner
    return kept


# what the schema requires, and how to give it
_REQUIRED = {
    ("task", "taskStage"): "stage=training",
    ("task", "taskFamily"): "family=...",
    ("task", "algorithms"): "algorithm=...",
    ("task", "dataset"): "data=input:text",
    ("measures",): "the energy is not known",
    ("infrastructure", "infraType"): "infrastructure=onPremise",
    ("infrastructure", "components"): "the hardware was not recorded",
}


def _lacking(document: Mapping[str, Any]) -> list[str]:
    found = []
    for path, how in _REQUIRED.items():
        value: Any = document
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            found.append(f"{'.'.join(path)}: {how}")
    return [*found, *_uncounted(document)]


def _uncounted(document: Mapping[str, Any]) -> list[str]:
    """What the schema wants to be counted, and nobody did."""
    components = document.get("infrastructure", {}).get("components")
    if not isinstance(components, list):
        return []
    parts = [part for part in components if isinstance(part, Mapping) and "nbComponent" not in part]
    names = [part.get("componentName") or part.get("componentType") for part in parts]
    return [f"infrastructure.components.nbComponent: how many of {name} there are" for name in names]
