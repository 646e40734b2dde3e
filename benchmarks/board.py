"""Times the board over a store of 100,000 runs and 10 million samples, built in a temporary folder.

    python benchmarks/board.py [--runs N] [--samples N] [--keep FILE]

Each figure is the median of several tries through the board's own server, and in Chromium where it is installed:
what a person waits for. Beside it CodeCarbon's carbonboard over a CSV of as many rows, where it is installed.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from carbonwatch.model import Domain, Entry, Intensity, Place, Run, Usage
from carbonwatch.store import rows
from carbonwatch.store.journal import connect

LARGE = "ffffffff-large-run"
LARGE_SAMPLES = 1_000_000
DOMAINS = (
    Domain("rapl:package-0", "cpu", "measured", "RAPL package-0 (powercap)", None, (-0.02, 0.02), 20.0),
    Domain("nvml:GPU-0", "gpu", "measured", "NVIDIA A100 (NVML)", None, (-0.05, 0.05), 50.0),
    Domain("ram", "ram", "modelled", "memory model", None, (-0.3, 0.5), 5.0),
)
FRANCE = Intensity(41.0, 35.0, 60.0, "FR", "France", "consumption", "lifecycle", "a table", 2024, "CC BY 4.0")
FIRST_NS = 1_750_000_000 * 10**9
STEP_NS = 300 * 10**9
PROJECTS = [f"project {n}" for n in range(40)]
MODELS = ["resnet50", "bert-base", "llama-8b", "xgboost", "unet"]


def build(path: str, runs: int, samples: int) -> None:
    """A store as the journal writes it, faster."""
    chance = random.Random(1)
    each = max(0, samples - LARGE_SAMPLES) // max(1, runs - 1) // len(DOMAINS)
    with closing(connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.executemany("INSERT INTO domains VALUES (?, ?)", [(n, rows.to_text(d)) for n, d in enumerate(DOMAINS)])
        db.execute("INSERT INTO intensities VALUES (0, ?)", (rows.to_text(FRANCE),))
        for n in range(runs):
            run = a_run(n, runs, chance)
            put_run(db, run)
            count = LARGE_SAMPLES // len(DOMAINS) if run.id == LARGE else each
            db.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)", samples_of(run, count, chance))
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def a_run(n: int, runs: int, chance: random.Random) -> Run:
    start_ns = FIRST_NS + n * STEP_NS
    duration_s = chance.uniform(10, 4000)
    entries = tuple(entry(domain, start_ns, duration_s, chance) for domain in DOMAINS)
    facts = {
        "command": f"python train.py --model {chance.choice(MODELS)} --seed {n} --epochs {chance.randint(1, 90)}",
        "cpu_model": "Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz",
        "cpu_count": 56,
        "host": f"node{chance.randint(1, 30):03}",
        "os": "Linux-6.1.0-with-glibc2.36",
        "python_version": "3.11.2",
        "tags": [chance.choice(["nightly", "baseline", "ablation"])] if chance.random() < 0.3 else [],
    }
    id_ = LARGE if n == runs - 1 else f"019{n:09x}-7000-8000-{chance.getrandbits(48):012x}"
    state = chance.choices(("finished", "failed", "killed"), (90, 7, 3))[0]
    run = Run(id_, chance.choice(PROJECTS), "process", "finished", start_ns, duration_s, entries, place=Place("FR"))
    return replace(run, facts=facts, state=state)  # type: ignore[arg-type]  # one of three


def entry(domain: Domain, start_ns: int, duration_s: float, chance: random.Random) -> Entry:
    own_j, idle_j = chance.uniform(10, 200) * duration_s, (domain.idle_w or 0) * duration_s
    usage = Usage(domain, own_j + idle_j, idle_j, own_j, own_j * 0.9, own_j * 1.1, idle_j)
    return Entry("", start_ns, duration_s, usage, FRANCE)


def put_run(db: sqlite3.Connection, run: Run) -> None:
    values = {**rows.of_run(run), "host": "elsewhere", "boot_id": "", "pid": 1, "pid_started": ""}
    db.execute(f"INSERT INTO runs ({', '.join(values)}) VALUES ({', '.join(f':{name}' for name in values)})", values)
    for n, each in enumerate(run.entries):
        db.execute(rows.PUT_ENTRY, rows.of_entry(run.id, each, n, 0))


def samples_of(run: Run, count: int, chance: random.Random) -> Iterator[tuple[object, ...]]:
    step_ns = int(run.duration_s * 1e9) // max(1, count)
    seconds = step_ns / 1e9
    for domain in range(len(DOMAINS)):
        power_w = chance.uniform(50, 200)
        for n in range(count):
            power_w = min(400.0, max(20.0, power_w + chance.uniform(-5, 5)))
            joules = power_w * seconds
            yield run.id, domain, run.started_ns + n * step_ns, seconds, joules, joules * 0.2, joules * 0.7
