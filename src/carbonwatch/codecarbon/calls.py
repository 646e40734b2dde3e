"""Calls of CodeCarbon's command line in scripts, as calls of ours: `codecarbon monitor -- make` in shells, CI, images.

`monitor` becomes `run` where it is given a command. It writes emissions.csv and sends to the API unless it is told
otherwise, so ours is told to. What can't be known from the text is left to a person, by its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# their option with a value -> ours; None: without a meaning of its own here
_VALUES = {
    "project-name": "--project",
    "measure-power-secs": "--interval-s",
    "country-iso-code": "--country",
    "region": "--region",
    "api-call-interval": None,  # part of --api-every
    "log-level": None,  # only warnings are said here, and a summary
}
_FLAGS = ("api", "no-api", "offline", "no-offline")
_POWER_SECS = 10  # of their monitor, where they are not given
# their command -> ours
COMMANDS = {
    "monitor": "monitor",
    "detect": "detect",
    "config": "config",
    "init": "config",  # its name until 2.3
    "login": "login",
    "get-token": "get-token",
    "test-api": "test-api",
}
_OURS = {**COMMANDS, "--version": "--version", "-v": "--version", "--help": "--help"}
_NAMES = "|".join(_OURS)
_CALL = re.compile(rf"(?<![\w.-])codecarbon[ \t]+(?P<command>{_NAMES})(?![\w./=-])")
_GAP = r"(?:[ \t]|\\\r?\n)+"
_TOKEN = (
    r"""(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\$\{\{.*?\}\}|\$\([^)\n]*\)|\\[^\r\n]|"""
    r"""[^\s"'`;&|<>()\\])+"""
)
_WORD = re.compile(rf"(?P<gap>{_GAP})(?P<word><[\w-]+>|(?!#|\d*[<>]){_TOKEN})")
_QUOTED = r"""(?:"[^"\n]*"|'[^'\n]*')"""
# ["codecarbon", "monitor", ...], as Dockerfiles and manifests have it
_LISTED = re.compile(
    rf"""(?P<quote>["'])codecarbon(?P=quote)(?P<words>\s*,\s*(?P=quote)(?:{_NAMES})(?P=quote)(?:\s*,\s*{_QUOTED})*)"""
    r"(?=\s*\])"
)
# - codecarbon, a line a word
_LINED_UP = re.compile(
    r"""(?<=- )(?P<quote>["']?)codecarbon(?P=quote)[ \t]*"""
    rf"(?P<words>\n(?P<dash>[ \t]*- )(?P=quote)(?:{_NAMES})(?P=quote)[ \t]*(?:\n(?P=dash)[^\n]*)*)"
)
_WAYS = (_CALL, _LISTED, _LINED_UP)
# where the words are only spoken of
_SPOKEN = re.compile(r"(^|[\s;&|(])(echo|printf|logger|grep|which|type|man|command -v)\s[^;&|]*$")
_NAMED = re.compile(r"^\s*(- )?(name|description|title|summary)\s*:")
_PROMPT = re.compile(r"""^[\s"\[]*[$>!%]\s*$""")


class Parsed(NamedTuple):
    """What a monitor's words mean: our options at the places of theirs, what is added, and where a command begins."""

    options: list[tuple[int, str, str]]
    length: int  # words that were options
    added: list[str]
    has_command: bool


def rewritten(text: str, *, document: bool) -> tuple[str, tuple[str, ...]]:
    """A script with our calls in it, and the lines that are left. In a document only what is set as code is one."""
    left: list[str] = []
    parts, at = [], 0
    for found in _found(text, document):
        new, end = _rewritten(text, found)
        if new is None:
            number = text.count("\n", 0, found.start()) + 1
            left.append(f"line {number}: {text.splitlines()[number - 1].strip()}")
            continue
        parts += [text[at : found.start()], new]
        at = end
    return "".join([*parts, text[at:]]), tuple(left)


def is_call(text: str) -> bool:
    """Whether a program's text is such a call, whole."""
    return bool(re.match(rf"(\S*/)?codecarbon\s+({_NAMES})\b", text))


def _found(text: str, document: bool) -> Iterator[re.Match[str]]:
    for found in sorted((one for way in _WAYS for one in way.finditer(text)), key=re.Match[str].start):
        begin = text.rfind("\n", 0, found.start()) + 1
        before = text[begin : found.start()]
        is_quoted = document and before.endswith("`")
        if is_quoted or (not _is_spoken_of(before) and (not document or _is_code(text, found.start(), before))):
            yield found


