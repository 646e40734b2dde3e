"""What a processor's name tells: its model, its microarchitecture, its rated power; every step is said.

Model by name and table, else the model that a cloud calls by a name of its own, else a sibling that differs by a
letter; microarchitecture by CPUID, else by the digits of the model, else by a code name in the text; else the maker.
Nothing is matched by likeness: a wrong processor is worse than an unknown one.

To add a model: a line in data/cpu_tdp.csv. To add a generation: a line in the rule of its family below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from carbonwatch import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Segment = Literal["server", "ex", "entry", "workstation", "desktop", "laptop", "board"]
    Tier = Literal["A", "B", "C", "D"]


@dataclass(frozen=True, slots=True)
class Cpuid:
    """The numbers that a processor goes by: x86's CPUID, or maker and part of an ARM core."""

    vendor: str  # "GenuineIntel", "AuthenticAMD", "0x41"
    family: int
    model: int  # on ARM: the part
    stepping: int = 0


@dataclass(frozen=True, slots=True)
class Processor:
    """What is known about a processor. None: not known."""

    name: str
    model: str | None  # "xeon 8380"; with a "~" where a sibling stands for it
    microarchitecture: str | None  # "zen3"
    maker: str | None  # "intel", "amd", "arm"
    segment: Segment
    tdp_w: float | None  # rated power of one socket
    cores: int | None  # of one socket
    steps: tuple[str, ...]  # how each was found

    @property
    def tier(self) -> Tier:
        """How well it is known: A its model, B its microarchitecture, C its maker, D nothing."""
        if self.tdp_w is not None and self.microarchitecture is not None:
            return "A"
        if self.microarchitecture is not None:
            return "B"
        return "C" if self.maker in ("intel", "amd", "arm") else "D"

    @property
    def reason(self) -> str:
        """The steps in one line."""
        return "; ".join(self.steps)


def identify(name: str | None, cpuid: Cpuid | None = None) -> Processor:
    """The processor of a name as systems and people write it."""
    raw = " ".join((name or "").split())
    text = _plain(raw)
    key = key_of(text)
    tdp_w, cores, model, found = _rated(key)
    uarch, how = _microarchitecture(text, key, cpuid)
    maker = _maker(text, cpuid, uarch)
    unnamed = "model unknown" if maker or uarch else "neither model nor maker known"
    steps = (f"{raw or 'no name'}: {found or unnamed}", how or "microarchitecture unknown")
    return Processor(raw, model, uarch, maker, _segment(text, key, uarch), tdp_w, cores, steps)


def key_of(name: str) -> str | None:
    """The canonical model in a name ("xeon e5-2680 v4"), None where it holds none."""
    text = _plain(name)
    for word, pattern, form in _FAMILIES:
        if word in text:
            match = re.search(pattern, text)
            if match:
                key = " ".join(form(match).split())
                return None if key.endswith((" 000", " 0000")) else key  # zeros stand where a sample has no name
    return None


# --- text

_MARKS = ("(r)", "(tm)", "(c)", "®", "™", "©", ",", ";", "\x7f", "_", "?", "\ufffd")
_CUTS = ("@", " with ", " w/", "[")
_NOISE = frozenset(
    [
        "cpu",
        "processor",
        "processors",
        "apu",
        "soc",
        "technology",
        "microprocessor",
        "genuine",
        "engineering",
        "sample",
        "eng",
        "mobile-technology",
        "compute",
        "cores",
        "family",
        "integrated",
        "single",
        "dual",
        "quad",
        "triple-core",
        "dual-core",
        "quad-core",
        "six-core",
        "eight-core",
        "model",
    ]
)


def _plain(name: str) -> str:
    """Lower case, without marks, clocks, counts of cores and words that tell nothing."""
    if not name.isascii():
        import unicodedata

        for mark in ("®", "™", "©"):
            name = name.replace(mark, " ")
        name = unicodedata.normalize("NFKC", name).replace("\u2011", "-")
    text = f" {name.lower()}"
    for mark in _MARKS:
        text = text.replace(mark, " ")
    for cut in _CUTS:
        text = text.partition(cut)[0]
    words = [word.strip(":") for word in text.replace("coret", "core").split()]
    kept = [_untrademarked(word) for word in words if word not in _NOISE and not _is_count(word)]
    clock = _clock(words[-1]) if words else ""
    if clock and not any(word[0].isdigit() for word in kept if word != "4"):
        kept.append(clock)  # all the name that a Pentium 4 has
    return " ".join(kept)


