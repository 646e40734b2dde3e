"""The command as a process of its own, on cards of the fake library whose limits outlive it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE_S, CommandLine

PYTHON = sys.executable
WAIT = "import sys, time; print('begun', flush=True); time.sleep(60)"


class Machine:
    """A command line on a machine with two cards, of 400 W each."""

    def __init__(self, line: CommandLine, library: Path, folder: Path) -> None:
        self.line = line
        self.folder = folder
        folder.mkdir()
        line.environ |= {
            "LD_LIBRARY_PATH": str(library.parent),
            "FAKE_NVML_CARDS": "2",
            "FAKE_NVML_LIMITS": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
            "CARBONWATCH_SENSORS": "nvml",
        }
        line.environ.pop("CUDA_VISIBLE_DEVICES", None)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return self.line("powerlimit", *words)

    def sweep(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return self("sweep", "--settle", "0", *words)

    def limits_w(self) -> dict[str, float]:
        """What was set last, and is in force."""
        return {path.name: int(path.read_text()) / 1e3 for path in self.folder.glob("GPU-*")}

    @property
    def is_kept(self) -> bool:
        return (self.folder / "data" / "carbonwatch" / "powerlimits.json").exists()


@pytest.fixture
def machine(carbonwatch: CommandLine, nvml_library: Path, tmp_path: Path) -> Machine:
    return Machine(carbonwatch, nvml_library, tmp_path / "limits")


def test_limits_are_shown_with_their_default_and_their_ends(machine: Machine) -> None:
    answer = machine("show")

    assert answer.stdout.decode().splitlines() == [
        "GPU   limit  default  can be set",
        "  0   400 W    400 W  100 to 400 W  NVIDIA A100-SXM4-40GB",
        "  1   400 W    400 W  100 to 400 W  NVIDIA A100-SXM4-40GB",
    ]


def test_a_limit_is_set_on_the_gpus_that_are_named(machine: Machine) -> None:
    answer = machine("set", "250", "--gpus", "1")

    assert answer.stdout.decode() == "GPU 1 (NVIDIA A100-SXM4-40GB): 400 W -> 250 W\n"
    assert machine.limits_w() == {"GPU-1": 250.0}


def test_a_limit_that_is_none_is_refused_and_nothing_is_set(machine: Machine) -> None:
    answer = machine("set", "50")

    assert (answer.returncode, machine.limits_w()) == (2, {})
    assert "must be from 100 to 400 W" in answer.stderr.decode()


def test_who_may_not_set_limits_learns_it_before_anything_runs(machine: Machine) -> None:
    machine.line.environ["FAKE_NVML_DENIED"] = "1"

    answer = machine.sweep("--", PYTHON, "-c", "print('ran')")

    assert (answer.returncode, answer.stdout, machine.is_kept) == (2, b"", False)
    assert "Run it as root: sudo." in answer.stderr.decode()


def test_a_sweep_runs_the_command_at_each_limit_and_puts_the_old_ones_back(machine: Machine) -> None:
    machine("set", "350")
    show = f"import pathlib; print('at', pathlib.Path({str(machine.folder / 'GPU-0')!r}).read_text().strip())"

    answer = machine.sweep("--limits", "200,400", "--", PYTHON, "-c", show)

    said = answer.stdout.decode().splitlines()
    assert answer.returncode == 0, answer.stderr
    assert [line for line in said if line.startswith("at")] == ["at 400000", "at 200000"]
    assert sum("█" in line for line in said) == 2
    assert (machine.limits_w(), machine.is_kept) == ({"GPU-0": 350.0, "GPU-1": 350.0}, False)


def test_each_run_of_a_sweep_is_kept_with_its_limit(machine: Machine) -> None:
    machine.sweep("--limits", "200,300", "--project", "tuning", "--", PYTHON, "-c", "pass")
    shown = [json.loads(machine.line("report", run["id"], "--as", "json").stdout) for run in machine.line.runs()]

    assert [run["facts"]["power_limit_w"] for run in shown] == [200.0, 300.0]


def test_batch_sizes_stand_where_the_command_says(machine: Machine) -> None:
    words = ("--limits", "300", "--batch-sizes", "32,64", "--", PYTHON, "-c", "import sys; print('of', *sys.argv[1:])")

    answer = machine.sweep(*words, "--batch={batch}")

    lines = answer.stdout.decode().splitlines()
    assert [line for line in lines if line.startswith("of")] == ["of --batch=32", "of --batch=64"]


def test_batch_sizes_that_stand_nowhere_are_refused(machine: Machine) -> None:
    answer = machine.sweep("--batch-sizes", "32,64", "--", PYTHON, "-c", "pass")

    assert answer.returncode == 2
    assert "nowhere in the command" in answer.stderr.decode()


def test_a_command_that_crashes_stops_the_sweep_and_its_code_is_ours(machine: Machine) -> None:
    answer = machine.sweep("--limits", "300,200", "--", PYTHON, "-c", "print('ran'); raise SystemExit(7)")

    assert (answer.returncode, answer.stdout.count(b"ran")) == (7, 1)
    assert (set(machine.limits_w().values()), machine.is_kept) == ({400.0}, False)


def test_where_nothing_is_metered_the_sweep_stops_and_calls_nothing_least(machine: Machine) -> None:
    machine.line.environ["CARBONWATCH_SENSORS"] = "rapl_powercap"
    machine.line.environ["CARBONWATCH_PATH_SYSFS"] = str(machine.folder)

    answer = machine.sweep("--limits", "300", "--", PYTHON, "-c", "pass")

    assert (answer.returncode, answer.stdout) == (2, b"")
    assert "Nothing was metered" in answer.stderr.decode()
    assert (set(machine.limits_w().values()), machine.is_kept) == ({400.0}, False)


@pytest.mark.parametrize("words", [("--settle", "-1"), ("--limits", "nan"), ("--repeat", "0"), ("--settle", "soon")])
def test_options_that_make_no_sense_are_refused_before_anything_is_set(
    machine: Machine, words: tuple[str, str]
) -> None:
    answer = machine("sweep", *words, "--", PYTHON, "-c", "pass")

    assert (answer.returncode, answer.stderr.count(b"\n"), machine.limits_w()) == (2, 1, {})


def test_a_command_that_is_not_there_changes_nothing(machine: Machine) -> None:
    answer = machine.sweep("--", "no-such-program")

    assert answer.returncode != 0
    assert machine.limits_w() == {}


def begun(machine: Machine, code: str = WAIT) -> subprocess.Popen[bytes]:
    """A sweep whose command has begun, with limits of 300 W."""
    process = machine.line.start(
        "powerlimit", "sweep", "--settle", "0", "--limits", "300", "--", PYTHON, "-c", code, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    assert set(machine.limits_w().values()) == {300.0}
    return process


def end(process: subprocess.Popen[bytes]) -> int:
    code = process.wait(PATIENCE_S)
    assert process.stdout is not None
    process.stdout.close()
    return code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_then_the_sweep_with_the_limits_back(
    machine: Machine, number: signal.Signals
) -> None:
    process = begun(machine)

    process.send_signal(number)

    assert end(process) in (-number, 1, 130)  # Python makes an exit code of SIGINT
    assert (set(machine.limits_w().values()), machine.is_kept) == ({400.0}, False)


def test_a_command_that_ends_well_when_told_to_ends_the_sweep_too(machine: Machine) -> None:
    tidy = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); {WAIT}"
    process = begun(machine, tidy)

    process.terminate()

    assert end(process) == -signal.SIGTERM
    assert (set(machine.limits_w().values()), machine.is_kept) == ({400.0}, False)


def test_after_a_kill_the_limits_are_put_back_by_a_command_and_no_sweep_loses_them(
    machine: Machine, child_of: Callable[[int], int]
) -> None:
    process = begun(machine)
    command = child_of(process.pid)
    process.kill()
    end(process)
    os.kill(command, signal.SIGKILL)
    left_w = set(machine.limits_w().values())
    refused = machine.sweep("--", PYTHON, "-c", "pass")
    hint = machine("show").stdout.decode().splitlines()[-1]

    answer = machine("restore")

    assert (left_w, refused.returncode) == ({300.0}, 2)
    assert "carbonwatch powerlimit restore" in refused.stderr.decode()
    assert hint == "A sweep goes on, or was killed: carbonwatch powerlimit restore"
    assert answer.stdout.decode().splitlines() == ["GPU-0: 400 W", "GPU-1: 400 W"]
    assert (set(machine.limits_w().values()), machine.is_kept) == ({400.0}, False)


def test_where_nothing_is_to_be_put_back_it_says_so(machine: Machine) -> None:
    assert machine("restore").stdout.decode() == "No power limits are to be put back.\n"


@pytest.fixture
def child_of() -> Callable[[int], int]:
    return lambda pid: int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
