"""A process that reads power for us: right sums, no trace in the program, and its end with the program's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carbonwatch.errors import Unavailable
from carbonwatch.sensors._polled import Polled, _check, _get, _is_interpreter, _put, _Sum

PATIENCE_S = 60
S = 10**9

HOLD = """
import os, sys, time
from carbonwatch.sensors._polled import Polled
polled = Polled([[[sys.argv[1]]]], 0.01)
assert polled.wait(60)
print('begun', flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "power1_average"
    path.write_text("30000000\n")
    return path


@pytest.fixture
def polled(file: Path) -> Iterator[Polled]:
    polled = Polled([[[str(file)]]], 0.01)
    assert polled.wait(PATIENCE_S)
    yield polled
    polled.close()


def holders(path: Path) -> list[int]:
    """Processes that were told to read a file."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if any("_polled.py" in word for word in words) and any(str(path) in word for word in words):
            found.append(int(name))
    return found


def wait_until(is_so: Callable[[], object]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def count_nj(polled: Polled) -> tuple[int, int]:
    """An instant and the count at it, as soon as the process answers: the machine may be busy with something else."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        ns = time.monotonic_ns()
        try:
            return ns, polled.count(0, ns)
        except Unavailable:
            assert time.monotonic() < until_s
            time.sleep(0.01)


# from program to process


def test_even_power_is_counted_to_the_instant_that_is_asked_for(polled: Polled) -> None:
    first_ns, first_nj = count_nj(polled)
    wait_until(lambda: time.monotonic_ns() - first_ns > S // 20)
    last_ns, last_nj = count_nj(polled)

    assert (last_nj - first_nj) / (last_ns - first_ns) == pytest.approx(30.0, rel=0.001)


def test_a_file_that_goes_away_is_a_reason_and_the_count_goes_on_when_it_is_back(polled: Polled, file: Path) -> None:
    before_ns, before_nj = count_nj(polled)
    file.write_text("")

    def is_broken() -> bool:
        try:
            polled.count(0, time.monotonic_ns())
        except Unavailable as error:
            return error.reason == "it can't be read (Input/output error)"
        return False

    wait_until(is_broken)
    file.write_text("30000000\n")
    after_ns, after_nj = count_nj(polled)

    assert (after_nj - before_nj) / (after_ns - before_ns) == pytest.approx(30.0, rel=0.001)


def test_a_process_that_was_killed_is_a_reason_and_no_zero(polled: Polled, file: Path) -> None:
    (pid,) = holders(file)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not holders(file))

    with pytest.raises(Unavailable, match="does not answer"):
        polled.count(0, time.monotonic_ns() + 10 * S)


def test_in_place_of_a_process_that_was_killed_another_goes_on_counting(polled: Polled, file: Path) -> None:
    _, before_nj = count_nj(polled)
    (pid,) = holders(file)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not holders(file))
    with pytest.raises(Unavailable, match="does not answer"):
        polled.count(0, time.monotonic_ns() + 31 * S)
    first_ns, first_nj = count_nj(polled)
    wait_until(lambda: time.monotonic_ns() - first_ns > S // 20)
    last_ns, last_nj = count_nj(polled)

    assert first_nj >= before_nj
    assert (last_nj - first_nj) / (last_ns - first_ns) == pytest.approx(30.0, rel=0.001)
    assert len(holders(file)) == 1


def test_one_that_was_closed_begins_no_other(polled: Polled, file: Path) -> None:
    polled.close()
    wait_until(lambda: not holders(file))
    with pytest.raises(Unavailable):
        polled.count(0, time.monotonic_ns() + 31 * S)

    assert holders(file) == []


def test_it_is_not_the_program_s_child(polled: Polled) -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_it_ends_when_it_is_let_go(file: Path) -> None:
    polled = Polled([[[str(file)]]], 0.01)
    assert polled.wait(PATIENCE_S)
    polled.close()
    polled.close()

    wait_until(lambda: not holders(file))


@pytest.mark.parametrize(
    "end",
    ["pass", "os._exit(3)", "os.kill(os.getpid(), 9)", "raise SystemExit(1)"],
    ids=["end", "_exit", "kill -9", "error"],
)
def test_it_ends_with_the_program_however_that_ends(file: Path, end: str) -> None:
    subprocess.run([sys.executable, "-c", HOLD + end, str(file)], check=False, capture_output=True, timeout=PATIENCE_S)

    wait_until(lambda: not holders(file))


def test_it_ends_with_the_program_though_a_fork_of_that_lives_on(file: Path) -> None:
    forks = "pid = os.fork()\nif not pid:\n    time.sleep(120)\nprint(pid, flush=True)\nos._exit(0)"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD + forks, str(file)], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline(), program.stdout.readline()]
        program.wait(PATIENCE_S)
        try:
            wait_until(lambda: not holders(file))
        finally:
            os.kill(int(lines[1]), signal.SIGKILL)


