"""What changes in a project's files from CodeCarbon to carbonwatch: imports, requirements and calls, nothing else."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from carbonwatch.codecarbon import calls

_OURS = "carbonwatch.codecarbon"
# their module -> ours, and its names; what is not here is for a person to look at
_FACE = ("EmissionsTracker", "OfflineEmissionsTracker", "OutputMethod", "track_emissions", "TaskEmissionsTracker")
_OUTPUTS = (
    "BaseOutput",
    "OutputMethod",
    "FileOutput",
    "LoggerOutput",
    "GoogleCloudLoggerOutput",
    "HTTPOutput",
    "CodeCarbonAPIOutput",
    "PrometheusOutput",
    "LogfireOutput",
    "EmissionsData",
    "TaskEmissionsData",
)
_MODULES = {
    "codecarbon": ("carbonwatch", _FACE),
    "codecarbon.emissions_tracker": ("carbonwatch", (*_FACE, "track_task_emissions")),
    "codecarbon.output": (f"{_OURS}.outputs", _OUTPUTS),
    "codecarbon.output_methods.base_output": (f"{_OURS}.outputs", _OUTPUTS),
    "codecarbon.output_methods.emissions_data": (f"{_OURS}.data", ("EmissionsData", "TaskEmissionsData")),
    "codecarbon.core.units": (f"{_OURS}.units", ("Energy", "EmissionsPerKWh", "Power", "Time", "Water")),
}
_IMPORTERS = ("import_module", "__import__", "importorskip", "find_spec")
_SKIPPED = {".git", ".hg", ".tox", ".nox", ".venv", "venv", "node_modules", "__pycache__", "site-packages", "build"}
_LARGEST = 5_000_000  # bytes; a longer file is data
_PYTHON = (".py", ".pyi")
_DOCUMENTS = (".md", ".rst", ".ipynb")
_SHELLS = (".sh", ".bash", ".zsh", ".ps1", ".bat", ".slurm", ".sbatch", ".service", ".yml", ".yaml", ".mk", ".toml")
_BUILDS = ("Dockerfile", "Containerfile", "Makefile", "Jenkinsfile", "justfile")
_SCRIPTS = (*_DOCUMENTS, *_SHELLS, *_BUILDS)
_REQUIREMENTS = re.compile(
    r"(requirements|constraints)[\w.-]*\.(txt|in)|pyproject\.toml|setup\.(py|cfg)|Pipfile|tox\.ini|environment\.ya?ml"
)
# a name of a package: no part of a path, an address or another name; with its extras and versions
_VERSION = r"(\[[\w, -]*\])?(\s*[=<>!~]=?=?\s*[\w.*]+(\s*,\s*[=<>!~]=?=?\s*[\w.*]+)*)?"
_PACKAGE = re.compile(rf"(?<![\w./@-])codecarbon{_VERSION}(?![\w./-])(?!\s+({'|'.join(calls.COMMANDS)})\b)")
_POETRY = re.compile(r'^codecarbon\s*=\s*(".*"|\{.*\})', re.MULTILINE)
_INSTALL = re.compile(r"(pip3?|uv|poetry|pdm|conda|mamba)\b.*\b(install|add)\b")
_IN_A_STRING = re.compile(rf"""(?P<quote>["'])codecarbon{_VERSION}(?P=quote)""")


class Change(NamedTuple):
    """A file before and after, and what is left in it for a person to change."""

    path: Path
    before: str
    after: str
    left: tuple[str, ...] = ()


def changes(folder: Path) -> Iterator[Change]:
    """Every file under a folder, or the file itself, that has something to change. Raises OSError."""
    for path in sorted(_files(folder)):
        text = _text(path)
        if text is not None and "codecarbon" in text:
            change = changed(path, text)
            if change.before != change.after or change.left:
                yield change


def changed(path: Path, text: str) -> Change:
    """How a file should read."""
    if path.suffix in _PYTHON:
        after, left = _python(text)
        return Change(path, text, _strings(after) if path.name == "setup.py" else after, left)
    after, left = calls.rewritten(text, document=path.suffix in _DOCUMENTS)
    if _REQUIREMENTS.fullmatch(path.name):
        return Change(path, text, _PACKAGE.sub("carbonwatch", _POETRY.sub('carbonwatch = "*"', after)), left)
    return Change(path, text, "".join(_script_line(line) for line in after.splitlines(keepends=True)), left)


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
    for root, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in _SKIPPED]
        for name in files:
            if name.endswith((*_PYTHON, *_SCRIPTS)) or _REQUIREMENTS.fullmatch(name):
                yield Path(root, name)


