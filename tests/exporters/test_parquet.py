from pathlib import Path

from pyarrow import parquet

from carbonwatch.exporters.parquet import check, export
from carbonwatch.settings import Settings
from tests.exporters.runs import RUN, START_NS


def test_a_run_is_a_file_with_a_row_for_each_entry(tmp_path: Path) -> None:
    check(Settings())
    for _ in range(2):
        export(RUN, Settings(output_dir=str(tmp_path)))

    assert [path.name for path in tmp_path.iterdir()] == ["carbonwatch-run-1.parquet"]
    table = parquet.read_table(tmp_path / "carbonwatch-run-1.parquet")
    assert table.column_names[:4] == ["run_id", "project", "state", "task"]
    assert [(row["task"], row["component"], row["quality"], row["own_j"], row["pue"]) for row in table.to_pylist()] == [
        ("fit", "cpu", "measured", 2000.0, 1.5),
        ("", "ram", "modelled", 400.0, 1.5),
    ]
    assert table["start"].cast("int64").to_pylist() == [START_NS, START_NS]
