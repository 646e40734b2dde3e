"""Any text as LaTeX that compiles, with any engine and without a package, and reads as it was."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedblright{}",
    "[": "{[}",  # after a line's end it would begin an option
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "°": r"$^\circ$",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
}
_LIGATURES = "-`',?!–—‘’“”"  # two of these would make one sign
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}


def escaped(text: str) -> str:
    """One line of text. What LaTeX's own fonts do not have stands as its number: [U+6F22]."""
    line = unicodedata.normalize("NFC", text)
    apart = ("{}" if one in _LIGATURES and two in _LIGATURES else "" for one, two in pairwise(line + " "))
    return "".join(_sign(sign) + between for sign, between in zip(line, apart, strict=True))


def _sign(sign: str) -> str:
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    if sign.isascii():
        return sign if sign.isprintable() else " "
    parts = unicodedata.normalize("NFD", sign)
    base, mark = parts[0], parts[1:]
    if mark in _ACCENTS and base.isascii() and base.isalpha():
        return rf"\{_ACCENTS[mark]}{{{base}}}"
    if sign.isspace():
        return " "
    return f"{{[}}U+{ord(sign):04X}{{]}}" if sign.isprintable() else " "
