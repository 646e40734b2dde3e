"""What carbonwatch costs, beside CodeCarbon in the same run: import, a whole process, a sample, memory.

    make bench
    python benchmarks/overhead.py [--codecarbon PYTHON] [--rounds 15]

CodeCarbon is installed into .cache/codecarbon, an environment of its own, unless a Python that has it is named.
Byte-code is compiled on both sides, both are offline, processes take turns, medians are compared. Figures over bare
Python are over the same environment's Python that does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

CODECARBON = "codecarbon==3.3.2"
ROOT = pathlib.Path(__file__).resolve().parent.parent

BARE = "pass"
OURS = {
    "import": "import carbonwatch",
    "import the tracker": "from carbonwatch import EmissionsTracker",
    "whole process": "from carbonwatch import EmissionsTracker\nwith EmissionsTracker(): pass",
}
THEIRS = {
    "import": "import codecarbon",
    "import the tracker": "from codecarbon import EmissionsTracker",
    "whole process": "from codecarbon import OfflineEmissionsTracker\n"
    "with OfflineEmissionsTracker(country_iso_code='FRA', log_level='critical'): pass",
}

# each prints JSON: seconds of CPU, and bytes resident
INSIDE_OURS = """
import json, time
from carbonwatch import EmissionsTracker
from carbonwatch.tracker import Tracker
tracker = EmissionsTracker(measure_power_secs=3600)
tracker.start()
inner = tracker._tracker
def cost(call, times):
    call()
    began = time.process_time()
    for _ in range(times): call()
    return (time.process_time() - began) / times
def pair():
    tracker.start_task("t"); tracker.stop_task("t")
rss = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(json.dumps({
    "read all meters": cost(inner._sampler.read, 2000),
    "a sample, kept in the store": cost(lambda: inner._on_tick(inner._sampler.read()), 300),
    "a task's start and stop": cost(pair, 300),
    "resident memory": rss,
}))
tracker.stop()
"""
INSIDE_THEIRS = """
import json, time
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", measure_power_secs=3600, log_level="critical")
tracker.start()
def cost(call, times):
    call()
    began = time.process_time()
    for _ in range(times): call()
    return (time.process_time() - began) / times
rss = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))
def pair():
    tracker.start_task("t"); tracker.stop_task("t")
sample = cost(tracker._measure_power_and_energy, 50)
tracker.stop()
tracker = OfflineEmissionsTracker(country_iso_code="FRA", log_level="critical")
print(json.dumps({
    "read all meters": sample,
    "a task's start and stop": cost(pair, 20),
    "resident memory": rss,
}))
"""
INSIDE_BARE = """
import json
rss = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(json.dumps({"resident memory": rss}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codecarbon", help="a Python that has CodeCarbon 3.3.2")
    parser.add_argument("--rounds", type=int, default=15, help="processes of each kind")
    args = parser.parse_args()
    theirs = args.codecarbon or install_codecarbon()
    compile_all(sys.executable, str(ROOT / "src"))
    with tempfile.TemporaryDirectory() as folder:
        report_processes(args.rounds, theirs, folder)
        report_inside(theirs, folder)


def install_codecarbon() -> str:
    """Python of an environment with CodeCarbon, made if it is not there."""
    home = ROOT / ".cache" / "codecarbon"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        print(f"installing {CODECARBON} into {home.relative_to(ROOT)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", CODECARBON], check=True)
        compile_all(str(python), str(home / "lib"))
        (home / "ready").touch()
    return str(python)


def compile_all(python: str, folder: str) -> None:
    subprocess.run([python, "-m", "compileall", "-q", folder], check=False, stdout=subprocess.DEVNULL)


def report_processes(rounds: int, theirs: str, folder: str) -> None:
    """Wall time of whole processes, taken in turns."""
    kinds = {("ours", "bare"): (sys.executable, BARE), ("theirs", "bare"): (theirs, BARE)}
    kinds |= {("ours", name): (sys.executable, code) for name, code in OURS.items()}
    kinds |= {("theirs", name): (theirs, code) for name, code in THEIRS.items()}
    times: dict[tuple[str, str], list[float]] = {kind: [] for kind in kinds}
    for round_ in range(rounds + 1):
        for kind, (python, code) in kinds.items():
            duration_s = timed(python, code, folder)
            if round_:  # the first warms caches
                times[kind].append(duration_s)
        progress(round_, rounds)
    median = {kind: statistics.median(values) for kind, values in times.items()}
    print(f"{'over bare Python, median of ' + str(rounds):34}{'carbonwatch':>14}{'CodeCarbon':>14}{'ratio':>9}")
    for name in OURS:
        row(name, *(median[side, name] - median[side, "bare"] for side in ("ours", "theirs")), scale=1e3, unit="ms")


def report_inside(theirs: str, folder: str) -> None:
    """CPU time of a sample and of a task, and resident memory with a tracker running."""
    ours, other = inside(sys.executable, INSIDE_OURS, folder), inside(theirs, INSIDE_THEIRS, folder)
    bare = {python: inside(python, INSIDE_BARE, folder)["resident memory"] for python in (sys.executable, theirs)}
    print("\nCPU time, with a tracker running")
    for name in ("read all meters", "a sample, kept in the store", "a task's start and stop"):
        row(name, ours[name], other.get(name), scale=1e3, unit="ms")
    row(
        "resident memory over bare Python",
        ours["resident memory"] - bare[sys.executable],
        other["resident memory"] - bare[theirs],
        scale=1 / (1 << 20),
        unit="MiB",
    )


def row(name: str, ours: float, theirs: float | None, *, scale: float, unit: str) -> None:
    other = f"{theirs * scale:>10.3g} {unit:3}" if theirs is not None else f"{'keeps none':>14}"
    ratio = f"1/{theirs / ours:.1f}" if theirs is not None and ours > 0 else ""
    print(f"{name:34}{ours * scale:>10.3g} {unit:3}{other}{ratio:>9}")


def timed(python: str, code: str, folder: str) -> float:
    began = time.perf_counter()
    subprocess.run([python, "-c", code], check=True, cwd=folder, env=environment(folder), capture_output=True)
    return time.perf_counter() - began


def inside(python: str, code: str, folder: str) -> dict[str, float]:
    done = subprocess.run(
        [python, "-c", code], check=True, cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def environment(folder: str) -> dict[str, str]:
    """No network by proxy, and nothing of this user's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "HOME": folder, "PYTHONDONTWRITEBYTECODE": "1", "CARBONWATCH_STORE": f"{folder}/runs.db"}


def progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done}/{of} ", end="" if done < of else "\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
