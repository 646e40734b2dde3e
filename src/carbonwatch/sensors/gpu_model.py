"""Energy of GPUs that say how busy they are, or only what they are: a share of their rated power.

10 % of it idle and 65 % more at full use, on a straight line; 65 % always where nothing tells how busy a board is. The
slope is what training draws (218 runs of the Zeus project: mean over limit 0.65 in the median, 0.15 to 0.90 from the
tenth to the ninetieth percentile); that it is straight, and what is idle, are assumptions.

NVIDIA's library tells how busy a board is that tells neither energy nor power (a virtual one, an old one). Without the
library names come from the drivers' files: /proc/driver/nvidia/gpus, and /sys/class/drm for AMD, with a busy share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from carbonwatch import tables
from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.nvidia import Nvml, choose, open_nvml
from carbonwatch.settings import Settings

IDLE, BUSY, UNKNOWN = 0.10, 0.65, 0.65  # of the rated power
ERROR_BUSY = (-0.4, 0.5)
ERROR_UNKNOWN = (-0.77, 0.4)

_SLOTS = ("sxm", "pcie", "nvl")
# what vendors put around a model
_NOISE = ("nvidia", "geforce", "tesla", "quadro", "amd", "instinct", "radeon", "graphics", "corporation", "laptop gpu")


class BusyFile:
    """A driver's file that says how busy a board is, in percent."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self, _: int) -> int:
        return int(os.pread(self._fd, 16, 0))

    def close(self) -> None:
        os.close(self._fd)


class Board:
    """A GPU of a known model, and what says how busy it is at an instant, in percent, if anything does."""

    def __init__(self, id_: str, name: str, tdp_w: float, busy: Callable[[int], int] | None) -> None:
        self.tdp_w = tdp_w
        self._busy = busy
        how = f"{IDLE:.0%} idle, {IDLE + BUSY:.0%} at full use"
        if busy is None:
            how = f"{UNKNOWN:.0%} always: its use is not known"
        source = f"model of {name}: {how} of {tdp_w:g} W rated"
        error = ERROR_BUSY if busy else ERROR_UNKNOWN
        self.domain = Domain(id_, "gpu", "modelled", source, error=error, idle_w=tdp_w * IDLE if busy else None)

    def power_w(self, ns: int) -> float:
        """Watts at an instant. Raises OSError, ValueError or Unavailable where its use can't be told."""
        if self._busy is None:
            return self.tdp_w * UNKNOWN
        return self.tdp_w * (IDLE + BUSY * min(100, self._busy(ns)) / 100)

    def close(self) -> None:
        if isinstance(self._busy, BusyFile):
            self._busy.close()


class GpuMeter:
    """Power of all boards between two reads, counted up; the line between two readings is straight."""

    def __init__(self, boards: list[Board], nvml: Nvml | None = None) -> None:
        self._nvml = nvml
        self.domains = tuple(board.domain for board in boards)
        self.rejected: Mapping[str, str] = {}
        self.failed: Mapping[str, str] = {}
        self._boards = boards
        self._last: dict[str, tuple[int, float]] = {}
        self._counted_nj: dict[str, float] = dict.fromkeys((d.id for d in self.domains), 0.0)

    def read(self, ns: int) -> Mapping[str, int]:
        failed: dict[str, str] = {}
        counts: dict[str, int] = {}
        for board in self._boards:
            try:
                counts[board.domain.id] = self._advance(board, ns)
            except (OSError, ValueError, Unavailable) as error:
                failed[board.domain.id] = f"how busy it is can't be read ({error})"
        self.failed = failed
        return counts

    def _advance(self, board: Board, ns: int) -> int:
        id_, power_w = board.domain.id, board.power_w(ns)
        last_ns, last_w = self._last.get(id_, (ns, power_w))
        # watts x nanoseconds are nanojoules
        self._counted_nj[id_] += (power_w + last_w) / 2 * max(0, ns - last_ns)
        self._last[id_] = (max(ns, last_ns), power_w)
        return round(self._counted_nj[id_])

    def close(self) -> None:
        boards, self._boards = self._boards, []
        for board in boards:
            board.close()
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            nvml.close()


def detect(
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    library: Callable[[str, Mapping[str, str]], Nvml] = open_nvml,
) -> GpuMeter:
    """A model of every GPU whose rated power is known. Raises SensorUnavailable where there is none."""
    environ = os.environ if environ is None else environ
    try:
        nvml = library(settings.path_procfs, environ)
    except Unavailable:
        nvml = None
    try:
        found = _named_nvidia(settings, environ) if nvml is None else _nvidia(nvml, settings, environ)
        boards = [*found, *_amd(settings.path_sysfs)]
    except BaseException:
        if nvml is not None:
            nvml.close()
        raise
    if not boards:
        if nvml is not None:
            nvml.close()
        # as on most machines, so that there is nothing to mend
        raise SensorUnavailable("No GPU of a known model that nothing measures is named by a driver.")
    return GpuMeter(boards, nvml)


