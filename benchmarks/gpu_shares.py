"""What it costs to see who works on AMD's and Intel's GPUs, beside 200 processes with 20 open files each.

    python benchmarks/gpu_shares.py [--processes 200] [--looks 50]

Processes that sleep are started until the machine has so many. Nobody here has a GPU open: a client costs what it takes
to read and parse one more file, which is measured apart. Times are CPU time; medians.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from carbonwatch.activity import drm
from carbonwatch.activity._kfd import Kfd, text
from carbonwatch.activity.procfs import ProcTree
from carbonwatch.units import NS_PER_S

SLEEPERS = """
import os, subprocess, sys
fds = [os.open(os.devnull, os.O_RDONLY) for _ in range(17)]
for _ in range(int(sys.argv[1])):
    print(subprocess.Popen(["sleep", "3600"], pass_fds=fds, stdout=subprocess.DEVNULL).pid, flush=True)
"""
FDINFO = "pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t7\ndrm-pdev:\t0000:03:00.0\n" + "".join(
    [f"drm-{kind}-{memory}:\t23992 KiB\n" for kind in ("total", "resident", "active") for memory in ("vram", "gtt")]
    + [f"drm-engine-{engine}:\t107322799 ns\n" for engine in ("gfx", "compute", "dma", "dec", "enc")]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--looks", type=int, default=50)
    args = parser.parse_args()
    here = sum(name.isdigit() for name in os.listdir("/proc"))
    words = [sys.executable, "-c", SLEEPERS, str(max(0, args.processes - here))]
    # they are no children of ours, as others on a GPU are not
    started = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    try:
        report(args.looks)
    finally:
        for pid in started:
            os.kill(int(pid), signal.SIGTERM)


def report(looks: int) -> None:
    every, between = drm.Clients("/proc"), drm.Clients("/proc")
    following = drm.Following([drm.Card("a card", ())], between, Kfd("/sys"), ProcTree("/proc", None).look, "/proc")
    following.read(0)
    processes = sum(name.isdigit() for name in os.listdir("/proc"))
    instants = iter(range(10, 10 * (looks + 1), 10))
    all_s = median_s(lambda: every.look(next(instants) * NS_PER_S, {os.getpid()}), looks)
    own_s = median_s(lambda: following.read(1), looks)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "5")
        file.write_text(FDINFO)
        client_s = median_s(lambda: drm.client(text(str(file))), looks)
    files = len(os.listdir("/proc/self/fd"))
    print(f"a look at {processes} processes, every 10 s: {all_s * 1e3:.2f} ms, {all_s / 10:.3%} of a core")
    print(f"a look at the own process with {files} open files, each sample: {own_s * 1e6:.0f} µs")
    print(f"one client more: {client_s * 1e6:.0f} µs")


def median_s(call: Callable[[], object], times: int) -> float:
    """CPU time of this thread for one call."""
    spent_ns = []
    for _ in range(times):
        began_ns = time.thread_time_ns()
        call()
        spent_ns.append(time.thread_time_ns() - began_ns)
    return statistics.median(spent_ns) / 1e9


if __name__ == "__main__":
    main()
