"""Fits the power model's coefficients on servers' published curves, and says how well it predicts unseen processors.

    python tools/fit_power.py SERVERS.csv                 cross-validation: whole models of CPU left out
    python tools/fit_power.py SERVERS.csv --write         and the tables under src/carbonwatch/data/

SERVERS.csv has rows in SPECpower_ssj2008's terms: id, cpu_name, sockets, cores, threads (in total), mem_gb, and
watts_0, watts_10 ... watts_100 (those in between may be empty). The rows are copyright of SPEC and are not part of
this project; the fit needs nothing else of them. Names become microarchitectures by `carbonwatch.cpunames`, as they do
for a user. Needs numpy and scipy.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, nnls

from carbonwatch.cpunames import Processor, identify
from carbonwatch.powermodel import (
    _MEMORY,
    _OLD_MEMORY_ABOVE,
    _OLD_MEMORY_GB,
    _ONSET,
    FEATURES,
    Row,
    describe,
    features,
    node_w,
)

Array = NDArray[np.float64]
LOADS = tuple(range(0, 101, 10))
DATA = os.path.join(os.path.dirname(__file__), "..", "src", "carbonwatch", "data")

# Neighbours in time resemble each other: the logarithms of their coefficients differ by about one step, times this.
# A new platform is a larger step, the same silicon on the same platform a smaller one.
CHAINS: tuple[tuple[tuple[str, float], ...], ...] = (
    (
        ("netburst", 0),
        ("core2", 1),
        ("nehalem", 2.5),
        ("westmere", 0.6),
        ("sandybridge", 1.5),
        ("ivybridge", 0.6),
        ("haswell", 1),
        ("broadwell", 0.6),
        ("skylake-sp", 1.5),
        ("cascadelake", 0.5),
        ("cooperlake", 1),
        ("icelake-sp", 2),
        ("sapphirerapids", 1.2),
        ("emeraldrapids", 0.5),
        ("graniterapids", 1),
        ("sierraforest", 1),
    ),
    (
        ("k8/k10", 0),
        ("bulldozer", 1),
        ("zen1", 2.5),
        ("zen2", 1),
        ("zen3", 1),
        ("zen4", 1),
        ("zen4c", 0.7),
        ("zen5", 1),
    ),
    (("skylake-client", 0), ("rocketlake", 1), ("raptorlake", 1), ("meteorlake+", 1)),
    (("raptorlake", 0), ("alderlake", 0.5)),
    (("rocketlake", 0), ("tigerlake", 0.5)),
    (("rocketlake", 0), ("icelake-client", 0.5)),
    (("zen3", 0), ("neoverse-n1", 3), ("neoverse-v1", 2), ("neoverse-v2", 2)),
    (("neoverse-v1", 0), ("neoverse-n2", 1)),
)
NAMES = tuple(dict.fromkeys(name for chain in CHAINS for name, _ in chain))
STEP_IDLE, STEP_DYNAMIC = 0.15, 0.08  # chosen by cross-validation
MODEL_IDLE, MODEL_DYNAMIC = 0.08, 0.04  # how far models of one microarchitecture differ
SCALE_IDLE, SCALE_DYNAMIC = 0.2, 0.15  # how strong the features may be
NOISE_IDLE, NOISE_FULL = 0.22, 0.11  # how far servers with the same processor differ
TOO_HIGH = 0.985  # a mean of logarithms overshoots the middle of servers that draw more than their kind now and then
# microarchitectures that share a curve, because few of their servers published one
CLASSES: dict[str, str] = {
    "netburst": "core2",
    "core2": "core2",
    "k8/k10": "old AMD",
    "bulldozer": "old AMD",
    "nehalem": "nehalem",
    "westmere": "nehalem",
    "sandybridge": "sandybridge",
    "ivybridge": "sandybridge",
    "haswell": "haswell",
    "broadwell": "haswell",
    "skylake-sp": "skylake",
    "cascadelake": "skylake",
    "cooperlake": "skylake",
    "icelake-sp": "icelake",
    "sapphirerapids": "icelake",
    "emeraldrapids": "icelake",
    "graniterapids": "icelake",
    "sierraforest": "icelake",
    "zen1": "zen",
    "zen2": "zen",
    "zen3": "zen",
    "zen4": "zen4",
    "zen4c": "zen4",
    "zen5": "zen4",
}
# (memory generation, host's sockets, cores and TDP of a socket, threads of a core): a typical host, an assumption
TYPICAL: dict[str, tuple[int, int, int, int, int]] = {
    "netburst": (2, 2, 2, 110, 2),
    "core2": (2, 2, 4, 80, 1),
    "nehalem": (3, 2, 4, 95, 2),
    "westmere": (3, 2, 6, 95, 2),
    "sandybridge": (3, 2, 8, 95, 2),
    "ivybridge": (3, 2, 10, 115, 2),
    "haswell": (4, 2, 12, 120, 2),
    "broadwell": (4, 2, 18, 145, 2),
    "skylake-sp": (4, 2, 24, 205, 2),
    "cascadelake": (4, 2, 24, 205, 2),
    "cooperlake": (4, 4, 28, 250, 2),
    "icelake-sp": (4, 2, 32, 270, 2),
    "sapphirerapids": (5, 2, 48, 350, 2),
    "emeraldrapids": (5, 2, 56, 350, 2),
    "graniterapids": (5, 2, 96, 500, 2),
    "sierraforest": (5, 2, 144, 330, 1),
    "k8/k10": (3, 2, 6, 85, 1),
    "bulldozer": (3, 2, 16, 115, 1),
    "zen1": (4, 2, 32, 180, 2),
    "zen2": (4, 2, 64, 225, 2),
    "zen3": (4, 2, 64, 280, 2),
    "zen4": (5, 2, 96, 360, 2),
    "zen4c": (5, 2, 128, 360, 2),
    "zen5": (5, 2, 96, 400, 2),
    "skylake-client": (4, 1, 8, 65, 2),
    "rocketlake": (4, 1, 8, 65, 2),
    "icelake-client": (4, 1, 4, 28, 2),
    "tigerlake": (4, 1, 4, 28, 2),
    "alderlake": (5, 1, 8, 65, 2),
    "raptorlake": (5, 1, 8, 65, 2),
    "meteorlake+": (5, 1, 8, 45, 2),
    "neoverse-n1": (4, 1, 64, 150, 1),
    "neoverse-n2": (5, 1, 128, 250, 1),
    "neoverse-v1": (5, 1, 64, 150, 1),
    "neoverse-v2": (5, 2, 96, 250, 1),
}
# what stands in where only the maker is known: its generations of the last ten years
STAND_INS: dict[str, tuple[str, ...]] = {
    "intel": ("skylake-sp", "cascadelake", "icelake-sp", "sapphirerapids", "emeraldrapids", "graniterapids"),
    "amd": ("zen1", "zen2", "zen3", "zen4", "zen4c", "zen5"),
    "arm": ("neoverse-n1", "neoverse-n2", "neoverse-v1", "neoverse-v2"),
}
STAND_INS["any"] = (*STAND_INS["intel"], *STAND_INS["amd"])
RECENT = frozenset((*STAND_INS["any"], *STAND_INS["arm"], "cooperlake", "sierraforest", "rocketlake", "raptorlake"))
# microarchitectures without a server here: taken as another
ALIKE: dict[str, tuple[str, tuple[int, int, int, int, int]]] = {
    "atom": ("skylake-client", (3, 1, 2, 10, 2)),
    "silvermont": ("skylake-client", (3, 1, 4, 10, 1)),
    "goldmont": ("skylake-client", (4, 1, 4, 10, 1)),
    "tremont": ("skylake-client", (4, 1, 4, 10, 1)),
    "bobcat": ("skylake-client", (3, 1, 2, 18, 1)),
    "jaguar": ("skylake-client", (3, 1, 4, 15, 1)),
    "knightslanding": ("skylake-sp", (4, 1, 64, 215, 4)),
    "pentium-m": ("core2", (2, 1, 1, 25, 1)),
    "k7": ("k8/k10", (2, 1, 1, 70, 1)),
    "cortex-a53": ("neoverse-n1", (4, 1, 4, 4, 1)),
    "cortex-a72": ("neoverse-n1", (4, 1, 4, 6, 1)),
    "cortex-a76": ("neoverse-n1", (4, 1, 4, 9, 1)),
    "apple-m": ("neoverse-n1", (5, 1, 8, 30, 1)),
}


@dataclass(frozen=True)
class Server:
    id: str
    processor: Processor
    sockets: int
    cores: int
    threads: int
    memory_gb: float | None
    watts: tuple[float, ...]  # nan where not published

    @property
    def group(self) -> str:
        """What is left out together."""
        return (self.processor.model or self.processor.name).rstrip("~")

    @property
    def is_full(self) -> bool:
        return not np.isnan(self.watts).any()


class Fit:
    """Coefficients in memory, as the model asks for them."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = [s for s in servers if s.processor.tdp_w and s.processor.microarchitecture in NAMES]
        self._groups = sorted({s.group for s in self._servers})
        self._counts = {g: sum(s.group == g for s in self._servers) for g in self._groups}
        self._solve()
        self._shapes = self._fit_shapes()
        self._rows = self._all_rows()
        for name in STAND_INS:
            self._rows[name] = self._centred(name)

    def architecture(self, name: str) -> Row | None:
        return self._rows.get(name)

    def scale(self, feature: str) -> Row | None:
        at = FEATURES.index(feature)
        return {"idle": float(self._scale[0][at]), "dynamic": float(self._scale[1][at])}

    def model(self, key: str) -> Row | None:
        """Of models with three servers or more: fewer would tell about a server, and not about the model."""
        if self._counts.get(key, 0) < 3:
            return None
        at = self._groups.index(key)
        idle, dynamic = self._own[0][at], self._own[1][at]
        return {"idle_factor": float(np.exp(idle)), "dynamic_factor": float(np.exp(dynamic))}

    def models(self) -> list[str]:
        return [g for g in self._groups if self._counts[g] >= 3]

    def rows(self) -> Mapping[str, Row]:
        return self._rows

    def _solve(self) -> None:
        """All coefficients at once, as logarithms: robust least squares with the priors above."""
        n, g, k = len(NAMES), len(self._groups), len(FEATURES)
        of = np.array([NAMES.index(s.processor.microarchitecture or "") for s in self._servers])
        group = np.array([self._groups.index(s.group) for s in self._servers])
        scale = np.array([_features(s) for s in self._servers])
        sockets = np.array([s.sockets for s in self._servers], float)
        rated = np.array([s.sockets * (s.processor.tdp_w or 0) for s in self._servers])
        memory = np.array([_memory_w(s) for s in self._servers])
        measured0 = np.array([s.watts[0] for s in self._servers])
        measured1 = np.array([s.watts[-1] for s in self._servers])
        a, b, step = _steps()

        def residuals(p: Array) -> Array:
            idle, dynamic, own0, own1, s0, s1 = np.split(p, np.cumsum([n, n, g, g, k]))
            p0 = sockets * np.exp(idle[of] + scale @ s0 + own0[group]) + memory
            p1 = p0 + rated * np.exp(dynamic[of] + scale @ s1 + own1[group])
            return np.concatenate(
                (
                    np.log(p0 / measured0) / NOISE_IDLE,
                    np.log(p1 / measured1) / NOISE_FULL,
                    (idle[b] - idle[a]) / (STEP_IDLE * step),
                    (dynamic[b] - dynamic[a]) / (STEP_DYNAMIC * step),
                    (idle - 3.6) / 2,
                    (dynamic + 0.2) / 0.5,
                    own0 / MODEL_IDLE,
                    own1 / MODEL_DYNAMIC,
                    s0 / SCALE_IDLE,
                    s1 / SCALE_DYNAMIC,
                )
            )

        # what each row of the design touches: microarchitecture, own model, features
        design = np.hstack([np.eye(n)[of], np.eye(g)[group], scale])
        prior = _prior_rows(a, b, step, n, g, k)
        at0 = np.r_[0:n, 2 * n : 2 * n + g, 2 * n + 2 * g : 2 * n + 2 * g + k]
        at1 = np.r_[n : 2 * n, 2 * n + g : 2 * n + 2 * g, 2 * n + 2 * g + k : 2 * n + 2 * g + 2 * k]

        def slopes(p: Array) -> Array:
            idle, dynamic, own0, own1, s0, s1 = np.split(p, np.cumsum([n, n, g, g, k]))
            i = sockets * np.exp(idle[of] + scale @ s0 + own0[group])
            d = rated * np.exp(dynamic[of] + scale @ s1 + own1[group])
            jacobian = np.zeros((2 * len(of), len(p)))
            jacobian[: len(of), at0] = design * (i / (i + memory))[:, None] / NOISE_IDLE
            jacobian[len(of) :, at0] = design * (i / (i + memory + d))[:, None] / NOISE_FULL
            jacobian[len(of) :, at1] = design * (d / (i + memory + d))[:, None] / NOISE_FULL
            return np.vstack([jacobian, prior])

        start = np.concatenate((np.full(n, 3.6), np.full(n, -0.2), np.zeros(2 * g + 2 * k)))
        found = least_squares(residuals, start, jac=slopes, loss="soft_l1").x
        idle, dynamic, own0, own1, s0, s1 = np.split(found, np.cumsum([n, n, g, g, k]))
        self._idle, self._dynamic, self._own, self._scale = idle, dynamic, (own0, own1), (s0, s1)

    def _fit_shapes(self) -> dict[str, Array]:
        """A curve for each class: the median of its servers, drawn a little towards everybody's."""
        full = [s for s in self._servers if s.is_full]
        heights = np.array([_heights(s) for s in full])
        classes = np.array([CLASSES.get(s.processor.microarchitecture or "", "entry") for s in full])
        everybody = np.median(heights, axis=0)
        shapes = {"any": _shape(everybody)}
        for name in {*CLASSES.values(), "entry"}:
            own = heights[classes == name]
            if len(own):
                shapes[name] = _shape((np.median(own, axis=0) * len(own) + 2 * everybody) / (len(own) + 2))
        return shapes

    def _all_rows(self) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for at, name in enumerate(NAMES):
            shape = CLASSES.get(name, "zen4" if name.startswith("neoverse") else "entry")
            idle, dynamic = float(np.exp(self._idle[at])) * TOO_HIGH, float(np.exp(self._dynamic[at])) * TOO_HIGH
            mine = [s for s in self._servers if s.processor.microarchitecture == name]
            rows[name] = self._row(name, idle, dynamic, shape, TYPICAL[name], len(mine), len({s.group for s in mine}))
        for name, parts in STAND_INS.items():
            rows[name] = self._stand_in(name, [rows[part] for part in parts])
        for name, (like, typical) in ALIKE.items():
            shape = CLASSES.get(like, "entry")
            row = rows[like]
            rows[name] = self._row(name, float(row["idle_w_per_socket"]), float(row["k_dyn"]), shape, typical, 0, 0)
        return rows

    def _row(
        self, name: str, idle: float, dynamic: float, shape: str, typical: tuple[int, ...], systems: int, models: int
    ) -> Row:
        a, b, c = self._shapes.get(shape, self._shapes["any"])
        ddr, sockets, cores, tdp_w, threads = typical
        return {
            "uarch": name,
            "idle_w_per_socket": idle,
            "k_dyn": dynamic,
            "f_a": float(a),
            "f_b": float(b),
            "f_c": float(c),
            "ddr_gen": ddr,
            "host_sockets": sockets,
            "host_cores": cores,
            "host_tdp_w": tdp_w,
            "threads_per_core": threads,
            "n_systems": systems,
            "n_cpu_models": models,
        }

    def _centred(self, name: str) -> Row:
        """A stand-in that is right in the middle for the servers it stands for."""
        mine = [s for s in self._servers if s.processor.microarchitecture in STAND_INS[name]]
        row = self._rows[name]
        if not mine:
            return row
        tier = "D" if name == "any" else "C"
        guessed = np.array([predict(s, self, tier) for s in mine])
        truth = measured(mine)
        idle = float(np.median(truth[:, 0] / guessed[:, 0]))
        range_w = (truth[:, -1] - truth[:, 0]) / (guessed[:, -1] - guessed[:, 0])
        return {
            **row,
            "idle_w_per_socket": float(row["idle_w_per_socket"]) * idle,
            "k_dyn": float(row["k_dyn"]) * float(np.median(range_w)),
        }

    def _stand_in(self, name: str, parts: list[Row]) -> Row:
        """The middle of several generations, each counting once."""
        middle = {
            c: float(np.median([float(p[c]) for p in parts])) for c in ("host_sockets", "host_cores", "host_tdp_w")
        }
        idle, dynamic = (
            float(np.exp(np.mean([np.log(float(p[c])) for p in parts]))) for c in ("idle_w_per_socket", "k_dyn")
        )
        a = np.mean([[float(p["f_a"]), float(p["f_b"]), float(p["f_c"])] for p in parts], axis=0)
        threads = 1 if name == "arm" else 2
        typical = (4, round(middle["host_sockets"]), round(middle["host_cores"]), round(middle["host_tdp_w"]), threads)
        row = dict(self._row(name, idle, dynamic, "any", typical, 0, 0))
        row.update(f_a=float(a[0]), f_b=float(a[1]), f_c=float(a[2]))
        return row


