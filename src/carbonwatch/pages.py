"""Pages of the web: what is built from web/ lies in the folder of that name, and stands here around a page's data.

A page is served with its parts beside it, or it is one file that carries them and its data, and opens from the disk
without a network. Either way its policy lets it load what is its own alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import cache

FOLDER = os.path.join(os.path.dirname(__file__), "web")
STYLE = "site.css"
# what a served page may load: its own, from the same host
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<link rel="icon" href="data:,">
"""


def linked(name: str, title: str, data: object = None, *, folder: str = "") -> str:
    """The page `name` that loads its script and style from a folder beside it: served, or one of a site's pages."""
    return "".join(
        (
            _HEAD.format(title=escaped(title)),
            f'<link rel="stylesheet" href="{folder}{STYLE}">\n</head>\n<body>\n',
            _body(data),
            f'<script src="{folder}{name}.js"></script>\n</body>\n</html>\n',
        )
    )


def whole(name: str, title: str, data: object) -> str:
    """The page `name` as one file with all that it needs."""
    script, style = _in_script(read(f"{name}.js")), read(STYLE)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return "".join(
        (
            _HEAD.format(title=escaped(title)),
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            f"<style>{style}</style>\n</head>\n<body>\n",
            _body(data),
            f"<script>{script}</script>\n</body>\n</html>\n",
        )
    )


def parts(name: str) -> tuple[str, ...]:
    """The files that `linked()` asks for, of FOLDER."""
    return (f"{name}.js", STYLE)


@cache
def read(file: str) -> str:
    """One of the files that were built."""
    with open(os.path.join(FOLDER, file), encoding="utf-8", newline="") as opened:
        return opened.read()


def escaped(text: str) -> str:
    """Text that stays text in a page."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(sign, name)
    return text


def as_json(data: object) -> str:
    """JSON in ASCII, with null for what is no number; no sign of it ends the element that it stands in."""
    import json

    return json.dumps(_finite(data), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _body(data: object) -> str:
    words = "<noscript>This page draws itself with its script: allow it to run.</noscript>"
    carried = "" if data is None else f'<script type="application/json" id="data">{as_json(data)}</script>\n'
    return f'<div id="page"></div>\n{words}\n{carried}'


def _finite(data: object) -> object:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data


def _in_script(text: str) -> str:
    # only these two could end the element or change how it is read
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash(text: str) -> str:
    from base64 import b64encode
    from hashlib import sha256

    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
