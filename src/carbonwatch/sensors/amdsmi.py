"""AMD's GPUs, by the library of their driver (AMD SMI) or, without it, by the kernel's files.

## What it reads

The energy accumulator of each board (amdsmi_get_energy_count) with the timestamp of the same table; where there is
none, or it is not to be believed, power1_average of the chip `amdgpu` in /sys/class/hwmon, joined by straight lines
between reads. Only boards that the program can see are read (ROCR_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES). The second
half of a board with two processors (MI200) shows nothing: its first half counts for both.

## What it needs

The driver amdgpu; for the accumulator ROCm's libamd_smi.so (package amd-smi-lib, or amdsmi), no Python package.

## How good it is

±5 % for the accumulator, ±20 % for power that is read now and then: assumptions, as AMD publishes no figure. An
accumulator that stands still (ROCm/rocm_smi_lib issue 180), or is far from the board's power (ROCm/amdsmi issue 38), is
found out in a quarter of a second at the start, and its power is read in its stead. Whose work a board does is told by
the kernel: engine time by process and, for ROCm, who has queues on it (docs/explanation/attribution.md).

## When it is missing

| it says | do |
|---|---|
| not visible | nothing: `ROCR_VISIBLE_DEVICES` or `HIP_VISIBLE_DEVICES` leaves it out |
| None of AMD's GPUs is read | be in the groups of its devices: `sudo usermod -aG video,render "$USER"` |
| the same, in a container | `docker run --device /dev/kfd --device /dev/dri --group-add video` |
| the same, in a virtual machine | nothing: a guest is not told |
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.sensors._counter import WrappingCounter
from carbonwatch.sensors._gauges import Counted, Gauge, GaugeMeter, NumberFile, PowerFile, listed, text
from carbonwatch.settings import Settings
from carbonwatch.units import NS_PER_S

log = logging.getLogger(__name__)

_COUNTER_ERROR = (-0.05, 0.05)
_POWER_ERROR = (-0.2, 0.2)
_PERIOD_S = 0.1  # of the table that the library reads: nobody publishes it, and it is no longer than that
_MAX_POWER_W = 5000  # no board draws as much; more than that is a counter set to something else
_POWER_TICK_S = 0.5  # the driver's mean is of about a second

_DEVICES = ("bus", "pci", "drivers", "amdgpu")
_LIBRARY = "libamd_smi.so"
_INIT_GPUS = 1 << 1  # AMDSMI_INIT_AMD_GPUS, amdsmi.h
_PATIENCE_S = 0.25
_LOOK_AGAIN_S = 0.01
_STILL_NS = 2 * NS_PER_S  # a board draws watts even when idle: a count that stays as long is no zero
_CREDIBLE = (0.25, 4.0)  # a counter's power over that which the board tells

# A tick is 2**-16 J, 15.259 µJ; the library gives it as 15.3 µJ, 0.27 % too much.
_TICK = (1_000_000_000, 1 << 16)
_ROUNDED_NJ = 15_300

_HELP = "docker run --device /dev/kfd --device /dev/dri --group-add video, or be in the groups video and render."


class Shown(NamedTuple):
    """What one accumulator tells: ticks, what a tick is worth, and when that was so."""

    ticks: int
    tick_nj: float
    table_ns: int


class Board(NamedTuple):
    """A GPU by its place on the bus, and the file of its power if it has one."""

    bus: str  # "0000:03:00.0"
    name: str
    power_file: str | None
    memory_bytes: int | None = None

    @property
    def id(self) -> str:
        return f"amdsmi:{self.bus}"


class Library:
    """AMD SMI, opened: accumulators by place on the bus."""

    def __init__(self, api: Any) -> None:
        import ctypes

        self._c = ctypes
        self._api = api
        for name in ("init", "shut_down", "get_socket_handles", "get_processor_handles"):
            getattr(api, f"amdsmi_{name}").restype = ctypes.c_uint32
        self._check(api.amdsmi_init(ctypes.c_uint64(_INIT_GPUS)))
        self._is_open = True
        try:
            self._handles = {self._bus(handle): handle for handle in self._processors()}
        except Unavailable:
            self.close()
            raise

    def shown(self, bus: str) -> Shown:
        """What a board's accumulator tells now. Raises Unavailable."""
        c, handle = self._c, self._handles.get(bus)
        if handle is None or not self._is_open:
            raise Unavailable("AMD SMI does not list it")
        ticks, resolution, table_ns = c.c_uint64(), c.c_float(), c.c_uint64()
        places = (c.byref(ticks), c.byref(resolution), c.byref(table_ns))
        self._check(self._api.amdsmi_get_energy_count(handle, *places))
        return Shown(ticks.value, resolution.value * 1000, table_ns.value)  # it gives microjoules

    def close(self) -> None:
        """Gives the library back."""
        if self._is_open:
            self._is_open = False
            self._api.amdsmi_shut_down()

    def _processors(self) -> list[Any]:
        sockets = self._listed(self._api.amdsmi_get_socket_handles)
        return [each for socket in sockets for each in self._listed(self._api.amdsmi_get_processor_handles, socket)]

    def _listed(self, function: Any, *of: Any) -> list[Any]:
        """Handles, asked for twice: how many, and which."""
        c = self._c
        count = c.c_uint32()
        self._check(function(*of, c.byref(count), None))
        handles = (c.c_void_p * count.value)()
        self._check(function(*of, c.byref(count), handles))
        return [c.c_void_p(handle) for handle in handles]

    def _bus(self, handle: Any) -> str:
        """function: 3 bits, device: 5, bus: 8, domain: 48."""
        place = self._c.c_uint64()
        self._check(self._api.amdsmi_get_gpu_device_bdf(handle, self._c.byref(place)))
        value = place.value
        return f"{value >> 16:04x}:{value >> 8 & 0xFF:02x}:{value >> 3 & 0x1F:02x}.{value & 0x7}"

    def _check(self, status: int) -> None:
        if status:
            raise Unavailable(f"AMD SMI: status {status}")


