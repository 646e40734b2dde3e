"""Where the platform keeps a user's data (runs, and tables that are newer than carbonwatch), and settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def data_folder(environ: Mapping[str, str] | None = None) -> str:
    """carbonwatch's own folder among the user's data; it need not be there yet."""
    environ = os.environ if environ is None else environ
    return os.path.join(_data_folder(environ), "carbonwatch")


def _data_folder(environ: Mapping[str, str]) -> str:
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support")
    if sys.platform == "win32":
        return environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    return environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")


def settings_folder(environ: Mapping[str, str] | None = None) -> str:
    """carbonwatch's own folder among the user's settings; it need not be there yet."""
    environ = os.environ if environ is None else environ
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(home, "carbonwatch")
