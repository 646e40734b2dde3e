"""Beginnings of programs: what a snippet takes for granted. They work for longer than a tick of CPU time."""

NUMPY = """
import numpy as np
rng = np.random.default_rng(0)
x = rng.normal(size=(2048, 20)).astype("float32")
y = (x[:, 0] > 0).astype("int64")
"""

KERAS = f"""
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
{NUMPY}
model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(2, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
"""

TORCH = f"""
import torch
from torch.utils.data import DataLoader, TensorDataset
{NUMPY}
data = TensorDataset(torch.tensor(x), torch.tensor(y))
batches = DataLoader(data, batch_size=64)
model = torch.nn.Sequential(torch.nn.Linear(20, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
loss = torch.nn.CrossEntropyLoss()
optimiser = torch.optim.Adam(model.parameters())
"""

LIGHTNING = f"""
{TORCH}
import PACKAGE as lightning
from PACKAGE import Trainer
from LOGGERS import CSVLogger

class Digits(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.inner = model

    def training_step(self, batch, index):
        return loss(self.inner(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())

model = Digits()
quiet = dict(accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False)
quiet["logger"] = CSVLogger("logs")
"""

TRANSFORMERS = """
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
config = BertConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_labels=2
)
model = BertForSequenceClassification(config)
data = [{"input_ids": torch.randint(0, 50, (12,)), "labels": torch.tensor(i % 2)} for i in range(64)]
args = TrainingArguments(
    "out", num_train_epochs=3, per_device_train_batch_size=8, logging_steps=4, report_to=[], use_cpu=True,
    disable_tqdm=True, save_steps=8,
)
"""

SKLEARN = f"""
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
{NUMPY}
"""

EPOCHS = f"""
import carbonwatch
{NUMPY}

def train_one_epoch():
    for _ in range(200):
        x[:512] @ x[:512].T
"""
