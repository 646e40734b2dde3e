"""Libraries that are not here, compiled for tests from C of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def compiled(source: Path, folder: Path, soname: str) -> Path:
    """A shared library of a C file, which other programs find by that name once it is loaded."""
    path = folder / soname
    options = ["-Wall", "-Werror", "-shared", "-fPIC", f"-Wl,-soname,{soname}"]
    subprocess.run([*_c_compiler(), *options, "-o", path, source], check=True)
    return path


def _c_compiler() -> list[str]:
    """The machine's, else zig's, which `make` installs where there is none."""
    names = [name for name in (os.environ.get("CC"), "cc", "gcc") if name and shutil.which(name)]
    return names[:1] or [sys.executable, "-m", "ziglang", "cc"]
