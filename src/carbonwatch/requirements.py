"""Stops an experiment before it runs on other hardware than it says: its energy would answer another question.

carbonwatch.require(gpu="A100", gpu_count=8, cpu="EPYC 7763", cpu_cores=64)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, Unpack

from carbonwatch import environment, hardware, nvidia
from carbonwatch.errors import HardwareMismatch, SettingsError, Unavailable
from carbonwatch.sensors import amdsmi
from carbonwatch.settings import Settings, resolve

Environ = Mapping[str, str]

_BYTES_PER_GB = 1 << 30
_RAM_SLACK = 0.06  # of the size on the label: firmware, graphics and crash kernels keep some


class Asked(TypedDict, total=False):
    """What can be asked for, and the settings that say where to look."""

    gpu: str  # of every GPU that the program can see
    gpu_count: int
    gpu_memory_gb: float
    gpu_driver: str  # the beginning of its version
    cpu: str
    cpu_cores: int  # of the machine
    cpu_threads: int  # hardware threads that this program may use
    ram_gb: float
    governor: str
    virtualisation: str  # "none": a machine of its own
    container: str
    gpus: tuple[str, ...]
    path_procfs: str
    path_sysfs: str


def require(environ: Mapping[str, str] | None = None, **asked: Unpack[Asked]) -> None:
    """Raises HardwareMismatch, with all that is different, where this machine is not what the experiment says.

    Names (`gpu`, `cpu`) are looked for in the device's own, whatever their case; numbers are exact, but for memory,
    of which the system always shows a little less.
    """
    environ = os.environ if environ is None else environ
    wanted = {name: value for name, value in asked.items() if name in _LOOKS and value is not None}
    chosen = resolve({name: value for name, value in asked.items() if name not in _LOOKS}, environ=environ)
    if not wanted:
        raise SettingsError(f"require() asks for nothing, so it can't stop anything. It takes: {', '.join(_LOOKS)}.")
    wrong = [text for name, value in wanted.items() if (text := _difference(name, value, chosen, environ))]
    if wrong:
        lines = "".join(f"\n  {text}" for text in wrong)
        raise HardwareMismatch(
            f"This is not the hardware that the experiment asks for, so its energy would not be comparable:{lines}\n"
            "Run it elsewhere, or change what require() asks for."
        )


def _difference(name: str, wanted: Any, chosen: Settings, environ: Environ) -> str:
    """What is wrong with one of them; nothing where it is as wanted."""
    look, fits = _LOOKS[name]
    try:
        found = look(chosen, environ)
    except Unavailable as error:
        return f"{name}: {wanted} is asked for; it can't be told: {error.reason}"
    if found is None:
        return f"{name}: {wanted} is asked for, and it can't be told what is here"
    if fits(found, wanted):
        return ""
    shown = ", ".join(map(str, found)) or "none" if isinstance(found, list) else found
    return f"{name}: {wanted} is asked for, and here is {shown}"


def _has(found: str, wanted: str) -> bool:
    """A part of a name: "EPYC 7763" of "AMD EPYC 7763 64-Core Processor"."""
    return wanted.lower() in found.lower()


def _all_have(found: list[str], wanted: str) -> bool:
    return bool(found) and all(_has(each, wanted) for each in found)


def _is(found: object, wanted: object) -> bool:
    return found == wanted


def _about(found: float, wanted: float) -> bool:
    return wanted * (1 - _RAM_SLACK) <= found <= wanted * 1.01


def _all_about(found: list[float], wanted: float) -> bool:
    return bool(found) and all(_about(each, wanted) for each in found)


def _of_nvidia(ask: Callable[[nvidia.Nvml, nvidia.Board], Any]) -> Callable[[Settings, Environ], list[Any]]:
    """What every GPU of NVIDIA that the program can see says; an empty list where there is none."""

    def look(chosen: Settings, environ: Environ) -> list[Any]:
        try:
            nvml = nvidia.open_nvml(chosen.path_procfs, environ)
        except Unavailable as error:
            if error.remedy:  # there is one, and it can't be asked
                raise
            return []
        try:
            return [ask(nvml, board) for board in nvidia.choose(nvml, chosen.gpus, environ).boards]
        finally:
            nvml.close()

    return look


def _of_amd(chosen: Settings, environ: Environ) -> list[amdsmi.Board]:
    """GPUs of AMD that the program can see."""
    return amdsmi.choose(amdsmi.every_board(chosen.path_sysfs), environ)[0]


def _gpu_names(chosen: Settings, environ: Environ) -> list[str]:
    names: list[str] = _of_nvidia(lambda _, board: board.name)(chosen, environ)
    return [*names, *(board.name for board in _of_amd(chosen, environ))]


def _gpu_memories_gb(chosen: Settings, environ: Environ) -> list[float]:
    sizes_gb: list[float] = _of_nvidia(lambda nvml, board: nvml.memory_gb(board.uuid))(chosen, environ)
    for board in _of_amd(chosen, environ):
        if board.memory_bytes is None:
            raise Unavailable(f"the driver of {board.name} does not say.")
        sizes_gb.append(round(board.memory_bytes / _BYTES_PER_GB, 2))
    return sizes_gb


def _gpu_drivers(chosen: Settings, environ: Environ) -> list[str]:
    """AMD's tells its version where it was installed beside the kernel; the kernel's own has none."""
    versions: list[str] = _of_nvidia(lambda nvml, _: nvml.drivers().get("gpu_driver", "?"))(chosen, environ)
    mine = _text(chosen.path_sysfs, "module/amdgpu/version") or "?"
    return [*versions, *(mine for _ in _of_amd(chosen, environ))]


def _cpu_name(chosen: Settings, _: Environ) -> str | None:
    return hardware.look(os.cpu_count() or 1, chosen.path_procfs, chosen.path_sysfs).name


def _cores(chosen: Settings, _: Environ) -> int | None:
    """Of all sockets, as the system counts them."""
    found = hardware.look(os.cpu_count() or 1, chosen.path_procfs, chosen.path_sysfs)
    return found.cores_of_socket * found.sockets if found.cores_of_socket else None


def _threads(_: Settings, __: Environ) -> int | None:
    """Hardware threads that this program may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _governor(chosen: Settings, _: Environ) -> str | None:
    return _text(chosen.path_sysfs, "devices/system/cpu/cpu0/cpufreq/scaling_governor")


