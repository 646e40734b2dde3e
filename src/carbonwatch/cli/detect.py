"""List this machine's hardware as far as it can be seen, without measuring.

What is measured of it, by which meter and how well: carbonwatch doctor.

Examples:
  carbonwatch detect
  carbonwatch detect --json

Exit code: 0.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from carbonwatch.cli import _terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="The same as JSON, under CodeCarbon's names.")


def main(args: argparse.Namespace) -> int:
    from carbonwatch.codecarbon import EmissionsTracker

    found = EmissionsTracker(output_methods=[]).get_detected_hardware()
    _terminal.show(json.dumps(found, indent=2) if args.json else "\n".join(lines(found)))
    return 0


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What was found, a line each; what can't be seen is said so."""
    ram_gb = found["ram_total_size"]
    yield f"RAM        {ram_gb:.3f} GB" if ram_gb else "RAM        not known"
    threads, sockets = found["cpu_count"], found["cpu_physical_count"]
    known = f", {sockets} processor{'s' if sockets != 1 else ''}" if sockets else ""
    yield f"CPU        {found['cpu_model'] or 'not known'}"
    count = f"{threads} thread{'s' if threads != 1 else ''}" if threads else "threads not known"
    yield f"           {count}{known}"
    yield f"GPU        {found['gpu_model'] or 'none that can be read'}"
    if found["gpu_ids"]:
        yield f"           only {', '.join(map(str, found['gpu_ids']))}, as settings say"
