"""tqdm: a bar that shows what the loop has emitted so far, `1.3 mg CO2e`.

    from carbonwatch.integrations.tqdm import tqdm

    for batch in tqdm(batches, desc="train"): ...

Its name is the run's project. `bar.measurement` has the figures when it is closed.
"""

from __future__ import annotations

from typing import Any

import carbonwatch
from carbonwatch.integrations._border import missing, quietly

try:
    from tqdm.auto import tqdm as plain
except ImportError as error:
    raise missing("tqdm", "tqdm") from error


class tqdm(plain):  # type: ignore[misc] # noqa: N801 - tqdm's own name, and it has no types
    """tqdm's bar; `carbon` are carbonwatch's settings, a wrong one of which raises SettingsError."""

    # a setting that makes no sense leaves a bar that was never made, and tqdm closes that too
    _measures, disable = False, True

    def __init__(self, *args: Any, carbon: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.measurement = carbonwatch.measure(kwargs.get("desc"), **(carbon or {}))
        self._measures = not kwargs.get("disable")
        if self._measures:
            self.measurement.__enter__()
        super().__init__(*args, **kwargs)

    @property
    def format_dict(self) -> dict[str, Any]:
        """What the bar is made of, at each time that it is drawn."""
        parts: dict[str, Any] = super().format_dict
        emitted = self._emitted()
        if emitted:
            parts["postfix"] = ", ".join(filter(None, (parts.get("postfix"), emitted)))
        return parts

    def close(self) -> None:
        if self._measures:
            self._measures = False
            self.measurement.__exit__(None, None, None)
        super().close()

    @quietly
    def _emitted(self) -> str:
        run = self.measurement.run
        return f"{carbonwatch.human_mass(run.emissions_g, 2)} CO2e" if run.entries else ""


def trange(*args: int, **kwargs: Any) -> tqdm:
    """tqdm's `trange()` with that bar."""
    return tqdm(range(*args), **kwargs)
