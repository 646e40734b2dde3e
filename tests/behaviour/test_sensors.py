"""What every sensor of ours keeps to, found as the program finds them."""

from __future__ import annotations

import ast
import pathlib
import sys

import pytest

from carbonwatch import plugins
from carbonwatch.errors import SensorUnavailable
from carbonwatch.settings import Settings

SENSORS = pathlib.Path(plugins.__file__).parent / "sensors"
MODELS = {"cpu_model", "ram_model", "gpu_model", "rest_model"}
METERS = sorted(set(plugins.own_names("sensors")) - MODELS)
HERE = {"darwin": {"apple"}, "win32": {"windows_emi"}}.get(sys.platform, set())  # what a test can't take away
BY_HAND = {"nvml", "rapl_powercap"}  # their pages have more than a docstring


@pytest.mark.parametrize("name", [name for name in METERS if name not in HERE])
def test_a_meter_that_is_not_there_says_so_in_a_sentence(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no program either

    with pytest.raises(SensorUnavailable) as caught:
        plugins.load("sensors", name)(Settings(path_sysfs=str(tmp_path), path_procfs=str(tmp_path)))

    assert caught.value.reason.endswith(".")


@pytest.mark.parametrize("name", [name for name in METERS if name not in BY_HAND])
def test_a_meter_s_text_says_what_whoever_looks_it_up_asks(name: str) -> None:
    text = ast.get_docstring(ast.parse((SENSORS / f"{name}.py").read_text(encoding="utf-8"))) or ""
    asked = ("## What it reads", "## What it needs", "## How good it is", "## When it is missing")

    assert [line for line in text.splitlines() if line.startswith("## ")] == list(asked)