def _clock(word: str) -> str:
    """GHz in a word of GHz or of four digits of MHz; empty where it is none."""
    if word.endswith("mhz") and len(word) == 7 and word[:4].isdecimal():
        return f"{int(word[:4]) / 1000:.2f}"
    return word[:-3] if word.endswith("ghz") else ""


def _untrademarked(word: str) -> str:
    """athlontm, phitm: a sign that was lost on the way."""
    return word[:-2] if word in ("athlontm", "phenomtm", "phitm", "quarktm", "epyctm", "ryzentm", "coretm") else word


def _is_count(word: str) -> bool:
    """64-core, 2.90ghz, 13th gen."""
    if word.endswith(("-core", "-cores")):
        return True
    if word.endswith(("ghz", "mhz")):
        return word[:-3].replace(".", "").replace("+", "").isdigit() or word in ("ghz", "mhz")
    return word == "gen" or (word[:-2].isdigit() and word[-2:] in ("st", "nd", "rd", "th"))


# --- model: family word, pattern, canonical form. The first that fits wins.

_SCALABLE = r"(?:platinum|gold|silver|bronze|max)"
_LEGACY_XEON = r"\bxeon (?:mp |dp |legacy )?(30[4-8]\d|50[3-8]\d|51[1-6][08]|70[2-4]\d|71[1-5]\d[nm]?)$"


