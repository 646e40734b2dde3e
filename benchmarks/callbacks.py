"""What each framework's callback costs a step, at the median, with a budget to look at; the bar is 1 ms.

    python benchmarks/callbacks.py [--steps 2000]

Measured is the callback itself, called as its framework calls it, and not the framework.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

Step = Callable[[], object]

QUIET: dict[str, Any] = {"store": "none", "country": "FR"}
BAR_S = 1e-3


def keras() -> tuple[Step, Step]:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    from carbonwatch.integrations.keras import CarbonCallback

    callback = CarbonCallback(budget_g=1e9, **QUIET)
    callback.set_params({"epochs": 10**6})
    callback.on_train_begin()
    return lambda: callback.on_train_batch_end(0), lambda: callback.on_epoch_end(0, {})


def lightning() -> tuple[Step, Step]:
    from carbonwatch.integrations.lightning import CarbonCallback

    callback = CarbonCallback(budget_g=1e9, **QUIET)
    strategy = SimpleNamespace(reduce_boolean_decision=lambda decision, **_: decision)
    trainer = SimpleNamespace(world_size=1, max_epochs=10**6, current_epoch=0, should_stop=False, strategy=strategy)
    module = SimpleNamespace(log_dict=lambda *_, **__: None)
    callback.on_fit_start(trainer, module)
    return (
        lambda: callback.on_train_batch_end(trainer, module, None, None, 0),
        lambda: callback.on_train_epoch_end(trainer, module),
    )


def transformers() -> tuple[Step, Step]:
    from carbonwatch.integrations.transformers import CarbonCallback

    callback = CarbonCallback(budget_g=1e9, **QUIET)
    args, control = SimpleNamespace(world_size=1), SimpleNamespace(should_training_stop=False)
    state = SimpleNamespace(num_train_epochs=10**6, epoch=0, log_history=[{}])
    callback.on_train_begin(args, state, control)
    return lambda: callback.on_step_end(args, state, control), lambda: callback.on_epoch_end(args, state, control)


def torch() -> tuple[Step, Step]:
    from carbonwatch.integrations.torch import Training

    training = Training(epochs=10**6, budget_g=1e9, **QUIET)
    training.start()
    return training.step, training.end_epoch


def optuna() -> tuple[Step, Step]:
    import optuna as theirs

    from carbonwatch.integrations.optuna import CarbonCallback

    theirs.logging.set_verbosity(theirs.logging.ERROR)
    carbon = CarbonCallback(budget_g=1e9, **QUIET)
    trial: Any = SimpleNamespace(number=1, set_user_attr=lambda *_: None)
    study: Any = SimpleNamespace(set_user_attr=lambda *_: None)
    objective = carbon.measured(lambda _: 0.0)
    return lambda: objective(trial), lambda: carbon(study, trial)


def tqdm() -> tuple[Step, Step]:
    from carbonwatch.integrations.tqdm import tqdm as ours

    bar = ours(total=10**9, file=io.StringIO(), carbon=QUIET)
    return bar.update, bar.refresh


def asgi() -> tuple[Step, Step]:
    from carbonwatch.integrations.asgi import CarbonMiddleware

    async def app(*_: Any) -> None:
        """Answers nothing."""

    middleware = CarbonMiddleware(app, **QUIET)
    loop = asyncio.new_event_loop()
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/"}
    nothing: Any = None

    def request() -> None:
        loop.run_until_complete(middleware(scope, nothing, nothing))

    return request, middleware.by_route


FRAMEWORKS: tuple[Callable[[], tuple[Step, Step]], ...] = (keras, lightning, transformers, torch, optuna, tqdm, asgi)


def seconds(step: Step, steps: int) -> Iterator[float]:
    for _ in range(steps):
        began_s = time.perf_counter()
        step()
        yield time.perf_counter() - began_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    args = parser.parse_args()
    slow = False
    print(f"{'':<14}{'a step, µs':>12}{'99 %':>10}{'an epoch, µs':>16}")
    for framework in FRAMEWORKS:
        step, epoch = framework()
        times_s = list(seconds(step, args.steps))
        median_s = statistics.median(times_s)
        most_s = statistics.quantiles(times_s, n=100)[-1]
        epoch_s = statistics.median(seconds(epoch, max(1, args.steps // 20)))
        print(f"{framework.__name__:<14}{median_s * 1e6:>12.1f}{most_s * 1e6:>10.1f}{epoch_s * 1e6:>16.1f}")
        slow = slow or median_s > BAR_S
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
