"""The power model on processors that its fit has not seen, beside the rules of CodeCarbon, CCF and Boavizta.

    python benchmarks/power_model.py --servers SERVERS.csv [--rapl RAPL.csv]

SERVERS.csv: rows in SPECpower's terms, as tools/fit_power.py takes them; node scope, whole models of CPU left out.
Each rule is given the rated power of our table, which it would have to find by itself. RAPL.csv: src, key, sockets,
tdp, load (percent), pkg_w; CPU scope, mean absolute error over mean power, by machine. The data is not part of this
project.

A rule for CPUs and memory alone can't show the wall: "scaled" multiplies each by the one factor that suits it best,
which no user of it has.
"""

from __future__ import annotations

import argparse
import csv
import math
import pathlib
import statistics
import sys
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from carbonwatch.cpunames import identify
from carbonwatch.powermodel import Machine, cpu_w, describe
from tools.fit_power import LOADS, NAMES, Server, coverage, cross_validate, intervals, measured, read

Array = NDArray[np.float64]
Rule = Callable[[float, float], float]  # (rated power of all sockets, load) -> W

# CodeCarbon 3.3.2, external/hardware.py: load of the machine, of a process, and its constant mode
CODECARBON: dict[str, Rule] = {
    "CodeCarbon, machine (cubic)": lambda tdp_w, load: tdp_w * (0.1 + 0.9 * load**3),
    "CodeCarbon, process (linear)": lambda tdp_w, load: tdp_w * max(0.1, load),
    "CodeCarbon, constant": lambda tdp_w, _: tdp_w * 0.5,
}
# Cloud Carbon Footprint, ccf-coefficients/output/coefficients-aws-use.csv (2026-03): W per thread, idle and full
CCF = {
    "broadwell": (0.7128, 3.6853),
    "cascadelake": (0.6903, 4.0632),
    "skylake-client": (1.1384, 5.4218),
    "zen1": (0.8468, 2.6042),
    "zen2": (0.4743, 1.6930),
    "zen3": (0.4556, 1.9573),
    "zen4": (0.7391, 2.2822),
    "zen4c": (0.7391, 2.2822),
    "zen5": (3.6824, 8.9614),
    "emeraldrapids": (0.8140, 4.4820),
    "graniterapids": (0.5816, 2.5275),
    "neoverse-n1": (0.4743, 1.6930),
    "neoverse-v2": (0.4743, 1.6930),
    "haswell": (1.8574, 5.5954),
    "icelake-sp": (0.7668, 3.7582),
    "ivybridge": (1.7074, 5.5569),
    "sandybridge": (2.2122, 8.6309),
    "sapphirerapids": (1.0363, 4.1605),
    "skylake-sp": (0.6130, 4.1042),
}
CCF_OTHERS = (0.74, 3.5)  # its means, for what it does not know
CCF_MEMORY = 0.392  # W/GB
# Boavizta: Teads' mean power over TDP, joined by straight lines here; memory in W/GB
BOAVIZTA = ((0.0, 0.12), (0.1, 0.32), (0.5, 0.75), (1.0, 1.02))
BOAVIZTA_MEMORY = 0.284


def codecarbon_memory_w(gb: float) -> float:
    """5 W a DIMM, at least 10 W; how many there are is guessed from the size."""
    dimms = 2 if gb <= 16 else 4 if gb <= 64 else 8 if gb <= 128 else 16 if gb <= 1024 else 32
    return max(10.0, 5.0 * sum(1.0 if at < 4 else 0.9 if at < 8 else 0.8 if at < 16 else 0.7 for at in range(dimms)))


