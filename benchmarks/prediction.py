"""How often the interval of a predicted training holds what it came to, and how wide it is.

    python benchmarks/prediction.py [--real 12]

Synthetic epochs are of several kinds, seeded; real ones train scikit-learn's digits, epoch by epoch, so many times.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable, Sequence

import carbonwatch
from carbonwatch.prediction import whole

Series = list[float]
SEEN = (1, 2, 3, 5, 10)


def steady(rng: random.Random, epochs: int) -> Series:
    """Noise of one to fifteen per cent, and a first epoch of up to three times the others'."""
    noise = rng.uniform(0.01, 0.15)
    return [_first(rng) if i == 0 else max(0.1, rng.gauss(1, noise)) for i in range(epochs)]


def drifting(rng: random.Random, epochs: int) -> Series:
    """The machine warms up or its memory fills: the last epoch is up to a fifth dearer or cheaper than the first."""
    end, noise = rng.uniform(-0.2, 0.2), rng.uniform(0.01, 0.05)
    return [_first(rng) if i == 0 else max(0.1, rng.gauss(1 + end * i / epochs, noise)) for i in range(epochs)]


def wandering(rng: random.Random, epochs: int) -> Series:
    """Neighbours come and go: each epoch resembles the one before."""
    noise, level, found = rng.uniform(0.01, 0.06), 0.0, []
    for i in range(epochs):
        level = 0.8 * level + rng.gauss(0, noise)
        found.append(_first(rng) if i == 0 else max(0.1, 1 + level))
    return found


def spiking(rng: random.Random, epochs: int) -> Series:
    """Every tenth epoch or so takes half as much again, as where a checkpoint is written."""
    noise = rng.uniform(0.01, 0.05)
    return [
        _first(rng) if i == 0 else max(0.1, rng.gauss(1.5 if rng.random() < 0.1 else 1.0, noise)) for i in range(epochs)
    ]


def _first(rng: random.Random) -> float:
    return rng.uniform(0.8, 3.0)


KINDS: tuple[Callable[[random.Random, int], Series], ...] = (steady, drifting, wandering, spiking)


def synthetic(trainings: int, seed: int = 0) -> dict[str, list[Series]]:
    """So many trainings of each kind, of 4 to 200 epochs."""
    rng = random.Random(seed)
    return {
        kind.__name__: [kind(rng, rng.choice((4, 6, 10, 20, 50, 100, 200))) for _ in range(trainings)] for kind in KINDS
    }


def held(series: Sequence[Series], after: int) -> float:
    """The share of trainings whose sum lies in what was predicted after so many epochs."""
    hits = []
    for parts in series:
        if len(parts) > after:
            found = whole(parts[:after], len(parts))
            hits.append(found.low <= sum(parts) <= found.high)
    return sum(hits) / len(hits)


def half_width(series: Sequence[Series], after: int) -> float:
    """Half the interval relative to its value, at the median."""
    found = [whole(parts[:after], len(parts)) for parts in series if len(parts) > after]
    return sorted((each.high - each.low) / 2 / each.value for each in found)[len(found) // 2]


def real(trainings: int) -> list[Series]:
    """Joules of epochs of digits, from small networks to larger ones."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    data = load_digits()
    found = []
    for number in range(trainings):
        network = MLPClassifier((32 + 32 * (number % 6),), random_state=number)
        training = carbonwatch.Training("prediction", store="none")
        with training:
            for _ in range(12):
                for _ in range(10):
                    network.partial_fit(data.data, data.target, classes=range(10))
                training.end_epoch()
        found.append([epoch.energy_j for epoch in training.done])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=2000, help="of each synthetic kind")
    parser.add_argument("--real", type=int, default=12, help="real trainings")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other are the machine's noise
    kinds = synthetic(args.trainings)
    if args.real:
        kinds["real"] = real(args.real)
    print(f"{'after epochs':<14}" + "".join(f"{after:>16}" for after in SEEN))
    for name, series in kinds.items():
        cells = (f"{held(series, n):7.1%} ±{half_width(series, n):5.0%}" for n in SEEN)
        print(f"{name:<14}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()
