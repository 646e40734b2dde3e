"""The static site of an experiment set: an index with its sets, filters, statistics and plots, and a page for each run.

A file in TOML says what belongs to it (docs/how-to/appendix.md). The site opens from the disk: its pages are those of
web/, each with its data inside, beside the raw data as CSV and JSON.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from carbonwatch import pages
from carbonwatch.errors import CarbonwatchError, cause
from carbonwatch.model import Run, Trace
from carbonwatch.reports import _page
from carbonwatch.reports import csv as csv_report
from carbonwatch.reports import json as json_report
from carbonwatch.store.query import Store
from carbonwatch.units import J_PER_KWH, NS_PER_S

Metrics = Mapping[str, float]
Progress = Callable[[Iterable[str], int], Iterable[str]]
Better = Literal["more", "less"]

MOST_POINTS = 1000  # of a chart, a meter
_PAGE = "appendix"
# key -> label and unit, and what it is of a run
_OWN: Mapping[str, tuple[str, str, Callable[[Run], float | None]]] = {
    "energy_kwh": ("energy", "kWh", lambda run: run.energy_j / J_PER_KWH if run.is_known else None),
    "emissions_g": ("emissions", "g CO2e", lambda run: run.emissions_g if run.is_known else None),
    "duration_h": ("duration", "h", lambda run: run.duration_s / 3600),
    "power_w": (
        "mean power",
        "W",
        lambda run: run.energy_j / run.duration_s if run.is_known and run.duration_s else None,
    ),
    "measured": ("measured share", "", lambda run: run.measured),
}
_PER_KWH, _TIMES_KWH = "_per_kwh", "_times_kwh"
_SUMMARY = ("energy_kwh", "emissions_g", "duration_h")
_KEYS = ("title", "description", "summary", "order", "metrics", "scatter", "leaderboard", "set")
_BOARD_KEYS = ("metric", "better")
_SET_KEYS = ("name", "description", "runs", "project", "tag", "match", "set")


@dataclass(frozen=True, slots=True)
class Set:
    """A set of the tree, with what belongs into it: runs of its own, and those of the sets inside it."""

    path: str  # "/" between the names
    name: str
    description: str
    runs: tuple[str, ...] = ()
    project: str | None = None
    tag: str | None = None
    match: str | None = None  # a pattern for the project
    sets: tuple[Set, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """What runs are ranked by: a metric per kWh; or times kWh, the least first, where less of it is better."""

    metric: str
    better: Better = "more"

    @property
    def key(self) -> str:
        return f"{self.metric}{_PER_KWH if self.better == 'more' else _TIMES_KWH}"


@dataclass(frozen=True, slots=True)
class Spec:
    """What a file says that an appendix holds."""

    folder: str  # what its paths are relative to
    title: str
    description: str = ""
    summary: tuple[str, ...] = _SUMMARY
    order: str = ""
    metrics: str = ""  # a JSON file, or file.py:function
    scatter: tuple[tuple[str, str], ...] = ()
    leaderboard: Leaderboard | None = None
    sets: tuple[Set, ...] = ()


@dataclass(frozen=True, slots=True)
class _Page:
    """A run on its page, without its traces."""

    run: Run
    name: str  # of its files
    sets: tuple[str, ...]
    values: Mapping[str, float | None] = field(default_factory=dict)


def read(path: str) -> Spec:
    """The file's content. Raises CarbonwatchError where it can't be read or makes no sense."""
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CarbonwatchError(
            f"{path} can't be read ({cause(error)}), so there is nothing to build. Mend it."
        ) from error
    _check_names(values, _KEYS, path)
    scatter = tuple((_text(plot, "x", path), _text(plot, "y", path)) for plot in _tables(values, "scatter", path))
    return Spec(
        folder=os.path.dirname(os.path.abspath(path)),
        title=_text(values, "title", path) or "Experiments",
        description=_text(values, "description", path),
        summary=tuple(_texts(values, "summary", path)) or _SUMMARY,
        order=_text(values, "order", path),
        metrics=_text(values, "metrics", path),
        scatter=scatter,
        leaderboard=_leaderboard(values, path),
        sets=tuple(_set(each, "", path) for each in _tables(values, "set", path)),
    )


def build(spec: Spec, out: str, kept: Store, progress: Progress = lambda items, _: items) -> int:
    """Writes the site into a folder, and gives the number of its runs. Raises CarbonwatchError, and OSError."""
    members = _members(spec.sets, kept)
    if not members:
        raise CarbonwatchError(
            "No run fits the sets, so there is nothing to show. `carbonwatch runs` lists what there is."
        )
    metrics = _metrics(spec)
    for folder in ("parts", "runs", "data"):
        os.makedirs(os.path.join(out, folder), exist_ok=True)
    for part in pages.parts(_PAGE):
        _write(out, f"parts/{part}", pages.read(part))
    found = [_written(out, spec, kept, metrics, id_, members[id_]) for id_ in progress(list(members), len(members))]
    _write_index(out, spec, found)
    return len(found)


def _written(
    out: str, spec: Spec, kept: Store, metrics: Callable[[Run], Metrics], id_: str, sets: tuple[str, ...]
) -> _Page:
    """One run's page and data."""
    run = kept.run(id_)
    own: dict[str, float | None] = {key: value(run) for key, (_, _, value) in _OWN.items()}
    given = dict(metrics(run))
    energy_kwh = own["energy_kwh"]
    per_kwh = {f"{key}{_PER_KWH}": value / energy_kwh if energy_kwh else None for key, value in given.items()}
    values = {key: _finite(value) for key, value in {**own, **given, **per_kwh}.items()}
    if spec.leaderboard is not None:
        values[spec.leaderboard.key] = _score(spec.leaderboard, run, values)
    page = _Page(run, _file_name(run.id), sets, values)
    _write(out, f"data/{page.name}.json", json_report.render(run))
    _write(out, f"data/{page.name}.csv", csv_report.render(run))
    _write(out, f"data/{page.name}-samples.csv", _samples(kept.samples(run.id)))
    document = _run_document(spec, page, kept.samples(run.id, MOST_POINTS), given)
    _write(
        out, f"runs/{page.name}.html", pages.linked(_PAGE, f"{run.project}: {spec.title}", document, folder="../parts/")
    )
    return page


