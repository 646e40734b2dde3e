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
        "from codecarbon.external.hardware import CPU, GPU, MODE_CPU_LOAD, AppleSiliconChip",
        "from codecarbon.external.ram import RAM",
        "from codecarbon.emissions_tracker import _sentinel, OfflineEmissionsTracker as T; T(region=_sentinel)",
        "from codecarbon.external.geography import CloudMetadata, GeoMetadata",
        "from codecarbon.external.scheduler import PeriodicScheduler",
        "from codecarbon.external.task import Task",
        "from codecarbon.core.cpu import is_powergadget_available, is_psutil_available, is_rapl_available",
        "from codecarbon.core.util import count_cpus, count_physical_cpus, detect_cpu_model, is_linux_os, suppress",
        "from codecarbon.core.emissions import Emissions; from codecarbon.input import DataSource",
        "import codecarbon; codecarbon.emissions_tracker.EmissionsTracker; codecarbon.core.units.Energy",
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


PROGRAM = """
import multiprocessing
from codecarbon import OfflineEmissionsTracker

def work(method):
    import codecarbon, codecarbon.output
    with OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False) as tracker:
        return method, codecarbon.__doc__, type(tracker).__module__

if __name__ == "__main__":
    for method in ("spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(*pool.map(work, [method])[0])
"""


def test_processes_that_a_program_starts_afresh_have_it_too(tmp_path: Path) -> None:
    """Their main module is imported anew, without what went before the program."""
    (tmp_path / "program.py").write_text(PROGRAM)
    code = f"import runpy; runpy.run_path({str(tmp_path / 'program.py')!r}, run_name='__main__')"

    assert run(code).splitlines() == [
        f"{method} carbonwatch in CodeCarbon's place. carbonwatch.codecarbon" for method in ("spawn", "forkserver")
    ]


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


def test_their_logger_is_ours_and_apart_from_the_root_s() -> None:
    code = """
import logging
logging.basicConfig(stream=sys.stdout, format="root %(message)s")
logger = logging.getLogger("codecarbon")
print(logger is logging.getLogger("carbonwatch"), logger.level, logger.propagate, len(logger.handlers))
while logger.hasHandlers():
    logger.removeHandler(logger.handlers[0])
logger.addHandler(logging.StreamHandler(sys.stdout))
logging.getLogger("carbonwatch.codecarbon").info("seen")
"""

    assert run(code, "import sys").splitlines() == ["True 20 False 1", "seen"]


def test_a_logger_that_was_set_up_before_stays_so() -> None:
    before = """
import logging, sys
logging.getLogger("codecarbon").setLevel("ERROR")
logging.getLogger("codecarbon").addHandler(logging.StreamHandler(sys.stdout))
"""
    code = "log = logging.getLogger('carbonwatch.tracker'); log.warning('not seen'); log.error('seen')"

    assert run(code, before) == "seen"


def test_warnings_are_shown_and_more_where_a_level_is_asked_for() -> None:
    code = """
import io
sys.stderr = io.StringIO()
from codecarbon.external.logger import logger, set_logger_level
logger.info("not seen"); logger.warning("seen")
set_logger_level("info")
logger.info("seen too")
for line in sys.stderr.getvalue().splitlines():
    print(line.partition(" @ ")[0], line.partition("] ")[2])
"""

    assert run(code, "import sys").splitlines() == ["[carbonwatch WARNING seen", "[carbonwatch INFO seen too"]


def test_their_parameters_stand_in_the_signatures() -> None:
    code = """
import inspect
from codecarbon import EmissionsTracker, OfflineEmissionsTracker, track_emissions
found = [list(inspect.signature(f).parameters) for f in (EmissionsTracker, OfflineEmissionsTracker, track_emissions)]
print([(names[:2], "wue" in names, "country_iso_code" in names, "offline" in names) for names in found])
print(list(inspect.signature(EmissionsTracker.__init__).parameters)[:2])
"""

    assert run(code).splitlines() == [
        "[(['project_name', 'measure_power_secs'], True, True, False), "
        "(['project_name', 'measure_power_secs'], True, True, False), (['fn', 'project_name'], True, True, True)]",
        "['self', 'project_name']",
    ]