def by_rules(server: Server) -> dict[str, list[float]]:
    """Watts by each rule at each load, its memory added as it does."""
    tdp_w, gb = server.sockets * (server.processor.tdp_w or 0.0), server.memory_gb or 0.0
    found = {
        name: [rule(tdp_w, load / 100) + codecarbon_memory_w(gb) for load in LOADS] for name, rule in CODECARBON.items()
    }
    low, high = CCF.get(server.processor.microarchitecture or "", CCF_OTHERS)
    found["Cloud Carbon Footprint"] = [
        server.threads * (low + (high - low) * load / 100) + CCF_MEMORY * gb for load in LOADS
    ]
    points, shares = zip(*BOAVIZTA, strict=True)
    found["Boavizta"] = [tdp_w * float(np.interp(load / 100, points, shares)) + BOAVIZTA_MEMORY * gb for load in LOADS]
    return found


def line(name: str, predicted: Array, truth: Array) -> str:
    error = predicted / truth - 1
    factor = float(np.nanmedian(truth / predicted))
    scaled = np.abs(predicted * factor / truth - 1)
    return (
        f"{name:30s} {np.nanmean(np.abs(error)):7.1%} {np.nanmedian(np.abs(error)):7.1%} {np.nanmean(error):+8.1%} "
        f"{np.nanmean(np.abs(error[..., 0])):7.1%} {np.nanmean(error[..., 0]):+8.1%} {np.nanmean(scaled):7.1%}"
    )


def node_scope(path: str) -> None:
    servers = [s for s in read(path) if s.processor.microarchitecture in NAMES and s.processor.tdp_w]
    truth = measured(servers)
    found = cross_validate(servers)["A"]
    print(f"node scope, {len(servers)} servers, {len({s.group for s in servers})} models of CPU")
    print(f"{'':30s} {'MAPE':>7} {'median':>7} {'bias':>8} {'idle':>7} {'bias':>8} {'scaled':>7}")
    print(line("carbonwatch, cross-validated", found, truth))
    rules = [by_rules(server) for server in servers]
    for name in rules[0]:
        print(line(name, np.array([rule[name] for rule in rules]), truth))
    bands = intervals({"A": found}, truth, np.ones(len(servers), bool))
    print(coverage(bands, "A", found, truth))


def cpu_scope(path: str) -> None:
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    machines = {row["key"]: _machine(row) for row in rows}
    print(f"\nCPU scope, {len(machines)} machines with RAPL: mean absolute error over mean power")
    names = ["carbonwatch", *CODECARBON]
    print(f"{'':24s}" + "".join(f"{name.removeprefix('CodeCarbon, '):>18s}" for name in names))
    errors: dict[str, list[float]] = {name: [] for name in names}
    for key, machine in machines.items():
        mine = [row for row in rows if row["key"] == key]
        for name in names:
            errors[name].append(_error(mine, machine, CODECARBON.get(name)))
        print(f"{key:24s}" + "".join(f"{errors[name][-1]:18.1%}" for name in names))
    print(f"{'mean':24s}" + "".join(f"{statistics.mean(errors[name]):18.1%}" for name in names))


def _machine(row: Mapping[str, str]) -> Machine:
    return describe(identify(row["key"]), sockets=int(row["sockets"]), tdp_w=float(row["tdp"]))


def _error(rows: list[dict[str, str]], machine: Machine, rule: Rule | None) -> float:
    truth = [float(row["pkg_w"]) for row in rows]
    guesses = []
    for row in rows:
        load = min(1.0, float(row["load"]) / 100)
        # cores were loaded one after the other there, and all alike elsewhere
        uneven = 1.0 if row["src"].endswith("some") or row["src"] == "tud" else 0.0
        guesses.append(cpu_w(machine, load, uneven) if rule is None else rule(machine.sockets * machine.tdp_w, load))
    return math.fsum(abs(a - b) for a, b in zip(guesses, truth, strict=True)) / math.fsum(truth)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", help="CSV file of servers")
    parser.add_argument("--rapl", help="CSV file of packages' power")
    args = parser.parse_args()
    if args.servers:
        node_scope(args.servers)
    if args.rapl:
        cpu_scope(args.rapl)
    return 0


if __name__ == "__main__":
    sys.exit(main())
