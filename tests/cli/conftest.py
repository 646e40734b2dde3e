"""The command line as a process of its own, with a store of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.codecarbon.hosted import Hosted

PATIENCE_S = 120


class CommandLine:
    """`carbonwatch` in a folder where nothing else is: no config file, no runs."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = dict(environ)
        self.words = [sys.executable, "-m", "carbonwatch"]

    def __call__(self, *words: str, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Runs it to its end."""
        return subprocess.run(
            [*self.words, *words],
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environ,
            timeout=PATIENCE_S,
            check=False,
            **options,
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Runs it beside the test, which reads its stdout."""
        return subprocess.Popen(
            [*self.words, *words], stdout=subprocess.PIPE, cwd=self.folder, env=self.environ, **options
        )

    def runs(self) -> list[dict[str, Any]]:
        """The runs that it has kept, latest first."""
        answer = self("runs", "--json")
        listed: list[dict[str, Any]] = json.loads(answer.stdout) if answer.returncode == 0 else []
        return listed


@pytest.fixture
def carbonwatch(tmp_path: Path) -> CommandLine:
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("CARBONWATCH_", "COLUMNS", "NO_COLOR", "AWS_"))}
    store = {
        "CARBONWATCH_STORE": str(tmp_path / "runs.db"),
        "CARBONWATCH_COUNTRY": "FR",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    return CommandLine(tmp_path, {**ours, **store})


@pytest.fixture
def there(carbonwatch: CommandLine) -> Iterator[Hosted]:
    """A server of CodeCarbon's API that the command line's user has chosen; nobody is signed in yet."""
    from tests.codecarbon.hosted import hosted

    home = carbonwatch.folder / "home"
    home.mkdir()
    for name in [name for name in carbonwatch.environ if name.startswith(("CODECARBON_", "AUTH_", "SSH_"))]:
        del carbonwatch.environ[name]
    with hosted() as server:
        carbonwatch.environ |= {
            "HOME": str(home),
            "CODECARBON_API_ENDPOINT": server.address,
            "AUTH_SERVER_WELL_KNOWN": server.well_known,
        }
        yield server
