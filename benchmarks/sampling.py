"""What one sample costs, and how close together its counters are read, beside CodeCarbon in the same run.

    python benchmarks/sampling.py [--codecarbon PYTHON] [--samples 2000]

A machine with two packages and their memory stands in a folder; its files are moved while it is read. Where this user
may open the kernel's events (root), the same four counters are also made of its software events. CodeCarbon reads the
same folder. Times are CPU time; medians, of the quietest fifth.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from carbonwatch.sampler import Sampler, open_sampler
from carbonwatch.sensors import rapl_perf, rapl_powercap
from carbonwatch.settings import Settings, resolve

ZONES = {
    "intel-rapl/intel-rapl:0": "package-0",
    "intel-rapl/intel-rapl:0/intel-rapl:0:0": "dram",
    "intel-rapl/intel-rapl:1": "package-1",
    "intel-rapl/intel-rapl:1/intel-rapl:1:0": "dram",
}
RANGE_UJ = 262143328850
BARS = {"minimal sample": 15.0, "full sample": 60.0, "skew": 200.0, "share at 1 Hz": 0.05}

THEIRS = """
import json, sys, time, statistics, logging
from codecarbon.core.cpu import IntelRAPL
from codecarbon.core.units import Time
from codecarbon import OfflineEmissionsTracker
logging.disable(logging.CRITICAL)
rapl = IntelRAPL(sys.argv[1], rapl_include_dram=True)
def median_us(call, times):
    medians = []
    for _ in range(5):
        spent = []
        for _ in range(times // 5):
            began = time.thread_time_ns(); call(); spent.append(time.thread_time_ns() - began)
        medians.append(statistics.median(spent)); time.sleep(0.1)
    return min(medians) / 1e3
rapl.start()
minimal = median_us(lambda: (rapl.get_cpu_details(Time(1.0)), time.process_time_ns()), 500)
tracker = OfflineEmissionsTracker(country_iso_code="FRA", measure_power_secs=3600, log_level="critical")
tracker.start()
full = median_us(tracker._measure_power_and_energy, 50)
tracker.stop()
print(json.dumps({"minimal sample": minimal, "full sample": full, "counters": len(rapl._rapl_files)}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codecarbon", help="a Python that has CodeCarbon 3.3.2")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of sampling once a second")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        build(root)
        move(root)
        report(root, args)


def report(root: Path, args: argparse.Namespace) -> None:
    theirs = codecarbon(args.codecarbon, root)
    settings = resolve({"path_sysfs": str(root), "path_grants": str(root), "store": "none"}, environ={})
    files = Sampler([rapl_powercap.detect(settings)], [], thread=False)
    sample_us = median_us(lambda: (files.read(), time.process_time_ns()), args.samples)
    if theirs:
        print(f"CodeCarbon reads {theirs['counters']:.0f} of the four counters")
    row("minimal sample, files", sample_us, theirs.get("minimal sample"), BARS["minimal sample"], "µs")
    skew = skew_us(files.meters[0], args.samples // 4)
    files.close()
    events = events_sampler(settings)
    if events:
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {0})  # so that it is known which CPU is another one
        sample_us = median_us(lambda: (events.read(), time.process_time_ns()), args.samples)
        asking_us = asking_another_cpu_us(events.meters[0], args.samples)
        row("minimal sample, events", sample_us, theirs.get("minimal sample"), BARS["minimal sample"], "µs")
        row("  less the kernel's call to CPU 1", sample_us - asking_us, None, BARS["minimal sample"], "µs")
        events.close()
        os.sched_setaffinity(0, cpus)
    full = open_sampler(replace(settings, sensors=("rapl_powercap", "nvml", "cpu_model", "ram_model")))
    full_us = median_us(full.read, args.samples)
    row("full sample (who worked, too)", full_us, theirs.get("full sample"), BARS["full sample"], "µs")
    row("skew beside a busy thread, p95", skew[0], skew[1], BARS["skew"], "µs", other="os.pread")
    begun, share = at_1_hz(full, args.seconds)
    row("share of a core at 1 Hz", share, None, BARS["share at 1 Hz"], "%")
    print(f"{'  of it, to wake up alone':34}{waking_at_1_hz(args.seconds):9.3g} %")
    print(f"{'  and once, while it begins':34}{begun:9.3g} ms")
    full.close()


def median_us(call: Callable[[], object], times: int) -> float:
    """CPU time of this thread for one call: the median of a fifth of them, the one that neighbours disturbed least."""
    medians_ns = []
    for _ in range(5):
        spent_ns = []
        for _ in range(times // 5):
            began_ns = time.thread_time_ns()
            call()
            spent_ns.append(time.thread_time_ns() - began_ns)
        medians_ns.append(statistics.median(spent_ns))
        time.sleep(0.1)
    return min(medians_ns) / 1e3


def asking_another_cpu_us(meter: Any, times: int) -> float:
    """What a read takes longer where the kernel has to ask another CPU, as it must for another package."""
    here, *others = (median_us(lambda fd=group.fd: os.read(fd, 64), times) for group in meter._groups)  # type: ignore[misc]
    return max([0.0, *(there - here for there in others)])


def skew_us(meter: Any, times: int) -> tuple[float, float]:
    """Time from the first counter's read to the last one's beside a busy thread, p95: ours, and with os.pread."""
    fds = [fds[0] for fds in meter.descriptors().values()]
    readers: list[Callable[[int], bytes]] = [
        meter._registers[0]._reader.pread,
        lambda fd: os.pread(fd, 64, 0),
    ]
    with busy():
        ours, plain = (percentile([spread(read, fds) for _ in range(times)], 95) for read in readers)
    return ours, plain


def spread(read: Callable[[int], bytes], fds: list[int]) -> float:
    time.sleep(0.001)
    seen_ns = []
    for fd in fds:
        read(fd)
        seen_ns.append(time.monotonic_ns())
    return (seen_ns[-1] - seen_ns[0]) / 1e3


def at_1_hz(sampler: Sampler, seconds: float) -> tuple[float, float]:
    """Samples once a second while this process does nothing else: CPU milliseconds of the beginning, then % of a core.

    In its first second a run has the kernel count CPU time, which takes some milliseconds once (`_taskclock`).
    """
    done = threading.Event()
    before_s = time.process_time()
    sampler.subscribe(lambda _: None, 1.0)
    done.wait(2.5)
    began_s, settled_s = time.monotonic(), time.process_time()
    done.wait(seconds)
    spent_s, passed_s = time.process_time() - settled_s, time.monotonic() - began_s
    share = spent_s / passed_s
    return 1e3 * (settled_s - before_s - 2.5 * share), 100 * share


def waking_at_1_hz(seconds: float) -> float:
    """% of a core of a thread that wakes up once a second and does nothing."""
    lock = threading.Lock()
    lock.acquire()
    before_s, began_s = time.process_time(), time.monotonic()
    thread = threading.Thread(target=lambda: [lock.acquire(timeout=1.0) for _ in range(round(seconds))])
    thread.start()
    thread.join()
    return 100 * (time.process_time() - before_s) / (time.monotonic() - began_s)


@contextmanager
def busy() -> Iterator[None]:
    """A thread that does nothing but Python."""
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            for _ in range(1000):
                number = (number * 31 + 7) % 1_000_003

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def build(root: Path) -> None:
    """Two packages with their memory as files, and as events of the kernel's CPU clock."""
    for folder, name in ZONES.items():
        zone = root / "class" / "powercap" / folder
        zone.mkdir(parents=True)
        (zone / "name").write_text(f"{name}\n")
        (zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        (zone / "energy_uj").write_text("000001000000\n")
    events = root / "bus" / "event_source" / "devices" / "power" / "events"
    events.mkdir(parents=True)
    (events.parent / "type").write_text("1\n")
    (events.parent / "cpumask").write_text(f"0-{min(1, (os.cpu_count() or 1) - 1)}\n")
    for event, scale in (("energy-pkg", "1e-9"), ("energy-ram", "5e-10")):
        (events / event).write_text("event=0x00\n")
        (events / f"{event}.scale").write_text(f"{scale}\n")
        (events / f"{event}.unit").write_text("Joules\n")
    for cpu in range(2):
        topology = root / "devices" / "system" / "cpu" / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{cpu}\n")


MOVER = """
import os, sys, time
if os.fork():  # not a child of ours, whose CPU time would be looked after
    os._exit(0)
fds = [os.open(path, os.O_WRONLY) for path in sys.argv[2:]]
count = 1_000_000
while os.path.exists(f"/proc/{sys.argv[1]}"):
    count += 500_000
    for number, fd in enumerate(fds):
        os.pwrite(fd, b"%012d\\n" % (count + 1_000_000_000 * number), 0)
    time.sleep(0.05)
"""


def move(root: Path) -> None:
    """Has a process move the files twenty times a second until this one has ended."""
    files = sorted(str(path) for path in root.rglob("energy_uj"))
    subprocess.run([sys.executable, "-c", MOVER, str(os.getpid()), *files], check=True)


def events_sampler(settings: Settings) -> Sampler | None:
    try:
        return Sampler([rapl_perf.detect(settings)], [], thread=False)
    except Exception as error:
        print(f"events are left out: {error}")
        return None


def codecarbon(python: str | None, root: Path) -> dict[str, float]:
    """The same of CodeCarbon, where a Python has it."""
    if not python:
        return {}
    words = [os.path.abspath(python), "-c", THEIRS, str(root / "class" / "powercap")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=root)
    if done.returncode:
        print(f"CodeCarbon is left out: {done.stderr.strip().splitlines()[-1:]}")
        return {}
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def row(name: str, ours: float, theirs: float | None, bar: float, unit: str, other: str = "CodeCarbon") -> None:
    beside = f"{other} {theirs:9.1f} {unit}, {theirs / ours:6.1f} x" if theirs else ""
    print(f"{name:34}{ours:9.3g} {unit}  (bar {bar:g} {unit}: {'held' if ours <= bar else 'MISSED'})  {beside}")


if __name__ == "__main__":
    main()
