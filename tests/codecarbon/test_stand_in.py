import subprocess
import sys
from pathlib import Path

import pytest


def run(code: str, *before: str) -> str:
    """What a program of its own prints after `install_as_codecarbon()`."""
    program = "\n".join([*before, "import carbonwatch", "carbonwatch.install_as_codecarbon()", code])
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_whoever_looks_for_codecarbon_finds_it_with_its_version() -> None:
    code = """
import importlib.util, importlib.metadata
print(importlib.util.find_spec("codecarbon") is not None, importlib.metadata.version("codecarbon"))
import codecarbon
print(codecarbon.__version__, codecarbon.EmissionsTracker is carbonwatch.EmissionsTracker)
"""

    assert run(code) == "True 3.3.2\n3.3.2 True"


@pytest.mark.parametrize(
    "statement",
    [
        "from codecarbon import EmissionsTracker, OfflineEmissionsTracker, OutputMethod, track_emissions",
        "from codecarbon.emissions_tracker import BaseEmissionsTracker, TaskEmissionsTracker, track_task_emissions",
        "from codecarbon.output import BaseOutput, CodeCarbonAPIOutput, EmissionsData, FileOutput, HTTPOutput",
        "from codecarbon.output import GoogleCloudLoggerOutput, LoggerOutput, PrometheusOutput, TaskEmissionsData",
        "from codecarbon.output_methods.base_output import BaseOutput",
        "from codecarbon.output_methods.emissions_data import EmissionsData, TaskEmissionsData",
        "from codecarbon.core.units import Energy, EmissionsPerKWh, Power, Time, Water",
        "from codecarbon.core.config import get_hierarchical_config",
        "from codecarbon.external.logger import logger, set_logger_format, set_logger_level",
        "from codecarbon import *; EmissionsTracker",
    ],
)
def test_their_names_are_where_programs_import_them_from(statement: str) -> None:
    assert run(f"{statement}\nprint('there')") == "there"


def test_what_we_have_not_is_not_there_and_says_whose_place_it_is() -> None:
    code = """
try:
    import codecarbon.viz
except ModuleNotFoundError as error:
    print(error)
import codecarbon
try:
    codecarbon.telemetry
except AttributeError as error:
    print(error)
"""

    assert run(code).splitlines() == [
        "No module named 'codecarbon.viz'",
        "module 'codecarbon', in whose place carbonwatch stands, has no 'telemetry'",
    ]


def test_it_goes_before_a_codecarbon_that_is_installed_even_imported_already(tmp_path: Path) -> None:
    (tmp_path / "codecarbon").mkdir()
    (tmp_path / "codecarbon/__init__.py").write_text("__version__ = 'the real one'")
    before = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import codecarbon; print(codecarbon.__version__)"

    assert run("import codecarbon; print(codecarbon.__version__)", before) == "the real one\n3.3.2"


def test_installing_it_again_changes_nothing() -> None:
    code = "carbonwatch.install_as_codecarbon(); print(sum(type(f).__name__ == '_Finder' for f in sys.meta_path))"

    assert run(code, "import sys") == "1"


def test_levels_are_set_their_way() -> None:
    code = """
from codecarbon.external.logger import logger, set_logger_level
set_logger_level("error"); print(logger.level)
set_logger_level(); print(logger.level)
"""

    assert run(code) == "40\n20"
