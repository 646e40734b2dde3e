import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user without settings, in a folder of his own, whose runs are not kept."""
    for name in os.environ:
        if name.startswith(("CODECARBON_", "CARBONWATCH_", "AWS_")):
            monkeypatch.delenv(name)
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("CARBONWATCH_STORE", "none")
    monkeypatch.chdir(work)
    level = logging.getLogger("carbonwatch").level
    yield
    logging.getLogger("carbonwatch").setLevel(level)
