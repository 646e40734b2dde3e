"""Runs for the board: as they look in life, and with names that would like to be something else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from carbonwatch.model import Entry, Intensity, Run, Usage
from tests.reports import runs as examples

Recorded = tuple[Run, list[Entry]]

HOUR_NS = 3600 * 10**9
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE runs; --",
    "x" * 10_000,
    "\u202egnitsil\u202c \u05e9\u05dc\u05d5\u05dd",
    "🙂 漢字 e\u0301",
    "two\nlines\tand\x00more",
    "javascript:alert(1)",
    "{{7*7}} ${7*7} &lt;b&gt; %3Cb%3E",
)
BIG = "01990000-0000-7000-8000-0000000000aa"


def everything() -> Iterator[Recorded]:
    """The examples of reports a day apart, a long one with all that a page shows, one that runs, hostile ones."""
    for n, example in enumerate(examples.ALL):
        run = example()
        yield moved(run, f"01990000-0000-7000-8000-{n:012x}", n * 24), []
    yield big()
    yield running()
    for n, name in enumerate(HOSTILE):
        yield hostile(n, name), []


def moved(run: Run, id_: str, hours: float) -> Run:
    """The same run at another time, under another id."""
    by_ns = int(hours * HOUR_NS)
    entries = tuple(replace(entry, start_ns=entry.start_ns + by_ns) for entry in run.entries)
    gaps = tuple(replace(gap, start_ns=gap.start_ns + by_ns, end_ns=gap.end_ns + by_ns) for gap in run.gaps)
    return replace(run, id=id_, started_ns=run.started_ns + by_ns, entries=entries, gaps=gaps)


def big() -> Recorded:
    """Six hours of a GPU server, each at its own price, with tasks in tasks, gaps and a time series."""
    started_ns = examples.STARTED_NS + 240 * HOUR_NS
    tasks = ("load", "train", "train/epoch 1", "train/epoch 2", "train/epoch 3", "evaluate")
    entries = []
    for hour, task in enumerate(tasks):
        start_ns = started_ns + hour * HOUR_NS
        for domain, watts in zip((*examples.PACKAGES, examples.GPU, examples.DRAM), (60, 45, 250, 12), strict=True):
            use = examples.usage(domain, watts * 3000.0, watts * 500.0, watts * 100.0)
            entries.append(Entry(task, start_ns, 3600.0, use, of_the_hour(hour)))
    run = examples.with_gaps()
    gaps = tuple(replace(g, start_ns=g.start_ns + 241 * HOUR_NS, end_ns=g.end_ns + 242 * HOUR_NS) for g in run.gaps)
    facts = {**run.facts, "tags": ["nightly", "paper"], "git_commit": "9f2c4e1", "host": "node-7", "os": "Linux-6.1"}
    whole = replace(
        run, id=BIG, project="imdb", started_ns=started_ns, duration_s=6 * 3600.0, entries=tuple(entries), gaps=gaps,
        facts=facts,
    )  # fmt: skip
    return whole, list(series(whole, 600))


def running() -> Recorded:
    """Still goes on, in this very process."""
    run = moved(examples.with_tasks(), "01990000-0000-7000-8000-0000000000bb", 300)
    going = replace(run, state="running", project="still going")
    return going, list(series(going, 60))


def hostile(n: int, name: str) -> Run:
    """A run that says this wherever it can say anything."""
    run = moved(examples.with_gaps(), f"01990000-0000-7000-8000-{n + 0xFF00:012x}", 320 + n)
    domains = [replace(entry.usage.domain, source=name) for entry in run.entries]
    entries = tuple(
        replace(entry, task=f"{name}/{name}", usage=replace(entry.usage, domain=domain), intensity=named(name))
        for entry, domain in zip(run.entries, domains, strict=True)
    )
    return replace(
        run,
        project=name,
        entries=entries,
        gaps=tuple(replace(gap, reason=name) for gap in run.gaps),
        notes=(name,),
        place=replace(run.place, evidence=name),
        facts={"command": name, "tags": [name], name: name, "cpu_model": name},
    )


def named(name: str) -> Intensity:
    return replace(examples.FRANCE, name=name, source=name, zone=name)


def of_the_hour(hour: int) -> Intensity:
    """Each hour at its own price."""
    g_per_kwh = 30.0 + 8 * math.sin(hour)
    return replace(
        examples.FRANCE,
        g_per_kwh=g_per_kwh,
        low=g_per_kwh * 0.9,
        high=g_per_kwh * 1.1,
        period="hour",
        source="a source",
    )


def series(run: Run, count: int) -> Iterator[Entry]:
    """Samples of each meter of a run, up and down."""
    step_s = run.duration_s / count
    for domain in run.domains:
        for n in range(count):
            joules = step_s * (40 + 30 * math.sin(n / 20) + (200 if domain.component == "gpu" else 0))
            use = Usage(domain, joules, joules * 0.2, joules * 0.7, joules * 0.7, joules * 0.7)
            yield Entry("", run.started_ns + int(n * step_s * 1e9), step_s, use, run.entries[0].intensity)
