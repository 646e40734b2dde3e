import sys
from pathlib import Path

from tests.integrations.digits import TORCH
from tests.integrations.snippets import output, run, snippets


def test_a_plain_loop_has_its_epochs_and_their_sum_is_the_run_s(tmp_path: Path) -> None:
    (snippet,) = snippets("PyTorch")
    answer = "[training.run.state, training.run.energy_j, [epoch.energy_j for epoch in training.done]]"

    state, energy_j, epochs_j = run(tmp_path, TORCH, snippet, answer)
    assert state == "finished"
    assert len(epochs_j) == 3
    assert 0 < sum(epochs_j) <= energy_j


RANK = """
import torch.distributed
from carbonwatch.integrations.torch import Training, sum_over_ranks

torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
# one of them works, and the other one has no meter: it would go on alone
options = {"sensors": "ram_model"} if rank == 0 else {"sensors": "rapl_msr", "path_sysfs": "."}
with Training("digits", epochs=5, budget_kwh=1e-12, sum_over_ranks=sum_over_ranks, **options) as training:
    for epoch in training:
        sum(range(300_000))
torch.distributed.destroy_process_group()
open(f"rank{rank}", "w").write(f"{len(training.done)} {training.run.energy_j > 0}")
"""


def test_the_ranks_of_one_training_share_a_budget_and_stop_together(tmp_path: Path) -> None:
    (tmp_path / "rank.py").write_text(RANK, encoding="utf-8")

    torchrun = "torch.distributed.run --standalone --nproc-per-node 2 rank.py"
    output([sys.executable, "-m", *torchrun.split()], tmp_path, 0)
    assert [(tmp_path / name).read_text() for name in ("rank0", "rank1")] == ["1 True", "1 False"]
