"""What processor this is, and whether it is a whole machine: from /proc and /sys, in less than a millisecond."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from carbonwatch.cpunames import Cpuid, Processor, identify

_BYTES_PER_GB = 1 << 30

# SMBIOS, system enclosure types
_LAPTOPS = frozenset((8, 9, 10, 14, 30, 31, 32))
_DESKTOPS = frozenset((3, 4, 5, 6, 7, 13, 15, 16, 24, 35, 36))
_SERVERS = frozenset((17, 22, 23, 25, 28, 29))
# makers and products of machines that are not there, in DMI
_VIRTUAL = ("amazon ec2", "google", "qemu", "kvm", "vmware", "virtualbox", "xen", "openstack", "bhyve", "parallels")
_SAGEMAKER = "SM_CURRENT_INSTANCE_TYPE"  # "ml.m5.xlarge"
_METAL = "metal"  # an instance that is a whole machine says so


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine as its system shows it. A virtual machine's sockets and cores are what it was told."""

    name: str | None
    cpuid: Cpuid | None
    threads: int  # that are here
    threads_of_socket: int | None
    cores_of_socket: int | None
    form: str | None  # "server", "desktop", "laptop", "board"; None: nothing says
    is_virtual: bool

    @property
    def processor(self) -> Processor:
        return identify(self.name, self.cpuid)

    @property
    def sockets(self) -> int:
        return max(1, round(self.threads / self.threads_of_socket)) if self.threads_of_socket else 1


def look(threads: int, path_procfs: str = "/proc", path_sysfs: str = "/sys") -> Hardware:
    """This machine, or the one whose /proc and /sys are mounted there. `threads`: how many CPUs it shows."""
    text = _read(path_procfs, "cpuinfo", size=4096)
    first = _pairs(text.partition("\n\n")[0])
    cpuid = _cpuid(first)
    name = first.get("model name") or first.get("cpu model")
    tree = _read(path_procfs, "device-tree", "model").strip("\0")
    if not name and tree:
        name = tree
    if not name and not first and path_procfs == "/proc":
        name = _name_elsewhere()
    is_virtual = _is_virtual(first, path_procfs, path_sysfs)
    form = None if is_virtual else _form(path_sysfs, tree)
    return Hardware(
        name, cpuid, threads, _number(first.get("siblings")), _number(first.get("cpu cores")), form, is_virtual
    )


def fingerprint(path_procfs: str = "/proc", path_sysfs: str = "/sys") -> str:
    """What a calibration belongs to: another processor or memory is another machine."""
    found = look(os.cpu_count() or 1, path_procfs, path_sysfs)
    size_gb = memory_gb(path_procfs)
    size = "?" if size_gb is None else f"{size_gb:.0f}"
    return f"{found.name or 'unnamed'}, {found.threads} threads, {size} GB"


def memory_gb(path_procfs: str = "/proc") -> float | None:
    """All memory, in units of 2**30 bytes; None where nothing tells."""
    words = _read(path_procfs, "meminfo", size=256).split()
    try:
        return int(words[words.index("MemTotal:") + 1]) * 1024 / _BYTES_PER_GB
    except (ValueError, IndexError):
        return _memory_elsewhere() if path_procfs == "/proc" else None


def sold_as(environ: Mapping[str, str], path_sysfs: str = "/sys") -> str | None:
    """What a cloud calls this machine ("aws/m5.xlarge"), where environment or firmware say it: SageMaker and EC2."""
    name = environ.get(_SAGEMAKER)
    if name:
        return f"aws/{name.removeprefix('ml.')}"
    folder = os.path.join(path_sysfs, "class", "dmi", "id")
    if _read(folder, "sys_vendor").strip() != "Amazon EC2":
        return None
    product = _read(folder, "product_name").strip()
    return f"aws/{product}" if "." in product else None  # older ones say "HVM domU"


def _memory_elsewhere() -> float | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _BYTES_PER_GB
    except (AttributeError, OSError, ValueError):  # Windows
        pass
    try:
        import psutil
    except ImportError:
        return None
    return float(psutil.virtual_memory().total) / _BYTES_PER_GB


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return found


def _cpuid(first: dict[str, str]) -> Cpuid | None:
    try:
        if "CPU implementer" in first:
            return Cpuid(first["CPU implementer"], 8, int(first["CPU part"], 16))
        return Cpuid(
            first["vendor_id"], int(first["cpu family"]), int(first["model"]), _number(first.get("stepping")) or 0
        )
    except (KeyError, ValueError):
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _is_virtual(first: dict[str, str], path_procfs: str, path_sysfs: str) -> bool:
    """By the flag of x86; by what the firmware says where there is none."""
    flags = first.get("flags")
    if flags is not None:
        return "hypervisor" in flags.split()
    if os.path.exists(os.path.join(path_procfs, "device-tree", "hypervisor")) or _read(
        path_sysfs, "hypervisor", "type"
    ):
        return True
    made = " ".join(_read(path_sysfs, "class", "dmi", "id", name) for name in ("sys_vendor", "product_name")).lower()
    return any(word in made for word in _VIRTUAL) and _METAL not in made


def _form(path_sysfs: str, tree: str) -> str | None:
    if tree:
        return "board" if "server" not in tree.lower() else "server"
    chassis = _number(_read(path_sysfs, "class", "dmi", "id", "chassis_type").strip())
    if chassis is not None:
        for form, types in (("laptop", _LAPTOPS), ("desktop", _DESKTOPS), ("server", _SERVERS)):
            if chassis in types:
                return form
    return None


def _name_elsewhere() -> str | None:
    """As macOS and Windows keep it."""
    if sys.platform == "darwin":
        return _name_on_mac()
    if sys.platform == "win32":
        return _name_on_windows()
    return None


def _name_on_mac() -> str | None:
    import ctypes

    try:
        library = ctypes.CDLL(None)
        size = ctypes.c_size_t(256)
        value = ctypes.create_string_buffer(size.value)
        if library.sysctlbyname(b"machdep.cpu.brand_string", value, ctypes.byref(size), None, 0):
            return None
    except (OSError, AttributeError):
        return None
    return value.value.decode(errors="replace")


def _name_on_windows() -> str | None:
    import importlib

    winreg = importlib.import_module("winreg")  # is there on Windows alone
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
    except OSError:
        return None


def _read(*parts: str, size: int = 256) -> str:
    """The beginning of a file: all of /proc/cpuinfo takes long to be made. Empty where it can't be read."""
    try:
        with open(os.path.join(*parts), "rb", buffering=0) as file:
            return (file.read(size) or b"").decode(errors="replace")
    except (OSError, ValueError):
        return ""
