"""One row a run in emissions.csv: CodeCarbon's columns in its units and order, ours to the right of them.

Energies are kWh, emissions kg, powers W, all with PUE applied, as there. An empty cell is what is not known.
A file that CodeCarbon 3.3.2 began goes on with the columns that it has.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence

from carbonwatch import tables, units
from carbonwatch.exporters import _files
from carbonwatch.model import COMPONENTS, Component, Domain, Part, Place, Run
from carbonwatch.settings import Settings

log = logging.getLogger(__name__)

# those of CodeCarbon 3.3.2
CODECARBON = (
    "timestamp",
    "project_name",
    "run_id",
    "experiment_id",
    "duration",
    "emissions",
    "emissions_rate",
    "cpu_power",
    "gpu_power",
    "ram_power",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "energy_consumed",
    "water_consumed",
    "country_name",
    "country_iso_code",
    "region",
    "cloud_provider",
    "cloud_region",
    "os",
    "python_version",
    "codecarbon_version",
    "cpu_count",
    "cpu_model",
    "gpu_count",
    "gpu_model",
    "longitude",
    "latitude",
    "ram_total_size",
    "tracking_mode",
    "cpu_utilization_percent",
    "gpu_utilization_percent",
    "ram_utilization_percent",
    "ram_used_gb",
    "on_cloud",
    "pue",
    "wue",
)
OURS = (
    "state",
    "emissions_low",
    "emissions_high",
    "measured_share",
    "other_energy",  # of what is neither CPU, GPU nor memory
    "energy_own",
    "energy_idle",
    "energy_others",
    "carbon_intensity",  # g CO2e per kWh
    "carbon_intensity_zone",
    "carbon_intensity_source",
    "cpu_quality",
    "gpu_quality",
    "ram_quality",
)
COLUMNS = (*CODECARBON, *OURS)
_OTHERS = tuple(component for component in COMPONENTS if component not in ("cpu", "gpu", "ram"))
# where no country is known: the World Bank's code for it. An empty cell would make the column one of numbers to pandas,
# and CodeCarbon's own board breaks at it
_SOMEWHERE = {"name": "World", "iso3": "WLD"}
# a spreadsheet takes a cell that begins so for a formula
_FORMULA_STARTS = ("=", "+", "-", "@")
_HEADER_BYTES = 1 << 16


def export(run: Run, settings: Settings) -> None:
    """Adds the run's row to the settings' file, or replaces its former one. Raises OSError if it can't."""
    path = os.path.join(settings.output_dir, settings.output_file)
    write(path, COLUMNS, [row(run)], update=settings.csv_write == "update")


def row(run: Run) -> dict[str, object]:
    """The columns and their values; a number that is not known is None, a text is empty."""
    return {**dict.fromkeys(COLUMNS), **_work(run), **_place(run), **_machine(run), **_ours(run)}


def write(path: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, update: bool = False) -> None:
    """Adds rows to a file of these columns, or of some of them; one with others is kept aside. Raises OSError.

    With `update` a row takes the place of the former ones of its run.
    """
    while True:
        with _files.Locked(path) as file:
            found = _header(file) if file.size() else b""
            header = _cells(found) if found else list(columns)
            if _fits(header, columns):
                end = b"\r\n" if found.endswith(b"\r\n") else b"\n"
                start = b"" if found else _line(columns, end)
                return _add(file, header, start, end, list(rows), update)
            aside = file.set_aside()
        log.warning("%s has other columns than ours, so it was kept aside as %s and a new one begun", path, aside)


def _fits(header: list[str], columns: Sequence[str]) -> bool:
    """Whether it has all of CodeCarbon's columns, as those of its older releases have not, and none but ours beside."""
    needed = set(columns).difference(OURS)
    return needed <= set(header) <= set(columns) and len(set(header)) == len(header)


def _header(file: _files.Locked) -> bytes:
    line, newline, _ = file.read(0, _HEADER_BYTES).partition(b"\n")
    return line + newline


