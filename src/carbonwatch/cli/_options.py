"""Flags from settings: each field of Settings is one, so that options and settings are a single list."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping
from typing import Any

from carbonwatch import settings
from carbonwatch.settings import Settings

_METAVARS = {"str": "TEXT", "float": "NUMBER", "tuple[str, ...]": "A,B"}


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str] | None = None) -> None:
    """A flag for each setting, or for those named."""
    group = parser.add_argument_group(
        "settings", "Also as CARBONWATCH_<NAME>, or in pyproject.toml: [tool.carbonwatch]."
    )
    for name in settings.names() if names is None else names:
        _add(group, name)


def flag(name: str) -> str:
    """The flag of a setting."""
    return "--" + name.replace("_", "-")


def chosen(args: argparse.Namespace) -> Settings:
    """The settings of a command line, the environment and files, ours before CodeCarbon's. Raises SettingsError."""
    given = {name: getattr(args, name, None) for name in settings.names()}
    return settings.resolve(given, source="flag", others=_codecarbons())


def _codecarbons(environ: Mapping[str, str] | None = None) -> list[tuple[str, dict[str, str]]]:
    """What CodeCarbon's variables and config files say: whoever comes from there has them."""
    environ = os.environ if environ is None else environ
    files = (".codecarbon.config", os.path.expanduser("~/.codecarbon.config"))
    if not any(name.startswith("CODECARBON_") for name in environ) and not any(map(os.path.isfile, files)):
        return []
    from carbonwatch.codecarbon import parameters

    return parameters.layers()


def seconds(text: str) -> int:
    """A time as seconds. Raises ArgumentTypeError, which argparse shows."""
    for unit, size in (("min", 60), ("h", 3600), ("d", 86400)):
        number = text.removesuffix(unit)
        if number != text and number.isdecimal() and 0 < int(number) < 10_000:
            return int(number) * size
    raise argparse.ArgumentTypeError(f"{text!r} is no time. Write 90min, 4h or 2d.")


def _add(group: argparse._ArgumentGroup, name: str) -> None:
    declared = Settings.__dataclass_fields__[name]
    kind = str(declared.type).removesuffix(" | None")
    text = _help(name, declared.default)
    # values stay text: settings.resolve() turns them into what they are, as it does for the environment
    if kind == "bool":
        group.add_argument(flag(name), dest=name, action=argparse.BooleanOptionalAction, default=None, help=text)
    else:
        group.add_argument(flag(name), dest=name, metavar=_METAVARS[kind], help=text)


def _help(name: str, default: Any) -> str:
    text = settings.help_text(name).replace("%", "%%")
    if default in (None, False, ()):
        return text
    shown = ",".join(default) if isinstance(default, tuple) else default
    return f"{text} Default: {shown}"