def _is_spoken_of(before: str) -> bool:
    """Whether what stands before it in its line makes it words: a comment, a message, a name."""
    is_comment = before.lstrip().startswith(("#", "//")) or " #" in before
    return is_comment or bool(_SPOKEN.search(before)) or bool(_NAMED.match(before))


def _is_code(text: str, at: int, before: str) -> bool:
    """Whether a document shows this as code: in a fence, indented, or after a prompt."""
    fenced = text.count("```", 0, at) % 2 == 1
    return fenced or bool(_PROMPT.match(before)) or (not before.strip() and len(before) > 2)


def _rewritten(text: str, found: re.Match[str]) -> tuple[str | None, int]:
    """Our call, and where theirs ends. None where it can't be known."""
    if found.re is _CALL:
        return _called(text, found)
    return _listed(found) if found.re is _LISTED else _lined_up(found)


def _called(text: str, found: re.Match[str]) -> tuple[str | None, int]:
    """The same of a call as a shell has it."""
    command = found["command"]
    if command != "monitor":
        return f"carbonwatch {_OURS[command]}", found.end()
    words, at = [], found.end()
    while word := _WORD.match(text, at):
        words.append(word)
        at = word.end()
    if [word["word"] for word in words[:1]] == ["--help"]:
        return "carbonwatch monitor", found.end()
    parsed = _parsed([word["word"] for word in words])
    if parsed is None:
        return None, 0
    new = " ".join([*_name(parsed), *parsed.added])
    new += "".join(f"{words[place]['gap']}{option} {value}" for place, option, value in parsed.options)
    if parsed.has_command and words[parsed.length]["word"] != "--":
        new += " --"
    return new, words[parsed.length - 1].end() if parsed.length else found.end()


def _listed(found: re.Match[str]) -> tuple[str | None, int]:
    """The same of a call as a list of words."""
    quote = found["quote"]
    words = _ours([each[1:-1] for each in re.findall(_QUOTED, found["words"])])
    return None if words is None else ", ".join(f"{quote}{word}{quote}" for word in words), found.end()


def _lined_up(found: re.Match[str]) -> tuple[str | None, int]:
    """The same of a list with a word a line."""
    lines = found["words"].splitlines()[1:]
    words = _ours([line.strip().removeprefix("-").strip().strip("\"'") for line in lines])
    if words is None:
        return None, 0
    written = [word if re.fullmatch(r"[\w./-]+", word) else f'"{word}"' for word in words]
    return f"\n{found['dash']}".join(written), found.end()


def _ours(theirs: Sequence[str]) -> list[str] | None:
    """Our words for the command and all that follows it."""
    command, *words = theirs
    if command != "monitor":
        return ["carbonwatch", _OURS.get(command, command), *words]
    parsed = _parsed(words)
    if parsed is None:
        return None
    rest = words[parsed.length :]
    options = [each for _, option, value in parsed.options for each in (option, value)]
    return [*_name(parsed), *parsed.added, *options, *(["--"] if rest and rest[0] != "--" else []), *rest]


def _name(parsed: Parsed) -> list[str]:
    return ["carbonwatch", "run" if parsed.has_command else "monitor"]


def _parsed(words: Sequence[str]) -> Parsed | None:
    """What the words after `monitor` mean. None where one is unknown, or hides others."""
    options, given, at = [], dict[str, str](), 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        name, equals, value = words[at].removeprefix("--").partition("=")
        place, at = at, at + 1
        if name in _FLAGS and not equals:
            given[name.removeprefix("no-")] = "no" if name.startswith("no-") else "yes"
            continue
        if name not in _VALUES or (not equals and at == len(words)):
            return None
        if not equals:
            value, at = words[at], at + 1
        given[name] = value
        ours = _VALUES[name]
        if ours is not None:
            options.append((place, ours, value))
    if (at < len(words) and words[at].startswith("$")) or list(words[at:]) == ["--"]:
        return None
    sending = _sending(given)
    return None if sending is None else Parsed(options, at, ["--exporters", "emissions_csv", *sending], at < len(words))


def _sending(given: dict[str, str]) -> list[str] | None:
    """How the API is told of the run: they do so unless told not to. None where the time between can't be known."""
    if given.get("api") == "no" or given.get("offline") == "yes":
        return []
    if "api-call-interval" not in given:
        return ["--api"]
    calls, power_s = given["api-call-interval"], given.get("measure-power-secs", str(_POWER_SECS))
    if not (calls.isdecimal() and power_s.isdecimal()):
        return None
    return ["--api-every", str(int(calls) * int(power_s))]
