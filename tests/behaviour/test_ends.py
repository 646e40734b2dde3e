"""However a program ends, its run is finished, failed or found as killed, and nothing is left alive."""

import signal
from pathlib import Path

import pytest

from tests.behaviour.programs import Ended, Program, run


def ticks(said: str) -> list[tuple[float, float]]:
    """Duration and energy of the run at each tick that the program said was kept."""
    lines = (line.split() for line in said.splitlines() if line.startswith("tick"))
    return [(float(duration_s), float(energy_j)) for _, duration_s, energy_j in lines]


def ended_by(code: str, folder: Path, number: int) -> Ended:
    """A program that gets a signal after its first three ticks."""
    program = Program(code, folder)
    said = [program.hear() for _ in range(3)]
    program.process.send_signal(number)
    ended = program.end()
    return Ended(ended.status, "\n".join([*said, ended.said]), ended.errors, ended.runs)


@pytest.mark.parametrize(
    ("code", "status", "state"),
    [
        ("with tracker(): pass", 0, "finished"),
        ("with tracker(): 1 / 0", 1, "failed"),
        ("with tracker(): sys.exit()", 0, "finished"),
        ("with tracker(): sys.exit(3)", 3, "failed"),
        ("tracker().start()", 0, "finished"),
        ("tracker().start(); 1 / 0", 1, "failed"),
        ("tracker().start(); sys.exit(0)", 0, "finished"),
        ("import gc; tracker().start(); gc.collect()", 0, "finished"),
        ("t = tracker(); t.start(); threading.Timer(0.1, t.stop).start()", 0, "finished"),
        ("tracker().start(); threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", 0, "finished"),
        ("import asyncio\nasync def main():\n  with tracker(): pass\nasyncio.run(main())", 0, "finished"),
        ("import atexit; t = tracker(); atexit.register(t.stop); t.start()", 0, "finished"),
        ("import atexit; t = tracker(); atexit.register(t.start)", 0, "finished"),
        ("tracker().start(); time.sleep(0.12); os._exit(0)", 0, "killed"),
        ("tracker().start(); os.execv(sys.executable, [sys.executable, '-c', ''])", 0, "killed"),
    ],
)  # fmt: skip
def test_a_run_ends_as_its_program_does(code: str, status: int, state: str, tmp_path: Path) -> None:
    ended = run(code, tmp_path)

    assert (ended.status, ended.run.state) == (status, state), ended.errors
    assert "carbonwatch" not in ended.errors.replace(str(tmp_path), "")


def test_a_kill_loses_what_came_after_the_last_tick_alone(tmp_path: Path) -> None:
    ended = ended_by("tracker(Telling).start()\nwhile True: pass", tmp_path, signal.SIGKILL)
    duration_s, energy_j = ticks(ended.said)[-1]

    assert (ended.status, ended.run.state) == (-signal.SIGKILL, "killed")
    # a tick may be kept and not yet said
    assert ended.run.duration_s >= duration_s
    assert ended.run.energy_j >= energy_j > 0
    assert ended.run.duration_s - duration_s < 1.0


def test_a_run_goes_on_as_long_as_its_program_lives_and_is_killed_when_it_is(tmp_path: Path) -> None:
    program = Program("tracker(Telling).start()\nwhile True: time.sleep(1)", tmp_path)
    program.hear()
    (alive,) = program.runs()
    program.process.kill()
    ended = program.end()

    assert alive.state == "running"
    assert alive.energy_j > 0
    assert ended.run.state == "killed"


def test_sigterm_leaves_a_run_that_was_killed(tmp_path: Path) -> None:
    ended = ended_by("with tracker(Telling):\n  while True: time.sleep(1)", tmp_path, signal.SIGTERM)

    assert (ended.status, ended.run.state) == (-signal.SIGTERM, "killed")
    assert ended.run.energy_j > 0


def test_ctrl_c_leaves_a_run_that_has_failed(tmp_path: Path) -> None:
    ended = ended_by("with tracker(Telling):\n  while True: time.sleep(1)", tmp_path, signal.SIGINT)

    assert (ended.status, ended.run.state) == (-signal.SIGINT, "failed")
    assert ended.run.energy_j >= ticks(ended.said)[2][1]


@pytest.mark.parametrize("work", ["time.sleep(0.001)", "t.stop_task(t.start_task('x'))", "t.flush()", "t.run"])
def test_a_signal_handler_may_stop_the_tracker_whatever_it_interrupts(work: str, tmp_path: Path) -> None:
    code = f"""
t = tracker(Telling)

def handler(*_):
    say("stopped", t.stop().state)
    sys.exit(0)

signal.signal(signal.SIGTERM, handler)
t.start()
while True: {work}
"""
    ended = ended_by(code, tmp_path, signal.SIGTERM)

    assert (ended.status, ended.run.state, ended.errors) == (0, "finished", "")
    assert "stopped finished" in ended.said


def test_signals_that_come_all_the_time_lose_and_double_nothing(tmp_path: Path) -> None:
    code = """
import random

with tracker(interval_s=0.01) as t:
    def handler(*_):
        t.flush()
        soon()

    def soon():
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.003))

    signal.signal(signal.SIGALRM, handler)
    soon()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        with t.start_task("x"):
            t.flush()
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
say(t.run.duration_s, sum(e.duration_s for e in t.run.entries if e.usage.domain.component == "cpu"))
"""
    ended = run(code, tmp_path)
    duration_s, entered_s = map(float, ended.said.split())

    assert (ended.status, ended.errors) == (0, "")
    assert entered_s == pytest.approx(duration_s)
    assert ended.run.duration_s == duration_s
    assert sum(e.duration_s for e in ended.run.entries if e.usage.domain.component == "cpu") == entered_s
