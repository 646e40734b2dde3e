from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from carbonwatch.activity.apple import GPU, Following, follow
from carbonwatch.activity.procfs import Process
from carbonwatch.attribution import usage
from carbonwatch.errors import Unavailable
from carbonwatch.model import Domain, Usage, Work
from carbonwatch.settings import Settings

S = 10**9
OURS, CHILD, OTHER, SCREEN = 100, 101, 200, 533


class Mac:
    """A Mac's registry with the clients that a test puts in, a tree, and one clock for both."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.ns = 0
        self.tree = {OURS, CHILD}
        self.shares: dict[int, float] = {}
        self.used_ns: dict[int, int] = {}
        self.activity: Following | None = None

    def add(self, pid: int, share: float = 0.0, *, name: str = "python", tells: bool = True) -> int:
        """A client of a process, for which the GPU works this part of its time."""
        which = int(self.api.fake_add(ctypes.c_uint64(7000 + len(self.shares)), f"pid {pid}, {name}".encode(), tells))
        self.shares[which], self.used_ns[which] = share, 0
        return which

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * S)
        for which, share in self.shares.items():
            self.used_ns[which] += round(seconds * share * S)
            self.api.fake_time(which, 0, ctypes.c_int64(self.used_ns[which]))

    def look(self, _: Mapping[int, Process]) -> Mapping[int, Process]:
        return {pid: Process(pid, 0, 0, 0, 0) for pid in self.tree}

    def follow(self) -> Mapping[str, Work]:
        self.activity = follow(Settings(), load=lambda: (self.api, self.api), look=self.look)
        return self.read()

    def read(self) -> Mapping[str, Work]:
        assert self.activity is not None
        return self.activity.read(self.ns)

    def split(self, before: Mapping[str, Work]) -> Usage:
        """Whose 100 J were since a read: what attribution makes of it."""
        return usage(Domain(GPU, "gpu", "measured", "a GPU"), 100.0, {GPU: self.read()[GPU].since(before[GPU])}, 1.0)


@pytest.fixture
def mac(iokit: Any) -> Iterator[Mac]:
    mac = Mac(iokit)
    yield mac
    if mac.activity is not None:
        mac.activity.close()
    assert iokit.fake_alive() == 0, "something that macOS made was not given back"


def test_gpu_time_is_added_up_by_process_and_tree(mac: Mac) -> None:
    mac.add(OURS, 0.3)
    mac.add(CHILD, 0.2)
    mac.add(OTHER, 0.4)
    mac.add(SCREEN, 0.1, name="WindowServer")
    mac.advance(1000)
    before = mac.follow()
    mac.advance(1)

    split = mac.split(before)

    assert split.own_j == pytest.approx(50)
    assert split.idle_j == 0
    assert mac.activity is not None
    assert mac.activity.facts == {"gpu_others": {GPU: 2}}


def test_interfaces_of_a_client_are_added(mac: Mac) -> None:
    client = mac.add(OURS)
    mac.follow()
    mac.advance(1)
    for interface, used_ns in enumerate((100_000_000, 300_000_000)):
        mac.api.fake_time(client, interface, ctypes.c_int64(used_ns))

    assert mac.read()[GPU].own_s == pytest.approx(0.4)


def test_a_gpu_where_we_and_the_screen_rest_is_idle(mac: Mac) -> None:
    mac.add(OURS)
    mac.add(SCREEN)
    before = mac.follow()
    mac.advance(1)

    assert mac.split(before).idle_j == 100


def test_a_client_that_ended_keeps_its_time_and_one_that_comes_counts_from_its_begin(mac: Mac) -> None:
    mac.add(SCREEN)
    first = mac.add(OURS, 0.5)
    mac.follow()
    mac.advance(2)
    mac.read()
    mac.api.fake_remove(first)
    mac.add(OURS, 0.25)
    mac.advance(1)

    assert mac.read()[GPU].own_s == pytest.approx(1.25)


def test_a_client_that_was_not_seen_used_no_more_than_the_time_since_the_last_look(mac: Mac) -> None:
    mac.add(SCREEN)
    mac.follow()
    mac.advance(1)
    late = mac.add(OTHER)
    mac.used_ns[late] = 3600 * S
    mac.advance(1)

    assert mac.read()[GPU].busy_s == pytest.approx(2)


def test_between_looks_the_last_known_use_goes_on_and_no_count_goes_back(mac: Mac) -> None:
    ours = mac.add(OURS, 0.5)
    mac.add(SCREEN)
    mac.follow()
    mac.advance(1)
    counts = [mac.read()[GPU].own_s]
    mac.shares[ours] = 0.0
    for _ in range(4):
        mac.advance(0.05)
        counts.append(mac.read()[GPU].own_s)

    assert counts == pytest.approx([0.5, 0.525, 0.525, 0.525, 0.525])


def test_clients_that_tell_no_time_or_no_process_are_left_out(mac: Mac) -> None:
    mac.add(OTHER, 0.5, tells=False)
    mac.api.fake_add(ctypes.c_uint64(1), b"nobody", 1)
    mac.add(OURS, 0.5)
    mac.follow()
    mac.advance(1)

    assert mac.read()[GPU] == Work(0.5, 0.5, 1.0, 1.0)


def test_without_clients_for_a_while_nothing_is_known(mac: Mac) -> None:
    only = mac.add(OURS, 0.5)
    mac.follow()
    mac.api.fake_remove(only)
    mac.advance(1)

    assert mac.read() == {}


def test_a_mac_that_tells_nobody_s_time_can_not_be_followed(mac: Mac) -> None:
    mac.add(OURS, tells=False)

    with pytest.raises(Unavailable, match="No program's GPU time"):
        mac.follow()


def test_a_virtual_mac_without_a_gpu_can_not_be_followed(mac: Mac) -> None:
    mac.add(OURS)
    mac.api.fake_hide(1)

    with pytest.raises(Unavailable, match="No program's GPU time"):
        mac.follow()


def test_another_system_can_not_be_followed() -> None:
    def gone() -> tuple[Any, Any]:
        raise OSError("image not found")

    with pytest.raises(Unavailable, match="image not found"):
        follow(Settings(), load=gone)


def test_what_is_closed_tells_nothing_any_more(mac: Mac) -> None:
    mac.add(OURS, 0.5)
    mac.follow()
    assert mac.activity is not None

    mac.activity.close()

    assert mac.read() == {}
