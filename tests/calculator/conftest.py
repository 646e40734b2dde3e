"""The page's module, run by Node on inputs that are also given to the library."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carbonwatch import pages
from carbonwatch.calculator import page

MODULE = Path(__file__).parents[2] / "web" / "src" / "shared" / "calculator.js"
PATIENCE_S = 120
_SCRIPT = """
import { readFileSync } from 'node:fs'
import * as calculator from MODULE
const { table, asked } = JSON.parse(readFileSync(0, 'utf8'))
console.log(JSON.stringify((BODY)(calculator, table, asked)))
"""


def node(body: str, asked: Any) -> Any:
    """What a function of JavaScript, of the module, the tables and what is asked, gives."""
    script = _SCRIPT.replace("MODULE", json.dumps(MODULE.as_uri())).replace("BODY", body)
    answer = subprocess.run(
        ["node", "--input-type=module", "--eval", script],
        input=pages.as_json({"table": page.table(), "asked": asked}),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return json.loads(answer.stdout)


def estimates(inputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the page makes of each."""
    found: list[dict[str, Any]] = node("(c, table, asked) => asked.map(input => c.calculate(table, input))", inputs)
    return found