def _join(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


_FAMILIES: tuple[tuple[str, str, Callable[[re.Match[str]], str]], ...] = (
    # AMD
    ("epyc", r"\bepyc(?: embedded)?[ -]*(\d[0-9a-z]{3,5})\b", lambda m: f"epyc {m[1]}"),
    ("threadripper", r"\bthreadripper(?: pro)?[ -]*(\d{4}(?:wx|x)?)\b", lambda m: f"threadripper {m[1]}"),
    ("ryzen", r"\bryzen ai (?:max\+? )?(?:[3579] )?(?:hx )?(?:pro )?(\d{3})\b", lambda m: f"ryzen ai {m[1]}"),
    ("ryzen", r"\bryzen z(\d)( extreme| go)?", lambda m: f"ryzen z{m[1]}{m[2] or ''}"),
    (
        "ryzen",
        r"\bryzen(?: embedded)?(?: pro)?[ -]*(?:[3579][ -]+)?(?:pro )?([vr]?\d{3,4}[a-z0-9]{0,4})\b",
        lambda m: f"ryzen {m[1]}",
    ),
    ("opteron", r"\bopteron (?:x\d )?(x?\d{3,4})[ -]?(he|ee|se|kx|ks)?\b", lambda m: _join("opteron", m[1], m[2])),
    (
        "x2",
        r"\bathlon (?:64 )?x2 (?:dual )?(?:core )?(\d{4})(\+|[be]e?\b)?",
        lambda m: f"athlon x2 {m[1]}{m[2] or ''}",
    ),
    (
        "",
        r"\b(fx|phenom|athlon|sempron|turion|a(?:4|6|8|9|10|12))(?: (?:ii|64|xp|mp|mobile))*(?: (?:x\d|micro))*[ -]+"
        r"(?:pro[ -])?(?:x\d )?(?:r\d )?((?:[a-z]{2}-)?[0-9][0-9a-z+]{2,5}|[bnp]\d{2,3})\b",
        lambda m: f"{m[1]} {m[2]}",
    ),
    ("athlon", r"\bathlon (?:gold|silver) ?(\d{4}[a-z]{1,2})\b", lambda m: f"athlon {m[1]}"),
    (
        "amd",
        r"^(?:amd )?(v|e1|e2|c|e|z|g|gx|n|p|r)-?(?:series )?[ -]?(t?\d{2,4}[a-z]{0,2})\b",
        lambda m: f"amd {m[1]}-{m[2]}",
    ),
    (
        "turion",
        r"\bturion(?: ii| 64| x2| mobile| neo| ultra)* ([a-z]{1,2}-?\d{2,3}[a-z]?)\b",
        lambda m: f"turion {m[1]}",
    ),
    (
        "",
        r"\b(athlon|sempron|phenom)(?: ii| 64| x\d| neo| mobile)* ([a-z]{1,2}-?\d{2,3}[a-z]?|42 twkr)\b",
        lambda m: f"{m[1]} {m[2]}",
    ),
    ("amd", r"\b([gr]x-\d{3}[a-z]{2})\b", lambda m: f"amd {m[1]}"),
    ("", r"^(?:amd )?e([12])-(\d{4})\b", lambda m: f"amd e{m[1]}-{m[2]}"),
    ("hygon", r"\bhygon (?:c86(?:-\dg \(opn:|[ -]))?(\d{4})\b", lambda m: f"hygon {m[1]}"),
    ("amd", r"^amd (?:custom )?(\d{4}[a-z]{0,2}|rx-\d{4})\b", lambda m: f"amd {m[1]}"),
    # Intel
    ("phi", r"\bxeon phi (?:coprocessor )?(\d{4}[a-z]?)\b", lambda m: f"xeon phi {m[1]}"),
    (
        "xeon",
        r"\b(e[357])[- ]*(\d{4})([a-z]{0,2}?)[ -]*(v\d)?\b(?!\d)",
        lambda m: _join(f"xeon {m[1]}-{m[2]}{m[3]}", m[4]),
    ),
    ("e", r"^(?:intel )?(e[357])-(\d{4})([a-z]{0,2}?)[ -]?(v\d)?$", lambda m: _join(f"xeon {m[1]}-{m[2]}{m[3]}", m[4])),
    ("xeon", r"\bxeon (\d{4}[pe](?:-[a-z])?\+?|\d{3}x)(?=\s|$)", lambda m: f"xeon {m[1]}"),
    ("xeon", r"\bxeon[ -]([dew])[- ](?:e-)?(\d{4,5}[a-z]{0,3})\b", lambda m: f"xeon {m[1]}-{m[2]}"),
    ("xeon", r"\bxeon w[3579][- ](\d{4}[a-z]?)\b", lambda m: f"xeon w-{m[1]}"),
    ("xeon", _LEGACY_XEON, lambda m: f"xeon legacy {m[1]}"),
    (
        "xeon",
        rf"\bxeon(?: mp| legacy| scalable)?(?: {_SCALABLE})?[ -]*"
        r"((?:[elxwc]|ec|lc)?\d{4}(?:[a-z]{1,3})?\+?)(?=\s|$)",
        lambda m: f"xeon {m[1]}",
    ),
    ("core", r"\bcore[ -]*(i[3579])[- ]+([qxlum])m?[ -]+(\d{3})\b", lambda m: f"core {m[1]}-{m[3]}{m[2]}"),
    ("core", r"\bcore[ -]*(i[3579])[- +]*([a-z]?\d{3,5}[a-z]{0,3}\d?[a-z]{0,2})\b", lambda m: f"core {m[1]}-{m[2]}"),
    ("core", r"\bcore[ -]*(i[35]-l\d{2}g\d)\b", lambda m: f"core {m[1]}"),
    ("i", r"^(?:intel )?(i[3579])-(\d{3,5}[a-z]{0,3}\d?[a-z]{0,2})$", lambda m: f"core {m[1]}-{m[2]}"),
    ("core", r"\bcore q (\d{3})$", lambda m: f"core i7-{m[1]}qm"),
    ("core", r"\bcore ultra (?:[3579x][ -]+)?(?:pro )?(\d{3}[a-z]{0,2})\b", lambda m: f"core ultra {m[1]}"),
    ("core", r"\bcore ([3579])[ -](?:pro )?(n?\d{3}[a-z]{0,3})\b", lambda m: f"core {m[1]}-{m[2]}"),
    ("core", r"\bcore[ -]*m[357]?[- ]*(\d[0-9y]{2,4}[a-z]?)\b", lambda m: f"core m-{m[1]}"),
    ("intel", r"\bintel (\dy\d{2}[a-z]?)$", lambda m: f"core m-{m[1]}"),
    (
        "core",
        r"\bcore ?2(?: duo| quad| extreme| solo| mobile| ulv)*[ -]*([a-z]{0,2}\d{4}[a-z]?)\b",
        lambda m: f"core2 {m[1]}",
    ),
    ("core", r"\bcore (?:duo |solo )?([ltu]\d{4})\b", lambda m: f"core {m[1]}"),
    (
        "",
        r"\b(pentium|celeron|atom|itanium|quark)(?: (?:gold|silver|4|m|d|mobile|dual|extreme|edition|pro|series|2))*"
        r"[ -]*(?:x\d-)?([a-z]{0,2}[- ]?\d{2,4}[a-z0-9]{0,4})\b",
        lambda m: f"{m[1]} {m[2].replace(' ', '').replace('-', '')}",
    ),
    ("intel", r"\bintel (u?\d{3}[a-z]{0,2}|n\d{2,3})$", lambda m: f"intel {m[1]}"),
    ("intel", r"\b(cc150)\b", lambda m: f"intel {m[1]}"),
    (
        "",
        r"^(?:intel )?(pentium (?:4|m|d|iii)|celeron(?: [md])?|xeon)(?: ht| mp)* (\d\.\d\d?)$",
        lambda m: f"{m[1]} {float(m[2]):.2f}",
    ),
    ("jintide", r"\bjintide (c\d{4})\b", lambda m: f"jintide {m[1]}"),
    # others
    ("altra", r"\baltra(?: max)?\b.*?\b([qm]\d{2,3}-\d{2})\b", lambda m: f"altra {m[1]}"),
    ("", r"^(?:ampere )?([qm]\d{2,3}-\d{2})\b", lambda m: f"altra {m[1]}"),
    ("graviton", r"\bgraviton ?(\d)?", lambda m: f"graviton{m[1] or '1'}"),
    ("grace", r"\bgrace\b", lambda _: "nvidia grace"),
    ("apple", r"\bapple m(\d)( pro| max| ultra)?", lambda m: f"apple m{m[1]}{m[2] or ''}"),
    ("bcm", r"\b(bcm\d{4})", lambda m: m[1]),
    ("raspberry", r"\braspberry pi (\d|zero 2)", lambda m: f"raspberry pi {m[1]}"),
    ("esther", r"\bvia (esther) (\d\.\d\d)$", lambda m: f"via {m[1]} {m[2]}"),
    ("vortex86", r"\b(vortex86[a-z]x\d?)\b", lambda m: m[1]),
    ("tm", r"\b(?:crusoe|efficeon)(?:tm)? (tm\d{4})\b", lambda m: f"transmeta {m[1]}"),
    ("via", r"\bvia (?:nano |eden |c7 |quadcore )?(?:x\d )?([a-z]\d{4}[a-z]?|c7-[dm])\b", lambda m: f"via {m[1]}"),
    (
        "zhaoxin",
        r"\bzhaoxin (?:kaixian|kaisheng) (\S+?)(?:/\d+)?(?: (c\d{4}))?$",
        lambda m: _join("zhaoxin", m[1], m[2]),
    ),
)


def _rated(key: str | None) -> tuple[float | None, int | None, str | None, str]:
    """Rated power and cores of a model, the model that gave them, and what to say about it."""
    if key is None:
        return None, None, None, ""
    row = tables.row("cloud_sku", key)
    if row:
        like = f" as {row['closest_public_sku']}" if row["closest_public_sku"] else ""
        return float(row["tdp_w_est"]), int(row["cores"]), key, f"model {key}, made for a cloud: power estimated{like}"
    row = tables.row("cpu_tdp", key)
    if row:
        return float(row["tdp_w"]), int(row["cores"] or 0) or None, key, f"model {key}"
    for sibling in _siblings(key):
        row = tables.row("cpu_tdp", sibling)
        if row:
            return float(row["tdp_w"]), int(row["cores"] or 0) or None, f"{key}~", f"model {key}, rated as {sibling}"
    return None, None, key, f"model {key}, of which no rated power is known"


def _siblings(key: str) -> Iterator[str]:
    """Models whose names differ by a letter at the end."""
    if key[:5] == "xeon " and key[5:] in _LETTERLESS:
        yield from (f"xeon {letter}{key[5:]}" for letter in "xel")
        return
    match = re.match(r"(.*?\d{3,5})[a-z+]*(-[a-z])?( v\d| he| ee| se)?$", key)
    if match is None:
        return
    stem, version = match[1], match[3] or ""
    for suffix in ("", "+", "p", "y", "y+", "x", "g", "k", "h", "u", "m", "l", "n"):
        if stem + suffix + version != key:
            yield stem + suffix + version
    if version in (" he", " ee", " se"):
        yield stem


# --- microarchitecture


def _microarchitecture(text: str, key: str | None, cpuid: Cpuid | None) -> tuple[str | None, str]:
    """Its name, and the step that found it. What the processor says of itself outranks what its name seems to say."""
    by_cpuid = _by_cpuid(cpuid) if cpuid else None
    by_digits = by_model(key) if key else None
    code = next((uarch for word, uarch in _CODE_NAMES if word in text), None)
    emulated = any(word in text for word in ("qemu virtual", "common kvm", "virtual"))
    if code and key is None:  # a hypervisor that names a generation may show CPUID of another
        return code, f"{code} by its code name"
    if by_cpuid and cpuid and not emulated:
        numbers = f"family {cpuid.family} model {cpuid.model}"
        if not cpuid.vendor[:1].isalpha():
            numbers = f"part {cpuid.model:#x}"
        return by_cpuid, f"{by_cpuid} by {numbers}"
    if by_digits:
        return by_digits, f"{by_digits} by the digits of its model"
    if code:
        return code, f"{code} by its code name"
    return None, ""


_CODE_NAMES = (
    ("turin", "zen5"),
    ("bergamo", "zen4c"),
    ("siena", "zen4c"),
    ("genoa", "zen4"),
    ("milan", "zen3"),
    ("rome", "zen2"),
    ("naples", "zen1"),
    ("graniterapids", "graniterapids"),
    ("sierraforest", "sierraforest"),
    ("emeraldrapids", "emeraldrapids"),
    ("sapphirerapids", "sapphirerapids"),
    ("icelake", "icelake-sp"),
    ("cooperlake", "cooperlake"),
    ("cascadelake", "cascadelake"),
    ("skylake", "skylake-sp"),
    ("broadwell", "broadwell"),
    ("haswell", "haswell"),
    ("ivybridge", "ivybridge"),
    ("ivy bridge", "ivybridge"),
    ("sandybridge", "sandybridge"),
    ("sandy bridge", "sandybridge"),
    ("westmere", "westmere"),
    ("nehalem", "nehalem"),
    ("neoverse-n1", "neoverse-n1"),
    ("neoverse-n2", "neoverse-n2"),
    ("neoverse-v1", "neoverse-v1"),
    ("neoverse-v2", "neoverse-v2"),
    ("neoverse n1", "neoverse-n1"),
    ("neoverse n2", "neoverse-n2"),
    ("neoverse v1", "neoverse-v1"),
    ("neoverse v2", "neoverse-v2"),
    ("altra", "neoverse-n1"),
    ("cortex-a53", "cortex-a53"),
    ("cortex-a72", "cortex-a72"),
    ("cortex-a76", "cortex-a76"),
)


def by_model(key: str) -> str | None:
    """Microarchitecture by the digits of a canonical model."""
    family, _, number = key.partition(" ")
    rule = _RULES.get(family)
    return rule(number) if rule else None


def _epyc(number: str) -> str | None:
    series, last = number[:1], number[3:4]
    if series in "37":
        return {"1": "zen1", "2": "zen2", "3": "zen3"}.get(last)
    if last == "5":
        return "zen5"
    if series == "8" or number[:2] == "97":
        return "zen4c"
    return "zen4" if series in "49" and last in "34" else None


def _opteron(number: str) -> str:
    return "bulldozer" if len(number.split()[0]) == 4 and number[:2] in _BULLDOZERS else "k8/k10"


_BULLDOZERS = ("32", "33", "34", "42", "43", "62", "63")


def _ryzen(number: str) -> str | None:
    if number.startswith("ai "):
        return "zen5"
    if number[:1] == "z":
        return "zen4" if number[1:2] == "1" else "zen5"
    digits = number.lstrip("vr")
    first, tail = digits[:1], digits[4:]
    if len(digits) < 4 or not digits[3].isdigit():  # Ryzen 5 220
        return "zen4"
    if first == "3" and tail[:1] in ("u", "h", "c", "g"):
        return "zen1"
    if digits in ("5300u", "5500u", "5700u") or (first == "7" and digits[2] == "2"):
        return "zen2"
    if first == "7" and digits[2] == "3":
        return "zen3"
    return {"1": "zen1", "2": "zen1", "3": "zen2", "4": "zen2", "5": "zen3", "6": "zen3", "7": "zen4", "8": "zen4"}.get(
        first, "zen5" if first == "9" else None
    )


def _threadripper(number: str) -> str | None:
    return {"1": "zen1", "2": "zen1", "3": "zen2", "5": "zen3", "7": "zen4", "9": "zen5"}.get(number[:1])


def _xeon(number: str) -> str | None:
    if number.startswith("legacy"):
        return "core2" if number[7:8] in "35" and number[7:9] != "50" else "netburst"
    if number.startswith("phi"):
        return "knightslanding"
    if number[:1] == "e" and number[1:3] in ("3-", "5-", "7-"):
        return _xeon_e(number)
    if number[:2] in ("d-", "e-", "w-"):
        return next((uarch for start, uarch in _XEON_LINES if number.startswith(start)), None)
    if number[:1] in "elxwc":
        digits = number.lstrip("elxwc")[:2]
        return _OLD_XEONS.get(digits)
    if number[4:5] in ("p", "e") and number[:1] == "6" and len(number.split("-")[0]) == 5:
        return "raptorlake" if number[1] == "3" else "sierraforest" if number[4] == "e" else "graniterapids"
    if len(number) == 4 and number[:2] in ("55", "56", "65", "75", "34", "35", "36") and number in _LETTERLESS:
        return _OLD_XEONS[number[:2]]
    if len(number) == 4 and number.endswith("x"):
        return "graniterapids"
    if number[:1] < "3":
        return None
    if number[1:2] == "3" and number[4:5] == "h":
        return "cooperlake"
    return _SCALABLES.get(number[1:2])


def _xeon_e(number: str) -> str | None:
    if number.endswith((" v5", " v6")):
        return "skylake-client"
    version = {" v2": "ivybridge", " v3": "haswell", " v4": "broadwell"}.get(number[-3:])
    return version or ("westmere" if number[1] == "7" else "sandybridge")


_SCALABLES = {"1": "skylake-sp", "2": "cascadelake", "3": "icelake-sp", "4": "sapphirerapids", "5": "emeraldrapids"}
_OLD_XEONS = {
    "34": "nehalem",
    "35": "nehalem",
    "55": "nehalem",
    "36": "westmere",
    "56": "westmere",
    "65": "nehalem",
    "75": "nehalem",
    **dict.fromkeys(("30", "31", "32", "33", "51", "52", "53", "54", "72", "73", "74"), "core2"),
}
# written without their letter now and then; Gold 55xx and 65xx of 2023 always have one behind
_LETTERLESS = frozenset(
    [
        "5570",
        "5675",
        "5650",
        "5670",
        "5680",
        "5690",
        "5620",
        "5640",
        "5645",
        "5660",
        "5550",
        "5540",
        "5520",
        "7560",
        "7550",
        "3470",
        "3430",
    ]
)
_XEON_LINES = (
    ("d-15", "broadwell"),
    ("d-16", "broadwell"),
    ("d-21", "skylake-sp"),
    ("d-17", "icelake-sp"),
    ("d-18", "icelake-sp"),
    ("d-27", "icelake-sp"),
    ("d-28", "icelake-sp"),
    ("e-21", "skylake-client"),
    ("e-22", "skylake-client"),
    ("e-23", "rocketlake"),
    ("e-24", "raptorlake"),
    ("w-12", "skylake-client"),
    ("w-13", "rocketlake"),
    ("w-10", "skylake-client"),
    ("w-11", "tigerlake"),
    ("w-21", "skylake-sp"),
    ("w-31", "skylake-sp"),
    ("w-22", "cascadelake"),
    ("w-32", "cascadelake"),
    ("w-33", "icelake-sp"),
    ("w-24", "sapphirerapids"),
    ("w-34", "sapphirerapids"),
    ("w-25", "sapphirerapids"),
    ("w-35", "sapphirerapids"),
)


def _core(number: str) -> str | None:
    if number.startswith("ultra"):
        return "meteorlake+"
    if number.startswith("m-"):
        return {"5": "broadwell"}.get(number[2:3], "skylake-client")
    if number[:2] in ("3-", "5-", "7-", "9-"):
        return "alderlake" if number[2:3] == "n" else "raptorlake"
    if number[2:4] == "-n":
        return "alderlake"
    match = re.match(r"i[3579]-[a-z]?(\d{3,5})([a-z0-9]*)$", number)
    return _core_generation(match[1], match[2]) if match else None


def _core_generation(digits: str, tail: str) -> str | None:
    if len(digits) == 3:
        return "westmere" if digits[0] in "3456" or digits[:2] in ("98", "99") else "nehalem"
    generation = int(digits[:2] if len(digits) == 5 or digits[0] == "1" else digits[0])
    enthusiast = tail[:1] == "x" or (generation < 7 and tail[:1] == "k") or digits == "3820"
    if digits[1:2] in "89" and enthusiast and len(digits) == 4 and generation in _ENTHUSIASTS:
        return _ENTHUSIASTS[generation]
    if digits[:3] == "109" and tail[:1] in ("x",):
        return "cascadelake"
    if generation == 10 and "g" in tail:
        return "icelake-client"
    if generation == 11 and (len(digits) == 4 or tail[:1] == "h"):
        return "tigerlake"
    return _CORE_GENERATIONS.get(generation)


# one generation behind their number
_ENTHUSIASTS = {
    3: "sandybridge",
    4: "ivybridge",
    5: "haswell",
    6: "broadwell",
    7: "skylake-sp",
    9: "skylake-sp",
}
_CORE_GENERATIONS = {
    2: "sandybridge",
    3: "ivybridge",
    4: "haswell",
    5: "broadwell",
    6: "skylake-client",
    7: "skylake-client",
    8: "skylake-client",
    9: "skylake-client",
    10: "skylake-client",
    11: "rocketlake",
    12: "alderlake",
    13: "raptorlake",
    14: "raptorlake",
}


def _pentium(number: str) -> str | None:
    """Desktop Pentiums and Celerons of the Core generations; the others need CPUID."""
    if number[:2] in ("4 ", "d ") or re.match(r"[5689]\d\d[a-z]?$", number):
        return "netburst"
    if re.match(r"e[2356]\d{3}", number):
        return "core2"
    match = re.match(r"g(\d{3,4})", number)
    if match is None:
        return None
    digits = match[1]
    if len(digits) == 3:
        return "sandybridge"
    starts = (("16", "ivybridge"), ("2", "ivybridge"), ("18", "haswell"), ("3", "haswell"), ("69", "nehalem"))
    found = next((uarch for start, uarch in starts if digits.startswith(start)), None)
    return found or ("alderlake" if digits[0] == "7" else "skylake-client" if digits[0] in "456" else None)


_RULES: dict[str, Callable[[str], str | None]] = {
    "epyc": _epyc,
    "opteron": _opteron,
    "ryzen": _ryzen,
    "threadripper": _threadripper,
    "fx": lambda _: "bulldozer",
    "hygon": lambda _: "zen1",
    "xeon": _xeon,
    "core": _core,
    "core2": lambda _: "core2",
    "pentium": _pentium,
    "celeron": _pentium,
    "altra": lambda _: "neoverse-n1",
    "graviton1": lambda _: "cortex-a72",
    "graviton2": lambda _: "neoverse-n1",
    "graviton3": lambda _: "neoverse-v1",
    "graviton4": lambda _: "neoverse-v2",
    "nvidia": lambda _: "neoverse-v2",
    "apple": lambda _: "apple-m",
    "bcm2711": lambda _: "cortex-a72",
    "bcm2712": lambda _: "cortex-a76",
    "bcm2835": lambda _: None,
    "bcm2837": lambda _: "cortex-a53",
    "raspberry": lambda number: {"3": "cortex-a53", "4": "cortex-a72", "5": "cortex-a76"}.get(number[3:], "cortex-a53"),
}

# family 6, by model
_INTEL_6 = {
    "p6": (1, 3, 5, 6, 7, 8, 10, 11),
    "pentium-m": (9, 13, 14, 21),
    "core2": (15, 22, 23, 29),
    "atom": (28, 38, 39, 53, 54),
    "silvermont": (55, 74, 76, 77, 90, 93, 117),
    "goldmont": (92, 95, 122),
    "tremont": (134, 138, 150, 156),
    "nehalem": (26, 30, 31, 46),
    "westmere": (37, 44, 47),
    "sandybridge": (42, 45),
    "ivybridge": (58, 62),
    "haswell": (60, 63, 69, 70),
    "broadwell": (61, 71, 79, 86),
    "skylake-client": (78, 94, 102, 142, 158, 165, 166),
    "icelake-sp": (106, 108),
    "icelake-client": (125, 126, 157),
    "tigerlake": (140, 141),
    "rocketlake": (167, 168),
    "sapphirerapids": (143,),
    "emeraldrapids": (207,),
    "graniterapids": (173, 174),
    "sierraforest": (175, 182),
    "alderlake": (151, 154, 190),
    "raptorlake": (183, 186, 191, 215),
    "meteorlake+": (170, 172, 181, 189, 197, 198, 204, 213),
    "knightslanding": (87, 133),
}
_ARM_PARTS = {
    0xD03: "cortex-a53",
    0xD08: "cortex-a72",
    0xD0B: "cortex-a76",
    0xD0C: "neoverse-n1",
    0xD40: "neoverse-v1",
    0xD49: "neoverse-n2",
    0xD4F: "neoverse-v2",
}


def _by_cpuid(cpuid: Cpuid) -> str | None:
    family, model = cpuid.family, cpuid.model
    if cpuid.vendor == "GenuineIntel":
        return _intel(family, model, cpuid.stepping)
    if cpuid.vendor in ("AuthenticAMD", "HygonGenuine"):
        return _amd(family, model)
    if cpuid.vendor in ("CentaurHauls", "Shanghai", "  Shanghai  "):
        return "zhaoxin" if family == 7 else "via"
    if cpuid.vendor == "0x61":
        return "apple-m"
    if cpuid.vendor == "0x41":
        return _ARM_PARTS.get(model)
    if cpuid.vendor == "0xc0":
        return "neoverse-n1"  # AmpereOne: nearest that is known
    return _OTHER_VENDORS.get(cpuid.vendor)


_OTHER_VENDORS = {
    "Geode by NSC": "geode",
    "CyrixInstead": "geode",
    "GenuineTMx86": "transmeta",
    "Vortex86 SoC": "geode",
}


def _intel(family: int, model: int, stepping: int) -> str | None:
    if family == 6 and model == 85:
        return "skylake-sp" if stepping < 5 else "cascadelake" if stepping < 10 else "cooperlake"
    if family == 6:
        return next((uarch for uarch, models in _INTEL_6.items() if model in models), None)
    return {5: "p6", 15: "netburst"}.get(family)


def _amd(family: int, model: int) -> str | None:
    if family == 0x17:
        return "zen1" if model < 0x30 else "zen2"
    if family == 0x19:
        if model < 0x10 or 0x20 <= model < 0x60:
            return "zen3"
        return "zen4c" if 0xA0 <= model < 0xB0 else "zen4"
    simple = {5: "k6", 6: "k7", 0x0F: "k8/k10", 0x10: "k8/k10", 0x11: "k8/k10", 0x12: "k8/k10"}
    newer = {0x14: "bobcat", 0x15: "bulldozer", 0x16: "jaguar", 0x18: "zen1", 0x1A: "zen5"}
    return {**simple, **newer}.get(family)


# --- maker and segment


def _maker(text: str, cpuid: Cpuid | None, uarch: str | None) -> str | None:
    vendor = cpuid.vendor if cpuid else ""
    if vendor in ("AuthenticAMD", "HygonGenuine") or any(
        w in text for w in ("amd", "epyc", "ryzen", "opteron", "hygon")
    ):
        return "amd"
    if vendor == "GenuineIntel" or any(w in text for w in ("intel", "xeon", "pentium", "celeron", "core i")):
        return "intel"
    if vendor.startswith("0x") or (uarch or "").startswith(("neoverse", "cortex", "apple")):
        return "arm"
    if uarch in ("via", "zhaoxin", "transmeta", "geode"):
        return uarch
    if uarch is None:
        return None
    return "amd" if uarch.startswith(("zen", "k8", "bull")) else "intel"


_LAPTOP = r"\d(?:u|h|hs|hx|hq|hk|mq|mx|qm|xm|um|lm|y|p|v|ul|hl|c|e?g[1-7])$"
_CLIENTS = frozenset(
    [
        "skylake-client",
        "rocketlake",
        "alderlake",
        "raptorlake",
        "meteorlake+",
        "tigerlake",
        "icelake-client",
        "zen-client",
        "atom",
        "silvermont",
        "goldmont",
        "tremont",
        "bobcat",
        "jaguar",
        "pentium-m",
        "k6",
        "k7",
        "p6",
        "via",
        "zhaoxin",
        "geode",
        "transmeta",
    ]
)
_LAPTOP_ONLY = frozenset(["meteorlake+", "tigerlake", "icelake-client", "pentium-m"])


def _segment(text: str, key: str | None, uarch: str | None) -> Segment:
    family, _, number = (key or "").partition(" ")
    if family in ("bcm2711", "bcm2712", "bcm2835", "bcm2837", "raspberry") or (uarch or "").startswith("cortex"):
        return "board" if "graviton" not in family else "server"
    if family == "xeon":
        return _xeon_segment(number)
    if family in ("epyc", "opteron"):
        return "entry" if family == "epyc" and number[:1] == "4" else "server"
    if family == "threadripper":
        return "workstation"
    if family == "apple":
        return "desktop" if "ultra" in number else "laptop"
    if family in _CLIENT_FAMILIES or (key is None and uarch in _CLIENTS and "xeon" not in text):
        return "laptop" if re.search(_LAPTOP, number) or uarch in _LAPTOP_ONLY else "desktop"
    return "server"


_CLIENT_FAMILIES = frozenset(
    [
        "ryzen",
        "core",
        "core2",
        "pentium",
        "celeron",
        "atom",
        "fx",
        "phenom",
        "athlon",
        "sempron",
        "turion",
        "a4",
        "a6",
        "a8",
        "a9",
        "a10",
        "a12",
        "amd",
        "intel",
        "via",
        "zhaoxin",
        "quark",
    ]
)


def _xeon_segment(number: str) -> Segment:
    if number.startswith(
        ("e7-", "legacy 70", "legacy 71", "e73", "l73", "x73", "x74", "e74", "l74", "x75", "e75", "l75")
    ):
        return "ex"
    if number.startswith(("7560", "7550")) or number.endswith("hl"):
        return "ex"
    if number.startswith("w-"):
        return "workstation"
    if number.startswith(("e3-", "e-", "legacy 30", "63")) and not (number[:2] == "63" and "p" not in number):
        return "entry"
    if re.match(r"[elxw]?3[0-4]\d\d", number) and not number.startswith("31"):
        return "entry" if number[:1] in "elxw" else "server"
    return "entry" if re.match(r"[elx]31\d\d", number) else "server"
