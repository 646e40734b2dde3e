"""Mistakes in a call that CodeCarbon answers with errors of Python's own, which programs catch: here they are both."""

from __future__ import annotations

from carbonwatch.errors import SettingsError


class UnknownParameter(SettingsError, TypeError):
    """A parameter that there is none of: a program may try again without it."""


class NoSuchFolder(SettingsError, OSError):
    """A folder for files that is not there."""