class Accumulator(Counted):
    """A board that counts its energy."""

    def __init__(self, domain: Domain, library: Library, board: Board, first: Shown) -> None:
        tick = _TICK if abs(first.tick_nj - _ROUNDED_NJ) < 50 else (round(first.tick_nj), 1)
        counter = WrappingCounter(1 << 64, max_power_w=_MAX_POWER_W, nj_per_tick=tick)
        super().__init__(domain, lambda: self._moved(library.shown(board.bus)), counter)
        self._since = first
        self._stuck = ""

    @property
    def doubt(self) -> str:
        return self._stuck or super().doubt

    def _moved(self, shown: Shown) -> int:
        """Its ticks; time goes on in the table, and so should they."""
        if shown.ticks != self._since.ticks:
            self._since = shown
        is_stuck = shown.table_ns - self._since.table_ns > _STILL_NS
        self._stuck = "its energy counter stands still" if is_stuck else ""
        return shown.ticks


def detect(
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    load: Callable[[], Any] | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> GaugeMeter:
    """A meter of every AMD GPU that the program can see."""
    environ = os.environ if environ is None else environ
    boards = every_board(settings.path_sysfs)
    if not boards:
        raise SensorUnavailable("There is no GPU of AMD.")
    visible, rejected = choose(boards, environ)
    library = _opened(load or _loaded, visible)
    try:
        gauges = _gauges(visible, library, rejected, sleep)
    except BaseException:
        if library is not None:
            library.close()
        raise
    if not gauges:
        if library is not None:
            library.close()
        raise _none_read(rejected, visible)
    tick_s = _POWER_TICK_S if any(isinstance(gauge, PowerFile) for gauge in gauges) else None
    counted = {gauge.domain.id for gauge in gauges}
    return GaugeMeter(
        gauges,
        rejected,
        library.close if library else None,
        tick_s=tick_s,
        facts=lambda: facts(settings.path_sysfs, [board for board in visible if board.id in counted]),
    )


def _none_read(rejected: Mapping[str, str], visible: list[Board]) -> SensorUnavailable:
    from carbonwatch import rights

    reason = f"None of AMD's GPUs is read ({'; '.join(f'{id_}: {why}' for id_, why in rejected.items())})."
    if not visible:
        return SensorUnavailable(reason)
    return rights.Mendable(reason, worth={"gpu": _COUNTER_ERROR}, remedy=_HELP)


def facts(path_sysfs: str, boards: Iterable[Board]) -> dict[str, Any]:
    """How boards are now, and the version of a driver that was installed beside the kernel's own."""
    version = text(os.path.join(path_sysfs, "module", "amdgpu", "version"))
    states = {board.id: _state(os.path.join(path_sysfs, *_DEVICES, board.bus)) for board in boards}
    return {"gpu_state": states, **({"gpu_driver": version} if version else {})}


def _state(device: str) -> dict[str, float]:
    """As far as the kernel tells: temperature in degrees Celsius, clock, how busy it is, memory."""
    chip = next((os.path.join("hwmon", name) for name in listed(os.path.join(device, "hwmon"))), "")
    files = {
        "temperature_c": (os.path.join(chip, "temp1_input"), 1000),
        "sm_clock_mhz": (os.path.join(chip, "freq1_input"), 1_000_000),
        "busy_percent": ("gpu_busy_percent", 1),
        "memory_used_gb": ("mem_info_vram_used", 1 << 30),
    }
    told = {name: (text(os.path.join(device, file)), unit) for name, (file, unit) in files.items()}
    return {name: round(int(number) / unit, 2) for name, (number, unit) in told.items() if number.isdecimal()}


def _gauges(
    boards: list[Board], library: Library | None, rejected: dict[str, str], sleep: Callable[[float], object]
) -> list[Gauge]:
    believed = {} if library is None else _believed(boards, library, sleep)
    gauges: list[Gauge] = []
    for board in boards:
        if library is not None and board in believed:
            domain = _domain(board, "AMD SMI energy counter", _COUNTER_ERROR, _PERIOD_S)
            gauges.append(Accumulator(domain, library, board, believed[board]))
        elif (power := _power_gauge(board)) is not None:
            gauges.append(power)
        else:
            rejected[board.id] = "it tells neither energy nor power: another one may count for it, or a host"
    return gauges


def _believed(boards: list[Board], library: Library, sleep: Callable[[float], object]) -> dict[Board, Shown]:
    """Boards whose accumulator moves as their power says, each with what it shows."""
    first = {board: shown for board in boards if (shown := _shown(library, board)) is not None}
    last = dict(first)
    waited_s = 0.0
    while waited_s < _PATIENCE_S and first:
        sleep(_LOOK_AGAIN_S)
        waited_s += _LOOK_AGAIN_S
        last = {board: _shown(library, board) or last[board] for board in first}
        if all(last[board].ticks != first[board].ticks for board in first) and waited_s >= 5 * _LOOK_AGAIN_S:
            break
    believed = {board: last[board] for board in first if _is_credible(board, first[board], last[board])}
    doubtful = sorted(board.id for board in first.keys() - believed.keys())
    if doubtful:
        log.warning("energy counters that are not to be believed, so power is read instead: %s", doubtful)
    return believed


def _is_credible(board: Board, first: Shown, last: Shown) -> bool:
    """Whether it counts, and about what the board's power says, if it says anything."""
    if last.ticks <= first.ticks:
        return False
    elapsed_ns = last.table_ns - first.table_ns
    power_uw = _power_uw(board)
    if not power_uw or elapsed_ns <= 0:
        return True
    counted_w = (last.ticks - first.ticks) * last.tick_nj / elapsed_ns
    low, high = _CREDIBLE
    return low <= counted_w * 1e6 / power_uw <= high


def _shown(library: Library, board: Board) -> Shown | None:
    try:
        return library.shown(board.bus)
    except Unavailable:
        return None


def _power_uw(board: Board) -> int | None:
    number = text(board.power_file) if board.power_file else ""
    return int(number) if number.isdecimal() else None


def _power_gauge(board: Board) -> Gauge | None:
    """Its power. The second half of a board with two processors tells 0; one that sleeps tells nothing for now."""
    if board.power_file is None or _power_uw(board) == 0:
        return None
    try:
        file = NumberFile(board.power_file)
    except OSError:
        return None
    return PowerFile(_domain(board, "amdgpu power, integrated between reads", _POWER_ERROR), file)


def _domain(board: Board, way: str, error: tuple[float, float], period_s: float = 0.0) -> Domain:
    return Domain(board.id, "gpu", "measured", f"{board.name} ({way})", None, error, period_s=period_s)


def _opened(load: Callable[[], Any], boards: Iterable[Board]) -> Library | None:
    if not boards:
        return None
    try:
        return Library(load())
    except (OSError, AttributeError, Unavailable) as error:
        log.info("AMD SMI can't be used (%s): power is read from the kernel's files", error)
        return None


def _loaded() -> Any:
    import ctypes

    for path in (_LIBRARY, f"/opt/rocm/lib/{_LIBRARY}"):
        try:
            return ctypes.CDLL(path)
        except OSError as error:
            reason = error
    raise reason


def every_board(path_sysfs: str) -> list[Board]:
    """Every device of the driver amdgpu, in the order of the bus; an APU's graphics is inside its processor."""
    folder = os.path.join(path_sysfs, *_DEVICES)
    found = []
    for bus in listed(folder):
        device = os.path.join(folder, bus)
        if ":" in bus and not _is_apu(device):
            name = text(os.path.join(device, "product_name")) or "AMD GPU"
            memory = text(os.path.join(device, "mem_info_vram_total"))
            found.append(Board(bus, name, _power_file(device), int(memory) if memory.isdecimal() else None))
    return found


def _is_apu(device: str) -> bool:
    """Whether its hwmon tells the voltage of a northbridge, which boards have none of."""
    chips = (os.path.join(device, "hwmon", chip) for chip in listed(os.path.join(device, "hwmon")))
    return any(text(os.path.join(chip, "in1_label")) == "vddnb" for chip in chips)


def _power_file(device: str) -> str | None:
    chips = (os.path.join(device, "hwmon", chip) for chip in listed(os.path.join(device, "hwmon")))
    paths = (os.path.join(chip, name) for chip in chips for name in ("power1_average", "power1_input"))
    return next((path for path in paths if os.path.exists(path)), None)


def choose(boards: list[Board], environ: Mapping[str, str]) -> tuple[list[Board], dict[str, str]]:
    """The boards that a program can see: ROCR's list, and of those HIP's (which also takes CUDA's name for it)."""
    seen, why = list(boards), ""
    for names in (("ROCR_VISIBLE_DEVICES",), ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")):
        name = next((n for n in names if n in environ), None)
        if name is not None:
            chosen = _chosen(seen, environ[name])
            if chosen is not None:
                seen, why = chosen, f"{name}={environ[name]}"
    return seen, {board.id: f"not visible ({why})" for board in boards if board not in seen}


def _chosen(boards: list[Board], value: str) -> list[Board] | None:
    """Boards by number, up to the first number that there is none of; None for lists of other names."""
    numbers = [entry.strip() for entry in value.split(",") if entry.strip()]
    if any(not number.lstrip("-").isdecimal() for number in numbers):
        return None  # UUIDs: which board has one is not known here, so that none is left out
    chosen: list[Board] = []
    for number in map(int, numbers):
        if not 0 <= number < len(boards):
            break
        chosen.append(boards[number])
    return list(dict.fromkeys(chosen))
