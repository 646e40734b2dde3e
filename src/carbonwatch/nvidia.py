"""NVIDIA's management library (NVML), and which boards a program can see.

Both the meter and the activity of GPUs need it; they may not know each other, so it stands below both. The
library counts who has it open, so that each opens it for itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.units import NS_PER_S

_LIBRARY = "libnvidia-ml.so.1"
# what shows a driver besides /proc/driver/nvidia, which sandboxes like gVisor leave out and WSL has not
_SIGNS = ("/dev/nvidiactl", f"/usr/lib/wsl/lib/{_LIBRARY}")
LEAVE_OUT = "Leave out the setting gpus."  # the remedy where boards are named on a machine that has none
_RETRY_NS = NS_PER_S

# Codes of NVML (nvmlReturn_t, nvml.h).
_SUCCESS, _NOT_SUPPORTED, NO_PERMISSION, _NOT_FOUND, _DRIVER_NOT_LOADED, _TIMEOUT = 0, 3, 4, 6, 9, 10
_LIBRARY_NOT_FOUND, _FUNCTION_NOT_FOUND, _VERSION_MISMATCH, _NO_DATA, _NOT_READY = 12, 13, 18, 21, 27
# the board is well, this question is not for it or not for now
_NO_ANSWER = (_SUCCESS, _NOT_SUPPORTED, NO_PERMISSION, _NOT_FOUND, _TIMEOUT, _FUNCTION_NOT_FOUND, _NO_DATA, _NOT_READY)
_NOTHING = (_SUCCESS, _NOT_FOUND, _NO_DATA)  # a list would be empty

# Of nvmlFieldValue_t (nvml.h): mean power of the last second (Ampere and later, not A100), power now, and whose.
_POWER_AVERAGE, _POWER_INSTANT = 185, 186
GPU, MODULE, MEMORY = 0, 1, 2
_TOTAL_POWER_SAMPLES = 0

_GIVE_THE_GPU = "In a container: start it with the GPU, as in `docker run --gpus all`."
_REMEDIES = {
    _LIBRARY_NOT_FOUND: _GIVE_THE_GPU,
    _DRIVER_NOT_LOADED: "",  # the library alone, as in images that serve machines with and without a GPU
    _VERSION_MISMATCH: "The driver was updated while it was in use: restart the machine.",
}


class Board(NamedTuple):
    """A GPU's board, whole."""

    number: int  # in NVML's order, which is nvidia-smi's
    uuid: str  # "GPU-…"
    name: str
    shared: bool  # MIG instances have parts of it

    @property
    def id(self) -> str:
        return f"nvml:{self.uuid}"


class Used(NamedTuple):
    """How busy one process kept a board up to an instant, since the one before."""

    pid: int
    until_us: int
    sm_percent: int


class PowerSample(NamedTuple):
    """A board's power at an instant of the wall clock."""

    at_us: int
    power_mw: int


class Limits(NamedTuple):
    """What a board may draw, in watts: now, as it came, and the ends of what can be set."""

    limit_w: float
    default_w: float
    least_w: float
    most_w: float


class Choice(NamedTuple):
    """Boards to read, others by id with the reason, and what is doubtful about it."""

    boards: list[Board]
    rejected: dict[str, str]
    doubt: str = ""


