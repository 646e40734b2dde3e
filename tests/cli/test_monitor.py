from __future__ import annotations

import os
import pty
import signal
import subprocess
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from carbonwatch.cli import monitor
from carbonwatch.model import Domain, Entry, Run, Usage
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeMeter, fake_sampler, intensity
from carbonwatch.tracker import Tracker

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

CPU = Domain("rapl:package-0", "cpu", "measured", "RAPL package-0")
RAM = Domain("ram:model", "ram", "modelled", "a model")


def a_run(duration_s: float, **energies_j: float) -> Run:
    domains = {"cpu": CPU, "ram": RAM}
    usages = [Usage(domains[name], j, 0.0, j, j, j) for name, j in energies_j.items()]
    entries = tuple(Entry("", 0, duration_s, usage, intensity(360.0)) for usage in usages)
    return Run("0", "default", "machine", "running", 0, duration_s, entries, facts={"host": "here"})


def test_power_is_what_came_since_the_last_look() -> None:
    found = monitor.rows(a_run(4.0, cpu=50.0, ram=8.0), a_run(2.0, cpu=20.0, ram=4.0))

    assert [row._replace(emissions_g=round(row.emissions_g, 6)) for row in found] == [
        monitor.Row("cpu", 15.0, 12.5, 50.0, 0.005, "measured"),
        monitor.Row("ram", 2.0, 2.0, 8.0, 0.0008, "modelled"),
        monitor.Row("all", 17.0, 14.5, 58.0, 0.0058, "measured and modelled"),
    ]


def test_one_component_is_not_summed_up() -> None:
    assert [row.name for row in monitor.rows(a_run(4.0, cpu=50.0), a_run(2.0))] == ["cpu"]


def test_the_screen_is_a_table_with_the_course_of_power_below() -> None:
    run = a_run(4.0, cpu=50.0, ram=8.0)
    lines = monitor.screen(run, monitor.rows(run, a_run(2.0)), [1.0, 8.0, 4.0], 80, False)

    assert lines == [
        "here, 4.00 s; Ctrl-C ends",
        "",
        "               now      mean      energy        CO2e  quality",
        "cpu         25.0 W    12.5 W      50.0 J     5.00 mg  measured",
        "ram         4.00 W    2.00 W      8.00 J      800 µg  modelled",
        "all         29.0 W    14.5 W      58.0 J     5.80 mg  measured and modelled",
        "",
        "▂█▅  up to 8.00 W",
    ]


@pytest.mark.parametrize("width", [20, 80])
def test_the_screen_is_no_wider_than_the_terminal(width: int) -> None:
    run = replace(a_run(4.0, cpu=50.0), facts={"host": "h" * 200})
    lines = monitor.screen(run, monitor.rows(run, a_run(2.0)), [1.0] * 60, width, False)

    assert max(map(len, lines)) <= width


def test_without_a_meter_it_says_so_and_not_zero() -> None:
    assert monitor.screen(a_run(1.0), [], [], 80, True) == [
        "Nothing can be metered here. `carbonwatch doctor` says why."
    ]
    assert "nothing is metered" in monitor.line(a_run(1.0), [])


def test_a_line_has_the_instant_the_power_and_the_sum() -> None:
    run = a_run(4.0, cpu=50.0, ram=8.0)
    when, text = monitor.line(run, monitor.rows(run, a_run(2.0, cpu=20.0, ram=4.0))).split("  ", 1)

    assert when.startswith(("1970-01-01T", "1969-12-31T"))
    assert text == "cpu 15.0 W  ram 2.00 W  all 17.0 W  58.0 J  5.80 mg"


def test_bars_go_from_nothing_to_the_highest() -> None:
    assert monitor.bars([0.0, 50.0, 100.0]) == "▁▅█  up to 100 W"
    assert monitor.bars([0.0]) == monitor.bars([]) == ""


def test_it_ends_when_it_is_asked_to() -> None:
    ended: SimpleQueue[int] = SimpleQueue()
    clock = Clock()
    shown: list[Run] = []
    settings = Settings(store="none", interval_s=0.01, g_per_kwh=100.0)

    def show(run: Run, _rows: object, _powers_w: object) -> None:
        shown.append(run)
        clock.advance(1)
        if len(shown) == 3:
            ended.put(signal.SIGINT)

    with Tracker(settings, meters=fake_sampler([FakeMeter("cpu")], clock)) as tracker:
        monitor.watch(tracker, settings, None, ended, show)

    assert [run.energy().value for run in shown] == [0.0, 10.0, 20.0]


def test_into_a_file_there_is_a_line_per_interval_and_then_the_summary(carbonwatch: CommandLine) -> None:
    answer = carbonwatch("monitor", "--duration", "0.35", "--interval-s", "0.1")
    lines, summary = answer.stdout.decode().split("\n\n", 1)
    [run] = carbonwatch.runs()

    assert (answer.returncode, answer.stderr) == (0, b"")
    assert len(lines.splitlines()) == 3
    assert "machine" in summary
    assert (run["state"], run["scope"]) == ("finished", "machine")
    assert 0.3 < run["duration_s"] < 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_well(carbonwatch: CommandLine, number: signal.Signals) -> None:
    with carbonwatch.start("monitor", "--interval-s", "0.05", stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.send_signal(number)
        rest, said = program.stdout.read(), program.stderr.read()

    assert (program.returncode, said) == (0, b"")
    assert b"CO2e" in rest
    assert [run["state"] for run in carbonwatch.runs()] == ["finished"]


def test_a_reader_that_is_gone_ends_it_well(carbonwatch: CommandLine) -> None:
    with carbonwatch.start("monitor", "--interval-s", "0.02", stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.stdout.close()
        said = program.stderr.read()

    assert (program.returncode, said) == (141, b"")
    assert [run["state"] for run in carbonwatch.runs()] == ["finished"]


@pytest.mark.parametrize("plain", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_on_a_terminal_the_table_is_drawn_over_itself(carbonwatch: CommandLine, plain: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    words = [*carbonwatch.words, "monitor", "--duration", "0.35", "--interval-s", "0.1"]
    environ = {**carbonwatch.environ, "TERM": "xterm", **plain}
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, env=environ) as program:
        os.close(theirs)
        text = b""
        while part := _read(ours):
            text += part
    os.close(ours)

    assert program.returncode == 0
    assert text.count(b"A\x1b[J") == 3
    assert (b"\x1b[1m" in text) == (plain == {})


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody writes to it any more
        return b""


@pytest.mark.parametrize("words", [("--duration", "0"), ("--duration", "long"), ("--duration", "nan"), ("now",)])
def test_a_wrong_option_is_one_message(carbonwatch: CommandLine, words: tuple[str, ...]) -> None:
    answer = carbonwatch("monitor", *words)

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)
