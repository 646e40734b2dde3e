"""How often the interval of a predicted training holds what it came to, and how wide it is.

    python benchmarks/prediction.py [--real 24]

Synthetic epochs are of several kinds, seeded. Real ones are small trainings of scikit-learn, NumPy and, where it is
installed, PyTorch, with one thread and with as many as they like, each beside nobody, beside a busy program and beside
one that comes and goes; energy and duration are both predicted.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import carbonwatch
from carbonwatch.model import Figure
from carbonwatch.prediction import whole

Series = list[float]
SEEN = (1, 2, 3, 5, 10)
EPOCHS = (4, 6, 10, 20, 50, 100, 200)


class Case(NamedTuple):
    """What was predicted, by epochs seen, and what it came to."""

    predicted: dict[int, Figure]
    total: float


def steady(rng: random.Random, epochs: int) -> Series:
    """Noise of one to fifteen per cent."""
    noise = rng.uniform(0.01, 0.15)
    return [rng.gauss(1, noise) for _ in range(epochs)]


def drifting(rng: random.Random, epochs: int) -> Series:
    """The machine warms up or its memory fills: the last epoch is up to a fifth dearer or cheaper than the first."""
    end, noise = rng.uniform(-0.2, 0.2), rng.uniform(0.01, 0.05)
    return [rng.gauss(1 + end * i / epochs, noise) for i in range(epochs)]


def warming(rng: random.Random, epochs: int) -> Series:
    """More than the first epoch warms up."""
    dearer, over, noise = rng.uniform(0.1, 1), rng.uniform(0.3, 1.5), rng.uniform(0.01, 0.05)
    return [rng.gauss(1, noise) * (1 + dearer * math.exp(-i / over)) for i in range(epochs)]


def wandering(rng: random.Random, epochs: int) -> Series:
    """Each epoch resembles the one before, more or less (AR(1))."""
    likeness, spread, level, found = rng.uniform(0.3, 0.95), rng.uniform(0.02, 0.2), 0.0, []
    for _ in range(epochs):
        level = likeness * level + rng.gauss(0, spread * math.sqrt(1 - likeness**2))
        found.append(1 + level)
    return found


def spiking(rng: random.Random, epochs: int) -> Series:
    """Every tenth epoch or so takes half as much again, as where a checkpoint is written."""
    noise = rng.uniform(0.01, 0.05)
    return [rng.gauss(1.5 if rng.random() < 0.1 else 1.0, noise) for _ in range(epochs)]


def shifting(rng: random.Random, epochs: int) -> Series:
    """Half of them go on at another pace from some epoch on."""
    at, factor, noise = rng.randrange(1, 2 * epochs), math.exp(rng.gauss(0, 0.3)), rng.uniform(0.01, 0.08)
    return [rng.gauss(factor if i >= at else 1.0, noise) for i in range(epochs)]


def bursting(rng: random.Random, epochs: int) -> Series:
    """Something comes and goes, which makes an epoch up to twice as dear, and begins with nothing of it."""
    chance, factor, noise, is_on, found = (
        rng.uniform(0.05, 0.4),
        rng.uniform(1.2, 2),
        rng.uniform(0.01, 0.08),
        False,
        [],
    )
    for _ in range(epochs):
        is_on ^= rng.random() < chance
        found.append(rng.gauss(factor if is_on else 1.0, noise))
    return found


KINDS: tuple[Callable[[random.Random, int], Series], ...] = (
    *(steady, drifting, warming, wandering, spiking, shifting, bursting),
)


def synthetic(trainings: int, seed: int = 0) -> dict[str, list[Case]]:
    """So many trainings of each kind, of 4 to 200 epochs, the first of which takes 0.8 to 3 times what it would."""
    rng = random.Random(seed)
    return {kind.__name__: [_simulated(kind, rng) for _ in range(trainings)] for kind in KINDS}


def _simulated(kind: Callable[[random.Random, int], Series], rng: random.Random) -> Case:
    parts = [max(0.05, part) for part in kind(rng, rng.choice(EPOCHS))]
    if kind is not warming:
        parts[0] *= rng.uniform(0.8, 3.0)
    return Case({n: whole(parts[:n], len(parts)) for n in SEEN if n < len(parts)}, math.fsum(parts))


def held(cases: Sequence[Case], after: int) -> float:
    """The share of trainings whose sum lies in what was predicted after so many epochs."""
    found = [(case.predicted[after], case.total) for case in cases if after in case.predicted]
    return sum(figure.low <= total <= figure.high for figure, total in found) / len(found)


def half_width(cases: Sequence[Case], after: int) -> float:
    """Half the interval relative to its value, at the median."""
    found = [case.predicted[after] for case in cases if after in case.predicted]
    return sorted((each.high - each.low) / 2 / each.value for each in found)[len(found) // 2]


def real(trainings: int, epoch_s: float) -> dict[str, list[Case]]:
    """Joules and seconds of trainings of 4 to 16 epochs, each so long about where nothing is in its way."""
    found: dict[str, list[Case]] = {"real, J": [], "real, s": []}
    ways = itertools.cycle(itertools.product(_steps(), (1, None), (None, "1 0", "0.7 0.9")))
    rng = random.Random(0)
    for (step, threads, beside), _ in zip(ways, range(trainings), strict=False):
        with _limited(threads), _neighbour(beside):
            energy, duration = _trained(step, rng.choice((4, 6, 8, 12, 16)), epoch_s * rng.uniform(0.3, 3))
        found["real, J"].append(energy)
        found["real, s"].append(duration)
    return found


def _trained(step: Callable[[], Any], epochs: int, epoch_s: float) -> tuple[Case, Case]:
    times = _times(step, epoch_s)
    forecasts: dict[int, carbonwatch.Forecast] = {}
    training = carbonwatch.Training("prediction", epochs=epochs, store="none", sync=False)
    with training:
        for number in range(1, epochs + 1):
            for _ in range(times):
                step()
            training.end_epoch()
            forecast = training.forecast
            if number in SEEN and number < epochs and forecast is not None:
                forecasts[number] = forecast
    joules, seconds = (math.fsum(getattr(epoch, of) for epoch in training.done) for of in ("energy_j", "duration_s"))
    energy = Case({n: each.energy_j for n, each in forecasts.items()}, joules)
    return energy, Case({n: each.duration_s for n, each in forecasts.items()}, seconds)


def _times(step: Callable[[], Any], epoch_s: float) -> int:
    """How often a step goes into so many seconds of CPU time, when it is warm."""
    for _ in range(2):
        began_s, done = time.process_time(), 0
        while time.process_time() - began_s < 0.2:
            step()
            done += 1
    return max(1, round(epoch_s * done / 0.2))


def _steps() -> Iterator[Callable[[], Any]]:
    """One step of training of several kinds."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    data, network = load_digits(), MLPClassifier((96,))
    yield lambda: network.partial_fit(data.data, data.target, classes=range(10))
    matrix = np.random.default_rng(0).random((300, 300))
    yield lambda: matrix @ matrix
    try:
        import torch
    except ImportError:
        return
    layer, features = torch.nn.Linear(256, 256), torch.ones(256, 256)
    yield lambda: layer(features).sum().backward()


