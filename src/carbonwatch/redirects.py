"""Whom a server may send us on to: itself alone. What goes with a question, a token or a key, is not for others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from urllib.request import OpenerDirector, Request


def opener() -> OpenerDirector:
    """Opens addresses; a question is asked again on the same host alone, and what was to be changed is not sent twice.

    Where a server sends on to another host, `open` raises HTTPError with its status, 300 to 399.
    """
    from urllib.parse import urlsplit
    from urllib.request import HTTPRedirectHandler, build_opener

    class SameHost(HTTPRedirectHandler):
        def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            stays = urlsplit(newurl)[:2] == urlsplit(req.full_url)[:2] and req.data is None
            return super().redirect_request(req, fp, code, msg, headers, newurl) if stays else None

    return build_opener(SameHost)
