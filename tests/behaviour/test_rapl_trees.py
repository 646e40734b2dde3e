"""Machines with RAPL and what happens to them, each a tree in tests/data/rapl with its truth.

Lines of `path:content` as grep prints them; `EIO`, `EACCES` and `GONE` are contents too. `= 2 s` is a read at that
instant, after the files that follow have changed; `counted`, `failed` and `rejected` are what has to be known then.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Reading
from carbonwatch.sampler import Sampler, cut, outermost
from carbonwatch.sensors.rapl_powercap import RaplPowercap, detect
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock

TREES = Path(__file__).parents[1] / "data" / "rapl"
NAMES = sorted(path.stem for path in TREES.glob("*.txt"))
NOBODY = 65534


@dataclass
class Step:
    """One read: when, which files changed before it, what is then known."""

    ns: int = 0
    files: dict[str, str] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass
class Story:
    """A machine and what happens to it."""

    start: Step = field(default_factory=Step)
    steps: list[Step] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    unavailable: str = ""
    added: list[str] = field(default_factory=list)
    prefer_psys: bool = False
    as_nobody: bool = False


def story(name: str) -> Story:
    told = Story()
    for line in (TREES / f"{name}.txt").read_text().splitlines():
        word, _, rest = line.partition(" ")
        now = told.steps[-1] if told.steps else told.start
        if line.startswith("/sys/"):
            path, _, content = line.removeprefix("/sys/").rpartition(":")
            now.files[path] = content
        elif word == "=":
            told.steps.append(Step(round(float(rest.split()[0]) * 1e9)))
        elif word == "counted":
            id_, _, count = rest.rpartition(" ")
            now.counted[id_] = int(count)
        elif word == "failed":
            id_, _, now.failed[id_] = rest.partition(" ")
        elif word == "rejected":
            id_ = next(id_ for id_ in (rest.partition(") ")[0] + ")", rest.split()[0]) if rest.startswith(id_ + " "))
            told.rejected[id_] = rest.removeprefix(id_ + " ")
        elif word == "added":
            told.added = rest.split()
        elif word == "unavailable":
            told.unavailable = rest
        else:
            told.prefer_psys |= word == "prefer_psys"
            told.as_nobody |= word == "user"
    return told


def change(root: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content in ("EIO", "GONE") or path.is_symlink():
            path.unlink()
        if content == "EIO":
            path.symlink_to("/proc/self/mem")  # the kernel's own way to say EIO: there is no memory at 0
        elif content != "GONE":
            path.write_text(f"{content}\n")
            path.chmod(0 if content == "EACCES" else 0o644)


@contextmanager
def user(story: Story, root: Path) -> Iterator[None]:
    """In the machine's folder, and without root's rights if the story is a user's."""
    before = os.getcwd()
    root.chmod(0o755)
    os.chdir(root)  # its parents may be closed to nobody
    drop = story.as_nobody and os.geteuid() == 0
    if drop:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if drop:
            os.seteuid(0)
        os.chdir(before)


def meter(story: Story, root: Path) -> RaplPowercap:
    change(root, story.start.files)
    with user(story, root):
        return detect(Settings(path_sysfs=".", path_grants="none", prefer_psys=story.prefer_psys))


def readings(story: Story, root: Path, machine: RaplPowercap) -> list[Reading]:
    """What a sampler reads, step by step."""
    clock = Clock()
    sampler = Sampler([machine], [], clock=clock, thread=False)
    seen = []
    with user(Story(), root):
        for step in story.steps:
            change(root, step.files)
            clock.ns = step.ns
            seen.append(sampler.read())
    sampler.close()
    return seen


@pytest.mark.parametrize("name", NAMES)
def test_what_is_counted_is_the_truth_and_what_is_not_has_its_reason(name: str, tmp_path: Path) -> None:
    told = story(name)
    if told.unavailable:
        with pytest.raises(SensorUnavailable, match=told.unavailable):
            meter(told, tmp_path)
        return
    machine = meter(told, tmp_path)
    seen = readings(told, tmp_path, machine)

    for step, reading in zip(told.steps, seen, strict=True):
        assert {id_: reading.energy_nj[id_] for id_ in step.counted} == step.counted, step.ns
        assert reading.failed.keys() == step.failed.keys(), (step.ns, reading.failed)
        assert all(words in reading.failed[id_] for id_, words in step.failed.items()), reading.failed
    assert machine.rejected.keys() == told.rejected.keys()
    assert all(words in machine.rejected[id_] for id_, words in told.rejected.items())
    assert {d.id for d in machine.domains} == set(told.steps[0].counted)
    assert not told.added or [d.id for d in outermost(machine.domains)] == told.added


@pytest.mark.parametrize("name", [name for name in NAMES if not story(name).unavailable])
def test_windows_after_each_other_are_the_window_around_them(name: str, tmp_path: Path) -> None:
    told = story(name)
    seen = readings(told, tmp_path, meter(told, tmp_path))
    first, last = seen[0], seen[-1]
    windows = list(itertools.pairwise(seen))

    for id_ in first.energy_nj:
        parts_nj = [after.energy_nj[id_] - before.energy_nj[id_] for before, after in windows]
        assert min(parts_nj) >= 0
        assert sum(parts_nj) == last.energy_nj[id_] - first.energy_nj[id_]
    assert (
        sum(cut(before, after).end_ns - cut(before, after).start_ns for before, after in windows) == last.ns - first.ns
    )
    gaps = {gap.domain_id for before, after in windows for gap in cut(before, after).gaps}
    assert gaps == {id_ for step in told.steps[1:] for id_ in step.failed}


def test_every_story_is_told() -> None:
    needed = (
        "wrap-intel wrap-amd double-reading eio-once eacces hot-unplug reset suspend frozen-zero mirrors psys per-die"
    )

    assert set(NAMES) >= {*needed.split(), "hex-ids"}
