"""The snippets of a how-to page, run as they stand there, each in an interpreter of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
TIMEOUT_S = 300  # two busy cores import torch slowly


def snippets(title: str, page: str = "frameworks.md") -> list[str]:
    """The Python blocks of a page's section."""
    sections = re.split(r"^## ", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = (s for s in sections if s.startswith(f"{title}\n"))
    return re.findall(r"^```python\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def run(folder: Path, before: str, code: str, answer: str, **environ: str) -> Any:
    """What `answer`, an expression, is after the code has run."""
    program = folder / "program.py"
    program.write_text(f"{before}\n{code}\nimport json as _json\nprint(_json.dumps({answer}))\n", encoding="utf-8")
    return json.loads(output([sys.executable, program.name], folder, 0, **environ).splitlines()[-1])


def output(command: list[str], folder: Path, code: int = 0, **environ: str) -> str:
    """What a command prints, run in a folder that is its home too."""
    quiet = {"OMP_NUM_THREADS": "1", "CARBONWATCH_STORE": "none", "CARBONWATCH_COUNTRY": "FR"}
    offline = {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline", "WANDB_SILENT": "true", "MPLBACKEND": "agg"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), **quiet, **offline, **environ},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done.stdout
