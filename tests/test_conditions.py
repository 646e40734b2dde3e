from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from carbonwatch import conditions
from carbonwatch.conditions import Watch, changed_files, installed_packages, loaded_packages, packages_of
from carbonwatch.settings import Settings

DISKS = """\
 254 0 vda 10 0 {read} 5 20 0 {written} 5 0 5 5
 254 1 vda1 10 0 99999 5 20 0 99999 5 0 5 5
 259 0 nvme0n1 1 0 8 5 1 0 16 5 0 5 5
 259 1 nvme0n1p1 1 0 99999 5 1 0 99999 5 0 5 5
   7 0 loop0 1 0 99999 5 1 0 99999 5 0 5 5
 253 0 dm-0 1 0 99999 5 1 0 99999 5 0 5 5
"""
NETS = """\
Inter-|   Receive                 |  Transmit
 face |bytes    packets errs drop |bytes    packets errs drop
    lo: 7777 1 0 0 0 0 0 0 7777 1 0 0 0 0 0 0
  eth0:{received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0
"""


def machine(folder: Path, **files: str) -> Settings:
    """A machine of so many files; `__` in a name is a folder."""
    for name, text in files.items():
        path = folder.joinpath(*name.split("__"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Settings(path_procfs=str(folder / "proc"), path_sysfs=str(folder / "sys"))


def test_traffic_is_that_of_whole_disks_and_of_networks_since_the_start(tmp_path: Path) -> None:
    def moved(read: int, written: int, received: int, sent: int) -> Settings:
        disks, nets = DISKS.format(read=read, written=written), NETS.format(received=received, sent=sent)
        return machine(tmp_path, proc__diskstats=disks, proc__net__dev=nets)

    watch = Watch(moved(100, 200, 1000, 2000), str(tmp_path))
    moved(102, 204, 1500, 2001)

    assert watch.facts()["machine_traffic_bytes"] == {
        "disk_read": 2 * 512,
        "disk_written": 4 * 512,
        "network_received": 500,
        "network_sent": 1,
    }


def test_the_machine_s_frequency_governor_and_memory_are_noted(tmp_path: Path) -> None:
    settings = machine(
        tmp_path,
        proc__meminfo="MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 6291456 kB\n",
        sys__devices__system__cpu__cpu0__cpufreq__scaling_cur_freq="3000000\n",
        sys__devices__system__cpu__cpu0__cpufreq__scaling_governor="powersave\n",
    )
    found = Watch(settings, str(tmp_path)).facts()

    assert {name: found[name] for name in ("cpu_mhz", "cpu_governor", "ram_used_gb", "ram_used_percent")} == {
        "cpu_mhz": 3000.0,
        "cpu_governor": "powersave",
        "ram_used_gb": 2.0,
        "ram_used_percent": 25.0,
    }


def test_a_virtual_machine_s_frequency_is_what_it_was_told(tmp_path: Path) -> None:
    settings = machine(tmp_path, proc__cpuinfo="processor: 0\ncpu MHz\t\t: 2000.0\n\nprocessor: 1\ncpu MHz\t: 3000.0\n")

    assert Watch(settings, str(tmp_path)).facts()["cpu_mhz"] == 2500.0


def test_what_can_t_be_read_is_not_known(tmp_path: Path) -> None:
    found = Watch(machine(tmp_path), str(tmp_path)).facts()

    names = ("cpu_mhz", "cpu_governor", "ram_used_gb", "ram_used_percent", "machine_traffic_bytes")
    assert [found[name] for name in names] == [None] * 5


def test_this_machine_s_are_plain_values() -> None:
    watch = Watch(Settings())
    found = {**watch.facts(), **watch.slow_facts()}

    assert json.loads(json.dumps(found)) == found
    assert watch.last_facts() is watch.slow_facts()


# packages


def module(**names: object) -> ModuleType:
    made = ModuleType("any")
    made.__dict__.update(names)
    return made


def test_versions_are_those_of_the_imported_packages(tmp_path: Path) -> None:
    for name in ("numpy-1.26.4", "Some_Thing-2.0", "never-3.1"):
        (tmp_path / f"{name}.dist-info").mkdir()
    modules: Mapping[str, object] = {
        "numpy": module(__version__="1.26.5"),
        "numpy.linalg": module(__version__="0"),
        "some_thing": module(),
        "odd": module(__version__=(1, 2)),
        "json": module(__version__="9"),
        "_private": module(__version__="9"),
        "carbonwatch": module(__version__="9"),
        "nothing": None,
    }

    assert loaded_packages(modules, [str(tmp_path)]) == {"numpy": "1.26.5", "some_thing": "2.0"}


def test_the_first_of_two_installed_versions_is_the_one_that_is_imported(tmp_path: Path) -> None:
    for folder, version in (("one", "1"), ("two", "2")):
        (tmp_path / folder / f"x.y-{version}.dist-info").mkdir(parents=True)
    path = [str(tmp_path / "none"), str(tmp_path / "one"), str(tmp_path / "two")]

    assert installed_packages(path) == {"x_y": "1"}


def test_a_python_s_packages_are_those_of_its_environment() -> None:
    assert packages_of(sys.executable)["pytest"] == pytest.__version__
    assert packages_of("/bin/sh") == packages_of("/nowhere/bin/python3") == {}


# git, the real one


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        if words[0] == "add":
            (tmp_path / "folder").mkdir()
            for name in ("one.txt", "folder/two.txt", "a name with ü.txt", "three.txt"):
                (tmp_path / name).write_text("text")
            (tmp_path / "link").symlink_to("one.txt")
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path


def test_a_repository_as_it_was_committed_has_no_changed_file(repository: Path) -> None:
    assert changed_files(str(repository)) == 0


def test_changed_and_removed_files_are_counted_and_new_ones_are_not(repository: Path) -> None:
    (repository / "one.txt").write_text("another text")
    (repository / "a name with ü.txt").unlink()
    (repository / "new.txt").write_text("new")

    assert changed_files(str(repository)) == 2
    assert changed_files(str(repository / "folder")) == 2


def test_a_file_of_the_same_size_is_changed_if_it_was_written_since(repository: Path) -> None:
    (repository / "one.txt").write_text("TEXT")
    os.utime(repository / "one.txt", (1, 1))

    assert changed_files(str(repository)) == 1


def test_where_nothing_can_be_told_it_is_none(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    small = changed_files(str(repository), 10)
    subprocess.run(["git", "-C", str(repository), "update-index", "--index-version", "4"], check=True)

    assert (changed_files(str(elsewhere)), changed_files(None), small, changed_files(str(repository))) == (None,) * 4


@pytest.mark.parametrize("index", [b"", b"DIRC", b"DIRC\0\0\0\2\0\0\0\5", b"x" * 100])
def test_a_broken_index_tells_nothing(index: bytes, repository: Path) -> None:
    (repository / ".git" / "index").write_bytes(index)

    assert changed_files(str(repository)) is None


def test_a_short_run_does_not_look_at_many_files(repository: Path) -> None:
    assert conditions._QUICK_BYTES < 100_000
    assert Watch(Settings(), str(repository)).last_facts()["git_changed_files"] == 0
