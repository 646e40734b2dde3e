"""A run for exporters to write."""

from carbonwatch.model import Domain, Entry, Run, Usage
from carbonwatch.testing import intensity

START_NS = 1_790_000_000_000_000_000
CPU = Domain("cpu", "cpu", "measured", "a CPU", error=(-0.05, 0.05))
RAM = Domain("ram", "ram", "modelled", "a model", error=(-0.5, 1.0))
PRICE = intensity(360.0, "FR")
ENTRIES = (
    Entry("fit", START_NS, 10.0, Usage(CPU, 3000.0, 500.0, 2000.0, 2000.0, 2000.0), PRICE),
    Entry("", START_NS, 10.0, Usage(RAM, 600.0, 100.0, 400.0, 300.0, 500.0), PRICE),
)
RUN = Run("run-1", "digits", "machine", "finished", START_NS, 10.0, ENTRIES, pue=1.5)
