"""What programs import from CodeCarbon to look at the machine, and to go on after an error."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carbonwatch.model import Domain
    from carbonwatch.settings import Settings

log = logging.getLogger(__name__)


def count_cpus() -> int:
    """Logical processors of the machine."""
    return os.cpu_count() or 1


def count_physical_cpus() -> int:
    """Sockets; 1 where nothing tells."""
    return sockets("/sys") or 1


def sockets(path_sysfs: str) -> int | None:
    """How many processors the machine has, of any number of cores each; None where Linux does not tell."""
    import glob

    found = set()
    for path in glob.glob(f"{path_sysfs}/devices/system/cpu/cpu[0-9]*/topology/physical_package_id"):
        with open(path, encoding="ascii") as file:
            found.add(file.read())
    return len(found) or None


def detect_cpu_model() -> str | None:
    """The processor's name, where it is known."""
    from carbonwatch import environment
    from carbonwatch._version import __version__

    model: str | None = environment.facts(_resolved(), __version__)["cpu_model"]
    return model


def is_linux_os() -> bool:
    """Whether this is Linux."""
    return sys.platform == "linux"


def is_mac_os() -> bool:
    """Whether this is macOS."""
    return sys.platform == "darwin"


def is_windows_os() -> bool:
    """Whether this is Windows."""
    return sys.platform == "win32"


def is_psutil_available() -> bool:
    """Whether the CPU's load can be followed; it is read without psutil here."""
    return True


def is_powergadget_available() -> bool:
    """Intel's Power Gadget is read nowhere any more: Intel ended it in 2023."""
    return False


def is_rapl_available() -> bool:
    """Whether the CPU's own counters can be read by this user."""
    return any(domain.id.startswith("rapl") for domain in metered(_resolved()))


def is_gpu_details_available() -> bool:
    """Whether a GPU is metered."""
    return any(domain.component == "gpu" for domain in metered(_resolved()))


def _resolved() -> Settings:
    from carbonwatch.settings import resolve

    return resolve()


def metered(settings: Settings) -> tuple[Domain, ...]:
    """What there is a meter for, with these settings."""
    from carbonwatch import sampler

    shared = sampler.share(settings)
    try:
        return shared.domains
    finally:
        sampler.release(shared)


@contextmanager
def suppress(*exceptions: type[BaseException]) -> Iterator[None]:
    """Goes on after these exceptions, with a warning; also as a decorator."""
    try:
        yield
    except exceptions:
        log.warning("an error was suppressed, as the program asks", exc_info=True)


def resolve_path(path: str | Path) -> Path:
    """The absolute path, with variables and the home folder put in."""
    return Path(os.path.expandvars(str(path))).expanduser().resolve()


def backup(file_path: str | Path, ext: str = ".bak") -> None:
    """Renames a file that is there: x.csv.bak, then x.csv_0.bak and so on, so that none is lost."""
    path = resolve_path(file_path)
    if not path.exists():
        return
    aside, number = path.with_name(f"{path.name}{ext}"), 0
    while aside.exists():
        aside = path.with_name(f"{path.name}_{number}{ext}")
        number += 1
    path.rename(aside)
