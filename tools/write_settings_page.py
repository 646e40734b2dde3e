"""Writes docs/reference/settings.md from the fields of `Settings`: run it after a setting has come, gone or changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from carbonwatch import settings

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"

TOP = """\
# Settings

Without any setting, a run measures what it can, takes the place from the cloud or the time zone, and is kept in the
user's store. Each setting has one name, in five places; the first that has a value wins:

1. the call: `carbonwatch.measure("train", country="FR")`;
2. the command line, which is a call too: `carbonwatch run --country FR -- python train.py`;
3. the environment: `CARBONWATCH_COUNTRY=FR`;
4. the table `[tool.carbonwatch]` of the nearest `pyproject.toml`, from the working directory upwards;
5. the user's own file: `~/.config/carbonwatch/config.toml` (`$XDG_CONFIG_HOME` moves it), without a table's name.

```toml
[tool.carbonwatch]
project = "imdb"
country = "FR"
exporters = ["emissions_csv", "json"]
```

A name that does not exist and a value that makes no sense are errors before the run. Lists are written with commas in
the environment and on the command line: `CARBONWATCH_GPUS=0,1`. `carbonwatch doctor` shows where each value came from.
On the command line [those of CodeCarbon](../how-to/switch-from-codecarbon.md#their-command-line) come last.

| setting | type | default | what it is for |
|---|---|---|---|
"""
TYPES = {"str": "text", "float": "number", "bool": "true or false", "tuple[str, ...]": "names"}


def page() -> str:
    """The page's text."""
    return TOP + "".join(_rows())


def _rows() -> Iterator[str]:
    for name in settings.names():
        field = settings.Settings.__dataclass_fields__[name]
        kind = TYPES[str(field.type).removesuffix(" | None")]
        yield f"| `{name}` | {kind} | {_shown(field.default)} | {settings.help_text(name)} |\n"


def _shown(default: object) -> str:
    if default is None or default == ():
        return "–"
    if isinstance(default, tuple):
        return f"`{', '.join(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    PAGE.write_text(page())
