"""What processes find that a program starts afresh: they get its `sys.path`, but not what it has installed.

The folder above this one is on that path after `install_as_codecarbon()`.
"""

from __future__ import annotations

import importlib
import sys

from carbonwatch.codecarbon.stand_in import install_as_codecarbon

install_as_codecarbon()
sys.modules[__name__] = importlib.import_module(__name__)
