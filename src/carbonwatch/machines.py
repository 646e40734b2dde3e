"""What was measured once on each of a user's machines, kept as JSON: an entry for each machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from carbonwatch.errors import SettingsError, cause


def read(path: str, what: str) -> dict[str, dict[str, Any]]:
    """Every machine's entry; nothing without a file. Raises SettingsError where the file can't be read.

    `what` says what it holds.
    """
    try:
        with open(path, encoding="utf-8") as file:
            found: dict[str, dict[str, Any]] = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} can't be read ({cause(error)}), so {what} would be lost. Mend or move it."
        ) from error
    return found


def put(path: str, what: str, machine: str, entry: Mapping[str, Any]) -> None:
    """Keeps a machine's entry in place of its former one; the file is whole at any time."""
    every = {**read(path, what), machine: entry}
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(every, file, indent=2)
    os.replace(f"{path}.new", path)