def test_ctrl_c_reaches_the_program_alone(file: Path, polled: Polled) -> None:
    (pid,) = holders(file)

    assert os.getpgid(pid) != os.getpgrp()


def test_a_program_without_standard_streams_has_it_too(file: Path) -> None:
    code = f"import os; os.closerange(0, 3)\n{HOLD.replace('print', 'str')}"
    code = code.replace("flush=True", "'ascii'").replace("str('begun', 'ascii')", "os._exit(42)")

    done = subprocess.run([sys.executable, "-c", code, str(file)], check=False, timeout=PATIENCE_S)

    assert done.returncode == 42


@pytest.mark.parametrize(
    ("executable", "runs_files"),
    [
        ("/usr/bin/python3.11", True),
        ("/opt/pypy3.10", True),
        ("/usr/bin/uwsgi", False),
        ("/opt/app/app", False),
        ("", False),
    ],
)
def test_a_program_with_python_inside_is_not_begun_once_more(executable: str, runs_files: bool) -> None:
    assert _is_interpreter(executable) is runs_files
    assert _is_interpreter(sys.executable)


# what it adds up


def files(tmp_path: Path, **values: int) -> dict[str, str]:
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
    return {name: str(tmp_path / name) for name in values}


def test_power_that_rises_evenly_is_added_up_exactly(tmp_path: Path) -> None:
    paths = files(tmp_path, p=0)
    each = _Sum([[paths["p"]]])
    for second in range(11):
        files(tmp_path, p=second * 10_000_000)
        at_ns, count_nj, power_uw, error = each.read(second * S)

    assert (at_ns, count_nj, power_uw, error) == (10 * S, 500 * S, 100_000_000, 0)


def test_millivolts_times_milliamperes_are_microwatts_and_parts_are_taken_off(tmp_path: Path) -> None:
    paths = files(tmp_path, volts=12_000, amperes=2_000, part=4_000_000)
    each = _Sum([[paths["volts"], paths["amperes"]], [paths["part"]]])

    assert each.read(0) == (0, 0, 20_000_000, 0)


def test_plain_numbers_are_factors(tmp_path: Path) -> None:
    paths = files(tmp_path, milliwatts=3_181)

    assert _Sum([[paths["milliwatts"], "1000"]]).read(0) == (0, 0, 3_181_000, 0)


def test_a_star_is_what_stands_there_now_also_when_the_driver_was_loaded_again(tmp_path: Path) -> None:
    (tmp_path / "hwmon3").mkdir()
    files(tmp_path / "hwmon3", p=10_000_000)
    each = _Sum([[str(tmp_path / "hwmon*" / "p")]])
    each.read(0)
    (tmp_path / "hwmon3").rename(tmp_path / "hwmon7")
    files(tmp_path / "hwmon7", p=20_000_000)
    os.close(each._fds.popitem()[1])  # sysfs gives ENODEV from then on

    assert each.read(2 * S) == (2 * S, 30 * S, 20_000_000, 0)


def test_over_a_time_without_reads_the_line_goes_on(tmp_path: Path) -> None:
    paths = files(tmp_path, p=10_000_000)
    each = _Sum([[paths["p"]]])
    each.read(0)
    os.rename(paths["p"], paths["p"] + ".away")
    (tmp_path / "p").write_text("no number")
    each = _Sum([[paths["p"]]])
    broken = each.read(S)
    files(tmp_path, p=10_000_000)
    first, last = each.read(2 * S), each.read(4 * S)

    assert (broken, first, last) == ((0, 0, 0, 5), (2 * S, 0, 10_000_000, 0), (4 * S, 20 * S, 10_000_000, 0))


def test_a_file_that_is_not_there_is_its_errno(tmp_path: Path) -> None:
    assert _Sum([[str(tmp_path / "none")]]).read(7) == (0, 0, 0, 2)


def test_a_slot_that_is_being_written_is_not_believed() -> None:
    import mmap

    memory = mmap.mmap(-1, 40)
    _put(memory, 0, 1, 2, 3, 0)
    whole = _get(memory, 0)
    memory[0] = 77

    assert (whole, _get(memory, 0)) == ((1, 2, 3, 0), (0, 0, 0, -1))
    assert _check(1, 2, 3, 0) != _check(77, 2, 3, 0)
