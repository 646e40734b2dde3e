"""What the doctor says of machines that are not here, each a tree in tests/data/machines with the words it expects.

Lines of `path:content` as grep prints them; those of one file follow each other. `link` leads nowhere, `mode` closes a
file, `user nobody` looks without rights.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from carbonwatch.cli import doctor
from carbonwatch.settings import resolve

MACHINES = Path(__file__).parents[1] / "data" / "machines"
NAMES = sorted(path.stem for path in MACHINES.glob("*.txt"))
NOBODY = 65534
STAT = "cpu  100 0 50 9000 10 0 0 0 0 0\ncpu0 100 0 50 9000 10 0 0 0 0 0\nintr 1\n"
MEMINFO = "MemTotal:       263692788 kB\nMemAvailable:   200000000 kB\n"


def build(root: Path, lines: list[str]) -> None:
    """The machine's files, and what every machine has in /proc."""
    files: dict[str, list[str]] = {"proc/stat": [STAT], "proc/meminfo": [MEMINFO]}
    for line in lines:
        if line.startswith("/"):
            # folders of zones and devices have colons in their names, and contents have some
            folder, _, rest = ("/proc", "", line[6:]) if line.startswith("/proc/") else line.rpartition("/")
            name, _, content = rest.partition(":")
            files.setdefault(f"{folder[1:]}/{name}", []).append(content + "\n")
    for path, contents in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("".join(contents))
    (root / "sys").mkdir(exist_ok=True)


def finish(root: Path, lines: list[str]) -> None:
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "mode":
            mode, _, path = rest.partition(" ")
            (root / path[1:]).chmod(int(mode, 8) if os.geteuid() == 0 else 0)
        elif word == "link":
            (root / rest[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / rest[1:]).symlink_to("../../devices/masked")


@contextmanager
def looking_from(root: Path, as_nobody: bool) -> Iterator[None]:
    """In the machine's folder, without root's rights if a user looks."""
    before = os.getcwd()
    root.chmod(0o755)
    os.chdir(root)  # its parents may be closed to nobody
    drop = as_nobody and os.geteuid() == 0
    if drop:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if drop:
            os.seteuid(0)
        os.chdir(before)


def test_there_are_a_dozen_machines() -> None:
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_the_doctor_says_what_is_so_and_what_mends_it(name: str, tmp_path: Path) -> None:
    lines = (MACHINES / f"{name}.txt").read_text().splitlines()
    build(tmp_path, lines)
    finish(tmp_path, lines)
    with looking_from(tmp_path, "user nobody" in lines):
        chosen = resolve(
            {
                "path_sysfs": "sys",
                "path_procfs": "proc",
                "path_grants": "none",
                "store": "none",
                "country": "FR",
                "sensors": "rapl_perf,rapl_powercap,hwmon,hwmon_system,cpu_model,ram_model,rest_model",
            },
            environ={},
        )
        found = doctor.examine(chosen)
    text = " ".join(doctor.as_text(found, 100, False).split())
    sources = {source.name: source for source in found.sources}

    for line in (line for line in lines if line.startswith("expect ")):
        _, kind, words = line.split(" ", 2)
        if kind == "exit":
            assert (0 if found.complete else 1) == int(words), [s for s in found.sources if s.remedy]
        elif kind == "fix":
            assert sorted(fix.name for fix in found.fixes) == words.split()
        elif kind == "lost":
            assert any(words in source.lost for source in found.sources), sources
        elif kind == "text":
            assert words in text
        elif kind == "never":
            assert words not in text
        else:
            id_, _, why = words.partition(" ")
            assert (sources[id_].state, why in sources[id_].reason) == (kind, True), sources[id_]
    assert all(fix.remedy() in "\n".join(source.remedy for source in found.sources) for fix in found.fixes)
