"""Writes CodeCarbon's config file: the section [codecarbon] of an INI, whose other lines stay as they are."""

from __future__ import annotations

import os
from collections.abc import Mapping

from carbonwatch.errors import SettingsError, cause

_SECTION = "[codecarbon]"
_SECRET = "api_key"


def check(path: str) -> None:
    """Raises SettingsError where values could not be set, before anything is asked for that would be lost."""
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK) or os.path.isdir(path):
        raise _unwritable(path, "it is no file, or its folder is not there, or not yours")
    try:
        _text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise _unwritable(path, _cause(error)) from None


def write(path: str, values: Mapping[str, str]) -> None:
    """Sets values in a file, which is made if it is not there. With a key in it, it is the user's alone.

    Raises SettingsError where it can't be read or written.
    """
    for name, value in values.items():
        if not value.isprintable():
            raise SettingsError(f"{name} would be more than a line of {path}, so nothing was changed.")
    path = os.path.realpath(path)  # a link stays one
    new = f"{path}.{os.getpid()}.tmp"
    try:
        mode, text = _mode(path, values), _changed(_text(path), values)
        with open(new, "w", encoding="utf-8", opener=_for_the_user_alone) as file:
            file.write(text)
        os.chmod(new, mode)
        os.replace(new, path)
    except (OSError, UnicodeDecodeError) as error:
        raise _unwritable(path, _cause(error)) from None


def _unwritable(path: str, why: str) -> SettingsError:
    return SettingsError(f"{path} can't be written ({why}), so nothing was changed. Give another: --file.")


def _cause(error: OSError | UnicodeDecodeError) -> str:
    return "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else cause(error)


def _mode(path: str, values: Mapping[str, str]) -> int:
    if values.get(_SECRET) or not os.path.exists(path):
        return 0o600
    return os.stat(path).st_mode & 0o777


def _for_the_user_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _changed(text: str, values: Mapping[str, str]) -> str:
    lines = text.splitlines()
    begin = next((number for number, line in enumerate(lines) if line.strip() == _SECTION), None)
    if begin is None:
        lines += ["", _SECTION] if lines else [_SECTION]
        begin = len(lines) - 1
    following = range(begin + 1, len(lines))
    end = next((number for number in following if lines[number].startswith("[")), len(lines))
    kept = [line for line in lines[begin + 1 : end] if _name(line) not in values]
    while kept and not kept[-1].strip():
        kept.pop()
    set_now = [f"{name} = {value}" for name, value in values.items()]
    rest = ["", *lines[end:]] if lines[end:] else []
    return "\n".join([*lines[: begin + 1], *kept, *set_now, *rest]) + "\n"


def _name(line: str) -> str:
    """The name that a line sets; nothing for a comment, a blank line or a value that goes on."""
    if line[:1] in ("", "#", ";", " ", "\t"):
        return ""
    return line.replace(":", "=", 1).partition("=")[0].strip().lower()
