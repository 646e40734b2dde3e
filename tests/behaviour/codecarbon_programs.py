"""Programs as people have written them for CodeCarbon 3.3.2: each says the same with it and with carbonwatch.

They are in a country that is given, so that neither asks a network where it is.
"""

# name -> the program, and what it prints
SAME: dict[str, tuple[str, str]] = {
    "tasks looked up in the tracker, as CodeCarbon's example does": (
        """
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", project_name="bert", measure_power_secs=10, log_level="error")
tracker.start()
for name in ("load dataset", "build model", "inference"):
    tracker.start_task(name)
    sum(i * i for i in range(600_000))
    tracker.stop_task()
emissions = tracker.stop()
print(f"{1000 * emissions:.0f} g")
for task_name, task in tracker._tasks.items():
    data = task.emissions_data
    print(task_name, 1000 * data.cpu_energy > 0, data.gpu_power >= 0, data.duration > 0, task.is_active)
""",
        "0 g\nload dataset True True True False\nbuild model True True True False\ninference True True True False",
    ),
    "energy between two prompts, by what is private": (
        """
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="DEU", measure_power_secs=1, save_to_file=False, log_level="error")
tracker.start()
spent = []
for prompt in range(2):
    tracker._measure_power_and_energy()
    before = tracker._total_energy.kWh
    sum(i * i for i in range(900_000))
    tracker._measure_power_and_energy()
    spent.append(tracker._total_energy.kWh - before)
emissions = tracker.stop()
print(all(kwh > 0 for kwh in spent), tracker._total_gpu_energy.kWh >= 0, bool(tracker._scheduler))
print(abs(tracker._total_energy.kWh - tracker.final_emissions_data.energy_consumed) < 1e-12)
print(abs(tracker._total_emissions - emissions) < 1e-12, tracker._cpu_power.W > 0, float(tracker._total_ram_energy) > 0)
""",
        "True True False\nTrue\nTrue True True",
    ),
    "a model card's emissions": (
        """
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="USA", output_dir=".", log_level="error")
tracker.start()
sum(i * i for i in range(900_000))
data = tracker._prepare_emissions_data()
card = {"emissions": float(data.emissions) * 1000, "on_cloud": data.on_cloud == "Y", "cpu_model": data.cpu_model,
        "ram_total_size": data.ram_total_size, "hours_used": round(data.duration / 3600, 3)}
if data.gpu_model:
    card["hardware_used"] = data.gpu_model
tracker.stop()
print(*(type(value).__name__ for value in list(card.values())[:5]))
""",
        "float bool str float float",
    ),
    "the logger is silenced by emptying it, while the root has handlers": (
        """
import logging
logging.basicConfig(level=logging.INFO, filename="program.log")
from codecarbon import OfflineEmissionsTracker
from codecarbon.output import LoggerOutput
tracker = OfflineEmissionsTracker(country_iso_code="GBR", save_to_file=False, save_to_logger=True,
    logging_logger=LoggerOutput(logging.getLogger("mine")), log_level="critical", allow_multiple_runs=True)
carbon_logger = logging.getLogger("codecarbon")
while carbon_logger.hasHandlers():
    carbon_logger.removeHandler(carbon_logger.handlers[0])
if not hasattr(tracker, "_emissions"):
    raise ValueError("the tracker is not set up")
tracker.start()
sum(i * i for i in range(900_000))
tracker.stop()
lines = open("program.log").read().splitlines()
print(len(lines), lines[0][:10], carbon_logger.propagate, carbon_logger.handlers)
""",
        "1 INFO:mine: False []",
    ),
    "its log goes to a file": (
        """
import logging
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", measure_power_secs=30, project_name="ultra_secret")
logger = logging.getLogger("codecarbon")
while logger.hasHandlers():
    logger.removeHandler(logger.handlers[0])
file = logging.FileHandler("codecarbon.log")
file.setLevel(logging.DEBUG)
file.setFormatter(logging.Formatter("%(asctime)s - %(levelname)-8s %(message)s"))
logger.addHandler(file)
tracker.start()
tracker.stop()
print("INFO" in open("codecarbon.log").read())
""",
        "True",
    ),
    "a file in a folder": (
        """
import os
from codecarbon import OfflineEmissionsTracker, track_emissions
os.makedirs("logs/runs")
@track_emissions(offline=True, country_iso_code="USA", output_file="logs/runs/mine.csv", log_level="error")
def train():
    sum(i * i for i in range(900_000))
train()
with OfflineEmissionsTracker(country_iso_code="USA", output_dir="logs", output_file=os.path.abspath("here.csv"),
                             log_level="error"):
    sum(i * i for i in range(900_000))
print(os.listdir("logs/runs"), os.path.exists("here.csv"))
""",
        "['mine.csv'] True",
    ),
    "one tracker, started for every epoch": (
        """
import csv
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", log_level="critical")
for epoch in range(3):
    tracker.start()
    sum(i * i for i in range(900_000))
    emissions = tracker.stop()
    assert emissions > 0
print(len(list(csv.DictReader(open("emissions.csv")))))
""",
        "3",
    ),
    "a parameter that another version has": (
        """
import inspect
from codecarbon import EmissionsTracker
try:
    EmissionsTracker(tracking_pids=[1], save_to_file=False)
except TypeError:
    print("without it")
try:
    EmissionsTracker(output_dir="nowhere", log_level="critical")
except OSError:
    print("no such folder")
wanted = {"project_name": "x", "save_to_file": False, "log_level": "critical", "tracking_pids": [1]}
known = {k: v for k, v in wanted.items() if k in inspect.signature(EmissionsTracker.__init__).parameters}
print(sorted(known), type(EmissionsTracker(**known)).__name__)
""",
        "without it\nno such folder\n['log_level', 'project_name', 'save_to_file'] EmissionsTracker",
    ),
    "a tracker with an output and a beginning of its own": (
        """
import datetime
from codecarbon import OfflineEmissionsTracker
from codecarbon.output import BaseOutput
class Output(BaseOutput):
    def __init__(self):
        self.told = []
    def out(self, total, delta, meta_update=True):
        datetime.datetime.strptime(total.timestamp, "%Y-%m-%dT%H:%M:%S")
        self.told.append((total.country_name, delta.emissions <= total.emissions))
    def live_out(self, total, delta):
        self.out(total, delta, meta_update=False)
class Mine(OfflineEmissionsTracker):
    def __init__(self, output, interval):
        self.output = output
        super().__init__(country_iso_code="GBR", measure_power_secs=interval, api_call_interval=1, experiment_id=None,
            logging_logger=output, save_to_logger=True, save_to_file=False, log_level="error")
    def post_init(self):
        self._set_from_conf("my-id", "experiment_id")
        self.start()
    def stop(self):
        print("stops")
        return super().stop()
tracker = Mine(Output(), 2)
tracker.post_init()
sum(i * i for i in range(900_000))
tracker.stop()
print(tracker.final_emissions_data.experiment_id, tracker.output.told[-1], tracker._measure_power_secs == 2)
with Mine(Output(), 2):
    sum(i * i for i in range(900_000))
""",
        "stops\nmy-id ('United Kingdom', True) True\nstops",
    ),
    "what is detected": (
        """
from codecarbon.emissions_tracker import EmissionsTracker
from codecarbon.external.hardware import CPU, MODE_CPU_LOAD
from codecarbon.external.ram import RAM
from codecarbon.core.util import count_physical_cpus, is_linux_os
tracker = EmissionsTracker(measure_power_secs=0, save_to_file=False, log_level="error")
found = tracker.get_detected_hardware()
print(f"{found['ram_total_size']:.3f} GB" != "", found["cpu_physical_count"] == count_physical_cpus(), is_linux_os())
print(type(found["gpu_model"] + "").__name__, type(found["gpu_count"]).__name__, found["gpu_ids"])
kinds = {type(part): part for part in tracker._hardware}
print(kinds[CPU]._mode in (MODE_CPU_LOAD, "intel_rapl"), kinds[CPU].get_model() == found["cpu_model"])
print(round(kinds[RAM].machine_memory_GB) == round(found["ram_total_size"]))
""",
        "True True True\nstr int None\nTrue True\nTrue",
    ),
    "energy priced by hand": (
        """
import codecarbon
from codecarbon.core.emissions import Emissions
from codecarbon.external.geography import CloudMetadata, GeoMetadata
from codecarbon.input import DataSource
emissions = Emissions(DataSource())
energy = codecarbon.core.units.Energy.from_energy(kWh=2)
kg = emissions.get_private_infra_emissions(energy, GeoMetadata(country_iso_code="FRA", country_name="France"))
print(0.02 < kg < 0.4, CloudMetadata(provider=None, region=None).is_on_private_infra)
print(DataSource().get_global_energy_mix_data()["FRA"]["country_name"])
""",
        "True True\nFrance",
    ),
    "rows read line by line, and written anew": (
        """
import csv, dataclasses, json, pickle
from codecarbon import OfflineEmissionsTracker
from codecarbon.output import TaskEmissionsData
class Keeps:
    def out(self, total, delta): self.total = total
    def live_out(self, total, delta): pass
    def task_out(self, tasks, experiment_name): self.tasks = tasks
    def exit(self): pass
keeps = Keeps()
tracker = OfflineEmissionsTracker(country_iso_code="BGD", output_file="log.csv", output_handlers=[keeps],
                                  log_level="error")
tracker.start_task("only")
sum(i * i for i in range(900_000))
tracker.stop_task("only")
tracker.stop()
header, row = (line.strip().split(",") for line in open("log.csv"))
cells = dict(zip(header, row))
print(float(row[10]) > 0, cells["country_iso_code"], float(cells["cpu_energy"]) > 0, len(header) == len(row))
data = tracker.final_emissions_data
with open("mine.csv", "w", newline="") as file:
    writer = csv.DictWriter(file, fieldnames=data.values.keys())
    writer.writeheader()
    writer.writerow(data.values)
print(json.loads(data.toJSON())["project_name"], pickle.loads(pickle.dumps(data)).run_id == str(tracker.run_id))
print(dataclasses.asdict(keeps.tasks[0])["task_name"], isinstance(keeps.tasks[0], TaskEmissionsData))
""",
        "True BGD True True\ncodecarbon True\nonly True",
    ),
    "a GPU is named wherever it runs": (
        """
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", gpu_ids=[0], save_to_file=False, log_level="error")
tracker.start_task("generate")
sum(i * i for i in range(900_000))
task = tracker.stop_task()
tracker.stop()
data = tracker.final_emissions_data
parts = data.cpu_energy + data.gpu_energy + data.ram_energy
print(task.gpu_energy >= 0, tracker._total_gpu_energy.kWh >= 0, abs(data.energy_consumed - parts) < 1e-9)
""",
        "True True True",
    ),
    "variables in small letters": (
        """
import os
os.environ["codecarbon_project_name"] = "small"
os.environ["CODECARBON_COUNTRY_ISO_CODE"] = "DEU"
os.environ["CODECARBON_LOG_LEVEL"] = "ERROR"
os.environ["CODECARBON_SAVE_TO_FILE"] = "False"
from codecarbon import OfflineEmissionsTracker
with OfflineEmissionsTracker() as tracker:
    sum(i * i for i in range(900_000))
print(tracker.final_emissions_data.project_name, tracker._country_iso_code, os.listdir("."))
""",
        "small DEU []",
    ),
    "coroutines, methods, errors and generators are decorated": (
        """
import asyncio
from codecarbon import track_emissions
track = track_emissions(offline=True, country_iso_code="NOR", log_level="critical", save_to_file=False)
@track
async def answer(x):
    await asyncio.sleep(0.01)
    return 2 * x
@track
def numbers():
    yield 1
    yield 2
class Model:
    @track
    def fit(self, x, *, y=1):
        "Fits."
        return x + y
    @staticmethod
    @track
    def load():
        return "loaded"
@track
def fail():
    raise KeyError("x")
print(asyncio.run(answer(4)), list(numbers()), Model().fit(1, y=3), Model.load(), Model.fit.__doc__)
try:
    fail()
except KeyError as error:
    print("KeyError", error)
""",
        "8 [1, 2] 4 loaded Fits.\nKeyError 'x'",
    ),
}
