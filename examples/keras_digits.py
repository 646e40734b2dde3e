"""Handwritten digits with Keras: each epoch's energy in the history, a forecast after the third, and a budget.

pip install "carbonwatch[keras,sklearn]" jax      # or tensorflow, or torch: any backend of Keras
python examples/keras_digits.py --budget-g 0.5
"""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--budget-g", type=float, default=5.0, help="grams of CO2e, then training stops")
    args = parser.parse_args()
    backend = next((name for name in ("tensorflow", "jax", "torch") if find_spec(name)), None)
    if backend is None or find_spec("keras") is None:
        raise SystemExit('Keras or its backend is not installed. pip install "carbonwatch[keras,sklearn]" jax')
    os.environ.setdefault("KERAS_BACKEND", backend)
    import keras
    from sklearn.datasets import load_digits

    from carbonwatch.integrations.keras import CarbonCallback

    digits = load_digits()
    layers = [keras.Input((64,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    carbon = CarbonCallback("keras digits", budget_g=args.budget_g)
    forecast = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, *_: print(carbon.training.forecast) if epoch == 2 else None
    )
    history = model.fit(
        digits.data / 16,
        digits.target,
        epochs=args.epochs,
        validation_split=0.2,
        verbose=0,
        callbacks=[carbon, forecast],
    )
    print(f"{len(history.epoch)} epochs, validation accuracy {history.history['val_accuracy'][-1]:.3f}")
    print(carbon.training.measurement)


if __name__ == "__main__":
    main()
