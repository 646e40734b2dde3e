"""carbonwatch: the energy and CO2e of code, measured the same way you time it.

    import carbonwatch

    with carbonwatch.measure("train") as m:
        train()
    print(m)

Names are loaded when first used: `import carbonwatch` costs next to nothing.
"""

from __future__ import annotations

__version__ = "0.1.0.dev0"
