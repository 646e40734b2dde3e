import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from carbonwatch.activity import procfs
from carbonwatch.activity.psutil import follow
from carbonwatch.errors import Unavailable
from carbonwatch.settings import Settings

BURN = "import sys, time\nwhile time.process_time() < 0.06: pass\nprint('burnt', flush=True)\nsys.stdin.read()\n"


@pytest.fixture
def activity() -> Iterator[procfs.Following]:
    following = follow(Settings(), environ={})
    yield following
    following.close()


def counted_s(activity: procfs.Following) -> float:
    return activity.read(time.monotonic_ns())["cpu"].own_s


def burning(code: str = BURN) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_this_process_is_counted(activity: procfs.Following) -> None:
    before, began_s = counted_s(activity), time.process_time()
    while time.process_time() < began_s + 0.03:
        pass

    assert counted_s(activity) - before == pytest.approx(time.process_time() - began_s, abs=0.03)


def test_it_counts_what_procfs_counts(activity: procfs.Following) -> None:
    other = procfs.follow(Settings(), environ={})
    child = burning()
    difference_s = counted_s(activity) - counted_s(other)
    child.communicate()
    difference_after_s = counted_s(activity) - counted_s(other)
    other.close()

    # each of the two readings takes CPU time of its own
    assert abs(difference_s) < 0.05
    assert abs(difference_after_s) < 0.05


def test_a_child_counts_while_it_lives_and_once_after(activity: procfs.Following) -> None:
    before = counted_s(activity), time.process_time()
    child = burning()
    living_s = counted_s(activity) - before[0] - (time.process_time() - before[1])
    child.communicate()
    ended_s = counted_s(activity) - before[0] - (time.process_time() - before[1])

    assert living_s >= 0.02
    assert living_s - 0.01 <= ended_s < 0.06 + 0.1


def test_an_orphan_is_followed_where_it_went(activity: procfs.Following) -> None:
    code = (
        "import os, sys, time\nparent = os.getpid()\n"
        "if os.fork():\n    sys.stdin.readline()\n    os._exit(0)\n"
        "print('forked', flush=True)\nwhile os.getppid() == parent: time.sleep(0.001)\n" + BURN
    )
    child = burning(code)
    assert child.stdin is not None
    assert child.stdout is not None
    before = counted_s(activity), time.process_time()
    child.stdin.write(b"\n")
    child.stdin.flush()
    child.wait()
    child.stdout.readline()
    orphan_s = counted_s(activity) - before[0] - (time.process_time() - before[1])
    child.stdin.close()
    child.stdout.read()  # until the orphan has ended
    child.stdout.close()

    assert orphan_s >= 0.02
    assert counted_s(activity) - before[0] >= orphan_s


def test_another_process_is_followed_to_its_end_and_kept() -> None:
    child = burning()
    other = follow(Settings(), child.pid, environ={})
    living_s = counted_s(other)
    child.communicate()

    assert 0.03 <= living_s < 0.2
    assert counted_s(other) == living_s
    other.close()


def test_a_process_that_is_not_there_is_refused_at_the_start() -> None:
    with pytest.raises(Unavailable, match="4194305 can't be followed"):
        follow(Settings(), 4194305)


def test_capacity_and_reservation_count_from_the_first_read() -> None:
    following = follow(Settings(reserved_cores=0.5), environ={})
    first, second = following.read(10**9)["cpu"], following.read(5 * 10**9)["cpu"]
    following.close()

    assert (first.capacity_s, first.reserved_s) == (0.0, 0.0)
    assert (second.capacity_s, second.reserved_s) == (4.0 * (os.cpu_count() or 1), 2.0)
    assert second.busy_s >= first.busy_s > 0
