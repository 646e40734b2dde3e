"""What holds what: which counters of one machine may be added, and which show again what others count.

    system (wall, BMC, battery)
     +- psys (system on a chip and board, as the vendor wired it)
     |   +- package (a socket)
     |   |   +- core
     |   |   +- uncore (on client processors the graphics)
     |   +- dram (beside its package, though its folder is inside)
     +- module (Grace Hopper: processor, memory and GPU)
     |   +- package, dram, board
     +- board (a GPU's, whole)
         +- gpu_memory

psys holds no GPU's board: on desktops it stands beside, on some laptops inside, and nothing says which.
"""

from __future__ import annotations

from collections.abc import Iterable

_HOLDS = {
    "system": ("psys", "module", "board"),
    "psys": ("package", "dram"),
    "module": ("package", "dram", "board"),
    "package": ("core", "uncore"),
    "board": ("gpu_memory",),
}
KINDS = tuple(dict.fromkeys(kind for outer, inner in _HOLDS.items() for kind in (outer, *inner)))


def holds(outer: str, inner: str) -> bool:
    """Whether a counter of one kind holds one of another on the same part of the machine."""
    return any(inner == kind or holds(kind, inner) for kind in _HOLDS.get(outer, ()))


def holder(kind: str, present: Iterable[str]) -> str | None:
    """Of the kinds that are counted, the nearest that holds this one already; None if it may be added to them."""
    outer = [other for other in present if holds(other, kind)]
    return next((one for one in outer if not any(holds(one, other) for other in outer)), None)
