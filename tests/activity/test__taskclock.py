"""The kernel's own count of real processes. A stolen processor may add to it, never take away."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carbonwatch.activity import _taskclock
from carbonwatch.activity._taskclock import Opening, TaskClock, members
from carbonwatch.activity.procfs import CpuTime, Following, Process, Reservation, follow
from carbonwatch.errors import Unavailable
from carbonwatch.settings import Settings
from tests import missing

S = 10**9
BURN = "import time\nwhile time.process_time() < {}: pass\n"
# forks twice, and the last one burns when the others have gone; tells what it used
ORPHAN = """
import os, sys, time
if os.fork(): os._exit(0)
if os.fork(): os._exit(0)
while time.process_time() < 0.2: pass
print(time.process_time(), flush=True)
"""


def stolen_s() -> float:
    """What other guests had of all processors so far, and interrupts."""
    ticks = Path("/proc/stat").read_text().split(None, 9)
    return sum(map(int, (ticks[6], ticks[7], ticks[8]))) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def may_count() -> None:
    missing.unless(missing.may_count(2), "a user who may count his own work: kernel.perf_event_paranoid is above 2")


allowed = pytest.mark.usefixtures("may_count")


@pytest.fixture
def counted(may_count: None) -> Iterator[Callable[[], float]]:
    """Seconds that the kernel has counted of this process and all below it, since the beginning of the test."""
    following = follow(Settings(cpu_time="perf"), environ={})
    following.read(0)
    following.settle()
    following._time.settle(60)  # on a machine that stalls, too
    start_s = following.read(1)["cpu"].own_s
    assert following.facts["cpu_time_by"] == "perf task-clock", following._time._opening
    yield lambda: following.read(2)["cpu"].own_s - start_s
    following.close()


def test_an_orphaned_grandchild_is_counted(counted: Callable[[], float]) -> None:
    before, used = counted(), time.process_time()
    said = subprocess.run([sys.executable, "-S", "-c", ORPHAN], stdout=subprocess.PIPE, check=True).stdout
    own_s = counted() - before - (time.process_time() - used)

    assert own_s >= 0.9 * float(said)


def test_a_thousand_children_of_3_ms_are_counted_within_5_percent(counted: Callable[[], float]) -> None:
    code = """
import os, resource, time
def child():
    pid = os.fork()
    if pid: return pid
    while time.process_time() < 0.003: pass
    os._exit(0)
for _ in range(1000): os.waitpid(child(), 0)
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(sum(u.ru_utime + u.ru_stime for u in used), flush=True)
"""
    before, used, stolen = counted(), time.process_time(), stolen_s()
    program = subprocess.run([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, check=True)
    own_s = counted() - before - (time.process_time() - used)
    kernel_s = float(program.stdout)

    assert kernel_s > 3
    assert 0.95 * kernel_s <= own_s <= 1.05 * kernel_s + stolen_s() - stolen + 0.1


def test_children_that_nobody_waits_for_are_counted(counted: Callable[[], float]) -> None:
    code = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(20):
    if not os.fork():
        while time.process_time() < 0.01: pass
        os._exit(0)
try: os.wait()
except ChildProcessError: pass
"""
    before = counted()
    subprocess.run([sys.executable, "-S", "-c", code], check=True)

    assert counted() - before >= 0.9 * 0.2


@allowed
def test_threads_that_ran_before_are_counted() -> None:
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        go.wait()
        end_s = time.thread_time() + 0.05
        while time.thread_time() < end_s:
            pass
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    clock = TaskClock([thread.native_id or 0])
    before = clock.used_ns()
    go.set()
    assert done.wait(60)
    thread.join()

    assert clock.used_ns() - before >= 0.95 * 0.05 * S
    clock.close()