def _features(server: Server) -> tuple[float, ...]:
    p = server.processor
    return features(p.segment, p.microarchitecture or "", server.sockets, server.cores / server.sockets, p.tdp_w or 0.0)


def _memory_w(server: Server) -> float:
    ddr = TYPICAL[server.processor.microarchitecture or ""][0]
    per_gb, gb = _MEMORY[f"ddr{ddr}"][0], server.memory_gb or 0.0
    above = max(0.0, gb - _OLD_MEMORY_GB) if ddr <= 3 else 0.0
    return per_gb * (gb - above) + _OLD_MEMORY_ABOVE * above


def _steps() -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    pairs = [
        (NAMES.index(before), NAMES.index(after), step)
        for chain in CHAINS
        for (before, _), (after, step) in pairwise(chain)
    ]
    a, b, step = zip(*pairs, strict=True)
    return np.array(a), np.array(b), np.array(step, float)


def _prior_rows(a: NDArray[np.intp], b: NDArray[np.intp], step: Array, n: int, g: int, k: int) -> Array:
    """The slopes of the residuals that are priors, in their order; they are all linear."""
    walk = np.zeros((len(step), n))
    walk[np.arange(len(step)), b] += 1 / step
    walk[np.arange(len(step)), a] -= 1 / step
    blocks = (
        (walk / STEP_IDLE, 0),
        (walk / STEP_DYNAMIC, n),
        (np.eye(n) / 2, 0),
        (np.eye(n) / 0.5, n),
        (np.eye(g) / MODEL_IDLE, 2 * n),
        (np.eye(g) / MODEL_DYNAMIC, 2 * n + g),
        (np.eye(k) / SCALE_IDLE, 2 * n + 2 * g),
        (np.eye(k) / SCALE_DYNAMIC, 2 * n + 2 * g + k),
    )
    rows = np.zeros((sum(len(block) for block, _ in blocks), 2 * (n + g + k)))
    top = 0
    for block, left in blocks:
        rows[top : top + len(block), left : left + block.shape[1]] = block
        top += len(block)
    return rows


