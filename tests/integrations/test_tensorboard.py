from pathlib import Path

from tests.integrations.digits import EPOCHS
from tests.integrations.snippets import run, snippets

AFTER = """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

class Writer:
    written = []
    def add_scalar(self, name, value, step):
        self.written.append(name)

with carbonwatch.Training("digits", epochs=1, log_to=[TensorBoardLog(Writer())]) as training:
    for epoch in training:
        train_one_epoch()

events = EventAccumulator("runs/1")
events.Reload()
found = {name: [[event.step, event.value] for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
"""


def test_epochs_and_totals_are_scalars_of_the_event_file(tmp_path: Path) -> None:
    (snippet,) = snippets("TensorBoard")

    found, written = run(tmp_path, EPOCHS, snippet + AFTER, "[found, Writer.written]")
    assert [step for step, _ in found["carbonwatch/epoch_energy_kwh"]] == [1, 2, 3]
    assert [step for step, _ in found["carbonwatch/energy_kwh"]] == [1, 2, 3, 3]
    assert found["carbonwatch/emissions_high_g"][0][1] > 0
    assert "carbonwatch/epoch_energy_kwh" in written