def _score(board: Leaderboard, run: Run, values: Mapping[str, float | None]) -> float | None:
    """None where the metric or the energy is not known."""
    value, energy_kwh = values.get(board.metric), values.get("energy_kwh")
    if value is None or not energy_kwh:
        return None
    if board.better == "more":
        return _finite(value / energy_kwh)
    if value < 0:
        raise CarbonwatchError(
            f"The leaderboard multiplies {board.metric} by kWh, and that of run {run.id} is {value:g}: below 0 more "
            "energy would rank better. Choose a metric that is never below 0, as perplexity or 1 - accuracy."
        )
    return _finite(value * energy_kwh)


def _run_document(spec: Spec, page: _Page, traces: Sequence[Trace], given: Metrics) -> dict[str, Any]:
    files = (("json", "The run as JSON"), ("csv", "Its energy by task and component as CSV"))
    return {
        "kind": "run",
        "title": spec.title,
        "home": "../index.html",
        "sets": page.sets,
        # a page of a paper says what was, and not what would have been elsewhere
        "run": {**_page.document(page.run, traces), "elsewhere": [], "equivalents": []},
        "series": [_series(trace) for trace in traces],
        "values": [{"label": key, "value": page.values[key]} for key in given],
        "files": [
            *({"href": f"../data/{page.name}.{kind}", "label": label} for kind, label in files),
            {"href": f"../data/{page.name}-samples.csv", "label": "Its samples over time as CSV"},
        ],
    }


def _series(trace: Trace) -> dict[str, Any]:
    def watts(joules: tuple[float, ...]) -> list[float | None]:
        return [_finite(j / s) if s > 0 else None for j, s in zip(joules, trace.duration_s, strict=True)]

    return {
        "id": trace.domain.id,
        "source": trace.domain.source,
        "quality": trace.domain.quality,
        "times": [ns / NS_PER_S for ns in trace.start_ns],
        "machine_w": watts(trace.machine_j),
        "own_w": watts(trace.own_j),
        "idle_w": watts(trace.idle_j),
    }


def _write_index(out: str, spec: Spec, found: Sequence[_Page]) -> None:
    keys = {key for page in found for key in page.values}
    for what, key in (
        *(("summary", key) for key in spec.summary),
        *(("scatter", key) for plot in spec.scatter for key in plot),
        *([("leaderboard", spec.leaderboard.metric)] if spec.leaderboard else []),
        *([("order", spec.order.lstrip("-"))] if spec.order else []),
    ):
        if key not in keys:
            raise CarbonwatchError(f"{what} names {key!r}, which no run has. There are: {', '.join(sorted(keys))}.")
    board = spec.leaderboard
    document = {
        "kind": "index",
        "title": spec.title,
        "description": spec.description,
        "variables": [_variable(key) for key in spec.summary],
        "runs": [_listed(page) for page in found],
        "sets": [_tree(each, found) for each in spec.sets],
        "scatter": [{"x": _variable(x), "y": _variable(y)} for x, y in spec.scatter],
        "order": {"key": f"value:{spec.order.lstrip('-')}", "down": spec.order.startswith("-")} if spec.order else None,
        "leaderboard": board and {"metric": board.metric, "better": board.better, "key": board.key},
    }
    _write(out, "data/index.json", json.dumps(document, indent=1, allow_nan=False))
    _write(out, "data/runs.csv", _table(found))
    _write(out, "index.html", pages.linked(_PAGE, spec.title, document, folder="parts/"))


