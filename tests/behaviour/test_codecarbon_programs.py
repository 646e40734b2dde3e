"""Programs written for CodeCarbon run as they are after `install_as_codecarbon()`, and beside the real one."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODECARBON = "codecarbon==3.3.2"

HANDLER = """
import dataclasses
from codecarbon import EmissionsTracker
from codecarbon.output import BaseOutput, EmissionsData

class Printer(BaseOutput):
    def out(self, total: EmissionsData, delta: EmissionsData):
        assert isinstance(total, EmissionsData)
        row = dataclasses.asdict(total)
        print(sorted(total.values) == sorted(row), row["project_name"], delta.energy_consumed > 0)

tracker = EmissionsTracker(project_name="handled", output_handlers=[Printer()], log_level="error", save_to_file=False)
tracker.start()
sum(i * i for i in range(300_000))
print(type(tracker.stop()).__name__)
"""

PROGRAMS = {
    "a with block": (
        """
from codecarbon import EmissionsTracker
with EmissionsTracker(project_name="block", log_level="error") as tracker:
    sum(i * i for i in range(300_000))
print(tracker.final_emissions > 0, tracker.final_emissions_data.project_name)
""",
        "True block",
    ),
    "start and stop": (
        """
from codecarbon import EmissionsTracker
tracker = EmissionsTracker(project_name="pair", measure_power_secs=1, save_to_file=True, log_level="error")
tracker.start()
try:
    sum(i * i for i in range(300_000))
finally:
    emissions: float = tracker.stop()
print(isinstance(emissions, float), emissions == tracker.final_emissions)
""",
        "True True",
    ),
    "a decorator": (
        """
from codecarbon import track_emissions
@track_emissions
def train(n): return sum(range(n))
@track_emissions(project_name="named", offline=True, country_iso_code="CAN", region="quebec", log_level="error")
def predict(): return "predicted"
print(train(10), predict(), train.__name__)
""",
        "45 predicted train",
    ),
    "tasks": (
        """
from codecarbon import EmissionsTracker
tracker = EmissionsTracker(project_name="tasks", measure_power_secs=10, log_level="error")
try:
    tracker.start_task("load dataset")
    data = list(range(100_000))
    loaded = tracker.stop_task()
    tracker.start_task("build model")
    sum(data)
    built = tracker.stop_task("build model")
finally:
    tracker.stop()
print(loaded.emissions > 0, built.energy_consumed > 0, loaded.duration > 0)
""",
        "True True True",
    ),
    "offline in a country": (
        """
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", log_level="error")
tracker.start()
sum(i * i for i in range(300_000))
tracker.stop()
print(tracker.final_emissions_data.country_iso_code, tracker.final_emissions_data.country_name)
""",
        "FRA France",
    ),
    "offline in a cloud": (
        """
from codecarbon import OfflineEmissionsTracker
with OfflineEmissionsTracker(cloud_provider="gcp", cloud_region="us-east1", log_level="error") as tracker:
    sum(i * i for i in range(300_000))
data = tracker.final_emissions_data
print(data.on_cloud, data.cloud_provider, data.cloud_region, data.country_iso_code)
""",
        "Y gcp us-east1 USA",
    ),
    "a handler of one's own": (HANDLER, "True handled True\nfloat"),
    "a logger": (
        """
import logging
from codecarbon import EmissionsTracker
from codecarbon.output import LoggerOutput
logging.basicConfig(format="%(name)s %(message).14s", stream=__import__("sys").stdout)
logger = logging.getLogger("mine")
logger.setLevel(logging.INFO)
with EmissionsTracker(save_to_logger=True, logging_logger=LoggerOutput(logger, logging.INFO), save_to_file=False,
                      log_level="error"):
    sum(i * i for i in range(300_000))
""",
        'mine {"timestamp":',
    ),
    "threads": (
        """
import threading
from codecarbon import EmissionsTracker
tracker = EmissionsTracker(project_name="threads", log_level="error")
def work(): sum(i * i for i in range(200_000))
tracker.start()
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
ended = []
thread = threading.Thread(target=lambda: ended.append(tracker.stop()))
thread.start(); thread.join()
print(ended[0] > 0)
""",
        "True",
    ),
    "a flush, and a file that is brought up to date": (
        """
from codecarbon import EmissionsTracker
import csv
tracker = EmissionsTracker(on_csv_write="update", log_level="error", output_file="mine.csv")
tracker.start()
sum(i * i for i in range(300_000))
tracker.flush()
tracker.stop()
print(len(list(csv.DictReader(open("mine.csv")))))
""",
        "1",
    ),
    "a search over a grid, each in a task": (
        """
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from codecarbon.emissions_tracker import EmissionsTracker, TaskEmissionsTracker
data, target = load_digits(return_X_y=True)
tracker = EmissionsTracker(project_name="search", log_level="critical")
with TaskEmissionsTracker(task_name="Grid search", tracker=tracker):
    search = GridSearchCV(SGDClassifier(max_iter=50, tol=None), {"alpha": [1e-4, 1e-3]}, cv=2)
    search.fit(data[:300], target[:300])
tracker.stop()
print(len(search.cv_results_["params"]), tracker.final_emissions > 0)
""",
        "2 True",
    ),
    "units": (
        """
