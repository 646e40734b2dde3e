"""A framework or a package that is not installed: what to install is said, and it is an extra of ours."""

import sys
import tomllib
from pathlib import Path

import pytest

from tests.integrations.snippets import run

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
EXTRAS = {
    "keras": ("keras",),
    "lightning": ("lightning", "pytorch_lightning"),
    "torch": ("torch",),
    "transformers": ("transformers",),
    "sklearn": ("sklearn",),
    "optuna": ("optuna",),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
    "tensorboard": ("tensorboard",),
    "tqdm": ("tqdm",),
    "ipython": ("IPython",),
}
# the other extras: what is not there, and what asks for it
PACKAGES = {
    "otel": ("opentelemetry", "measure(exporters=['otel'])"),
    "parquet": ("pyarrow", "measure(exporters=['parquet'])"),
    "prometheus": ("prometheus_client", "measure(exporters=['prometheus'], prometheus_url='localhost:9')"),
    "logfire": ("logfire", "EmissionsTracker(save_to_file=False, save_to_logfire=True)"),
    "plot": ("resvg_py", "pictures.png('<svg></svg>')"),
    "stats": ("scipy", "significance._scipy_stats()"),
    "nvidia": ("pynvml", "nvidia.open_nvml('/proc', {}, signs=('/',))"),
    "ecologits": ("ecologits", "heard().__enter__()"),
}
EXAMPLES = {"examples"}  # what the programs in examples/ need; nothing of ours asks for it
NEEDED = """
import sys
from carbonwatch import EmissionsTracker, measure, nvidia, pictures, significance
from carbonwatch.integrations.ecologits import heard
said = {}
for extra, (package, asks) in PACKAGES.items():
    sys.modules[package] = None
    try:
        eval(asks)
    except Exception as error:
        said[extra] = str(error).replace('"', "'")
"""
PROGRAM = """
import importlib, sys
said = {}
for extra, packages in EXTRAS.items():
    sys.modules.update(dict.fromkeys([*packages, "lightning.pytorch", "tqdm.auto"]))
    try:
        importlib.import_module(f"carbonwatch.integrations.{extra}")
    except ImportError as error:
        said[extra] = str(error)
from carbonwatch import SettingsError, measure
for name in ("mlflow", "wandb"):
    try:
        measure(exporters=[name])
    except SettingsError as error:
        said[f"exporter {name}"] = str(error)
"""


def test_each_integration_names_the_extra_to_install(tmp_path: Path) -> None:
    said = run(tmp_path, f"EXTRAS = {EXTRAS}", PROGRAM, "said")

    known = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) <= set(known)
    assert {extra for extra in EXTRAS if f"pip install 'carbonwatch[{extra}]'" not in said[extra]} == set()
    assert "carbonwatch[mlflow]" in said["exporter mlflow"]
    assert "carbonwatch[wandb]" in said["exporter wandb"]


def test_whatever_needs_a_package_names_the_extra_to_install(tmp_path: Path) -> None:
    said = run(tmp_path, f"PACKAGES = {PACKAGES}", NEEDED, "said")

    assert {extra for extra in PACKAGES if f"pip install 'carbonwatch[{extra}]'" not in said[extra]} == set()


def test_every_extra_is_named_by_what_needs_it_and_linux_needs_none() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]

    assert set(project["optional-dependencies"]) == EXTRAS.keys() | PACKAGES.keys() | EXAMPLES
    assert all("sys_platform != 'linux'" in needed for needed in project["dependencies"])


@pytest.mark.parametrize("name", ["asgi", "ecologits", "pytest"])
def test_the_others_need_nothing_but_what_their_users_have(tmp_path: Path, name: str) -> None:
    code = f"import sys; before = set(sys.modules); import carbonwatch.integrations.{name}"
    families = {each.split(".")[0] for each in run(tmp_path, "", code, "list(set(sys.modules) - before)")}

    allowed = {"carbonwatch", "pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py"}
    assert families - set(sys.stdlib_module_names) <= allowed
