"""What frameworks queued is waited for; those of the tests have the real ones' names and count the waits."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from carbonwatch import frameworks


class Waits(list[str]):
    """What was waited for, in order."""

    def of(self, name: str) -> Any:
        return lambda *_: self.append(name)


def torch(waits: Waits, *, initialised: bool = True, contexts: tuple[int, ...] = (0, 1)) -> Any:
    """Two CUDA devices, some of which the program uses."""
    cuda = SimpleNamespace(
        is_initialized=lambda: initialised,
        device_count=lambda: 2,
        current_device=lambda: 0,
        synchronize=lambda device: waits.append(f"cuda:{device}"),
    )
    private = SimpleNamespace(_cuda_hasPrimaryContext=lambda device: device in contexts)
    return SimpleNamespace(cuda=cuda, _C=private)


def test_torch_is_waited_for_on_each_device() -> None:
    waits = Waits()

    frameworks.wait({"torch": torch(waits)})

    assert waits == ["cuda:0", "cuda:1"]


def test_a_device_that_the_program_does_not_use_is_left_alone() -> None:
    waits = Waits()

    frameworks.wait({"torch": torch(waits, contexts=(1,))})

    assert waits == ["cuda:1"]


def test_torch_without_a_gpu_in_use_is_not_made_to_begin_one() -> None:
    waits = Waits()

    frameworks.wait({"torch": torch(waits, initialised=False)})

    assert waits == []


def test_apple_s_gpu_is_waited_for_where_torch_has_it() -> None:
    waits = Waits()
    with_mps = torch(waits, initialised=False)
    with_mps.mps = SimpleNamespace(synchronize=waits.of("mps"))
    with_mps.backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: True))

    frameworks.wait({"torch": with_mps})

    assert waits == ["mps"]


class JaxArray:
    """The last thing that a device is given to do."""

    def __init__(self, waits: Waits, device: str) -> None:
        self.waits, self.device = waits, device

    def __add__(self, _: int) -> "JaxArray":
        return self

    def block_until_ready(self) -> None:
        self.waits.append(self.device)


@pytest.mark.parametrize(("initialised", "expected"), [(True, ["gpu:0", "gpu:1"]), (False, [])])
def test_jax_is_waited_for_on_each_device_of_a_backend_that_has_begun(initialised: bool, expected: list[str]) -> None:
    waits = Waits()
    jax = SimpleNamespace(
        local_devices=lambda: ["gpu:0", "gpu:1"], device_put=lambda _, device: JaxArray(waits, device)
    )
    bridge = SimpleNamespace(backends_are_initialized=lambda: initialised)

    frameworks.wait({"jax": jax, "jax._src.xla_bridge": bridge})

    assert waits == expected


def test_cupy_is_waited_for() -> None:
    waits = Waits()

    frameworks.wait(
        {"cupy": SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(deviceSynchronize=waits.of("cupy"))))}
    )

    assert waits == ["cupy"]


@pytest.mark.parametrize(("initialised", "expected"), [(True, ["tensorflow"]), (False, [])])
def test_tensorflow_is_waited_for_once_it_has_begun(initialised: bool, expected: list[str]) -> None:
    waits = Waits()
    experimental = SimpleNamespace(sync_devices=waits.of("tensorflow"))
    context = SimpleNamespace(context=lambda: SimpleNamespace(_initialized=initialised))
    tensorflow = SimpleNamespace(test=SimpleNamespace(experimental=experimental))

    frameworks.wait({"tensorflow": tensorflow, "tensorflow.python.eager.context": context})

    assert waits == expected


def test_an_error_on_the_gpu_is_the_program_s_to_meet_and_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    frameworks._failed.discard("cupy")

    def fails() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(deviceSynchronize=fails)))
    for _ in range(2):
        frameworks.wait({"cupy": cupy})
    frameworks._failed.discard("cupy")

    assert [r.getMessage() for r in caplog.records] == [
        "cupy could not be waited for, so edges may be early: RuntimeError('CUDA error: device-side assert triggered')"
    ]


def test_a_framework_that_is_not_loaded_stays_so() -> None:
    code = "import sys; from carbonwatch import frameworks; frameworks.wait(); print({'torch', 'jax'} & {*sys.modules})"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said == "set()\n"