class NoAnswer(Unavailable):
    """A board that is well and has no answer to this question."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


class Nvml:
    """NVML, opened. A board that is lost, or a driver that goes away, is looked for again every second.

    Questions raise Unavailable with the reason. `ns` is the monotonic instant at which they are asked.
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        self._handles: dict[str, Any] = {}
        self._lost: dict[str, tuple[int, str]] = {}  # when it was last tried, and what came of it
        self._is_open = True
        self._reopened_ns = -_RETRY_NS
        api.nvmlInit()

    def boards(self) -> tuple[list[Board], dict[str, str]]:
        """Every board that answers, and why others don't, in nvidia-smi's order."""
        found: list[Board] = []
        silent: dict[str, str] = {}
        for index in range(self._api.nvmlDeviceGetCount()):
            try:
                handle = self._api.nvmlDeviceGetHandleByIndex(index)
                uuid, name = self._api.nvmlDeviceGetUUID(handle), self._api.nvmlDeviceGetName(handle)
                found.append(Board(index, uuid, name, self._is_split(handle)))
                self._handles[uuid] = handle
            except self._api.NVMLError as error:
                silent[f"nvml:{index}"] = f"it does not answer (NVML: {error})"
        return found, silent

    def keep(self, boards: list[Board]) -> None:
        """Lets go of all others: whether those answer makes no difference any more."""
        self._handles = {board.uuid: self._handles[board.uuid] for board in boards}

    def parent(self, mig_uuid: str) -> str | None:
        """UUID of the board that a MIG instance is a part of."""
        try:
            instance = self._api.nvmlDeviceGetHandleByUUID(mig_uuid)
            board = self._api.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance)
            return str(self._api.nvmlDeviceGetUUID(board))
        except self._api.NVMLError:
            return None

    def energy_mj(self, uuid: str, ns: int = 0) -> int:
        """Millijoules since the driver was loaded."""
        return int(self._ask("nvmlDeviceGetTotalEnergyConsumption", uuid, ns))

    def power_mw(self, uuid: str, ns: int = 0) -> int:
        return int(self._ask("nvmlDeviceGetPowerUsage", uuid, ns))

    def average_mw(self, uuid: str, ns: int = 0, scope: int = GPU) -> int:
        """Mean power of the last second."""
        return self._field(_POWER_AVERAGE, scope, uuid, ns)

    def instant_mw(self, uuid: str, ns: int = 0, scope: int = GPU) -> int:
        return self._field(_POWER_INSTANT, scope, uuid, ns)

    def power_samples(self, uuid: str, ns: int, since_us: int) -> list[PowerSample]:
        """What the driver kept of its own samples that is newer; oldest first. Empty where there is nothing new."""
        try:
            _, samples = self._ask("nvmlDeviceGetSamples", uuid, ns, _TOTAL_POWER_SAMPLES, since_us)
        except NoAnswer as error:
            if error.code in _NOTHING:
                return []
            raise
        found = [PowerSample(s.timeStamp, s.sampleValue.uiVal) for s in samples]
        return sorted(sample for sample in found if sample.at_us > since_us)

    def limits(self, uuid: str) -> Limits:
        """The power limit and what it may be set to."""
        now_mw = self._ask("nvmlDeviceGetPowerManagementLimit", uuid, 0)
        default_mw = self._ask("nvmlDeviceGetPowerManagementDefaultLimit", uuid, 0)
        least_mw, most_mw = self._ask("nvmlDeviceGetPowerManagementLimitConstraints", uuid, 0)
        return Limits(now_mw / 1e3, default_mw / 1e3, least_mw / 1e3, most_mw / 1e3)

    def set_limit(self, uuid: str, limit_w: float) -> None:
        """Sets the power limit, which needs root. It holds until somebody sets another, or the driver is unloaded."""
        self._ask("nvmlDeviceSetPowerManagementLimit", uuid, 0, round(limit_w * 1e3))

    def busy_percent(self, uuid: str, ns: int) -> int:
        """Share of the last moments in which some kernel ran, whoever's it was."""
        return int(self._ask("nvmlDeviceGetUtilizationRates", uuid, ns).gpu)

    def processes(self, uuid: str, ns: int) -> set[int]:
        """Who has a compute context on it. Raises NoAnswer where a server (MPS) stands between."""
        if self._list("nvmlDeviceGetMPSComputeRunningProcesses", uuid, ns, optional=True):
            raise NoAnswer("programs share it through MPS, which hides whose work it does", _NOT_SUPPORTED)
        return {process.pid for process in self._list("nvmlDeviceGetComputeRunningProcesses", uuid, ns)}

    def memory_gb(self, uuid: str, ns: int = 0) -> float:
        """All memory of a board, in units of 2**30 bytes."""
        return round(int(self._ask("nvmlDeviceGetMemoryInfo", uuid, ns).total) / (1 << 30), 2)

    def drivers(self) -> dict[str, str]:
        """Versions of the driver and of the CUDA that it brings, as far as it tells."""
        found: dict[str, str] = {}
        try:
            found["gpu_driver"] = str(self._api.nvmlSystemGetDriverVersion())
            cuda = int(self._api.nvmlSystemGetCudaDriverVersion())
            found["cuda_driver"] = f"{cuda // 1000}.{cuda % 1000 // 10}"
        except self._api.NVMLError:
            pass
        return found

    def state(self, uuid: str, ns: int) -> dict[str, float]:
        """How a board is now: temperature in degrees Celsius, clock, performance state (0 is the fastest), memory."""
        questions: dict[str, tuple[str, tuple[int, ...], Callable[[Any], float]]] = {
            "temperature_c": ("nvmlDeviceGetTemperature", (0,), float),
            "performance_state": ("nvmlDeviceGetPerformanceState", (), float),
            "sm_clock_mhz": ("nvmlDeviceGetClockInfo", (1,), float),
            "busy_percent": ("nvmlDeviceGetUtilizationRates", (), lambda rates: float(rates.gpu)),
            "memory_used_gb": ("nvmlDeviceGetMemoryInfo", (), lambda memory: round(memory.used / (1 << 30), 2)),
        }
        found: dict[str, float] = {}
        for name, (function, arguments, value) in questions.items():
            try:
                found[name] = value(self._ask(function, uuid, ns, *arguments))
            except NoAnswer:
                continue
            except Unavailable:  # the board is lost
                break
        return found

    def used(self, uuid: str, ns: int, since_us: int) -> list[Used]:
        """Samples newer than an instant of the wall clock, in microseconds; oldest first."""
        samples = self._list("nvmlDeviceGetProcessUtilization", uuid, ns, since_us)
        found = [Used(s.pid, s.timeStamp, s.smUtil) for s in samples]
        # some drivers fill the list up with rubbish
        return sorted((u for u in found if u.pid and u.until_us > since_us and u.sm_percent <= 100), key=lambda u: u[1])

    def close(self) -> None:
        """Gives the library back."""
        self._handles.clear()
        if self._is_open:
            self._is_open = False
            try:
                self._api.nvmlShutdown()
            except self._api.NVMLError:
                pass  # somebody gave back more than was theirs

    def _is_split(self, handle: Any) -> bool:
        try:
            return bool(self._api.nvmlDeviceGetMigMode(handle)[0])
        except self._api.NVMLError:  # cards before A100 know no MIG
            return False

    def _field(self, field: int, scope: int, uuid: str, ns: int) -> int:
        (answer,) = self._ask("nvmlDeviceGetFieldValues", uuid, ns, [(field, scope)])
        if answer.nvmlReturn != _SUCCESS:
            raise NoAnswer(f"NVML: {self._api.NVMLError(answer.nvmlReturn)}", answer.nvmlReturn)
        return int(answer.value.uiVal)

    def _list(self, function: str, uuid: str, ns: int, *arguments: int, optional: bool = False) -> list[Any]:
        try:
            return list(self._ask(function, uuid, ns, *arguments))
        except NoAnswer as error:
            if optional or error.code in _NOTHING:
                return []
            raise

    def _ask(self, function: str, uuid: str, ns: int, *arguments: Any) -> Any:
        handle = self._handle(uuid, ns)
        try:
            return getattr(self._api, function)(handle, *arguments)
        except self._api.NVMLError as error:
            if error.value in _NO_ANSWER:
                raise NoAnswer(f"NVML: {error}", error.value) from error
            raise self._lose(uuid, ns, error) from error

    def _handle(self, uuid: str, ns: int) -> Any:
        if uuid in self._handles:
            return self._handles[uuid]
        tried_ns, reason = self._lost.get(uuid, (ns - _RETRY_NS, ""))
        if ns - tried_ns < _RETRY_NS:
            raise Unavailable(reason)
        try:
            self._open(ns)
            self._handles[uuid] = self._api.nvmlDeviceGetHandleByUUID(uuid)
        except self._api.NVMLError as error:
            raise self._lose(uuid, ns, error) from error
        return self._handles[uuid]

    def _open(self, ns: int) -> None:
        if self._is_open:
            return
        if ns - self._reopened_ns < _RETRY_NS:
            raise Unavailable("NVML: the driver went away")
        self._reopened_ns = ns
        self._api.nvmlInit()
        self._is_open = True

    def _lose(self, uuid: str, ns: int, error: Exception) -> Unavailable:
        reason = f"NVML: {error}"
        self._handles.pop(uuid, None)
        self._lost[uuid] = ns, reason
        if not self._handles:
            self.close()  # after the driver was loaded again, the library works once everybody has closed it
        return Unavailable(reason)


