"""Programs that are not here, as scripts in a folder of their own that PATH begins with."""

from __future__ import annotations

import os
import pathlib

import pytest


def put(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> pathlib.Path:
    """A program of this name that does what the shell script says."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return path
