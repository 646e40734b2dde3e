"""A tiny BERT from scratch with Hugging Face's Trainer, without a download: energy in its log, and a budget.

pip install "carbonwatch[transformers]"
python examples/transformers_tiny.py --budget-g 0.5
"""

from __future__ import annotations

import argparse
import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from carbonwatch.integrations.transformers import CarbonCallback

WORDS, LENGTH = 200, 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--budget-g", type=float, default=5.0, help="grams of CO2e, then training stops")
    args = parser.parse_args()
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LENGTH,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=BertForSequenceClassification(config),
            args=TrainingArguments(folder, num_train_epochs=args.epochs, report_to=[], disable_tqdm=True),
            train_dataset=sentences(400),
            callbacks=[CarbonCallback("tiny bert", budget_g=args.budget_g)],
        )
        result = trainer.train()
    print(f"{result.metrics['energy_kwh']:.3g} kWh, {result.metrics['emissions_g']:.3g} g CO2e")


def sentences(count: int) -> list[dict[str, torch.Tensor]]:
    """Random words; the label says whether the first one is of the first half of the vocabulary."""
    words = torch.randint(0, WORDS, (count, LENGTH), generator=torch.Generator().manual_seed(0))
    return [{"input_ids": row, "labels": (row[0] < WORDS // 2).long()} for row in words]


if __name__ == "__main__":
    main()
