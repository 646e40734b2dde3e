from __future__ import annotations

from pathlib import Path

from carbonwatch.activity._kfd import Kfd
from tests.activity.drm_tree import AMD, TWIN, Tree


def test_a_machine_without_such_a_driver_has_nobody_on_it(tmp_path: Path) -> None:
    kfd = Kfd(str(tmp_path))

    assert (kfd.units, kfd.look()) == ({}, {})


def test_processes_are_told_by_gpu_with_the_compute_units_that_they_keep(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.node(0, "0000:00:00.0", 0)  # a CPU
    tree.node(51963, AMD, 104)
    tree.node(3847, TWIN, 104)
    tree.queue(100, 51963, 26)
    tree.queue(200, 51963, 0)
    tree.queue(300, 3847, None)
    (tree.kfd / "proc" / "400").mkdir()  # a daemon that has opened /dev/kfd and no queue
    kfd = Kfd(str(tree.sys))

    assert kfd.units == {AMD: 104, TWIN: 104}
    assert kfd.look() == {AMD: {100: 26, 200: 0}, TWIN: {300: None}}


def test_partitions_of_a_gpu_are_one(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for part in range(4):
        tree.node(1000 + part, AMD, 38, partition=part)
    tree.queue(100, 1000, 30)
    tree.queue(100, 1003, 8)
    (tree.kfd / "proc" / "100" / "queues" / "1").mkdir()
    (tree.kfd / "proc" / "100" / "queues" / "1" / "gpuid").write_text("1000")
    kfd = Kfd(str(tree.sys))

    assert kfd.units == {AMD: 152}
    assert kfd.look() == {AMD: {100: 38}}
