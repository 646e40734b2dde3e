"""What a test needs of the machine it runs on, and what becomes of the test where that is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def unless(is_there: bool, why: str) -> None:
    """Goes on where it is there. Else CI fails, so that nothing goes untested there; elsewhere the test is skipped."""
    if is_there:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI has to have what this test needs: {why}", pytrace=False)
    pytest.skip(why)


def may_count(most_paranoid: int) -> bool:
    """Whether this user may have perf events that kernel.perf_event_paranoid allows up to this level."""
    return os.geteuid() == 0 or paranoid() <= most_paranoid


def paranoid() -> int:
    """What users may count: from nothing (3, on Debian) and their own programs (2) to everything (0)."""
    return int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
