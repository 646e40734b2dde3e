from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonwatch.errors import SettingsError, Unavailable
from carbonwatch.nvidia import Choice, choose, open_nvml

if TYPE_CHECKING:
    from tests.conftest import FakeNvml

A, B, C = "GPU-aa11", "GPU-aa22", "GPU-bb33"


@pytest.fixture
def three_cards(nvml: FakeNvml) -> FakeNvml:
    for uuid in (A, B, C):
        nvml.add(uuid)
    nvml.split(2, "MIG-cc44")
    return nvml


def choice(gpus: tuple[str, ...] = (), environ: Mapping[str, str] | None = None) -> Choice:
    nvml = open_nvml("/proc", {})
    try:
        return choose(nvml, gpus, environ or {})
    finally:
        nvml.close()


def python(code: str, **environ: str) -> str:
    """What a program prints, in a process where no fake is loaded."""
    plain = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "LD_PRELOAD")}
    done = subprocess.run([sys.executable, "-c", code], env=plain | environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


# is there a GPU


DETECT = """
import sys
from carbonwatch.errors import Unavailable
from carbonwatch.nvidia import open_nvml
try:
    open_nvml({procfs!r}, {environ}, signs=())
except Unavailable as error:
    print(error.reason, '|', error.remedy)
print(sorted({{'ctypes', 'pynvml'}} & set(sys.modules)))
"""


def test_a_machine_without_nvidia_pays_for_no_import_and_has_nothing_to_mend(tmp_path: Path) -> None:
    said = python(DETECT.format(procfs=str(tmp_path), environ={}))

    assert said.splitlines() == ["There is no NVIDIA driver on this machine. | ", "[]"]


def test_a_driver_without_pynvml_says_what_to_install(tmp_path: Path) -> None:
    version = tmp_path / "driver" / "nvidia" / "version"
    version.parent.mkdir(parents=True)
    version.touch()
    (tmp_path / "pynvml.py").write_text("raise ImportError")

    said = python(DETECT.format(procfs=str(tmp_path), environ={}), PYTHONPATH=str(tmp_path))

    assert said.splitlines()[0].endswith('its GPUs are not read. | pip install "carbonwatch[nvidia]"')


def test_a_driver_without_its_library_is_a_container_without_the_gpu(tmp_path: Path) -> None:
    version = tmp_path / "driver" / "nvidia" / "version"
    version.parent.mkdir(parents=True)
    version.touch()
    (tmp_path / "libnvidia-ml.so.1").touch()  # no library, and before any that is

    said = python(DETECT.format(procfs=str(tmp_path), environ={}), LD_LIBRARY_PATH=str(tmp_path))

    assert "NVML Shared Library Not Found" in said
    assert "docker run --gpus all" in said


def test_a_library_on_the_path_of_libraries_is_found(nvml_library: Path, tmp_path: Path) -> None:
    folder = str(nvml_library.parent)

    said = python(DETECT.format(procfs=str(tmp_path), environ="__import__('os').environ"), LD_LIBRARY_PATH=folder)

    assert said == "['ctypes', 'pynvml']"


def test_a_library_without_a_driver_is_a_machine_without_a_gpu(nvml: FakeNvml) -> None:
    nvml.unload_driver()

    with pytest.raises(Unavailable) as caught:
        open_nvml("/proc", {})

    assert caught.value.remedy == ""


# which GPUs


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        (None, [A, B, C]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1", [B]),
        ("2, 0", [C, A]),
        ("0,2,-1,1", [A, C]),
        ("0,7,1", [A]),
        ("0,0", [A]),
        (A, [A]),
        ("GPU-b", [C]),
        ("GPU-aa", []),  # of two
        ("GPU-aa2,GPU-x,0", [B]),
        ("MIG-cc44", [C]),
        ("MIG-cc44,0", [C, A]),
        (f"MIG-{C}/1/0", [C]),
        ("MIG-none,0", []),
        ("MIG-GPU-none/1/0", []),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_does(
    three_cards: FakeNvml, visible: str | None, chosen: list[str]
) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}

    assert [board.uuid for board in choice(environ=environ).boards] == chosen


def test_the_setting_goes_before_cuda_visible_devices(three_cards: FakeNvml) -> None:
    found = choice(("1", "GPU-bb"), {"CUDA_VISIBLE_DEVICES": "0"})

    assert [board.uuid for board in found.boards] == [B, C]
    assert found.rejected == {"nvml:GPU-aa11": "not among the setting gpus"}


@pytest.mark.parametrize("wrong", ["3", "GPU-aa", "GPU-zz", "cuda:0", "-1"])
def test_a_setting_that_names_no_gpu_is_an_error_that_names_those_there_are(three_cards: FakeNvml, wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        choice(("0", wrong))

    assert str(caught.value) == (
        f"gpus names {wrong!r}, which is no GPU of this machine. There are: 0 (GPU-aa11, NVIDIA A100-SXM4-40GB), "
        "1 (GPU-aa22, NVIDIA A100-SXM4-40GB), 2 (GPU-bb33, NVIDIA A100-SXM4-40GB)."
    )


def test_indices_of_unlike_cards_are_in_doubt_unless_cuda_counts_by_the_bus(nvml: FakeNvml) -> None:
    nvml.add(A, "NVIDIA T4")
    nvml.add(B, "NVIDIA A100")

    by_index = choice(environ={"CUDA_VISIBLE_DEVICES": "0"})
    by_bus = choice(environ={"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    by_uuid = choice(environ={"CUDA_VISIBLE_DEVICES": A})

    assert "Set CUDA_DEVICE_ORDER=PCI_BUS_ID" in by_index.doubt
    assert by_bus.doubt == by_uuid.doubt == ""


def test_a_lost_card_is_said_and_the_others_keep_their_numbers(three_cards: FakeNvml) -> None:
    three_cards.fail(0, "all", three_cards.GPU_IS_LOST)

    found = choice(environ={"CUDA_VISIBLE_DEVICES": "1"})

    assert [board.uuid for board in found.boards] == [B]
    assert found.rejected["nvml:0"] == "it does not answer (NVML: GPU is lost)"


def test_a_split_board_says_so(three_cards: FakeNvml) -> None:
    assert [board.shared for board in choice().boards] == [False, False, True]


# when the driver goes away


def test_a_lost_board_is_looked_for_again_after_a_second_and_not_before(nvml: FakeNvml) -> None:
    card = nvml.add(A)
    library = open_nvml("/proc", {})
    nvml.fail(card, "all", nvml.GPU_IS_LOST)
    with pytest.raises(Unavailable, match="GPU is lost"):
        library.power_mw(A, 0)
    nvml.fail(card, "all", 0)
    asked = nvml.asked(card)

    with pytest.raises(Unavailable, match="GPU is lost"):
        library.power_mw(A, 999_999_999)

    assert nvml.asked(card) == asked
    assert library.power_mw(A, 1_000_000_000) == 100_000
    library.close()


def test_a_driver_that_was_loaded_again_is_opened_again_by_all_who_had_it(nvml: FakeNvml) -> None:
    nvml.add(A)
    libraries = open_nvml("/proc", {}), open_nvml("/proc", {})
    nvml.unload_driver()
    for library in libraries:
        with pytest.raises(Unavailable, match="Driver Not Loaded"):
            library.power_mw(A, 0)
    nvml.load_driver()

    assert [library.power_mw(A, 10**9) for library in libraries] == [100_000, 100_000]

    for library in libraries:
        library.close()


def test_a_driver_that_is_away_is_asked_for_once_a_second_however_many_boards(nvml: FakeNvml) -> None:
    for uuid in (A, B, C):
        nvml.add(uuid)
    library = open_nvml("/proc", {})
    library.boards()
    nvml.unload_driver()
    for ns in (0, 10**9, 10**9 + 1, 2 * 10**9):
        for uuid in (A, B, C):
            with pytest.raises(Unavailable):
                library.power_mw(uuid, ns)

    assert nvml.openings == 3


def test_a_board_that_is_not_chosen_does_not_keep_the_library_from_opening_again(nvml: FakeNvml) -> None:
    nvml.add(A)
    nvml.add(B)
    library = open_nvml("/proc", {})
    choose(library, ("0",), {})
    nvml.unload_driver()
    with pytest.raises(Unavailable):
        library.power_mw(A, 0)
    nvml.load_driver()

    assert library.power_mw(A, 10**9) == 100_000
    library.close()


def test_closing_twice_gives_back_once(nvml: FakeNvml) -> None:
    library, other = open_nvml("/proc", {}), open_nvml("/proc", {})

    library.close()
    library.close()

    assert nvml.opened == 1
    other.close()


def test_the_driver_and_a_board_say_how_they_are(nvml: FakeNvml) -> None:
    nvml.add("GPU-a")
    nvml.set_busy(0, 80)
    library = open_nvml("/proc", {}, signs=("/",))
    library.boards()
    found = library.drivers(), library.state("GPU-a", 0)
    library.close()

    state = {
        "temperature_c": 45,
        "performance_state": 2,
        "sm_clock_mhz": 1410,
        "busy_percent": 80,
        "memory_used_gb": 10,
    }
    assert found == ({"gpu_driver": "550.54.15", "cuda_driver": "12.4"}, state)


def test_what_a_board_does_not_tell_is_left_out(nvml: FakeNvml) -> None:
    nvml.add("GPU-a")
    nvml.fail(0, "busy", nvml.NOT_SUPPORTED)
    library = open_nvml("/proc", {}, signs=("/",))
    library.boards()
    found = library.state("GPU-a", 0)
    nvml.fail(0, "all", nvml.GPU_IS_LOST)
    lost = library.state("GPU-a", 0)
    library.close()

    assert ("busy_percent" in found, found["sm_clock_mhz"], lost) == (False, 1410, {})
