"""Machines that are not here, for tests in several folders."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import browser as browsers
from tests.compiler import compiled

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# how long an example takes is the machine's business: it may be busy
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

SOURCE = Path(__file__).parent / "sensors" / "fake_nvml.c"


class FakeNvml:
    """NVIDIA's library with cards that a test puts in and drives; the real pynvml speaks to it."""

    NOT_SUPPORTED, NO_PERMISSION, GPU_IS_LOST = 3, 4, 15
    CALLS = (
        *("all", "energy", "power", "samples", "processes", "mps", "mig", "busy", "mean", "instant", "kept samples"),
        *("limit", "set limit"),
    )
    MODULE, MEMORY = 1, 2

    def __init__(self, path: Path) -> None:
        self.path = path
        # global, and of the library's SONAME: found by whoever asks the linker for that name from now on
        self._library = ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)

    def reset(self) -> None:
        self._library.fake_reset()

    def add(
        self, uuid: str = "GPU-a", name: str = "NVIDIA A100-SXM4-40GB", *, power_w: float = 100, latch_s: float = 0.02
    ) -> int:
        """A card, with an energy counter that is renewed every `latch_s`."""
        numbers = (ctypes.c_longlong(round(power_w * 1e3)), ctypes.c_longlong(round(latch_s * 1e9)))
        return int(self._library.fake_add(uuid.encode(), name.encode(), *numbers))

    def advance(self, seconds: float) -> None:
        self._library.fake_advance(ctypes.c_longlong(round(seconds * 1e9)))

    def use_real_time(self) -> None:
        self._library.fake_use_real_time()

    def set_power(self, card: int, power_w: float) -> None:
        self._library.fake_power(card, ctypes.c_longlong(round(power_w * 1e3)))

    def set_error(self, card: int, error: float) -> None:
        """All that it tells of power and energy is off by this part."""
        self._library.fake_error(card, ctypes.c_longlong(round(error * 1e6)))

    def keep_samples(self, card: int, every_s: float) -> None:
        """The driver samples its power, and keeps the last 120."""
        self._library.fake_grid(card, ctypes.c_longlong(round(every_s * 1e9)))

    def tell_mean(self, card: int) -> None:
        """The mean power of the last second can be asked for."""
        self.fail(card, "mean", 0)

    def add_scope(self, card: int, scope: int, power_w: float) -> None:
        """Power of its memory can be asked for, or of its module, which is so much more than its own."""
        self._library.fake_scope(card, scope, ctypes.c_longlong(round(power_w * 1e3)))

    def set_limits(self, card: int, least_w: float, most_w: float, default_w: float) -> None:
        self._library.fake_limits(card, *(round(watts * 1e3) for watts in (least_w, most_w, default_w)))

    def limit_w(self, card: int) -> float:
        return int(self._library.fake_limit(card)) / 1e3

    def set_counted(self, card: int, energy_j: float) -> None:
        self._library.fake_counted(card, ctypes.c_longlong(round(energy_j * 1e3)))

    def stick(self, card: int) -> None:
        """The energy counter moves no more."""
        self._library.fake_stick(card)

    def fail(self, card: int, call: str, code: int) -> None:
        """From now on the call gives this error; 0 for none. "all" are all calls."""
        self._library.fake_fail(card, self.CALLS.index(call), code)

    def split(self, card: int, mig_uuid: str) -> None:
        """Makes it a card of MIG instances, which gives no samples; one of them is named."""
        self._library.fake_split(card, mig_uuid.encode())
        self.fail(card, "samples", self.NOT_SUPPORTED)
        self.fail(card, "busy", self.NOT_SUPPORTED)

    def set_processes(self, card: int, *pids: int) -> None:
        self._library.fake_processes(card, (ctypes.c_uint * len(pids))(*pids), len(pids))

    def set_mps_clients(self, card: int, count: int) -> None:
        self._library.fake_mps(card, count)

    def sample(self, card: int, pid: int, until_s: float, sm_percent: int) -> None:
        self._library.fake_sample(card, pid, ctypes.c_ulonglong(round(until_s * 1e6)), sm_percent)

    def set_busy(self, card: int, percent: int) -> None:
        self._library.fake_busy(card, percent)

    def unload_driver(self) -> None:
        self._library.fake_unload()

    def load_driver(self) -> None:
        self._library.fake_load()

    @property
    def opened(self) -> int:
        """How many have the library open."""
        return int(self._library.fake_opened())

    @property
    def openings(self) -> int:
        """How often somebody tried to open it."""
        return int(self._library.fake_openings())

    def asked(self, card: int) -> int:
        """How often anything was asked of a card."""
        return int(self._library.fake_asked(card))


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake library, compiled."""
    return compiled(SOURCE, tmp_path_factory.mktemp("nvml"), "libnvidia-ml.so.1")


@pytest.fixture(scope="session")
def _loaded_nvml(nvml_library: Path) -> FakeNvml:
    return FakeNvml(nvml_library)


@pytest.fixture
def nvml(_loaded_nvml: FakeNvml) -> Iterator[FakeNvml]:
    """NVIDIA's library on a machine without any card yet; whatever opens it must give it back."""
    _loaded_nvml.reset()
    yield _loaded_nvml
    opened = _loaded_nvml.opened
    _loaded_nvml.reset()
    assert opened == 0, "the library was not given back"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, one for a module: while it is there, nobody else can run an event loop."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # as root, which CI often is, its sandbox does not start
        opened = playwright.chromium.launch(
            executable_path=browsers.executable(), args=["--no-sandbox"], timeout=browsers.PATIENCE_MS
        )
        yield opened
        opened.close()