def _add(
    file: _files.Locked, header: list[str], start: bytes, end: bytes, rows: list[Mapping[str, object]], update: bool
) -> None:
    lines = [_line([text(one.get(name)) for name in header], end) for one in rows]
    if update and "run_id" in header and file.size():
        content = file.read(0, file.size())
        kept = _without(content, header, {str(one.get("run_id")) for one in rows})
        if kept != content:
            return file.replace(kept + _mended(kept, end) + b"".join(lines))
    # a last line without its end was torn by another program; ours must not be glued to it
    size = file.size()
    torn = b"" if start else _mended(file.read(size - 1, 1), end)
    return file.append(start + torn + b"".join(lines))


def _mended(content: bytes, end: bytes) -> bytes:
    return b"" if content.endswith(b"\n") else end


def _without(content: bytes, header: list[str], run_ids: set[str]) -> bytes:
    """The file without the rows of these runs, every other byte as it was."""
    at = header.index("run_id")

    def may_be_theirs(text: bytes) -> bool:
        return any(run_id.encode() in text for run_id in run_ids)

    def is_theirs(line: bytes) -> bool:
        cells = _cells(line) if may_be_theirs(line) else []
        return len(cells) == len(header) and cells[at] in run_ids

    if not may_be_theirs(content):  # spares splitting a long file
        return content
    return b"".join(line for line in content.splitlines(keepends=True) if not is_theirs(line))


def _cells(line: bytes) -> list[str]:
    """Empty where the line is none of a CSV file's."""
    import csv

    try:
        return next(csv.reader([line.decode("utf-8-sig", errors="replace").rstrip("\r\n")]), [])
    except csv.Error:
        return []


def _line(cells: Sequence[str], end: bytes) -> bytes:
    quoted = [f'"{cell.replace(chr(34), chr(34) * 2)}"' if "," in cell or '"' in cell else cell for cell in cells]
    return ",".join(quoted).encode(errors="replace") + end


def text(value: object) -> str:
    """A cell: empty for what is not known; on one line, and never a formula, whoever chose the words."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if not isinstance(value, str):
        return str(value)
    plain = value if value.isprintable() else "".join(sign if sign.isprintable() else " " for sign in value)
    return f"'{plain}" if plain.lstrip().startswith(_FORMULA_STARTS) else plain


def timestamp(unix_ns: int) -> str:
    """Local time, to the second, as CodeCarbon writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(unix_ns / units.NS_PER_S))


def models(domains: Sequence[Domain]) -> str:
    """What devices they are, by number: 2 x NVIDIA H100."""
    names = [domain.source.partition(" (")[0] for domain in domains]
    return "; ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))


def _work(run: Run) -> dict[str, object]:
    emissions_kg = run.emissions_g / 1000 if run.entries else None
    cpu_kwh, gpu_kwh, ram_kwh = _kwh(run, "cpu"), _kwh(run, "gpu"), _kwh(run, "ram")
    if _has_no_gpu(run):
        gpu_kwh = 0.0
    return {
        "timestamp": timestamp(run.started_ns + round(run.duration_s * units.NS_PER_S)) if run.started_ns else "",
        "project_name": run.project,
        "run_id": run.id,
        "experiment_id": run.facts.get("experiment_id") or "",
        "duration": run.duration_s,
        "emissions": emissions_kg,
        "emissions_rate": _per_second(run, emissions_kg),
        "cpu_power": _mean_w(run, cpu_kwh),
        "gpu_power": _mean_w(run, gpu_kwh),
        "ram_power": _mean_w(run, ram_kwh),
        "cpu_energy": cpu_kwh,
        "gpu_energy": gpu_kwh,
        "ram_energy": ram_kwh,
        "energy_consumed": _kwh(run, *COMPONENTS),
        # a WUE of 0 is one that nobody told
        "water_consumed": run.water_l if run.wue_l_per_kwh and run.entries else None,
        "pue": run.pue,
        "wue": run.wue_l_per_kwh,
    }


def _has_no_gpu(run: Run) -> bool:
    """Whether it is known that the machine has none; else nothing metered is nothing known."""
    return run.facts.get("gpu_count") == 0 and "gpu" not in run.components and bool(run.entries)


def _place(run: Run) -> dict[str, object]:
    """Where it ran, by name; never its coordinates. What a kWh emitted there, or was taken to, is told in _ours()."""
    known = tables.row("countries", run.place.country) if run.place.country else None
    country = known or _SOMEWHERE
    provider, _, region = (run.place.cloud or "").partition("/")
    return {
        "country_name": country["name"],
        "country_iso_code": country["iso3"],
        "region": _region(run.place, country["name"]),
        "cloud_provider": provider,
        "cloud_region": region,
        "on_cloud": "Y" if provider else "N",
    }


