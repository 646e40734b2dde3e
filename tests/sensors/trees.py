"""Machines in tests/data/sys, as folders that sensors read."""

from __future__ import annotations

import pathlib

from carbonwatch.settings import Settings

MACHINES = pathlib.Path(__file__).parent.parent / "data" / "sys"


def plant(root: pathlib.Path, name: str) -> Settings:
    """Writes a machine's /sys: lines of path:content, as grep prints them, and of path -> where a link leads."""
    for line in (MACHINES / f"{name}.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        if " -> " in line:
            link, _, target = line.partition(" -> ")
            _place(root, link).symlink_to(_place(root, target))
        else:
            path, _, content = line.rpartition(":")
            _place(root, path).write_text(f"{content}\n")
    return Settings(path_sysfs=str(root))


def _place(root: pathlib.Path, path: str) -> pathlib.Path:
    file = root / path.removeprefix("/sys/")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
