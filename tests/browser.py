"""A browser that watches the pages it shows: errors, requests to another host, faults in accessibility."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, WebSocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 60_000
INSTALL_S = 600
WEB = Path(__file__).parent.parent / "web"
SERIOUS = ("serious", "critical")
# without its preload, which asks for style sheets again: a page on the disk may not
_AXE = "axe.run(document, {preload: false}).then(found => found.violations)"


def executable() -> str:
    """The browser of this machine."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert found, "no Chromium is installed, so the pages can't be tried: `make browser` installs it"
    return found


def installed() -> Path:
    """What the scripts of web/ need, and axe-core, installed from the lock file if it is not yet."""
    npm, modules = shutil.which("npm"), WEB / "node_modules"
    assert npm, "npm is not installed, so the pages can't be built: `make browser` installs it"
    marker, lock = modules / ".package-lock.json", WEB / "package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=WEB, check=True, timeout=INSTALL_S)
    return modules


class Watched:
    """A page, and what went wrong on it."""

    def __init__(self, page: Page, host: str) -> None:
        self.page = page
        self.host = host
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._asked)
        page.on("websocket", self._connected)
        page.on("dialog", lambda dialog: self.errors.append(f"a dialog: {dialog.message}"))

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != self.host:
            self.elsewhere.append(request.url)

    def _connected(self, socket: WebSocket) -> None:
        self.elsewhere.append(socket.url)

    def faults(self) -> list[str]:
        """What axe-core finds to be a serious fault of the page as it is."""
        # evaluated by the debugger, which the page's policy does not bind
        self.page.evaluate((installed() / "axe-core" / "axe.min.js").read_text())
        found: list[dict[str, Any]] = self.page.evaluate(_AXE)
        return [
            f"{fault['id']}: {fault['help']}: {node['html'][:300]}"
            for fault in found
            if fault["impact"] in SERIOUS
            for node in fault["nodes"]
        ]


@contextmanager
def watched(browser: Browser, host: str, **options: Any) -> Iterator[Watched]:
    """A new page of a visitor who has been nowhere. It fails at its end if anything went wrong on it."""
    context = browser.new_context(**options)
    try:
        page = Watched(context.new_page(), host)
        yield page
        assert page.errors == []
        assert page.elsewhere == []
    finally:
        context.close()