def _heights(server: Server) -> Array:
    watts = np.array(server.watts)
    heights: Array = (watts - watts[0]) / (watts[-1] - watts[0])
    return heights


def _shape(heights: Array) -> Array:
    """a, b, c of a curve that ends at 1, none below 0."""
    u = np.array(LOADS) / 100
    basis = np.stack([1 - np.exp(-u / _ONSET), u, u**4], axis=-1)
    found, _ = nnls(np.vstack([basis, 50 * np.ones(3)]), np.append(heights, 50))
    shape: Array = found / found.sum()
    return shape


# --- reading, predicting, judging


def read(path: str) -> list[Server]:
    with open(path, newline="") as file:
        return [_server(row) for row in csv.DictReader(file)]


def _server(row: Mapping[str, str]) -> Server:
    watts = tuple(float(row.get(f"watts_{load}") or "nan") for load in LOADS)
    sockets, cores = int(float(row["sockets"])), int(float(row["cores"]))
    memory = float(row["mem_gb"]) if row.get("mem_gb") else None
    return Server(row["id"], identify(row["cpu_name"]), sockets, cores, int(float(row["threads"])), memory, watts)


def predict(server: Server, fit: Fit, tier: str = "A") -> list[float]:
    """Watts at each load as a user would get them, knowing no more than the tier says."""
    processor = server.processor
    if tier != "A":
        processor = replace(processor, tdp_w=None, model=None, segment="server")
    if tier in "CD":
        processor = replace(processor, microarchitecture=None)
    if tier == "D":
        processor = replace(processor, maker=None)
    machine = describe(
        processor,
        sockets=server.sockets,
        cores=server.cores,
        threads=server.threads,
        memory_gb=server.memory_gb,
        form="server",
        source=fit,
    )
    return [node_w(machine, load / 100) for load in LOADS]


