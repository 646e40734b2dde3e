"""IPython and Jupyter: `%load_ext carbonwatch.integrations.ipython`, then `%carbon f()` and `%%carbon [project]`.

What a line or a cell used is shown as a table; `_carbon` holds its measurement. A `carbonwatch.Run`, a training or the
measurement of a `with` block at the end of a cell shows itself so too.
"""

from __future__ import annotations

from typing import Any

import carbonwatch
from carbonwatch.integrations._border import missing

try:
    from IPython.core.magic import Magics, line_cell_magic, magics_class
    from IPython.display import display
except ImportError as error:
    raise missing("ipython", "ipython") from error


@magics_class
class CarbonMagics(Magics):  # type: ignore[misc] # IPython's decorators have no types
    """The magics `%carbon` and `%%carbon`."""

    @line_cell_magic  # type: ignore[untyped-decorator]
    def carbon(self, line: str, cell: str | None = None) -> None:
        """Measures a line, or a cell as the project that its first line names."""
        name = "notebook" if cell is None else line.strip() or "notebook"
        with carbonwatch.measure(name) as measurement:
            result = self.shell.run_cell(line if cell is None else cell)
        self.shell.push({"_carbon": measurement})
        if result.success:
            display(measurement)


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext` calls."""
    shell.register_magics(CarbonMagics)
    formatter = shell.display_formatter.formatters
    formatter["text/html"].for_type(carbonwatch.Run, lambda run: carbonwatch.render(run, "notebook"))
    formatter["text/markdown"].for_type(carbonwatch.Run, lambda run: carbonwatch.render(run, "markdown"))
    formatter["text/plain"].for_type(carbonwatch.Run, _plain)
    for measured in (carbonwatch.Measurement, carbonwatch.Training):
        formatter["text/plain"].for_type(measured, lambda shown, p, cycle: _plain(shown.run, p, cycle))


def _plain(run: carbonwatch.Run, printer: Any, _cycle: bool) -> None:
    printer.text(carbonwatch.render(run))
