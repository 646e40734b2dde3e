"""What a cloud's instance is: processor, hardware threads, memory, from its name ("aws/m5.xlarge").

Names follow rules, so data/cloud_instances.csv has a row for each family, and one for an instance that breaks them. A
cloud may put another processor of the same kind behind a name; what the machine says of itself outranks the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from carbonwatch import linklocal, tables
from carbonwatch.errors import SettingsError, Unavailable

CLOUDS = ("aws", "azure", "gcp")
METADATA = "metadata"  # in the place of a name: ask the cloud

_SIZES = {"medium": 1.0, "large": 2.0, "xlarge": 4.0}
# letters that Azure puts behind a number: a AMD, p Arm, c confidential, l and m less and more memory change what it is
_TELLING = "apclm"


@dataclass(frozen=True, slots=True)
class Instance:
    """A virtual machine as its cloud sells it."""

    name: str
    cpu: str  # as `cpunames.identify` takes it; "" where the cloud does not say
    vcpus: float
    threads: float  # of the host: two for a vCPU that is a whole core of two threads
    memory_gb: float


def named(text: str, url: str = linklocal.URL) -> Instance:
    """The instance of a name, or the one that the cloud says that this machine is, where the text is `metadata`."""
    if text != METADATA:
        return find(text)
    name = linklocal.instance(url)
    if name is None:
        raise Unavailable(
            "No cloud's metadata answered: this machine is none of AWS, Azure or Google Cloud, or may not ask.",
            "Name the instance, as in aws/m5.xlarge.",
        )
    return find(name)


def find(name: str) -> Instance:
    """The instance of a name. Raises SettingsError for one that is not known, with names that are like it."""
    found = lookup(name)
    if found is None:
        raise SettingsError(f"{name!r} is no instance that is known, so nothing tells what it is. {like(name)}")
    return found


def lookup(name: str) -> Instance | None:
    """The instance of a name; None where it is not known."""
    cloud, _, text = name.strip().lower().partition("/")
    if cloud not in CLOUDS or not text:
        return None
    own, family, vcpus = _parts(cloud, text.removeprefix("ml.").removeprefix("standard_"))
    row = tables.row("cloud_instances", f"{cloud}/{own}")
    if row is None and vcpus:
        row = tables.row("cloud_instances", f"{cloud}/{family}")
    if row is None:
        return None
    vcpus = float(row["vcpus"] or vcpus)
    per_vcpu, memory_gb = float(row["threads_per_vcpu"]), vcpus * float(row["gb_per_vcpu"])
    return Instance(f"{cloud}/{text}", row["cpu"], vcpus, vcpus * per_vcpu, round(memory_gb, 2))


def like(name: str) -> str:
    """What to write instead of a name that is not known."""
    from difflib import get_close_matches

    cloud, _, text = name.strip().lower().partition("/")
    if cloud not in CLOUDS or not text:
        return f"Write CLOUD/NAME, as in aws/m5.xlarge, where CLOUD is one of {', '.join(CLOUDS)}."
    family = f"{cloud}/{_parts(cloud, text)[1]}"
    near = get_close_matches(family, [row["instance"] for row in tables.rows("cloud_instances")], 3)
    known = f"Known are {', '.join(near)}; else" if near else "Instead,"
    return f"{known} give the processor, the vCPUs and the memory."


def _parts(cloud: str, text: str) -> tuple[str, str, float]:
    """The name as a row of its own has it, its family, and its vCPUs by the rule of names; 0: they do not say."""
    if cloud == "aws":
        family, _, size = text.partition(".")
        return text, family, _by_size(size)
    if cloud == "gcp":
        text = text.removesuffix("-lssd").removesuffix("-metal")
        family, _, number = text.rpartition("-")
        return text, family, float(number) if number.isdecimal() else 0.0
    match = re.fullmatch(r"([a-z]+)(\d+)(?:-(\d+))?([a-z]*)((?:_[a-z0-9]+)*?)(_v\d)?", text)
    if match is None:
        return text, text, 0.0
    series, number, constrained, letters, _, version = match.groups()
    telling = "".join(letter for letter in letters if letter in _TELLING)
    return text, f"{series}{telling}{version or ''}", float(constrained or number)


def _by_size(size: str) -> float:
    if size in _SIZES:
        return _SIZES[size]
    match = re.fullmatch(r"(?:metal-)?(\d+)(?:xlarge|xl)", size)
    return 4.0 * int(match[1]) if match else 0.0