def cross_validate(
    servers: Sequence[Server], folds: int = 8, seeds: Sequence[int] = (1, 2), tiers: str = "A"
) -> dict[str, Array]:
    """Predictions of servers whose model of CPU the fit has not seen: one per seed, by tier."""
    groups = sorted({s.group for s in servers})
    found = {tier: np.full((len(seeds), len(servers), len(LOADS)), np.nan) for tier in tiers}
    for at, seed in enumerate(seeds):
        order = list(groups)
        np.random.default_rng(seed).shuffle(order)
        fold = {group: i % folds for i, group in enumerate(order)}
        for out in range(folds):
            fit = Fit([s for s in servers if fold[s.group] != out])
            for i, server in enumerate(servers):
                if fold[server.group] == out:
                    for tier in tiers:
                        found[tier][at, i] = predict(server, fit, tier)
    return found


def measured(servers: Sequence[Server]) -> Array:
    return np.array([s.watts for s in servers])


def report(name: str, predicted: Array, truth: Array, say: Callable[[str], object] = print) -> None:
    error = (predicted / truth - 1) * 100
    size = np.abs(error)
    say(
        f"{name:34s} MAPE {np.nanmean(size):5.1f}  median {np.nanmedian(size):5.1f}  "
        f"bias {np.nanmean(error):+5.1f} (median {np.nanmedian(error):+5.1f})  MAPE at 0/10/50/100 %: "
        + " ".join(f"{np.nanmean(size[..., at]):5.1f}" for at in (0, 1, 5, 10))
    )


