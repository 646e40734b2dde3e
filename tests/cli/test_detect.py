from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

detect = importlib.import_module("carbonwatch.cli.detect")

FOUND = {
    "ram_total_size": 15.5,
    "cpu_count": 8,
    "cpu_physical_count": 1,
    "cpu_model": "A CPU",
    "gpu_count": 2,
    "gpu_model": "2 x A GPU",
    "gpu_ids": ["0"],
}


def test_the_hardware_is_listed() -> None:
    assert list(detect.lines(FOUND)) == [
        "RAM        15.500 GB",
        "CPU        A CPU",
        "           8 threads, 1 processor",
        "GPU        2 x A GPU",
        "           only 0, as settings say",
    ]


def test_what_can_not_be_seen_is_said() -> None:
    nothing = dict.fromkeys(FOUND)

    assert list(detect.lines(nothing)) == [
        "RAM        not known",
        "CPU        not known",
        "           threads not known",
        "GPU        none that can be read",
    ]


def test_json_has_codecarbon_s_names_and_nothing_is_measured_or_written(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("detect", "--json")

    assert list(json.loads(answer.stdout)) == list(FOUND)
    assert carbonwatch("detect").returncode == 0
    assert carbonwatch.runs() == []
    assert not (carbonwatch.folder / "emissions.csv").exists()
