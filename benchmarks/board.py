"""Times the board over a store of 100,000 runs and 10 million samples, in Chromium: what a person waits for.

    python benchmarks/board.py [--runs N] [--samples N] [--store FILE] [--carbonboard PATH]

The store is built in a temporary folder, or kept at --store for another time. Then the same over an emissions.csv of as
many rows, and CodeCarbon's carbonboard over it where its path is given.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from carbonwatch.model import Domain, Entry, Intensity, Place, Run, Usage, Work
from carbonwatch.store import rows
from carbonwatch.store.journal import connect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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

ROWS = "section[aria-labelledby=list] tbody tr"
COUNT = ".pages [role=status]"
THEIRS = ".dash-graph .main-svg"  # its first chart
PATIENCE_MS = 600_000


def executable() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "Chromium is not installed: make browser"
    return found


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
    usage = Usage(domain, own_j + idle_j, idle_j, own_j, own_j * 0.9, own_j * 1.1, idle_j, Work(10.0, 12.0, 40.0))
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


@contextmanager
def serving(*words: str) -> Iterator[tuple[str, float]]:
    """A board as a process of its own: what it says first that is an address, and when it was started."""
    started = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(found[0] for line in process.stdout if (found := re.findall(r"http://\S+", line))), started
        finally:
            process.terminate()


def of_ours(browser: Browser, store: str) -> dict[str, float]:
    """Seconds from the start of the command, or from what a reader does, to what he waits for."""
    with serving(sys.executable, "-m", "carbonwatch", "board", "--no-browser", "--store", store) as (address, started):
        page = browser.new_page()
        page.goto(address)
        until(page, "([rows, canvas]) => rows.length >= 50 && canvas.length >= 2", ROWS, ".uplot canvas")
        found = {"first view, from the start of the command": time.perf_counter() - started}
        for name, text in (("a filter by words, 20,000 runs left", "llama"), ("the same, one run left", "seed 4242 ")):
            now = page.inner_text(COUNT)
            began = time.perf_counter()
            page.get_by_label("Words in project").fill(text)
            until(page, "([count], before) => count[0].innerText !== before", COUNT, before=now)
            found[name] = time.perf_counter() - began
        found["a run of 1,000,000 samples"] = opened(
            page, f"{address}#run?id={LARGE}", "section[aria-labelledby=power] canvas"
        )
        found["projects"] = opened(page, f"{address}#projects", "section[aria-labelledby=by-project] li")
    return found


def opened(page: Page, address: str, selector: str) -> float:
    began = time.perf_counter()
    page.goto(address)
    until(page, "([found]) => found.length", selector)
    return time.perf_counter() - began


def until(page: Page, is_so: str, *selectors: str, before: str = "") -> None:
    """Waits frame by frame for what the selectors find to be so: wait_for_selector() looks at ever longer intervals."""
    page.evaluate(
        f"""async ([selectors, before]) => {{
          const isSo = {is_so}
          const found = () => selectors.map(each => document.querySelectorAll(each))
          while (!isSo(found(), before)) await new Promise(requestAnimationFrame)
        }}""",
        [selectors, before],
    )


def of_a_file(browser: Browser, *words: str, ready: str) -> dict[str, float]:
    """Seconds until the board over a CSV can be used, and how much went to the browser and back."""
    with serving(*words) as (address, started):
        page = browser.new_page()
        moved: list[int] = []
        page.on("requestfinished", lambda request: moved.append(request.sizes()["responseBodySize"]))
        page.goto(address)
        page.wait_for_selector(ready, state="attached", timeout=PATIENCE_MS)
        taken = time.perf_counter() - started
        page.wait_for_load_state("networkidle", timeout=PATIENCE_MS)
    return {"first view, from the start of the command": taken, "MB to the browser": sum(moved) / 1e6}


def write_csv(path: Path, runs: int) -> None:
    """Rows as CodeCarbon writes them."""
    import csv

    from carbonwatch.exporters import emissions_csv

    chance = random.Random(1)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, emissions_csv.CODECARBON, restval=0)
        writer.writeheader()
        for n in range(runs):
            writer.writerow(a_row(n, chance))


def a_row(n: int, chance: random.Random) -> dict[str, object]:
    energy_kwh = chance.uniform(0.001, 2)
    return {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((FIRST_NS + n * STEP_NS) / 1e9)),
        "project_name": PROJECTS[n % len(PROJECTS)],
        "run_id": f"{chance.getrandbits(128):032x}",
        "duration": chance.uniform(10, 4000),
        "emissions": energy_kwh * 0.056,
        "cpu_energy": energy_kwh * 0.6,
        "gpu_energy": energy_kwh * 0.3,
        "ram_energy": energy_kwh * 0.1,
        "energy_consumed": energy_kwh,
        "country_name": "France",
        "country_iso_code": "FRA",
        "region": "",
        "cloud_provider": "",
        "cloud_region": "",
        "on_cloud": "N",
        "os": "Linux-6.1.0",
        "python_version": "3.11.2",
        "codecarbon_version": "3.3.2",
        "cpu_model": "Intel(R) Xeon(R)",
        "gpu_model": "1 x A100",
        "tracking_mode": "machine",
        "pue": 1.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--store", help="A store that an earlier call has kept there, or is to be kept there.")
    parser.add_argument("--carbonboard", help="CodeCarbon's carbonboard, to be timed beside.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        store, table = args.store or f"{folder}/runs.db", Path(folder, "emissions.csv")
        if not Path(store).exists():
            build(store, args.runs, args.samples)
        write_csv(table, args.runs)
        browser = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        print(f"store of {args.runs:,} runs and {args.samples:,} samples, {Path(store).stat().st_size / 1e6:.0f} MB")
        show(of_ours(browser, store))
        print(f"emissions.csv of {args.runs:,} rows, {table.stat().st_size / 1e6:.0f} MB")
        ours = (sys.executable, "-m", "carbonwatch", "board", "--no-browser", "--store", "none", "--csv", str(table))
        show(of_a_file(browser, *ours, ready=f"{ROWS} >> nth=49"))
        if args.carbonboard:
            print("CodeCarbon's carbonboard, the same file")
            show(of_a_file(browser, args.carbonboard, f"--filepath={table}", "--port=33331", ready=THEIRS))
        browser.close()


def show(found: dict[str, float]) -> None:
    for name, value in found.items():
        print(f"  {name:<44} {value:8.2f}{'' if 'MB' in name else ' s'}")


if __name__ == "__main__":
    main()
