"""GPU frameworks that the program has loaded: what they queued is to be done before an edge is read.

A kernel is queued in microseconds and runs later; without waiting, its joules would be those of the next part. None is
ever imported here: what is not among the loaded modules has queued nothing.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)

_failed: set[str] = set()  # frameworks whose wait failed before


def wait(modules: Mapping[str, Any] | None = None) -> None:
    """Returns when the GPUs have done what this program's frameworks queued."""
    loaded = sys.modules if modules is None else modules
    for name, wait_for in _FRAMEWORKS.items():
        framework = loaded.get(name)
        # one that another thread is in the middle of importing has queued nothing
        if framework is None or getattr(getattr(framework, "__spec__", None), "_initializing", False):
            continue
        try:
            wait_for(framework, loaded)
        # border: foreign code; an error on the GPU is the program's to meet, in its own call
        except Exception as error:
            if name not in _failed:
                _failed.add(name)
                log.warning("%s could not be waited for, so edges may be early: %r", name, error)


def _torch(torch: Any, _: Mapping[str, Any]) -> None:
    for kind in ("cuda", "xpu"):
        backend = getattr(torch, kind, None)
        if backend is not None and backend.is_initialized():  # to ask more of one that is not would begin it
            for device in range(backend.device_count()):
                if _is_used(torch, kind, device, backend):
                    backend.synchronize(device)
    if hasattr(torch, "mps") and torch.backends.mps.is_available():
        torch.mps.synchronize()


def _is_used(torch: Any, kind: str, device: int, backend: Any) -> bool:
    """Whether it has a context: waiting for a device that has none makes one, of some hundred MB."""
    has_context = getattr(torch._C, f"_{kind}_hasPrimaryContext", None)
    return bool(has_context(device) if has_context else device == backend.current_device())


def _jax(jax: Any, modules: Mapping[str, Any]) -> None:
    bridge = modules.get("jax._src.xla_bridge")
    if bridge is not None and bridge.backends_are_initialized():
        for device in jax.local_devices():
            # a device does what it is given in order: this is the last of it
            (jax.device_put(0.0, device) + 0).block_until_ready()


def _cupy(cupy: Any, _: Mapping[str, Any]) -> None:
    cupy.cuda.runtime.deviceSynchronize()


def _tensorflow(tensorflow: Any, modules: Mapping[str, Any]) -> None:
    context = modules.get("tensorflow.python.eager.context")
    if context is not None and context.context()._initialized:
        tensorflow.test.experimental.sync_devices()


_FRAMEWORKS: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    "torch": _torch,
    "jax": _jax,
    "cupy": _cupy,
    "tensorflow": _tensorflow,
}