def open_nvml(path_procfs: str, environ: Mapping[str, str], *, signs: tuple[str, ...] = _SIGNS) -> Nvml:
    """The library. Raises Unavailable, with a remedy only where there is a GPU to be read."""
    if not _is_likely((os.path.join(path_procfs, "driver", "nvidia", "version"), *signs), environ):
        raise Unavailable("There is no NVIDIA driver on this machine.")
    try:
        import pynvml
    except ImportError as error:
        raise Unavailable(
            "There is an NVIDIA driver, but the package that asks it is not installed, so its GPUs are not read.",
            'pip install "carbonwatch[nvidia]"',
        ) from error
    try:
        return Nvml(pynvml)
    except pynvml.NVMLError as error:
        remedy = _REMEDIES.get(error.value, "`nvidia-smi` meets the same and may say more.")
        raise Unavailable(f"NVIDIA's library can't be opened (NVML: {error}).", remedy) from error


def _is_likely(signs: tuple[str, ...], environ: Mapping[str, str]) -> bool:
    """Whether there may be a driver, told without importing ctypes (4 ms) and pynvml (45 ms)."""
    return (
        any(os.path.exists(sign) for sign in signs)
        or (os.name == "nt" and _is_on_windows(environ))
        or any(os.path.exists(os.path.join(f, _LIBRARY)) for f in environ.get("LD_LIBRARY_PATH", "").split(":") if f)
        or _is_loadable()
    )


