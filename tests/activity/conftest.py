"""A Mac that is not here, for tests of this folder."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from tests.compiler import compiled


@pytest.fixture(scope="session")
def _iokit(tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = Path(__file__).parent / "fake_iokit.c"
    return ctypes.CDLL(str(compiled(source, tmp_path_factory.mktemp("iokit"), "libIOKit.so")))


@pytest.fixture
def iokit(_iokit: Any) -> Any:
    """macOS' libraries with the clients of a GPU that a test puts in."""
    _iokit.fake_reset()
    return _iokit