from codecarbon.core.units import Energy, Power, Time
print(Energy.from_power_and_time(power=Power.from_watts(1000), time=Time.from_seconds(3600)).kWh)
""",
        "1.0",
    ),
}


def folder_of(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An empty folder to work in, and the environment of a user without settings."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CODECARBON_", "CARBONWATCH_", "AWS_"))}
    return work, {**kept, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "CARBONWATCH_STORE": "none"}


def run(tmp_path: Path, program: str, **environ: str) -> str:
    work, environment = folder_of(tmp_path)
    code = f"import carbonwatch\ncarbonwatch.install_as_codecarbon()\n{program}"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=work, env={**environment, **environ}
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_runs_unchanged(name: str, tmp_path: Path) -> None:
    program, said = PROGRAMS[name]

    assert run(tmp_path, program) == said


def test_a_config_file_and_the_environment_are_read(tmp_path: Path) -> None:
    work, _ = folder_of(tmp_path)
    (tmp_path / ".codecarbon.config").write_text("[codecarbon]\nproject_name = of the user\nlog_level = error\n")
    (work / ".codecarbon.config").write_text("[codecarbon]\nproject_name = of the folder\noutput_file = mine.csv\n")
    program = "from codecarbon import EmissionsTracker\nwith EmissionsTracker(): pass"
    run(tmp_path, program)
    run(tmp_path, program, CODECARBON_PROJECT_NAME="of the environment")

    assert [row["project_name"] for row in rows(work / "mine.csv")] == ["of the folder", "of the environment"]


@pytest.fixture(scope="session")
def codecarbon() -> Path:
    """Python of an environment of its own with the real CodeCarbon: .cache/codecarbon, made if it is not there."""
    home = ROOT / ".cache" / "codecarbon"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", CODECARBON], check=True)
        (home / "ready").touch()
    return python


# the place is asked for over the network there, and read off the time zone here
PLACES = """
import os
from codecarbon import EmissionsTracker, OfflineEmissionsTracker
def write(name, tracked=EmissionsTracker, **named):
    with tracked(output_file=f"{name}.csv", log_level="critical", **named):
        sum(i * i for i in range(300_000))
os.environ["TZ"] = "Europe/Paris"
write("known")
os.environ["TZ"] = "UTC"
write("unknown")
write("offline", OfflineEmissionsTracker, country_iso_code="FRA")
write("state", OfflineEmissionsTracker, country_iso_code="USA", region="california")
write("cloud", OfflineEmissionsTracker, cloud_provider="gcp", cloud_region="us-east1")
"""
THEIR_NETWORK = """
import os, requests
class France:
    def json(self):
        return {"country_code3": "FRA", "country": "France", "region": "Brittany", "latitude": "48", "longitude": "-2"}
def get(url, **_):
    if "geojs" in url and os.environ["TZ"] == "Europe/Paris":
        return France()
    raise requests.ConnectionError(url)
requests.get = get
"""
# a column of numbers is whole where a short run's figures are all 0
COMPARE = """
import sys
import pandas
theirs, ours = sys.argv[1:]
kinds = lambda table: {name: "number" if kind.kind in "if" else str(kind) for name, kind in table.dtypes.items()}
for name in ("known", "unknown", "offline", "state", "cloud"):
    there, here = (pandas.read_csv(f"{folder}/{name}.csv") for folder in (theirs, ours))
    same = list(here.columns)[:len(there.columns)] == list(there.columns)
    print(name, same, *(column for column, kind in kinds(there).items() if kinds(here)[column] != kind))
print(*pandas.read_csv(f"{ours}/unknown.csv").loc[0, ["country_name", "country_iso_code"]])
"""


def test_beside_the_real_one_the_columns_are_the_same_and_so_are_their_types(tmp_path: Path, codecarbon: Path) -> None:
    work, environment = folder_of(tmp_path)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    program = f"{THEIR_NETWORK}{PLACES}"
    subprocess.run([str(codecarbon), "-c", program], check=True, capture_output=True, cwd=theirs, env=environment)
    run(tmp_path, PLACES)
    answer = subprocess.run([str(codecarbon), "-c", COMPARE, theirs, work], capture_output=True, text=True, check=True)

    assert answer.stdout.splitlines() == [
        "known True",
        "unknown True",
        "offline True",
        "state True",
        "cloud True",
        "World WLD",
    ]


def test_every_name_and_parameter_of_the_real_one_is_there(tmp_path: Path, codecarbon: Path) -> None:
    look = """
import codecarbon, inspect
from codecarbon import output
from codecarbon.emissions_tracker import BaseEmissionsTracker
print(*sorted(codecarbon.__all__))
print(*list(inspect.signature(BaseEmissionsTracker.__init__).parameters)[1:])
print(*sorted(name for name in dir(output) if name[0].isupper()))
print(*(n for n in dir(codecarbon.EmissionsTracker) if not n.startswith("_")))
"""
    work, environment = folder_of(tmp_path)
    answer = subprocess.run(
        [str(codecarbon), "-c", look], check=True, capture_output=True, text=True, cwd=work, env=environment
    )
    face, parameters, outputs, methods = (line.split() for line in answer.stdout.splitlines())
    ours = run(
        tmp_path,
        f"""
import codecarbon
from carbonwatch.codecarbon import parameters
from codecarbon import output
print(*[name for name in {face} if not hasattr(codecarbon, name)])
print(parameters.parameters()[:len({parameters})] == tuple({parameters}))
print(*[name for name in {outputs} if not hasattr(output, name)])
print(*[name for name in {methods} if not hasattr(codecarbon.EmissionsTracker, name)])
""",
    )

    assert ours == "True"
