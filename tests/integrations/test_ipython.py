from pathlib import Path

from tests.integrations.digits import EPOCHS
from tests.integrations.snippets import run, snippets

BEFORE = """
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell = InteractiveShell.instance()
"""


def test_a_line_and_a_cell_are_measured_and_shown_as_a_table(tmp_path: Path) -> None:
    (snippet,) = snippets("Jupyter")
    code = f"""
shell.run_cell({EPOCHS!r})
with capture_output() as line:
    shell.run_cell({snippet!r}).raise_error()
with capture_output() as cell:
    shell.run_cell("%%carbon digits\\ntrain_one_epoch()\\nz = 7").raise_error()
with capture_output() as wrong:
    shell.run_cell("%%carbon\\nraise KeyError(1)")
shell.run_cell("measured = _carbon")
shown, _ = shell.display_formatter.format(shell.user_ns["_carbon"].run)
"""
    answer = """{
        "line": [dict(output.data) for output in line.outputs],
        "cell": [dict(output.data) for output in cell.outputs],
        "names": [shell.user_ns["z"], shell.user_ns["measured"].run.state, len(wrong.outputs)],
        "run": shown,
    }"""

    found = run(tmp_path, BEFORE, code, answer)
    (line,), (cell,) = found["line"], found["cell"]
    assert "Run of notebook: finished" in line["text/markdown"]
    assert "Run of digits: finished" in cell["text/markdown"]
    assert "digits: finished" in cell["text/plain"]
    assert found["names"] == [7, "finished", 0]
    assert sorted(found["run"]) == ["text/html", "text/markdown", "text/plain"]
    assert found["run"]["text/html"].startswith("<div")


def test_a_kernel_shows_a_cell_s_run_and_a_training_as_tables_with_their_power(tmp_path: Path) -> None:
    cells = [
        "%load_ext carbonwatch.integrations.ipython\nimport carbonwatch, time",
        "%%carbon <b>a & b\nfor _ in range(6):\n    time.sleep(0.2); sum(range(10**6))",
        "with carbonwatch.Training('digits', epochs=1) as training:\n    list(training)\ntraining",
        "training.run",
    ]
    code = f"""
import nbformat
from nbclient import NotebookClient
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in {cells!r}])
NotebookClient(book, timeout=120, kernel_name="python3").execute()
shown = [dict(output["data"]) for cell in book.cells for output in cell.outputs if "data" in output]
"""
    store = {"CARBONWATCH_STORE": str(tmp_path / "runs.db"), "CARBONWATCH_INTERVAL_S": "0.1"}

    cell, training, its_run = (data["text/html"] for data in run(tmp_path, "", code, "shown", **store))
    assert "&lt;b&gt;a &amp; b: finished after" in cell
    assert "<title>Power over time: " in cell
    assert "digits: finished" in training
    assert "digits: finished" in its_run