def _text(path: Path) -> str | None:
    """A file's text, with its own line ends; None where it is none or too long."""
    if path.is_symlink() or path.stat().st_size > _LARGEST:
        return None
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None


def _python(text: str) -> tuple[str, tuple[str, ...]]:
    """A program with other imports, and the lines that are left to a person."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text, ("it can't be read as Python, and names codecarbon",)
    lines, left = text.splitlines(keepends=True), []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom) or not _is_theirs(node):
            continue
        at = node.lineno - 1
        line = _imported(node, lines[at])
        if line is None:
            left.append(f"line {node.lineno}: {lines[at].strip()}")
        else:
            lines[at] = line
    by_hand = dict.fromkeys((*_calls(tree), *_imports_by_name(tree)))
    left += [f"line {number}: {lines[number - 1].strip()}" for number in by_hand]
    return "".join(lines), tuple(left)


def _calls(tree: ast.Module) -> Iterator[int]:
    """Lines in which a program calls their command line, as one text or as a list of words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and calls.is_call(node.value):
            yield node.lineno
        elif isinstance(node, ast.List | ast.Tuple):
            words = [each.value for each in node.elts if isinstance(each, ast.Constant)]
            if words[:1] == ["codecarbon"] and words[1:2] and words[1] in calls.COMMANDS:
                yield node.lineno


def _imports_by_name(tree: ast.Module) -> Iterator[int]:
    """Lines in which a function imports or looks for their module."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if called in _IMPORTERS and isinstance(name, str) and name.split(".")[0] == "codecarbon":
            yield node.lineno


def _is_theirs(node: ast.Import | ast.ImportFrom) -> bool:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return any(name.split(".")[0] == "codecarbon" for name in names)


def _imported(node: ast.Import | ast.ImportFrom, line: str) -> str | None:
    """The line with our module in it; None where that would not do."""
    if isinstance(node, ast.Import):
        if len(node.names) > 1 or node.names[0].name != "codecarbon":
            return None
        ours = "carbonwatch" if node.names[0].asname else "carbonwatch as codecarbon"
        return re.sub(r"\bimport(\s+)codecarbon\b", rf"import\1{ours}", line, count=1)
    module, names = _MODULES.get(node.module or "", ("", ()))
    if node.level or any(alias.name not in names for alias in node.names):
        return None
    return re.sub(rf"\bfrom(\s+){re.escape(node.module or '')}\b", rf"from\1{module}", line, count=1)


def _strings(text: str) -> str:
    """Requirements among a program's texts."""
    return _IN_A_STRING.sub(lambda found: f"{found['quote']}carbonwatch{found['quote']}", text)


def _script_line(line: str) -> str:
    """A line of a script, a document or a notebook: what it installs, and what it imports."""
    if _INSTALL.search(line):
        line = _PACKAGE.sub("carbonwatch", line)
    found = re.search(r"\bfrom (codecarbon[\w.]*) import ([\w, ]+)", line)
    if found and found[1] in _MODULES:
        module, names = _MODULES[found[1]]
        if all(name.split()[0] in names for name in found[2].split(",") if name.strip()):
            line = line.replace(f"from {found[1]} import", f"from {module} import")
    return re.sub(r"\bimport codecarbon\b(?! as)(?!\.)", "import carbonwatch as codecarbon", line).replace(
        "import codecarbon as ", "import carbonwatch as "
    )
