"""A real program to measure: scikit-learn learns handwritten digits, which come with it. No network, a few seconds.

carbonwatch run -- python examples/train_digits.py
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    digits = load_digits()
    learn, test, learn_labels, test_labels = train_test_split(
        digits.data, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    forest = RandomForestClassifier(n_estimators=200, random_state=0)
    print(f"forest, 5-fold accuracy   {cross_val_score(forest, learn, learn_labels).mean():.3f}")
    network = make_pipeline(StandardScaler(), MLPClassifier((128, 64), max_iter=200, random_state=0))
    network.fit(learn, learn_labels)
    print(f"network, test accuracy    {network.score(test, test_labels):.3f}")


if __name__ == "__main__":
    main()