def _virtualisation(chosen: Settings, _: Environ) -> str | None:
    try:
        with open(os.path.join(chosen.path_procfs, "cpuinfo"), encoding="utf-8", errors="replace") as file:
            return environment.virtualisation(chosen, file.read(4096))
    except OSError:
        return None


# what can be asked for: how to look, and when what is found fits
_LOOKS: Mapping[str, tuple[Callable[[Settings, Environ], Any], Callable[[Any, Any], bool]]] = {
    "gpu": (_gpu_names, _all_have),
    "gpu_count": (lambda chosen, environ: len(_gpu_names(chosen, environ)), _is),
    "gpu_memory_gb": (_gpu_memories_gb, _all_about),
    "gpu_driver": (
        _gpu_drivers,
        lambda found, wanted: bool(found) and all(version.startswith(wanted) for version in found),
    ),
    "cpu": (_cpu_name, _has),
    "cpu_cores": (_cores, _is),
    "cpu_threads": (_threads, _is),
    "ram_gb": (lambda chosen, _: _rounded(hardware.memory_gb(chosen.path_procfs)), _about),
    "governor": (_governor, _is),
    "virtualisation": (_virtualisation, _is),
    "container": (lambda chosen, environ: environment.container(chosen.path_procfs, environ), _is),
}


def _text(*parts: str) -> str | None:
    try:
        with open(os.path.join(*parts), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
