"""Comet measures with CodeCarbon by itself: here with carbonwatch in its place."""

import csv
import io
import zipfile
from pathlib import Path

from tests.integrations.digits import EPOCHS
from tests.integrations.snippets import run, snippets


def test_comet_s_own_tracking_runs_on_ours_and_its_row_is_among_the_assets(tmp_path: Path) -> None:
    (snippet,) = snippets("Comet")

    run(tmp_path, f"import comet_ml\n{EPOCHS}", snippet, "1")
    (archive,) = tmp_path.glob("*.zip")
    with zipfile.ZipFile(archive) as assets:
        texts = [assets.read(name).decode() for name in assets.namelist()]
    (rows,) = [list(csv.DictReader(io.StringIO(text))) for text in texts if text.startswith("timestamp,")]
    assert [row["project_name"] for row in rows] == ["digits"]
    assert float(rows[0]["emissions"]) > 0