def rated_w(name: str) -> float | None:
    """Rated power of a board by the name that its driver gives; None where it is not known."""
    found = model(name)
    return None if found is None else float(found["tdp_w"])


def model(name: str) -> tables.Row | None:
    """The row of a board by the name that its driver gives; None where it is not known."""
    wanted = _words(name)
    fits = [(_likeness(_words(row["name"]), wanted), row) for row in tables.rows("gpu_tdp")]
    best = max((likeness for likeness, _ in fits if likeness), default=None)
    # boards of one model differ by slot or memory, which some names leave out: the middle of them
    same = [row for likeness, row in fits if likeness == best] if best else []
    same.sort(key=lambda row: float(row["tdp_w"]))
    return same[len(same) // 2] if same else None


def _likeness(words: set[str], wanted: set[str]) -> tuple[int, int] | None:
    """Words of the model that both have, then of its slot and memory less those that differ; None: another model."""
    variant = {word for word in words if word in _SLOTS or word.endswith("gb")}
    model = words - variant
    if not model <= wanted:
        return None
    return len(model), len(variant & wanted) - len(variant - wanted)


def _words(name: str) -> set[str]:
    text = name.lower().replace("-", " ").replace("hbm3", "sxm")  # NVIDIA H100 80GB HBM3
    for noise in _NOISE:
        text = text.replace(noise, " ")
    return {"sxm" if word.startswith("sxm") else word for word in text.split()}


def _nvidia(nvml: Nvml, settings: Settings, environ: Mapping[str, str]) -> Iterator[Board]:
    """The boards that this program sees and that tell neither energy nor power."""
    for seen in choose(nvml, settings.gpus, environ).boards:
        watts = rated_w(seen.name)
        if watts is not None and not _is_measured(nvml, seen.uuid):
            yield Board(seen.id, seen.name, watts, _busy(nvml, seen.uuid))


def _is_measured(nvml: Nvml, uuid: str) -> bool:
    for ask in (nvml.energy_mj, nvml.power_mw):
        try:
            ask(uuid)
        except Unavailable:
            continue
        return True
    return False


def _busy(nvml: Nvml, uuid: str) -> Callable[[int], int] | None:
    """What tells how busy a board is; None where nothing does, as for one that MIG instances share."""
    try:
        nvml.busy_percent(uuid, 0)
    except Unavailable:
        return None
    return lambda ns: nvml.busy_percent(uuid, ns)


def _named_nvidia(settings: Settings, environ: Mapping[str, str]) -> Iterator[Board]:
    """The boards that this program sees, as far as the driver's files name them; in nvidia-smi's order."""
    folder = os.path.join(settings.path_procfs, "driver", "nvidia", "gpus")
    for number, slot in enumerate(_listed(folder)):
        lines = _read(os.path.join(folder, slot, "information")).splitlines()
        values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        name, uuid = values.get("Model", ""), values.get("GPU UUID") or slot
        watts = rated_w(name)
        if watts is not None and _is_shown(number, uuid, settings.gpus, environ):
            yield Board(f"gpu-model:{uuid}", name, watts, None)


def _is_shown(number: int, uuid: str, gpus: tuple[str, ...], environ: Mapping[str, str]) -> bool:
    """Whether the setting, else CUDA, lets the program see a board."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if not gpus and visible is None:
        return True
    entries = gpus or [entry.strip() for entry in (visible or "").split(",")]
    return any(entry == str(number) or (entry.startswith("GPU-") and uuid.startswith(entry)) for entry in entries)


def _amd(path_sysfs: str) -> list[Board]:
    folder = os.path.join(path_sysfs, "class", "drm")
    found = []
    for card in _listed(folder):
        device = os.path.join(folder, card, "device")
        busy = os.path.join(device, "gpu_busy_percent")
        name = _read(os.path.join(device, "product_name")).strip()
        watts = rated_w(name) if name and "-" not in card else None
        if watts is not None:
            found.append(Board(f"gpu-model:{card}", name, watts, BusyFile(busy) if os.access(busy, os.R_OK) else None))
    return found


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return (file.read(4096) or b"").decode(errors="replace")
    except OSError:
        return ""