# --- intervals


def intervals(found: Mapping[str, Array], truth: Array, recent: NDArray[np.bool_]) -> list[dict[str, str | float]]:
    """Quantiles of measured over predicted, by tier and load; where few servers give a load, of its neighbours too.

    What has neither model nor microarchitecture today is a recent machine: the old ones are left out there.
    """
    rows: list[dict[str, str | float]] = []
    for tier, every in found.items():
        used = recent if tier in "CD" else np.ones(len(truth), bool)
        ratio = np.log(truth[None, used] / every[:, used])
        for at, load in enumerate(LOADS):
            near = [i for i in (at - 1, at, at + 1) if 0 < i < len(LOADS) - 1] if 0 < at < len(LOADS) - 1 else [at]
            pool = ratio[..., near]
            ends = np.exp(np.nanquantile(pool, (0.025, 0.09, 0.91, 0.975)))
            rows.append(
                {"key": f"{tier}{load}", **dict(zip(("lo95", "lo80", "hi80", "hi95"), map(float, ends), strict=True))}
            )
    return rows


def coverage(rows: Sequence[Mapping[str, str | float]], tier: str, predicted: Array, truth: Array) -> str:
    by = {str(r["key"]): r for r in rows}
    ratio = truth[None] / predicted
    inside80, inside95, total = 0, 0, 0
    widths = []
    for at, load in enumerate(LOADS):
        row = by[f"{tier}{load}"]
        r = ratio[..., at][~np.isnan(ratio[..., at])]
        inside80 += int(((r >= float(row["lo80"])) & (r <= float(row["hi80"]))).sum())
        inside95 += int(((r >= float(row["lo95"])) & (r <= float(row["hi95"]))).sum())
        total += len(r)
        widths += [float(row["hi80"]) / float(row["lo80"])] * len(r)
    return (
        f"tier {tier}: 80 % covers {inside80 / total:.1%}, 95 % covers {inside95 / total:.1%}, "
        f"median width ratio {np.median(widths):.2f}"
    )


