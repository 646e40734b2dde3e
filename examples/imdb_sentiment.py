"""Sentiment of film reviews with Keras, and what training it emitted: a row in emissions.csv.

    pip install "carbonwatch[keras]" jax          # or tensorflow, or torch: any backend of Keras
    python examples/imdb_sentiment.py             # fetches the IMDb reviews by keras.datasets, 17 MB
    python examples/imdb_sentiment.py --reviews "IMDB Dataset.csv"

Without a network, `--reviews` takes what you have: the `imdb.npz` of keras.datasets, a CSV with the columns
`review` and `sentiment` (or `text` and `label`), or the folder `aclImdb` with train/pos, train/neg, test/pos, test/neg.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import pathlib
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from carbonwatch import EmissionsTracker

WORDS, LENGTH = 50_000, 512
FIRST_WORD = 3  # 0 fills up, 1 begins a review, 2 stands for a rare word: as keras.datasets has it

Reviews = tuple[list[list[int]], list[int]]  # word numbers, and 1 for a good review


def main() -> None:
    args = _arguments()
    os.environ.setdefault("KERAS_BACKEND", _backend())
    train, test = _load(args.reviews)
    model = build(args.embedding)
    x, y = _padded(train)
    x_test, y_test = _padded(test)

    tracker = EmissionsTracker(project_name="imdb_sentiment_classification")
    tracker.start()
    model.fit(x, y, epochs=args.epochs, batch_size=args.batch_size, validation_split=0.1, verbose=2)
    emissions_kg = tracker.stop()

    loss, accuracy, precision, recall = model.evaluate(x_test, y_test, verbose=0)
    print(f"test: loss {loss:.3f}, accuracy {accuracy:.3f}, precision {precision:.3f}, recall {recall:.3f}")
    print(f"training emitted {emissions_kg or 0:.3g} kg CO2e; the row is in emissions.csv")


def build(embedding: int) -> Any:
    """Embedding, convolution, a bidirectional LSTM, and one number between 0 and 1."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            layers.Embedding(WORDS, embedding),
            layers.Conv1D(128, 5, padding="valid", activation="relu"),
            layers.MaxPooling1D(),
            layers.Bidirectional(layers.LSTM(64), merge_mode="ave"),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    metrics = [keras.metrics.BinaryAccuracy(), keras.metrics.Precision(), keras.metrics.Recall()]
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=metrics)
    return model


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--reviews", type=pathlib.Path, help="a local file or folder of reviews, instead of fetching")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--embedding", type=int, default=256, help="length of a word's vector")
    return parser.parse_args()


def _backend() -> str:
    """The first backend of Keras that is installed."""
    from importlib.util import find_spec

    if find_spec("keras") is None:
        sys.exit('Keras is not installed, so nothing can be trained. pip install "carbonwatch[keras]" jax')
    for name in ("tensorflow", "jax", "torch"):
        if find_spec(name) is not None:
            return name
    sys.exit("Keras has no backend here, so nothing can be trained. pip install jax (or tensorflow, or torch)")


def _load(path: pathlib.Path | None) -> tuple[Reviews, Reviews]:
    """Reviews to learn from and to test with."""
    if path is None:
        return _fetched()
    if not path.exists():
        sys.exit(f"{path} does not exist, so there are no reviews to learn from.")
    if path.suffix == ".npz":
        return _fetched(path)
    reviews = list(_folder(path) if path.is_dir() else _table(path))
    random.Random(0).shuffle(reviews)  # files are often sorted by sentiment
    texts, good = zip(*reviews, strict=True)
    numbers, half = _numbered(texts), len(reviews) // 2
    return (numbers[:half], list(good[:half])), (numbers[half:], list(good[half:]))


def _fetched(path: pathlib.Path | None = None) -> tuple[Reviews, Reviews]:
    import keras

    name = "imdb.npz" if path is None else str(path.absolute())
    try:
        (x, y), (x_test, y_test) = keras.datasets.imdb.load_data(path=name, num_words=WORDS)
    except Exception as error:  # Keras raises a bare Exception where the download fails
        sys.exit(
            f"The reviews could not be fetched ({error}), so there is nothing to learn from. "
            "Give a local file: --reviews imdb.npz, or a CSV with the columns review and sentiment."
        )
    return (list(x), list(y)), (list(x_test), list(y_test))


def _table(path: pathlib.Path) -> Iterable[tuple[str, int]]:
    """Rows of a CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        columns = {name.lower(): name for name in rows.fieldnames or ()}
        text = columns.get("review") or columns.get("text")
        label = columns.get("sentiment") or columns.get("label")
        if text is None or label is None:
            sys.exit(f"{path} has no columns review and sentiment (or text and label); it has {', '.join(columns)}.")
        for row in rows:
            yield row[text], int(row[label].strip().lower() in ("1", "pos", "positive"))


def _folder(path: pathlib.Path) -> Iterable[tuple[str, int]]:
    """Files of aclImdb."""
    files = sorted(path.glob("*/pos/*.txt")) + sorted(path.glob("*/neg/*.txt"))
    if not files:
        sys.exit(f"{path} has no folders train/pos, train/neg, test/pos and test/neg with reviews.")
    for file in files:
        yield file.read_text(encoding="utf-8"), int(file.parent.name == "pos")


def _numbered(texts: Iterable[str]) -> list[list[int]]:
    """Texts as numbers of their words, the most frequent word first."""
    split = [re.findall(r"[a-z0-9']+", re.sub(r"<[^>]*>", " ", text.lower())) for text in texts]
    frequent = Counter(itertools.chain.from_iterable(split)).most_common(WORDS - FIRST_WORD)
    number = {word: i for i, (word, _) in enumerate(frequent, start=FIRST_WORD)}
    return [[1, *(number.get(word, 2) for word in words)] for words in split]


def _padded(reviews: Reviews) -> tuple[Any, Any]:
    import keras
    import numpy as np

    numbers, good = reviews
    return keras.utils.pad_sequences(numbers, maxlen=LENGTH), np.asarray(good, dtype="float32")


if __name__ == "__main__":
    main()
