"""What went on while a run was measured: load, frequency, memory, traffic, packages, changed files.

A start takes a few counts, in a tenth of a millisecond. What takes longer (packages, changed files) is looked at on the
sampler's thread, or at the end of a run too short for that as far as it is quick. None means not known.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from carbonwatch.environment import git_folder
from carbonwatch.settings import Settings

_SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own are
_MOST_CPUS = 16  # whose frequency is read: each takes 20 µs
_QUICK_BYTES = 20_000  # of git's index: some 200 files, a millisecond
_LARGEST_INDEX = 64 << 20
_BYTES_PER_GB = 1 << 30
# disks that stand for others below them, or for none
_NOT_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd")


class Watch:
    """One run's conditions, from its start on."""

    def __init__(self, settings: Settings, folder: str | None = None) -> None:
        self._settings = settings
        self._before = _traffic(settings.path_procfs)
        self._own_before = _own_traffic()
        self._folder = folder
        self._slow: dict[str, Any] | None = None
        try:
            self._folder = os.getcwd() if folder is None else folder
        except OSError:  # it was deleted
            pass

    def facts(self) -> dict[str, Any]:
        """How the machine is now, and the traffic since the start; cheap."""
        procfs, sysfs = self._settings.path_procfs, self._settings.path_sysfs
        used_gb, percent = _memory(procfs)
        return {
            "load_average": _load(),
            "cpu_mhz": _cpu_mhz(procfs, sysfs),
            "cpu_governor": _read(sysfs, "devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
            "ram_used_gb": used_gb,
            "ram_used_percent": percent,
            "machine_traffic_bytes": _since(_traffic(procfs), self._before),
            "program_traffic_bytes": _since(_own_traffic(), self._own_before),
        }

    def slow_facts(self) -> dict[str, Any]:
        """What takes milliseconds; looked at once."""
        if self._slow is None:
            self._slow = {"packages": loaded_packages(), "git_changed_files": changed_files(self._folder)}
        return self._slow

    def last_facts(self) -> dict[str, Any]:
        """At the end: what was looked at, or is quick to."""
        if self._slow is not None:
            return self._slow
        return {"packages": loaded_packages(), "git_changed_files": changed_files(self._folder, _QUICK_BYTES)}


def _load() -> list[float] | None:
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except (AttributeError, OSError):  # Windows
        return None


def _cpu_mhz(procfs: str, sysfs: str) -> float | None:
    """The mean of the first CPUs now: cpufreq's, else /proc/cpuinfo's, which is nominal in a virtual machine."""
    found = []
    for cpu in range(min(os.cpu_count() or 1, _MOST_CPUS)):
        text = _read(sysfs, f"devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq").strip()
        if not text.isdecimal():
            break
        found.append(int(text) / 1000)
    if not found:
        lines = _read(procfs, "cpuinfo").splitlines()
        found = [_number(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return round(sum(found) / len(found), 1) if found else None


def _memory(procfs: str) -> tuple[float | None, float | None]:
    """Used by everybody, in GB and percent: what could not be had without swapping."""
    words = _read(procfs, "meminfo", size=512).split()
    try:
        total_kb, free_kb = (int(words[words.index(name) + 1]) for name in ("MemTotal:", "MemAvailable:"))
    except (ValueError, IndexError):
        return None, None
    return round((total_kb - free_kb) * 1024 / _BYTES_PER_GB, 2), round(100 * (1 - free_kb / total_kb), 1)


def _traffic(procfs: str) -> dict[str, int]:
    """Bytes of all disks and network interfaces since boot."""
    found: dict[str, int] = {}
    disks = [line.split() for line in _read(procfs, "diskstats", size=65536).splitlines()]
    disks = [words for words in disks if len(words) > 9 and _is_disk(words[2])]
    if disks:
        found["disk_read"] = sum(int(words[5]) for words in disks) * _SECTOR_BYTES
        found["disk_written"] = sum(int(words[9]) for words in disks) * _SECTOR_BYTES
    nets = [line.partition(":") for line in _read(procfs, "net/dev", size=65536).splitlines()]
    counts = [after.split() for name, mark, after in nets if mark and name.strip() != "lo"]
    if counts:
        found["network_received"] = sum(int(words[0]) for words in counts)
        found["network_sent"] = sum(int(words[8]) for words in counts)
    return found


def _is_disk(name: str) -> bool:
    """A whole disk and not a part of one: sda, nvme0n1, mmcblk0, vda; not sda1, nvme0n1p2."""
    if name.startswith(_NOT_DISKS):
        return False
    if name.startswith(("nvme", "mmcblk")):
        return "p" not in name.removeprefix("nvme").removeprefix("mmcblk")
    return not name[-1:].isdigit()


def _own_traffic() -> dict[str, int]:
    """Bytes that this process and those it waited for moved to and from disks."""
    pairs = (line.partition(": ") for line in _read("/proc/self", "io").splitlines())
    names = {"read_bytes": "disk_read", "write_bytes": "disk_written"}
    return {names[name]: int(value) for name, _, value in pairs if name in names}


def _since(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int] | None:
    """What came in between; None where nothing is counted."""
    return {name: max(0, now[name] - before[name]) for name in now if name in before} or None


# --- packages


def loaded_packages(modules: Mapping[str, Any] | None = None, path: Iterable[str] | None = None) -> dict[str, str]:
    """Versions of the packages that this program has imported, as far as they tell or their folder's name does."""
    modules = dict(sys.modules) if modules is None else modules
    versions = {name: _version(module) for name, module in modules.items() if _is_foreign(name)}
    if None in versions.values():
        installed = installed_packages(sys.path if path is None else path)
        versions = {name: version or installed.get(_plain(name)) for name, version in versions.items()}
    return {name: version for name, version in sorted(versions.items()) if version}


def _is_foreign(name: str) -> bool:
    return not ("." in name or name.startswith("_") or name in sys.stdlib_module_names or name == "carbonwatch")


def _version(module: Any) -> str | None:
    version = getattr(module, "__dict__", {}).get("__version__")  # not getattr(): some import when asked
    return version if isinstance(version, str) else None


def installed_packages(path: Iterable[str]) -> dict[str, str]:
    """Versions of all packages in some folders, by the names of their metadata's folders."""
    found: dict[str, str] = {}
    for folder in path:
        for name, version in _metadata(folder):
            found.setdefault(_plain(name), version)  # the first is the one that is imported
    return found


def packages_of(program: str) -> dict[str, str]:
    """All packages of the environment that a Python belongs to; nothing where it is no Python."""
    if not os.path.basename(program).startswith("python"):
        return {}
    library = os.path.join(os.path.dirname(os.path.dirname(program)), "lib")
    try:
        pythons = sorted(name for name in os.listdir(library) if name.startswith("python3"))
    except OSError:
        return {}
    return installed_packages(os.path.join(library, name, "site-packages") for name in pythons)


def _metadata(folder: str) -> Iterator[tuple[str, str]]:
    try:
        names = os.listdir(folder or os.curdir)
    except OSError:  # zips, and folders that are not there
        return
    for name in names:
        if name.endswith(".dist-info"):
            package, _, version = name.removesuffix(".dist-info").rpartition("-")
            if package:
                yield package, version


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


# --- git


def changed_files(folder: str | None, most_bytes: int = _LARGEST_INDEX) -> int | None:
    """How many files differ from those that git has noted, by their size and time; new files do not count.

    None without git, where the index is larger than that, or of a kind that is not read here.
    """
    git = git_folder(folder) if folder else None
    path = os.path.join(git, "index") if git else ""
    try:
        if not git or not folder or os.path.getsize(path) > most_bytes:
            return None
        with open(path, "rb") as file:
            index = file.read()
        return sum(_differs(os.path.join(_top(folder), name), *noted) for name, *noted in _entries(index))
    except (OSError, ValueError, IndexError):
        return None


def _top(folder: str) -> str:
    """The folder that has .git in it."""
    while not os.path.exists(os.path.join(folder, ".git")):
        folder = os.path.dirname(folder)
    return folder


def _entries(index: bytes) -> Iterator[tuple[str, int, int, int]]:
    """Name, time in s and ns, and size of each file: gitformat-index(5), versions 2 and 3. Raises ValueError."""
    if index[:4] != b"DIRC" or index[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
        raise ValueError("an index of another version")
    at = 12
    for _ in range(_integer(index, 8)):
        flags = int.from_bytes(index[at + 60 : at + 62], "big")
        begin = at + (64 if flags & 0x4000 else 62)
        end = index.index(b"\0", begin)
        is_file = _integer(index, at + 24) >> 12 == 0o10
        skips = flags & 0x4000 and index[at + 62] & 0x40  # sparse checkouts leave it out
        if is_file and not skips:
            name = os.fsdecode(index[begin:end])
            yield name, _integer(index, at + 8), _integer(index, at + 12), _integer(index, at + 36)
        at += (end - at) // 8 * 8 + 8  # filled up to a multiple of 8


def _integer(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _differs(path: str, seconds: int, ns: int, size: int) -> bool:
    try:
        now = os.lstat(path)
    except OSError:
        return True
    if now.st_size & 0xFFFFFFFF != size:
        return True
    return (int(now.st_mtime_ns // 10**9) & 0xFFFFFFFF, now.st_mtime_ns % 10**9) != (seconds, ns)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _read(*parts: str, size: int = 4096) -> str:
    """The beginning of a file. Empty where it can't be read."""
    try:
        with open(os.path.join(*parts), "rb", buffering=0) as file:
            return (file.read(size) or b"").decode(errors="replace")
    except (OSError, ValueError):
        return ""