@allowed
def test_another_process_is_counted_with_what_it_starts_later() -> None:
    code = "import subprocess, sys\nsys.stdin.readline()\n"
    code += f"subprocess.run([sys.executable, '-S', '-c', {BURN.format(0.1)!r}], check=True)\nprint(1, flush=True)\n"
    child = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    following = follow(Settings(), child.pid, environ={})
    before_s = following.read(0)["cpu"].own_s
    following._time.settle(60)
    following.read(1)
    child.communicate(b"\n")

    assert following.facts["cpu_time_by"] == "perf task-clock"
    assert following.read(2)["cpu"].own_s - before_s >= 0.09
    following.close()


@allowed
def test_a_task_that_is_gone_is_left_out_and_none_at_all_is_an_error() -> None:
    with pytest.raises(ProcessLookupError):
        TaskClock([1 << 22])
    clock = TaskClock([1 << 22, 0])

    assert len(clock._fds) == 1
    clock.close()


@allowed
def test_more_threads_than_are_worth_a_descriptor_each_are_refused() -> None:
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError, match="more than 256 threads"):
        TaskClock([0] * 257)
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_unprivileged_program_counts_itself() -> None:
    code = """
import os, sys
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
from carbonwatch.activity._taskclock import TaskClock
clock = TaskClock([0])
for _ in range(100_000): pass
print(clock.used_ns() > 0)
"""
    # imported before the rights go: a home folder may be closed to others
    code = code.replace("import os, sys\n", "import os, sys, ctypes, struct, carbonwatch.activity._taskclock\n")
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (answer.stdout == "True\n") is (missing.paranoid() <= 2), answer.stderr


# how one count hands over to the other, with counts that are told


class Told:
    """A counter that says what it is told."""

    name = "a test"

    def __init__(self) -> None:
        self.ns, self.error, self.closed = 0, "", False

    def used_ns(self) -> int:
        if self.error:
            raise OSError(self.error)
        return self.ns

    def close(self) -> None:
        self.closed = True


class Tree:
    """A process that is seen to have used so much."""

    def __init__(self) -> None:
        self.ns, self.looks, self.alone = 0, 0, False

    def look(self, known: object) -> dict[int, Process]:
        self.looks += 1
        return {7: Process(7, 0, 1, self.ns, 0)}


def opened(counter: Told | None) -> Opening:
    def way() -> Told:
        if counter is None:
            raise Unavailable("not allowed")
        return counter

    opening = Opening([way])
    opening.begin()
    opening.wait(60)
    return opening


