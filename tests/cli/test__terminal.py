import io
import sys
from collections.abc import Iterator

import pytest

from carbonwatch.cli import _terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def ticking(step_s: float) -> Iterator[float]:
    now_s = 0.0
    while True:
        yield now_s
        now_s += step_s


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, step_s: float) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    clock = ticking(step_s)
    done = list(_terminal.progress("abcd", 4, "Reading runs", lambda: next(clock)))

    assert done == list("abcd")
    return stream.getvalue()


def test_what_takes_long_says_how_far_it_is_and_then_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, Screen(), 1.0)

    assert text.startswith("\rReading runs: 0 of 4, 4.00 s left \x1b[K")
    assert text.endswith("\rReading runs: 3 of 4, 1.33 s left \x1b[K\r\x1b[K")


def test_what_is_quick_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Screen(), 0.01) == ""


def test_outside_a_terminal_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), 1.0) == ""