def _region(place: Place, country: str) -> str:
    """The state or grid zone; without one all of the country, as far as the place was looked for and not given.

    CodeCarbon writes a region wherever it has looked for the place itself, and none where only a country was given.
    """
    if place.subdivision:
        state = tables.row("subnational", place.subdivision)
        return state["name"] if state else place.subdivision
    return "" if place.cloud or place.evidence.startswith("setting ") else country


def _machine(run: Run) -> dict[str, object]:
    gpus = [domain for domain in run.domains if domain.component == "gpu"]
    version = run.facts.get("version")
    return {
        "os": run.facts.get("os") or "",
        "python_version": run.facts.get("python_version") or "",
        "codecarbon_version": f"carbonwatch {version}" if version else "carbonwatch",
        "cpu_count": run.facts.get("cpu_count"),
        "cpu_model": run.facts.get("cpu_model") or "",
        "gpu_count": len(gpus),
        "gpu_model": models(gpus),
        "ram_total_size": run.facts.get("ram_total_gb"),
        "tracking_mode": run.scope,
        "cpu_utilization_percent": _busy_percent(run, "cpu"),
        "gpu_utilization_percent": 0 if _has_no_gpu(run) else _busy_percent(run, "gpu"),
        "ram_utilization_percent": run.facts.get("ram_used_percent"),
        "ram_used_gb": run.facts.get("ram_used_gb"),
    }


def _ours(run: Run) -> dict[str, object]:
    grams = run.emissions(run.headline)
    return {
        "state": run.state,
        "emissions_low": grams.low / 1000 if run.entries else None,
        "emissions_high": grams.high / 1000 if run.entries else None,
        "measured_share": run.measured,
        "other_energy": _kwh(run, *_OTHERS),
        "energy_own": _part_kwh(run, "own"),
        "energy_idle": _part_kwh(run, "idle"),
        "energy_others": _part_kwh(run, "others"),
        "carbon_intensity": _g_per_kwh(run),
        "carbon_intensity_zone": " + ".join(dict.fromkeys(i.zone for i in run.intensities)),
        "carbon_intensity_source": "; ".join(dict.fromkeys(i.source for i in run.intensities)),
        "cpu_quality": _quality(run, "cpu"),
        "gpu_quality": _quality(run, "gpu"),
        "ram_quality": _quality(run, "ram"),
    }


def _kwh(run: Run, *components: Component) -> float | None:
    """The headline's energy of these components; None where none of them was metered."""
    found = [component for component in components if component in run.components]
    return units.kwh(sum(run.energy(run.headline, c).value for c in found)) * run.pue if found else None


def _part_kwh(run: Run, part: Part) -> float | None:
    """Whose energy it was, where that can be told."""
    return units.kwh(run.energy(part).value) * run.pue if run.entries and run.is_split else None


def _per_second(run: Run, value: float | None) -> float | None:
    return value / run.duration_s if value is not None and run.duration_s > 0 else None


def _mean_w(run: Run, energy_kwh: float | None) -> float | None:
    return _per_second(run, None if energy_kwh is None else units.joules(energy_kwh))


def _g_per_kwh(run: Run) -> float | None:
    """The intensity, by energy where there were several."""
    energy_kwh = units.kwh(run.energy_j) * run.pue
    if energy_kwh > 0:
        return run.emissions_g / energy_kwh
    return run.intensities[0].g_per_kwh if len(run.intensities) == 1 else None


def _busy_percent(run: Run, component: Component) -> float | None:
    """How busy the devices were with everybody's work, where that was followed."""
    uses = [e.usage for e in run.entries if e.usage.domain.component == component]
    work = [use.work for use in uses if use.work is not None]
    capacity_s = sum(done.capacity_s for done in work)
    return 100 * sum(done.busy_s for done in work) / capacity_s if capacity_s else None


def _quality(run: Run, component: Component) -> str:
    found = [d.quality for d in run.domains if d.component == component]
    return " + ".join(dict.fromkeys(found))
