"""`carbonwatch` and `python -m carbonwatch`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from carbonwatch import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and gives its exit code."""
    return cli.main(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