def _limited(threads: int | None) -> AbstractContextManager[Any]:
    """As many threads for linear algebra; None: as they like."""
    from threadpoolctl import threadpool_limits

    return nullcontext() if threads is None else threadpool_limits(threads)


@contextmanager
def _neighbour(works: str | None) -> Iterator[None]:
    """Another program that works and rests for so many seconds in turn, on average; no child of this one."""
    if works is None:
        yield
        return
    command = ["sh", "-c", '"$0" -c "$@" >/dev/null 2>&1 & echo $!', sys.executable, _NEIGHBOUR, *works.split()]
    found = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    try:
        yield
    finally:
        os.kill(found, 15)


_NEIGHBOUR = """
import random, sys, time
works_s, rests_s = map(float, sys.argv[1:])
for _ in range(1000):
    until_s = time.monotonic() + random.expovariate(1 / works_s)
    while time.monotonic() < until_s:
        sum(range(10_000))
    time.sleep(rests_s and random.expovariate(1 / rests_s))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=2000, help="of each synthetic kind")
    parser.add_argument("--real", type=int, default=24, help="real trainings")
    parser.add_argument("--epoch-s", type=float, default=0.3, help="about how long an epoch of a real one is")
    args = parser.parse_args()
    kinds = synthetic(args.trainings)
    if args.real:
        kinds |= real(args.real, args.epoch_s)
    print(f"{'after epochs':<14}" + "".join(f"{after:>16}" for after in SEEN))
    for name, cases in kinds.items():
        cells = (f"{held(cases, n):7.1%} ±{half_width(cases, n):5.0%}" for n in SEEN)
        print(f"{name:<14}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()
