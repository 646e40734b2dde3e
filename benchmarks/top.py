"""What `carbonwatch top` costs beside 200 processes: CPU time of a frame, read, split and drawn.

    python benchmarks/top.py [--processes 200] [--frames 50]

Processes that sleep are started until the machine has so many; a frame a second of F ms is F / 10 % of a core.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import time

from carbonwatch.cli import top
from carbonwatch.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--frames", type=int, default=50)
    args = parser.parse_args()
    here = sum(name.isdigit() for name in os.listdir("/proc"))
    sleepers = started(max(0, args.processes - here))
    watching = top.Watching(Settings(country="FR"))
    try:
        report(watching, args.frames)
    finally:
        watching.close()
        for pid in sleepers:
            os.kill(pid, signal.SIGTERM)


def started(count: int) -> list[int]:
    """Sleepers that are no children of ours, as the processes that `top` shows are not."""
    script = f"for i in $(seq {count}); do sleep 3600 >/dev/null & echo $!; done"
    return [int(pid) for pid in subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True).stdout.split()]


def report(watching: top.Watching, frames: int) -> None:
    """The median frame on a terminal of 120 columns and 40 lines."""
    costs_s = []
    for _ in range(frames):
        time.sleep(0.1)
        began_s = time.process_time()
        frame = watching.frame()
        rows = top.rows_of(frame, "process", 32)
        lines = top.screen(frame, rows, watching.intensity, watching.pue, [1.0, 2.0] * 15, 120, True)
        pathlib.Path(os.devnull).write_text("\n".join(lines), encoding="utf-8")
        costs_s.append(time.process_time() - began_s)
        assert sum(row.energy_nj for row in rows) == frame.machine_nj
    middle_s = statistics.median(costs_s[1:])  # the first reads every command line
    processes = sum(row.pid is not None for row in frame.rows)
    print(f"{processes} processes: {middle_s * 1e3:.2f} ms of CPU a frame, {middle_s:.2%} of a core at 1 Hz")
    print(f"first frame: {costs_s[0] * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