def _variable(key: str) -> dict[str, str]:
    label, unit, _ = _OWN.get(key, (key.replace(_PER_KWH, " per kWh").replace(_TIMES_KWH, " × kWh"), "", None))
    return {"key": key, "label": label, "unit": unit}


def _listed(page: _Page) -> dict[str, Any]:
    summary = _page.summary(page.run)
    wanted = ("id", "project", "tags", "state", "started_s", "duration_s", "command")
    found = {name: summary[name] for name in wanted}
    return {**found, "page": f"runs/{page.name}.html", "sets": page.sets, "values": page.values}


def _tree(one: Set, found: Sequence[_Page]) -> dict[str, Any]:
    return {
        "path": one.path,
        "name": one.name,
        "description": one.description,
        "count": sum(one.path in page.sets for page in found),
        "sets": [_tree(each, found) for each in one.sets],
    }


def _table(found: Sequence[_Page]) -> str:
    """All runs with all of their values, for a spreadsheet."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    keys = list(dict.fromkeys(key for page in found for key in page.values))
    writer.writerow(["run", "project", "tags", "state", "sets", *map(csv_report.cell, keys)])
    for page in found:
        words = (page.run.id, page.run.project, " ".join(page.run.tags), page.run.state, ", ".join(page.sets))
        writer.writerow([*map(csv_report.cell, words), *(page.values.get(key) for key in keys)])
    return file.getvalue()


def _samples(traces: Iterable[Trace]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["meter", "component", "start_ns", "duration_s", "machine_j", "idle_j", "own_j"])
    for trace in traces:
        name = csv_report.cell(trace.domain.source)
        columns = (trace.start_ns, trace.duration_s, trace.machine_j, trace.idle_j, trace.own_j)
        writer.writerows([name, trace.domain.component, *row] for row in zip(*columns, strict=True))
    return file.getvalue()


def _members(sets: Sequence[Set], kept: Store) -> dict[str, tuple[str, ...]]:
    """Ids of the runs, and of each the sets that it is in: the innermost first. Without any set all runs there are."""
    if not sets:
        return {listed.run.id: () for listed in reversed(kept.runs())}
    found: dict[str, list[str]] = {}
    for one in sets:
        for id_, paths in _inside(one, kept).items():
            found.setdefault(id_, []).extend(paths)
    return {id_: tuple(dict.fromkeys(paths)) for id_, paths in found.items()}


def _inside(one: Set, kept: Store) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in one.sets:
        for id_, paths in _inside(each, kept).items():
            found.setdefault(id_, []).extend(paths)
    for id_ in _chosen(one, kept):
        found.setdefault(id_, [])
    return {id_: [*paths, one.path] for id_, paths in found.items()}


def _chosen(one: Set, kept: Store) -> Iterator[str]:
    """Runs that a set names itself."""
    yield from (kept.run(id_).id for id_ in one.runs)
    if one.project is None and one.tag is None and one.match is None:
        return
    for listed in reversed(kept.runs(project=one.project, tag=one.tag)):
        if one.match is None or fnmatchcase(listed.run.project, one.match):
            yield listed.run.id


def _metrics(spec: Spec) -> Callable[[Run], Metrics]:
    """What gives a run's own metrics: a function of the user's, or a JSON file by ids."""
    if not spec.metrics:
        return _no_metrics
    path, mark, name = spec.metrics.rpartition(":")
    if mark and path.endswith(".py"):
        return _function(os.path.join(spec.folder, path), name)
    return _from_json(os.path.join(spec.folder, spec.metrics))


def _no_metrics(_run: Run) -> Metrics:
    return {}


def _function(path: str, name: str) -> Callable[[Run], Metrics]:
    from importlib.util import module_from_spec, spec_from_file_location

    found = spec_from_file_location("carbonwatch_metrics", path)
    if found is None or found.loader is None or not os.path.isfile(path):
        raise CarbonwatchError(f"metrics names {path}, which is no Python file. Write it as file.py:function.")
    module = module_from_spec(found)
    try:
        found.loader.exec_module(module)
    # border: whatever the user's own file does
    except Exception as error:
        raise CarbonwatchError(f"{path} can't be run ({error!r}), so there are no metrics. Mend it.") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise CarbonwatchError(f"{path} has no function {name!r}. It takes a run, and gives names with numbers.")

    def of(run: Run) -> Metrics:
        where = f"{name}() of {path}"
        try:
            found = function(run)
        # border: whatever the user's own function does
        except Exception as error:
            raise CarbonwatchError(f"{where} fails for the run {run.id} ({error!r}). Mend it.") from error
        return _numbers(found, where)

    return of


def _from_json(path: str) -> Callable[[Run], Metrics]:
    try:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    except (OSError, ValueError) as error:
        raise CarbonwatchError(f"{path} can't be read ({cause(error)}), so there are no metrics. Mend it.") from error
    if not isinstance(values, dict):
        raise CarbonwatchError(f'{path} is no object of runs. Write {{"019abc": {{"accuracy": 0.93}}}}, by ids.')

    def of(run: Run) -> Metrics:
        key = next((key for key in values if key and run.id.startswith(key)), None)
        return {} if key is None else _numbers(values[key], f"{key!r} of {path}")

    return of


def _numbers(values: object, where: str) -> Metrics:
    if values is None:
        return {}
    if not isinstance(values, Mapping) or not all(
        isinstance(name, str) and isinstance(value, int | float) for name, value in values.items()
    ):
        raise CarbonwatchError(f"{where} gives {values!r}; it must be names with numbers.")
    taken = sorted(set(values) & set(_OWN))
    if taken:
        raise CarbonwatchError(f"{where} names a metric {taken[0]!r}, which every run has. Call it otherwise.")
    return {name: float(value) for name, value in values.items()}


def _leaderboard(values: Mapping[str, Any], path: str) -> Leaderboard | None:
    board = values.get("leaderboard", "")
    if not isinstance(board, dict):
        board = {"metric": _text(values, "leaderboard", path)}
    _check_names(board, _BOARD_KEYS, path)
    better = board.get("better", "more")
    if better not in get_args(Better):
        raise CarbonwatchError(f'better in {path} is {better!r}; it must be "more" or "less".')
    metric = _text(board, "metric", path)
    if not metric and "leaderboard" in values:
        raise CarbonwatchError(
            f'The leaderboard in {path} has no metric. Write metric = "accuracy" under [leaderboard].'
        )
    return Leaderboard(metric, better) if metric else None


def _set(values: Mapping[str, Any], above: str, path: str) -> Set:
    _check_names(values, _SET_KEYS, path)
    name = _text(values, "name", path)
    if not name:
        raise CarbonwatchError(f'A set in {path} has no name. Write name = "..." under [[set]].')
    whole = f"{above}/{name}" if above else name
    return Set(
        path=whole,
        name=name,
        description=_text(values, "description", path),
        runs=tuple(_texts(values, "runs", path)),
        project=values.get("project") and _text(values, "project", path),
        tag=values.get("tag") and _text(values, "tag", path),
        match=values.get("match") and _text(values, "match", path),
        sets=tuple(_set(each, whole, path) for each in _tables(values, "set", path)),
    )


def _check_names(values: Mapping[str, Any], known: Sequence[str], path: str) -> None:
    for name in values:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
            raise CarbonwatchError(f"{path} has {name!r}, which means nothing here. {hint}")


def _text(values: Mapping[str, Any], name: str, path: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise CarbonwatchError(f"{name} in {path} is {value!r}; it must be text.")
    return value


def _texts(values: Mapping[str, Any], name: str, path: str) -> list[str]:
    value = values.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise CarbonwatchError(f"{name} in {path} is {value!r}; it must be a list of texts.")
    return value


def _tables(values: Mapping[str, Any], name: str, path: str) -> list[dict[str, Any]]:
    value = values.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise CarbonwatchError(f"{name} in {path} is no list of tables. Write [[{name}]].")
    return value


def _file_name(id_: str) -> str:
    """A run's id, where it is one that can be a file's name."""
    if id_ and len(id_) <= 64 and all(sign.isascii() and (sign.isalnum() or sign == "-") for sign in id_):
        return id_
    return hashlib.sha256(id_.encode(errors="replace")).hexdigest()[:16]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _write(out: str, name: str, text: str) -> None:
    with open(os.path.join(out, *name.split("/")), "wb") as file:
        file.write(text.encode(errors="replace"))
