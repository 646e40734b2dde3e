from pathlib import Path

from tests.integrations.digits import EPOCHS
from tests.integrations.snippets import run, snippets

# the file of an offline run, whole once its program has ended: LevelDB's log of messages, in blocks
READ = """
import glob
import struct
from wandb.proto import wandb_internal_pb2

(path,) = glob.glob("wandb/offline-run-*/*.wandb")
data, at, message, rows, summary = open(path, "rb").read(), 7, b"", [], {}
while at + 7 <= len(data):
    room = 32768 - at % 32768
    if room < 7:
        at += room
        continue
    length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
    message += data[at + 7 : at + 7 + length]
    at += 7 + length
    if kind in (1, 4):
        record = wandb_internal_pb2.Record.FromString(message)
        message = b""
        if record.history.item:
            rows.append({item.key or "/".join(item.nested_key): item.value_json for item in record.history.item})
        summary |= {item.key or "/".join(item.nested_key): item.value_json for item in record.summary.update}
"""


def test_epochs_are_in_the_offline_run_s_history_and_totals_in_its_summary(tmp_path: Path) -> None:
    (snippet,) = snippets("Weights & Biases")
    state = run(tmp_path, f"import wandb\n{EPOCHS}", snippet, "training.run.state")
    rows, summary = run(tmp_path, "", READ, "[rows, summary]")

    assert state == "finished"
    epochs = [row["carbonwatch/epoch"] for row in rows if "carbonwatch/epoch" in row]
    assert epochs == ["1", "2", "3"]
    assert float(rows[0]["carbonwatch/epoch_energy_kwh"]) > 0
    assert float(summary["carbonwatch/emissions_high_g"]) > 0