def _is_on_windows(environ: Mapping[str, str]) -> bool:
    system = os.path.join(environ.get("WINDIR", "C:/Windows"), "System32", "nvml.dll")
    older = os.path.join(environ.get("ProgramFiles", "C:/Program Files"), "NVIDIA Corporation", "NVSMI", "nvml.dll")
    return os.path.exists(system) or os.path.exists(older)


def _is_loadable() -> bool:
    """Whether the linker finds it, where the program has ctypes already (as with numpy): then it costs 0.2 ms."""
    if "ctypes" not in sys.modules:
        return False
    import ctypes  # waits for another thread that is in the middle of this

    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    return True


def choose(nvml: Nvml, gpus: tuple[str, ...], environ: Mapping[str, str]) -> Choice:
    """The boards that `gpus` names, else those that CUDA shows to this program.

    Raises SettingsError where it names one that is not there.
    """
    boards, silent = nvml.boards()
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if gpus:
        chosen, why_not = _by_setting(nvml, boards, gpus), "not among the setting gpus"
    elif visible is not None:
        chosen, why_not = _by_cuda(nvml, boards, visible), f"not visible (CUDA_VISIBLE_DEVICES={visible})"
    else:
        return Choice(boards, silent)
    nvml.keep(chosen)
    rejected = {b.id: why_not for b in boards if b not in chosen}
    doubt = "" if gpus else _doubt(boards, visible or "", environ)
    return Choice(chosen, {**silent, **rejected}, doubt)


def _by_setting(nvml: Nvml, boards: list[Board], entries: tuple[str, ...]) -> list[Board]:
    found = [_find(nvml, boards, entry) for entry in entries]
    for entry, board in zip(entries, found, strict=True):
        if board is None:
            there = ", ".join(f"{b.number} ({b.uuid}, {b.name})" for b in boards) or "none"
            raise SettingsError(f"gpus names {entry!r}, which is no GPU of this machine. There are: {there}.")
    return list(dict.fromkeys(board for board in found if board is not None))


def _by_cuda(nvml: Nvml, boards: list[Board], visible: str) -> list[Board]:
    """As CUDA reads the variable: what stands behind the first entry that names no GPU does not count."""
    chosen: dict[Board, None] = {}
    for entry in visible.split(","):
        board = _find(nvml, boards, entry.strip())
        if board is None:
            break
        chosen[board] = None
    return list(chosen)


def _find(nvml: Nvml, boards: list[Board], entry: str) -> Board | None:
    """The board of an index, of a UUID or the beginning of just one, or of a MIG instance."""
    if entry.isdecimal():
        return next((b for b in boards if b.number == int(entry)), None)
    if entry.startswith("MIG-GPU-"):  # MIG-<UUID of the board>/<GPU instance>/<compute instance>, drivers before R470
        uuid = entry.removeprefix("MIG-").partition("/")[0]
        return next((b for b in boards if b.uuid == uuid), None)
    if entry.startswith("MIG-"):
        uuid = nvml.parent(entry) or ""
        return next((b for b in boards if b.uuid == uuid), None)
    named = [b for b in boards if entry and b.uuid.startswith(entry)]
    return named[0] if len(named) == 1 else None


def _doubt(boards: list[Board], visible: str, environ: Mapping[str, str]) -> str:
    """CUDA numbers the fastest card first, NVML goes by the bus: the same where all are alike."""
    by_index = any(entry.strip().isdecimal() for entry in visible.split(","))
    if not by_index or len({b.name for b in boards}) < 2 or environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return ""
    return (
        f"CUDA_VISIBLE_DEVICES={visible} is taken in nvidia-smi's order, but CUDA numbers unlike GPUs by speed, so "
        "another one may be read than is used. Set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name GPUs by UUID."
    )
