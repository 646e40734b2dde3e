from pathlib import Path

from tests.integrations.snippets import run

ROOT = str(Path(__file__).parents[2])
BEFORE = """
import sys
sys.path.insert(0, ROOT)
import wandb
from carbonwatch.errors import Unavailable
from carbonwatch.exporters.wandb import check, export
from carbonwatch.settings import Settings
from tests.exporters.runs import RUN
"""
CODE = """
check(Settings())
try:
    export(RUN, Settings())
except Unavailable as error:
    said = str(error)
with wandb.init(project="digits") as active:
    export(RUN, Settings())
    summary = dict(active.summary)
"""


def test_totals_go_to_the_summary_of_the_active_run_and_without_one_it_says_so(tmp_path: Path) -> None:
    said, summary = run(tmp_path, f"ROOT = {ROOT!r}{BEFORE}", CODE, "[said, summary]")

    assert said == "No run of wandb is active. End this one before wandb.finish()."
    assert summary["carbonwatch/energy_kwh"] == 3600.0 / 3.6e6
    assert summary["carbonwatch/run_id"] == "run-1"
