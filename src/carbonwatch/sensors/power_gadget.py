"""Intel processors on Windows and macOS, by the log tool of Intel Power Gadget, where it is still installed.

## What it reads

The processors' and the memory's power, one log of two seconds after the other, by a thread of its own.

## What it needs

`power_gadget` among the sensors. Intel ended it in 2023 and offers it no more: on Windows 11 `windows_emi` reads the
same counters without it.

## How good it is

±5 %, as RAPL, which it reads; of the time, what the tool takes to start is not looked at.

## When it is missing

Put the folder of PowerLog into PATH, or use `windows_emi`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Component, Domain
from carbonwatch.plugs import Shown, run
from carbonwatch.sensors._slow import SlowMeter
from carbonwatch.settings import Settings

_ERROR = (-0.05, 0.05)
_PAUSE_S, _LOG_S, _PATIENCE_S = 0.1, 2.0, 12.0

_TOOLS = ("PowerLog3.0", "PowerLog")
_FOLDERS = (r"C:\Program Files\Intel\Power Gadget 3.6", r"C:\Program Files\Intel\Power Gadget 3.5")
_MAC = "/Applications/Intel Power Gadget/PowerLog"

# the beginning of a column's name, without its socket's number -> the part that it is of
_COLUMNS: dict[str, tuple[str, Component]] = {
    "Cumulative Processor Energy": ("power_gadget:cpu", "cpu"),
    "Cumulative DRAM Energy": ("power_gadget:dram", "ram"),
}
# what windows_emi counts of the same registers
_WITHIN = {"power_gadget:cpu": "emi:package-0", "power_gadget:dram": "emi:dram-0"}


def detect(settings: Settings) -> SlowMeter:  # noqa: ARG001 - as every sensor
    """A meter of what a first log tells, which is taken before the run begins."""
    tool = next((path for name in _TOOLS if (path := shutil.which(name))), None) or _installed()
    if tool is None:
        raise SensorUnavailable("Intel Power Gadget is not installed.", "Leave power_gadget out of the sensors.")
    components = dict(_COLUMNS.values())
    try:
        first = logged(tool)
    except Unavailable as error:
        raise SensorUnavailable(error.reason, error.remedy) from error
    domains = [
        Domain(id_, components[id_], "measured", "Intel Power Gadget", _WITHIN[id_], _ERROR, period_s=_LOG_S)
        for id_ in first
    ]
    return SlowMeter(domains, lambda: logged(tool), _PAUSE_S, takes_s=_LOG_S).expect(_PATIENCE_S)


def logged(tool: str) -> dict[str, Shown]:
    """Mean power over one log. Raises Unavailable."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="carbonwatch-") as folder:
        path = os.path.join(folder, "power.csv")
        run(tool, "-resolution", "200", "-duration", f"{_LOG_S:.0f}", "-file", path, timeout_s=_PATIENCE_S)
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return shown(file)
        except OSError as error:
            raise Unavailable(f"{tool} wrote no log ({error.strerror}).") from error


def shown(lines: Iterable[str]) -> dict[str, Shown]:
    """Mean power from a log: its energies, in joules, over its time. Columns of all sockets are added up."""
    import csv

    rows = csv.reader(lines)
    header = [name.strip() for name in next(rows, [])]
    last: list[str] = []
    for row in rows:
        if len(row) < len(header):  # the summary below the table
            break
        last = row
    try:
        seconds = float(last[header.index("Elapsed Time (sec)")])
        totals: dict[str, float] = {}
        for name, value in zip(header, last, strict=False):
            kind, _, unit = name.rpartition("(")
            id_ = _COLUMNS.get(kind.strip().rpartition("_")[0], ("",))[0]
            if id_ and unit == "Joules)":
                totals[id_] = totals.get(id_, 0.0) + float(value)
        if not totals:
            raise ValueError("no energy in it")
        return {id_: Shown(energy_j / seconds) for id_, energy_j in totals.items()}
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise Unavailable(f"The log of Intel Power Gadget is not as it should be ({error}).") from error


def _installed() -> str | None:
    windows = (os.path.join(folder, f"{name}.exe") for folder in _FOLDERS for name in _TOOLS)
    return next((path for path in (*windows, _MAC) if os.path.exists(path)), None)
