"""A store with all kinds of runs in it, and the board over it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from carbonwatch.board.server import Server
from carbonwatch.board.sources import Sources
from carbonwatch.store.journal import Journal
from tests import browser as browsers
from tests.board import shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of `shown`."""
    path = tmp_path_factory.mktemp("board") / "runs.db"
    with closing(Journal(str(path))) as journal:
        for run, samples in shown.everything():
            journal.save(run, run.entries, samples)
    return path


@contextmanager
def serving(*, store: Path | None, files: tuple[Path, ...] = ()) -> Iterator[Server]:
    """A board that answers until the end of the block."""
    with closing(Sources(None if store is None else str(store), [str(file) for file in files])) as sources:
        server = Server(sources)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture(scope="session")
def board(store: Path) -> Iterator[Server]:
    with serving(store=store) as server:
        yield server


@pytest.fixture
def visit(browser: Browser, board: Server) -> Iterator[browsers.Watched]:
    """A page on the board's first view."""
    with browsers.watched(browser, urlsplit(board.address).netloc) as seen:
        seen.page.goto(board.address)
        yield seen