def write(fit: Fit, bands: Sequence[Mapping[str, str | float]]) -> None:
    _table("uarch_power.csv", list(fit.rows().values()))
    _table("power_scale.csv", [{"feature": name, **(fit.scale(name) or {})} for name in FEATURES])
    _table("model_power.csv", [{"model": key, **(fit.model(key) or {})} for key in fit.models()])
    _table("power_intervals.csv", bands)


def _table(name: str, rows: Sequence[Row]) -> None:
    with open(os.path.join(DATA, name), "w") as file:
        file.write(",".join(rows[0]) + "\n")
        for row in rows:
            file.write(",".join(_cell(value) for value in row.values()) + "\n")


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", help="CSV file of servers")
    parser.add_argument("--write", action="store_true", help="write the tables")
    args = parser.parse_args()
    servers = [s for s in read(args.servers) if s.processor.microarchitecture in NAMES]
    truth = measured(servers)
    found = cross_validate(servers, tiers="ABCD")
    for tier, predicted in found.items():
        report(f"tier {tier}, {len(servers)} servers", predicted, truth)
    recent = np.array([s.processor.microarchitecture in RECENT for s in servers])
    for tier in "CD":
        report(f"tier {tier}, {recent.sum()} recent servers", found[tier][:, recent], truth[recent])
    bands = intervals(found, truth, recent)
    for tier in "ABCD":
        used = recent if tier in "CD" else np.ones(len(truth), bool)
        print(coverage(bands, tier, found[tier][:, used], truth[used]))
    if args.write:
        write(Fit(servers), bands)
    return 0


if __name__ == "__main__":
    sys.exit(main())
