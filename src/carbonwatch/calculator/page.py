"""The tables that the calculator's page counts with, and the files of the page that stands by itself.

What a device draws and what a place's kWh emits is worked out here, by the code that estimates use; the page
(web/src/shared/calculator.js) multiplies and adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from carbonwatch import cloudinstances, embodied, location, pages, tables
from carbonwatch.calculator import LIMITS, devices, words
from carbonwatch.calculator.devices import Model, Part, Shape
from carbonwatch.grid import _electricity_mix, bundled
from carbonwatch.model import Place
from carbonwatch.reports import _citations as citations
from carbonwatch.reports import bibtex
from carbonwatch.reports._tex import escaped

NAME, TITLE = "calculator", "carbonwatch calculator"
Row = dict[str, Any]

# of rows that do not name their own; data/SOURCES.md says more
SOURCES = {
    "gpu": "makers' data sheets: rated power, memory, FP32 TFLOPS, year of the board",
    "tpu": "Google's papers and announcements: power, memory, BF16 TFLOPS, year of the chip",
    "cpu": "makers' product pages: rated power, cores of one socket; the curve is fitted on results of SPECpower, "
    "2007 to 2026",
    "instance": "providers' pages of 2026: processor, memory, boards; the share of a host is a model",
    "memory": "DDR4 on six hosts, by RAPL's DRAM domain",
    "use": "218 training runs of the Zeus project: a board draws 65 % of its rated power in the median",
}


@cache
def table() -> Row:
    """All that the page has to know, as JSON takes it."""
    shapes: list[Shape] = []
    return {
        "gpu": [_device(model, shapes) for model in devices.listed("gpu")],
        "tpu": [_device(model, shapes) for model in devices.listed("tpu")],
        "cpu": [_processor(model, shapes) for model in devices.listed("cpu")],
        "instance": [_instance(row, shapes) for row in tables.rows("cloud_instances")],
        "memory": {"part": _part(devices.memory(1.0), shapes), "made_kg": devices.memory_made_kg(1.0)},
        "places": [_place(code, place) for code, place in _places()],
        "world": _place("", Place()),
        "mixes": _mixes(),
        "equivalents": [dict(row) for row in tables.rows("equivalents")],
        "pue": [dict(row) for row in tables.rows("pue_defaults")],
        "limits": LIMITS,
        "tex": words.TEX,
        "bibtex": {work.key: bibtex.entry(work) for work in (citations.TRACKER, *citations.SOURCES)},
        "not_cancelled": words.NOT_CANCELLED,
        "hours_of_life": embodied.LIFETIME_YEARS * embodied.HOURS_PER_YEAR,
        "sources": SOURCES,
        "shapes": shapes,
    }


def export(folder: Path) -> list[Path]:
    """Writes the page as files that open from the disk or from any host, and gives them."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"index.html": pages.linked(NAME, TITLE, {"table": table(), "board": False})}
    texts.update({part: pages.read(part) for part in (*pages.parts(NAME), "licences.txt")})
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return [folder / name for name in texts]


def _device(model: Model, shapes: list[Shape]) -> Row:
    row = tables.row(f"{model.kind}_tdp", model.name)
    assert row is not None
    facts = {name: float(row[name]) for name in ("tdp_w", "memory_gb", "tflops", "year") if row[name]}
    found = {"name": model.name, "part": _part(model.parts[0], shapes), "made_kg": model.made_kg}
    return {**found, **facts, **{name: row[name] for name in ("basis", "source") if name in row}}


def _processor(model: Model, shapes: list[Shape]) -> list[Any]:
    """[name, TDP, cores, what making it emitted, its part]: there are thousands."""
    row = tables.row("cpu_tdp", model.name)
    assert row is not None
    cores = int(row["cores"]) if row["cores"] else None
    return [model.name, float(row["tdp_w"]), cores, model.made_kg, _part(model.parts[0], shapes)]


def _instance(row: tables.Row, shapes: list[Shape]) -> Row:
    """What a hardware thread of it draws, a gigabyte, its boards, and a host that it has to itself."""
    name, vcpus = row["instance"], float(row["vcpus"]) if row["vcpus"] else None
    sold = devices.family(name, 1.0) if vcpus is None else cloudinstances.find(name)
    whole, machine = devices.family(name, 10_000.0), devices.host(sold)
    boards = devices.boards(sold)
    return {
        "name": name,
        "vcpus": vcpus,
        "threads_per_vcpu": sold.threads / sold.vcpus,
        "gb_per_vcpu": sold.memory_gb / sold.vcpus,
        "host_threads": machine.threads,
        "thread": _part(devices.per_thread(sold), shapes),
        "host": _part(devices.parts_of(whole)[0][0], shapes),
        "gb": _part(devices.memory(1.0, machine.memory), shapes),
        "boards": boards and _part(boards[0].parts[0].times(boards[1]), shapes),
        "boards_are": boards and f"{boards[1]:g} × {boards[0].name}",
        "boards_made_kg": boards[0].made_kg * boards[1] if boards else 0.0,
        "host_made_kg": embodied.total_kg(sockets=machine.sockets).value,
    }


def _part(part: Part, shapes: list[Shape]) -> list[Any]:
    """[component, idle, full, place of its shape, error, error where its use is not known, usual use]."""
    if part.shape is not None and part.shape not in shapes:
        shapes.append(part.shape)
    shape = None if part.shape is None else shapes.index(part.shape)
    return [part.component, part.idle_w, part.full_w, shape, *part.error, *part.unknown_error, part.usual]


def _places() -> Iterator[tuple[str, Place]]:
    """Countries, states and regions of clouds, by what `estimate` calls them."""
    for row in tables.rows("countries"):
        if len(row["code"]) == 2:
            yield row["code"], Place(row["code"])
    for row in tables.rows("subnational"):
        yield row["code"], location.named(row["code"])
    for row in tables.rows("cloud_regions"):
        yield row["cloud"], location.named(row["cloud"])


def _mixes() -> Row:
    """What electricity is made of, by country: its year, the place of its source, and shares in the order of fuels."""
    sources: list[str] = []
    found = {}
    for row in tables.rows("electricity_mix"):
        mix = _electricity_mix.of_country(row["code"])
        if mix is not None:
            if mix.source not in sources:
                sources.append(mix.source)
            shares = [float(f"{share:.4g}") for share in mix.shares.values()]
            found[mix.zone] = [mix.year, sources.index(mix.source), *shares]
    fuels = list(_electricity_mix.FUELS.items())
    return {"fuels": fuels, "sources": sources, "license": _electricity_mix.LICENSE, "of": found}


def _place(code: str, place: Place) -> Row:
    found = bundled.find(place)
    pue, wue_l_per_kwh, pue_source = bundled.overheads(place)
    region = tables.row("cloud_regions", place.cloud) if place.cloud else None
    share = region["provider_carbon_free_share"] if region else ""
    work = citations.of_source(found.source)
    return {
        "code": code,
        "country": place.country,
        "is_cloud": place.cloud is not None,
        "name": found.name,
        "tex": escaped(found.name),
        "g_per_kwh": found.g_per_kwh,
        "low": found.low,
        "high": found.high,
        "year": found.year,
        "basis": found.basis,
        "source": found.source,
        "cited": words.cited(found.source),
        "key": work.key if work else None,
        "pue": pue,
        "pue_source": pue_source,
        "wue_l_per_kwh": wue_l_per_kwh,
        "carbon_free": float(share) if share else None,
    }