def test_the_kernel_s_count_goes_on_from_what_was_seen() -> None:
    tree, counter = Tree(), Told()
    tree.ns, counter.ns = 5 * S, 100 * S
    time_ = CpuTime(tree.look, lambda: False, opened(counter))
    first = time_.used_ns(0)
    tree.ns, counter.ns = 9 * S, 102 * S

    assert (first, time_.used_ns(S // 2), time_.name) == (5 * S, 7 * S, "a test")


def test_looks_become_rare_once_the_kernel_counts() -> None:
    tree, counter = Tree(), Told()
    time_ = CpuTime(tree.look, lambda: False, opened(counter))
    for second in range(100):
        tree.ns = counter.ns = second * S
        time_.used_ns(second * S)

    assert tree.looks == 1 + 1 + 1 + 1 + 1 + 1 + 4  # after 1, 2, 4, 8 and then each 16 s
    assert time_.used_ns(100 * S) == 99 * S


def test_what_the_kernel_let_go_of_is_found_by_looking_and_looked_for_from_then_on() -> None:
    tree, counter = Tree(), Told()
    time_ = CpuTime(tree.look, lambda: False, opened(counter))
    time_.used_ns(0)
    tree.ns, counter.ns = 2 * S, S // 10  # a program that changed its user

    assert time_.used_ns(2 * S) == 2 * S
    assert (time_.name, counter.closed) == ("/proc and getrusage", True)
    tree.ns = 3 * S
    assert time_.used_ns(2 * S + 1) == 3 * S


def test_one_that_has_waited_for_its_last_child_is_looked_at_at_once() -> None:
    tree, counter = Tree(), Told()
    time_ = CpuTime(tree.look, lambda: True, opened(counter))
    time_.used_ns(0)
    tree.ns = S  # a child that changed its user, and was waited for

    assert time_.used_ns(1) == S


def test_the_greater_of_both_counts_is_right_as_each_misses_something() -> None:
    tree, counter = Tree(), Told()
    time_ = CpuTime(tree.look, lambda: True, opened(counter))
    time_.used_ns(0)
    tree.ns, counter.ns = 10 * S, 10 * S - 10**8  # while tasks are switched
    first = time_.used_ns(1)
    counter.ns += 3 * S  # an orphan's
    second = time_.used_ns(2)

    assert (first, second, time_.name) == (10 * S, 13 * S, "a test")


def test_what_was_seen_is_no_less_for_what_a_hypervisor_took() -> None:
    tree, counter = Tree(), Told()
    counter.name = "perf task-clock"
    time_ = CpuTime(tree.look, lambda: True, opened(counter))
    time_.used_ns(0)
    tree.ns, counter.ns = 9 * S, 10 * S

    assert time_.used_ns(1, 0.9) == 9 * S
    assert time_.used_ns(2, 0.9) == 9 * S


def test_a_count_that_can_t_be_read_any_more_never_goes_back() -> None:
    tree, counter = Tree(), Told()
    time_ = CpuTime(tree.look, lambda: False, opened(counter))
    time_.used_ns(0)
    counter.ns = 5 * S
    before = time_.used_ns(1)
    counter.error, tree.ns = "gone", 4 * S

    assert (before, time_.used_ns(2), time_.name) == (5 * S, 5 * S, "/proc and getrusage")


def test_where_the_kernel_refuses_the_tree_is_looked_at_and_it_is_known_why() -> None:
    opening = opened(None)
    time_ = CpuTime(Tree().look, lambda: False, opening)
    time_.used_ns(0)

    assert (time_.name, opening.refusals) == ("/proc and getrusage", ["not allowed"])


def test_the_second_way_is_taken_where_the_first_is_refused() -> None:
    counter = Told()

    def refused() -> Told:
        raise PermissionError("seccomp")

    opening = Opening([refused, lambda: counter])
    opening.begin()
    opening.wait(60)

    assert opening.counter() is counter
    opening.close()
    assert counter.closed


def read_elsewhere(time_: CpuTime, ns: int) -> None:
    """On another thread, as the sampler's."""
    thread = threading.Thread(target=time_.used_ns, args=(ns,))
    thread.start()
    thread.join()


def test_a_run_is_worth_a_count_by_the_kernel_once_it_has_gone_on_for_a_while() -> None:
    counter = Told()
    opening = Opening([lambda: counter])
    time_ = CpuTime(Tree().look, lambda: False, opening)
    read_elsewhere(time_, 0)
    read_elsewhere(time_, 99_999_999)
    before = opening._thread
    read_elsewhere(time_, 100_000_000)
    opening.wait(60)
    time_.used_ns(200_000_000)

    assert (before, time_.name) == (None, "a test")


def test_what_may_be_the_last_read_of_a_program_opens_nothing() -> None:
    opening = Opening([Told])
    time_ = CpuTime(Tree().look, lambda: False, opening)
    for ns in (0, 10 * S):
        time_.used_ns(ns)

    assert opening._thread is None


def test_what_is_opened_after_the_end_is_given_back() -> None:
    counter, go = Told(), threading.Event()

    def slow() -> Told:
        assert go.wait(60)
        return counter

    opening = Opening([slow])
    opening.begin()
    opening.close()
    go.set()
    opening.wait(60)

    assert (counter.closed, opening.counter()) == (True, None)


def test_perf_events_can_be_woken_in_advance() -> None:
    _taskclock.wake()
    for thread in threading.enumerate():
        if thread.name == "carbonwatch-perf":
            thread.join(60)


class Stolen:
    """A machine's clock that is told."""

    cpus = 2

    def __init__(self) -> None:
        self.busy, self.stolen_s = 0.0, 0.0

    def busy_s(self) -> float:
        return self.busy

    def busy_s_by_cpu(self) -> list[float]:
        return []

    def close(self) -> None:
        """Nothing is held open."""


@pytest.mark.parametrize(("name", "own_s"), [("perf task-clock", 0.75), ("cgroup cpu.stat", 1.0)])
def test_what_a_hypervisor_took_is_not_the_program_s(name: str, own_s: float) -> None:
    counter, clock = Told(), Stolen()
    counter.name = name
    following = Following(CpuTime(Tree().look, lambda: False, opened(counter)), clock, Reservation(0.0, ""))
    following.read(0)
    following.read(1)
    counter.ns, clock.busy, clock.stolen_s = S, 0.9, 0.3
    first = following.read(S // 2)["cpu"].own_s
    counter.ns, clock.stolen_s = S + 10**7, 0.31  # ticks of a short time

    assert first == pytest.approx(own_s)
    assert following.read(S // 2 + 1)["cpu"].own_s - first == pytest.approx(0.01)


# a control group


def group(folder: Path, *pids: int) -> Path:
    """A control group with some processes, as /sys shows it; one of them is in a group inside."""
    path = folder / "fs" / "cgroup" / "mine" / "inside"
    path.mkdir(parents=True)
    (path / "cgroup.procs").write_text(f"{pids[-1]}\n")
    (path.parent / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids[:-1]))
    (path.parent / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\nsystem_usec 1\n")
    return path.parent


def proc(folder: Path, pid: int, text: str = "0::/mine\n") -> str:
    """A /proc with one process."""
    task = folder / str(pid) / "task" / str(pid)
    task.mkdir(parents=True)
    (task / "children").write_text("")
    (folder / str(pid) / "stat").write_text(f"{pid} (x) S 1 1 1 0 -1 0 0 0 0 0 3 0 0 0 20 0 1 0 9 0 0\n")
    (folder / str(pid) / "cgroup").write_text(text)
    (folder / "stat").write_text("cpu 1 2 3 4 5 6 7 8 9 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 1\n")
    (folder / "self").symlink_to(str(os.getpid()))
    return str(folder)


def test_everybody_in_a_group_and_below_it_is_a_member(tmp_path: Path) -> None:
    assert members(str(group(tmp_path, 7, 8, 9))) == {7, 8, 9}


def test_a_group_that_is_the_tree_s_alone_counts_it(tmp_path: Path) -> None:
    folder = group(tmp_path / "sys", 7, 7)
    settings = Settings(cpu_time="cgroup", path_procfs=proc(tmp_path / "proc", 7), path_sysfs=str(tmp_path / "sys"))
    following = follow(settings, 7, environ={})
    following.read(0)
    following._time.settle(60)
    before_s = following.read(1)["cpu"].own_s
    (folder / "cpu.stat").write_text("usage_usec 3500000\n")

    assert following.read(2)["cpu"].own_s - before_s == pytest.approx(2.0)
    assert following.facts == {"cpu_time_by": "cgroup cpu.stat", "reserved_cores": 0.0}
    following.close()


def test_a_group_with_a_stranger_in_it_counts_nothing(tmp_path: Path) -> None:
    group(tmp_path / "sys", 7, 8)
    # no task of this number can be counted by perf either
    number = 1 << 22
    settings = Settings(
        cpu_time="cgroup", path_procfs=proc(tmp_path / "proc", number), path_sysfs=str(tmp_path / "sys")
    )
    following = follow(settings, number, environ={})
    following.read(0)
    following._time.settle(60)
    following.read(1)

    assert following.facts["cpu_time_by"] == "/proc and getrusage"
    following.close()
