from pathlib import Path

from tests.integrations.digits import TORCH
from tests.integrations.snippets import run, snippets


def test_a_plain_loop_has_its_epochs_and_their_sum_is_the_run_s(tmp_path: Path) -> None:
    (snippet,) = snippets("PyTorch")
    answer = "[training.run.state, training.run.energy_j, [epoch.energy_j for epoch in training.done]]"

    state, energy_j, epochs_j = run(tmp_path, TORCH, snippet, answer)
    assert state == "finished"
    assert len(epochs_j) == 3
    assert 0 < sum(epochs_j) <= energy_j
