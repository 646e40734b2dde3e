"""Machines in tests/data/sys, as folders that sensors read."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager

from carbonwatch.sensors._polled import Polled
from carbonwatch.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.sensors._polled import Sums

NOBODY = 65534
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
            folder, _, rest = line.rpartition("/")  # folders have colons in their names, contents too
            name, _, content = rest.partition(":")
            _place(root, f"{folder}/{name}").write_text(f"{content}\n")
    return Settings(path_sysfs=str(root))


def _place(root: pathlib.Path, path: str) -> pathlib.Path:
    file = root / path.removeprefix("/sys/")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


@contextmanager
def as_nobody(root: pathlib.Path) -> Iterator[None]:
    """In a folder, without root's rights."""
    before, user = os.getcwd(), os.geteuid()
    root.chmod(0o755)
    os.chdir(root)  # its parents may be closed to nobody
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)
        os.chdir(before)


def no_process(sums: Sums, every_s: float, *, mean_s: float = 0.0) -> Polled:
    """Files are read by the test itself, at the instants that it says."""
    raise OSError("nothing beside this test reads its files")


class Process(Polled):
    """A process that would read the files, and what it was told."""

    def __init__(self, sums: Sums, every_s: float, *, mean_s: float = 0.0) -> None:
        self.told = (sums, every_s, mean_s)
        self.closed = 0

    def wait(self, patience_s: float = 0.0) -> bool:
        return True

    def count(self, index: int, ns: int) -> int:
        return index

    def close(self) -> None:
        self.closed += 1
