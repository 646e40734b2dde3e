import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from carbonwatch.activity import procfs
from carbonwatch.activity.procfs import Process, Reservation, Share, Tree, cgroups, follow, reserve
from carbonwatch.errors import Unavailable
from carbonwatch.model import Work
from carbonwatch.settings import Settings

TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
BURN = "import time\nwhile time.process_time() < {}: pass\n"


def counted_s(activity: procfs.Following) -> float:
    return activity.read(time.monotonic_ns())["cpu"].own_s


def burning(seconds: float, then: str = "") -> subprocess.Popen[bytes]:
    """A child that burns CPU time, says so, and waits to be let go."""
    code = BURN.format(seconds) + "import sys\nprint('burnt', flush=True)\n" + then + "sys.stdin.read()\n"
    child = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def let_go(child: subprocess.Popen[bytes]) -> None:
    child.communicate()


@pytest.fixture
def activity() -> Iterator[procfs.Following]:
    following = follow(Settings(cpu_time="proc"), environ={})
    yield following
    following.close()


# the accounting rule


def process(pid: int, own: int = 0, children: int = 0, parent: int = 1, start: int = 0, kept: int = 0) -> Process:
    return Process(pid, start, parent, own, children, kept)


def tree(*living: Process, gone: int = 0) -> Tree:
    return Tree({p.pid: p for p in living}, gone)


def seen(*living: Process) -> dict[int, Process]:
    return {p.pid: p for p in living}


def test_a_child_that_was_waited_for_is_in_its_parent() -> None:
    before = tree(process(10, 5), process(11, 30, parent=10))

    assert before.then(seen(process(10, 5, children=32))) == tree(process(10, 5, children=32))


def test_a_child_that_nobody_waited_for_is_kept() -> None:
    before = tree(process(10, 5), process(11, 30, parent=10))

    after = before.then(seen(process(10, 6)))

    assert after == tree(process(10, 6, kept=30))
    assert after.then(seen(process(10, 6))) == tree(process(10, 6), gone=30)


def test_a_credit_that_comes_one_look_later_counts_once() -> None:
    before = tree(process(10, 5), process(11, 30, parent=10)).then(seen(process(10, 5)))

    assert before.then(seen(process(10, 5, children=34))).total_ns == 39


def test_a_late_credit_does_not_hide_what_ended_since() -> None:
    before = tree(process(10, 5, kept=30), process(12, 7, parent=10))

    assert before.then(seen(process(10, 5, children=37))).total_ns == 42


def test_what_came_and_went_between_two_looks_is_in_the_growth() -> None:
    assert tree(process(10, 5)).then(seen(process(10, 5, children=40))).total_ns == 45


def test_an_orphan_counts_while_it_lives_and_is_kept_after() -> None:
    before = tree(process(10), process(11, 20, parent=10), process(12, 30, parent=11))
    orphaned = before.then(seen(process(10, children=20), process(12, 35, parent=1)))
    ended = orphaned.then(seen(process(10, children=20)))

    assert (orphaned.total_ns, ended.total_ns) == (55, 55)
    assert ended == tree(process(10, children=20), gone=35)


def test_a_whole_branch_that_was_waited_for_is_in_the_ancestor_that_lives() -> None:
    before = tree(process(10), process(11, 20, parent=10), process(12, 30, parent=11))

    assert before.then(seen(process(10, children=50))).total_ns == 50


def test_a_pid_used_again_is_another_process() -> None:
    before = tree(process(10), process(11, 20, parent=10))

    after = before.then(seen(process(10, children=20), process(11, 3, parent=10, start=9)))

    assert after.total_ns == 23


def test_a_tree_that_has_ended_keeps_its_count() -> None:
    before = tree(process(10, 5, children=6), process(11, 30, parent=10), gone=2)

    assert before.then({}) == Tree({}, 43)


# any history of forks, work, exits, waits and looks, on a /proc in a folder


class FakeProcess:
    def __init__(self, pid: int, parent: int, start: int, waits: bool) -> None:
        self.pid, self.parent, self.start, self.waits = pid, parent, start, waits
        self.own = self.children = 0
        self.is_zombie = False


class FakeProc:
    """A kernel's processes, written as /proc shows them. Counts are in ticks."""

    def __init__(self, folder: Path, *, lists_children: bool) -> None:
        self.folder, self.lists_children = folder, lists_children
        self.processes: dict[int, FakeProcess] = {}
        self.burnt = 0  # by all processes below 100, ever
        self.lost = 0  # of these, by processes that nobody waited for
        self.next_pid = 100
        (folder / "stat").write_text("cpu  10 0 0 90 0 0 0 0 0 0\ncpu0 10 0 0 90 0 0 0 0 0 0\nintr 0\n")
        self._add(1, 0, True)
        self._add(100, 1, True)

    def _add(self, pid: int, parent: int, waits: bool) -> None:
        self.processes[pid] = FakeProcess(pid, parent, self.next_pid, waits)
        self.next_pid += 1

    def alive(self) -> list[int]:
        return [p.pid for p in self.processes.values() if p.pid != 1 and not p.is_zombie]

    def fork(self, parent: int, waits: bool) -> None:
        self._add(self.next_pid, parent, waits)

    def work(self, pid: int, ticks: int) -> None:
        self.processes[pid].own += ticks
        self.burnt += ticks

    def end(self, pid: int) -> None:
        """Its children go to init; itself stays a zombie, unless its parent waits for none."""
        ended = self.processes[pid]
        for child in [p for p in self.processes.values() if p.parent == pid]:
            child.parent = 1
            if child.is_zombie:
                self._remove(child)
        ended.is_zombie = True
        if ended.parent == 1 or not self.processes[ended.parent].waits:
            self._remove(ended)

    def wait(self, pid: int) -> None:
        child = self.processes[pid]
        self.processes[child.parent].children += child.own + child.children
        del self.processes[pid]

    def zombies(self) -> list[int]:
        return [p.pid for p in self.processes.values() if p.is_zombie]

    def _remove(self, ended: FakeProcess) -> None:
        self.lost += ended.own + ended.children
        del self.processes[ended.pid]

    def write(self) -> None:
        for old in self.folder.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
        for p in self.processes.values():
            task = self.folder / str(p.pid) / "task" / str(p.pid)
            task.mkdir(parents=True)
            state = "Z" if p.is_zombie else "S"
            times = f"{p.own // 2} {p.own - p.own // 2} {p.children // 3} {p.children - p.children // 3}"
            text = f"{p.pid} (a ) b ({p.pid}) {state} {p.parent} 1 1 0 -1 0 0 0 0 0 {times} 20 0 1 0 {p.start} 0 0\n"
            (self.folder / str(p.pid) / "stat").write_text(text)
            if self.lists_children:
                children = "".join(f"{c.pid} " for c in self.processes.values() if c.parent == p.pid)
                (task / "children").write_text(children)


class AnyHistory(RuleBasedStateMachine):
    @initialize(lists_children=st.booleans())
    def begin(self, lists_children: bool) -> None:
        self.folder = tempfile.mkdtemp()
        self.proc = FakeProc(Path(self.folder), lists_children=lists_children)
        self.proc.write()
        self.activity = follow(Settings(path_procfs=self.folder, path_sysfs=self.folder), 100, environ={})
        self.counts = [0]
        self.known = {100}

    def teardown(self) -> None:
        if hasattr(self, "activity"):
            self.activity.close()
            shutil.rmtree(self.folder)

    @rule(data=st.data(), waits=st.booleans())
    def fork(self, data: st.DataObject, waits: bool) -> None:
        if self.proc.alive():
            self.proc.fork(data.draw(st.sampled_from(self.proc.alive())), waits)

    @rule(data=st.data(), ticks=st.integers(1, 50))
    def work(self, data: st.DataObject, ticks: int) -> None:
        if self.proc.alive():
            self.proc.work(data.draw(st.sampled_from(self.proc.alive())), ticks)

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        if self.proc.alive():
            self.proc.end(data.draw(st.sampled_from(self.proc.alive())))

    @rule(data=st.data())
    def wait(self, data: st.DataObject) -> None:
        if self.proc.zombies():
            self.proc.wait(data.draw(st.sampled_from(self.proc.zombies())))

    @rule()
    def look(self) -> None:
        self.proc.write()
        self.counts.append(round(counted_s(self.activity) * 1e9 / TICK_NS))

    @invariant()
    def the_count_never_goes_back(self) -> None:
        if hasattr(self, "counts"):
            assert self.counts == sorted(self.counts)

    @invariant()
    def nothing_is_counted_twice(self) -> None:
        if hasattr(self, "counts"):
            assert self.counts[-1] <= self.proc.burnt

    @rule()
    def what_is_waited_for_is_never_lost(self) -> None:
        self.look()

        assert self.counts[-1] >= self.proc.burnt - self.proc.lost - self._unseen_orphans()

    def _unseen_orphans(self) -> int:
        """Orphaned before the first look at them: nothing tells whose they were."""
        tree_pids = set(self.activity._time.tree.living)
        return sum(p.own + p.children for p in self.proc.processes.values() if p.pid not in tree_pids)


AnyHistory.TestCase.settings = hypothesis(max_examples=40, stateful_step_count=25, deadline=None)
TestAnyHistory = AnyHistory.TestCase


# real processes


def test_this_process_is_counted_by_the_microsecond(activity: procfs.Following) -> None:
    before, began_s = counted_s(activity), time.process_time()
    while time.process_time() < began_s + 0.02:
        pass

    assert counted_s(activity) - before == pytest.approx(time.process_time() - began_s, abs=0.005)


def test_a_child_counts_while_it_lives_and_once_after(activity: procfs.Following) -> None:
    before = counted_s(activity), time.process_time()
    child = burning(0.06)
    living_s = counted_s(activity) - before[0] - (time.process_time() - before[1])
    let_go(child)
    ended_s = counted_s(activity) - before[0] - (time.process_time() - before[1])

    assert 0.03 <= living_s <= ended_s < 0.06 + 0.08


def test_a_zombie_counts(activity: procfs.Following) -> None:
    before = counted_s(activity), time.process_time()
    child = burning(0.06)
    counted_s(activity)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    zombie_s = counted_s(activity) - before[0] - (time.process_time() - before[1])
    let_go_zombie_s = child.wait() or counted_s(activity) - before[0] - (time.process_time() - before[1])

    assert 0.03 <= zombie_s <= let_go_zombie_s < 0.06 + 0.08
    assert child.stdout is not None
    child.stdout.close()


def test_reading_reaps_nobodys_child(activity: procfs.Following) -> None:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    counted_s(activity)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_without_any_child_nothing_is_walked() -> None:
    if procfs._has_children():  # a runner's own, such as coverage's
        pytest.fail("this test process has children")
    following = procfs.ProcTree("/proc", None)
    following._stat = _forbidden  # type: ignore[method-assign]

    assert list(following.look({})) == [os.getpid()]


def _forbidden(pid: int) -> None:
    raise AssertionError(f"/proc/{pid}/stat was read")


def test_a_grandchild_and_an_orphan_are_followed(activity: procfs.Following) -> None:
    orphan = f"import subprocess\nsubprocess.run([sys.executable, '-S', '-c', {BURN.format(0.05)!r}])\n"
    keeper = (
        f"import subprocess\nchild = subprocess.Popen([sys.executable, '-S', '-c', {BURN.format(0.05)!r}"
        " + 'import sys, time\\nprint(1, flush=True)\\nsys.stdin.read()'], stdin=subprocess.PIPE, stdout=-1)\n"
        "child.stdout.readline()\nprint('ready', flush=True)\nsys.stdin.readline()\n"
        "import os\nos._exit(0)\n"
    )
    before = counted_s(activity), time.process_time()
    child = burning(0.0, orphan + keeper)
    assert child.stdout is not None
    child.stdout.readline()
    with_grandchild_s = counted_s(activity) - before[0] - (time.process_time() - before[1])
    let_go(child)
    after_s = counted_s(activity) - before[0] - (time.process_time() - before[1])

    assert with_grandchild_s >= 0.07
    assert after_s >= with_grandchild_s


def test_processes_that_can_t_be_read_have_not_ended(activity: procfs.Following) -> None:
    child = burning(0.06)
    before_s = counted_s(activity)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        unread_s = counted_s(activity)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    spent_s = time.process_time()
    after_s = counted_s(activity)
    let_go(child)

    assert unread_s == before_s
    assert before_s <= after_s < before_s + 0.04 + (time.process_time() - spent_s)


def test_an_orphan_is_followed_where_it_went(activity: procfs.Following) -> None:
    # the child forks a grandchild that shares our pipes, and ends; the grandchild then burns
    code = "import os, sys, time\nparent = os.getpid()\n" + (
        "if os.fork():\n    sys.stdin.readline()\n    os._exit(0)\n"
        "print('forked', flush=True)\n"
        "while os.getppid() == parent: time.sleep(0.001)\n"
        + BURN.format(0.06)
        + "print('burnt', flush=True)\nsys.stdin.readline()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()
    before = counted_s(activity), time.process_time()
    child.stdin.write(b"\n")
    child.wait()
    child.stdout.readline()
    orphan_s = counted_s(activity) - before[0] - (time.process_time() - before[1])
    child.stdin.close()
    child.stdout.read()  # until the orphan has ended
    child.stdout.close()
    ended_s = counted_s(activity) - before[0] - (time.process_time() - before[1])

    assert orphan_s >= 0.03
    assert ended_s >= orphan_s - 0.001


def test_a_child_reaped_by_the_kernel_does_not_set_the_count_back(activity: procfs.Following) -> None:
    child = burning(0.06)
    with_child_s = counted_s(activity)
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        let_go(child)
        ended_s = counted_s(activity)
    finally:
        signal.signal(signal.SIGCHLD, former)

    assert ended_s >= with_child_s
    assert counted_s(activity) >= ended_s


def test_another_process_is_followed_to_its_end_and_kept() -> None:
    child = burning(0.06)
    other = follow(Settings(cpu_time="proc"), child.pid, environ={})
    living_s = counted_s(other)
    let_go(child)

    assert 0.03 <= living_s < 0.14
    assert counted_s(other) == living_s
    other.close()


def test_a_process_that_is_not_there_is_refused_at_the_start() -> None:
    with pytest.raises(Unavailable, match="There is no process 4194305"):
        follow(Settings(), 4194305)


def test_no_proc_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Check the setting path_procfs"):
        follow(Settings(path_procfs=str(tmp_path)))


# the machine


CPUS = len(os.sched_getaffinity(0))


def write_stat(folder: Path, user: int) -> None:
    rows = [f"cpu  {user} 0 0 50 0 0 0 0 0 0"] + [f"cpu{i} 0 0 0 0 0 0 0 0 0 0" for i in range(CPUS)]
    (folder / "stat").write_text("\n".join([*rows, "intr 0"]) + "\n")


def test_capacity_and_busy_time_come_from_the_machine(tmp_path: Path) -> None:
    write_stat(tmp_path, 100)
    following = follow(Settings(path_procfs=str(tmp_path), path_sysfs=str(tmp_path)), environ={})
    first = following.read(5_000_000_000)["cpu"]
    write_stat(tmp_path, 300)
    second = following.read(7_000_000_000)["cpu"]

    assert (first.busy_s, first.capacity_s, first.reserved_s) == (1.0, 0.0, 0.0)
    assert (second.busy_s, second.capacity_s, second.reserved_s) == (3.0, 2.0 * CPUS, 0.0)
    following.close()


def test_an_unreadable_stat_keeps_the_last_count(tmp_path: Path) -> None:
    write_stat(tmp_path, 100)
    following = follow(Settings(path_procfs=str(tmp_path), path_sysfs=str(tmp_path)), environ={})
    following.read(0)
    (tmp_path / "stat").write_text("")

    assert following.read(1_000_000_000)["cpu"].busy_s == 1.0
    following.close()


def test_after_close_the_last_count_stands(activity: procfs.Following) -> None:
    last = activity.read(0)
    activity.close()
    activity.close()

    assert activity.read(10**9) == last


# what is reserved


def files(folder: Path, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def reserved(
    folder: Path, *, cpus: int = 64, environ: dict[str, str] | None = None, cores: float | None = None
) -> Reservation:
    settings = Settings(path_sysfs=str(folder / "sys"), path_procfs=str(folder / "proc"), reserved_cores=cores)
    return reserve(settings, None, cpus, environ or {}, str(folder / "proc"))


def test_the_setting_is_the_program_s_alone(tmp_path: Path) -> None:
    assert reserved(tmp_path, cores=3.0) == Reservation(3.0, "setting reserved_cores", whole=True)


def test_the_tightest_quota_of_the_groups_upwards_counts(tmp_path: Path) -> None:
    files(
        tmp_path,
        {
            "proc/self/cgroup": "0::/kube/pod/app\n",
            "sys/fs/cgroup/kube/pod/app/cpu.max": "max 100000\n",
            "sys/fs/cgroup/kube/pod/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/kube/cpu.max": "800000 100000\n",
        },
    )

    usage = (str(tmp_path / "sys/fs/cgroup/kube/pod/cpu.stat"),)
    assert reserved(tmp_path) == Reservation(2.5, "cgroup cpu.max", usage)


def test_a_group_that_is_mounted_as_the_root_is_found(tmp_path: Path) -> None:
    files(
        tmp_path,
        {"proc/self/cgroup": "0::/../../docker/abc\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"},
    )

    assert reserved(tmp_path).cores == 0.5


def test_a_quota_of_version_1_counts(tmp_path: Path) -> None:
    files(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )

    found = reserved(tmp_path)

    assert (found.cores, found.origin) == (1.5, "cgroup cpu.cfs_quota_us")
    assert str(tmp_path / "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpuacct.usage") in found.usage_paths


def test_of_equal_quotas_the_outer_one_tells_who_shares_it(tmp_path: Path) -> None:
    files(
        tmp_path,
        {
            "proc/self/cgroup": "0::/pod/app\n",
            "sys/fs/cgroup/pod/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/pod/app/cpu.max": "200000 100000\n",
        },
    )

    assert reserved(tmp_path).usage_paths == (str(tmp_path / "sys/fs/cgroup/pod/cpu.stat"),)


def test_a_quota_of_all_cpus_reserves_nothing(tmp_path: Path) -> None:
    files(
        tmp_path,
        {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": f"{CPUS}00000 100000\n"},
    )

    assert reserved(tmp_path, cpus=CPUS) == Reservation(0.0, "")


def test_a_mask_smaller_than_the_machine_reserves_its_cpus(tmp_path: Path) -> None:
    files(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job/task\n",
            "sys/fs/cgroup/job/cpuset.cpus.effective": f"0-{CPUS - 1}\n",
            "sys/fs/cgroup/job/task/cpuset.cpus.effective": f"0-{CPUS - 1}\n",
            "sys/fs/cgroup/cpuset.cpus.effective": "0-63\n",
        },
    )

    usage = (str(tmp_path / "sys/fs/cgroup/job/cpu.stat"),)
    assert reserved(tmp_path, cpus=64) == Reservation(float(CPUS), "cpuset or affinity mask", usage)


def test_slurm_says_how_many_of_the_node_s_cpus_are_the_job_s(tmp_path: Path) -> None:

    slurm = {"SLURM_CPUS_ON_NODE": "1"}
    assert reserved(tmp_path, cpus=CPUS, environ=slurm) == Reservation(1.0, "SLURM_CPUS_ON_NODE")


@pytest.mark.parametrize("name", ["NSLOTS", "NCPUS", "LSB_DJOB_NUMPROC"])
def test_other_schedulers_jobs_reserve_their_cpus_and_no_more_than_there_are(name: str, tmp_path: Path) -> None:
    assert reserved(tmp_path, cpus=CPUS, environ={name: "1"}) == Reservation(1.0, name)
    assert reserved(tmp_path, cpus=CPUS, environ={name: "4096"}) == Reservation(float(CPUS), name)
    assert reserved(tmp_path, cpus=CPUS, environ={name: "all"}) == Reservation(0.0, "")


def test_a_fresh_machine_reserves_nothing(tmp_path: Path) -> None:
    assert reserved(tmp_path, cpus=CPUS) == Reservation(0.0, "")


@pytest.mark.parametrize(("text", "count"), [("0-3,8", 5), ("7", 1), ("", 0), ("none", 0)])
def test_lists_of_cpus_are_counted(tmp_path: Path, text: str, count: int) -> None:
    files(tmp_path, {"g/cpuset.cpus.effective": text})

    assert next(iter(cgroups("0::/g", str(tmp_path)))).cpus == count


def test_trackers_share_a_reservation_by_their_cpu_time(tmp_path: Path) -> None:
    files(tmp_path, {"cpu.stat": "usage_usec 1000000\nuser_usec 0\n"})
    share = Share(Reservation(4.0, "cgroup cpu.max", (str(tmp_path / "cpu.stat"),)))
    files(tmp_path, {"cpu.stat": "usage_usec 3000000\nuser_usec 0\n"})
    grown_s = share.grown_s(duration_s=1.0, own_s=0.5, busy_s=9.0)
    idle_s = share.grown_s(duration_s=1.0, own_s=0.0, busy_s=9.0)
    share.close()

    assert grown_s == (1.0, 1.5)  # the group used 2 of 4: this tree a quarter of it, others 1.5 of their 3
    assert idle_s == (1.0, 3.0)


def test_without_the_group_s_count_the_machine_s_busy_time_bounds_the_share() -> None:
    share = Share(Reservation(2.0, "SLURM_CPUS_ON_NODE"))

    assert share.grown_s(1.0, 0.5, 1.0) == (1.0, 0.5)
    assert share.grown_s(1.0, 0.5, 40.0) == (0.5, 0.0)
    assert share.grown_s(1.0, 0.5, 0.0) == (2.0, 0.0)
    assert share.grown_s(1.0, 0.0, 1.0) == (0.0, 1.0)


def test_what_the_setting_reserves_is_all_the_program_s() -> None:
    share = Share(Reservation(2.0, "setting reserved_cores", whole=True))

    assert share.grown_s(3.0, 0.0, 100.0) == (6.0, 0.0)


@given(
    own=st.lists(st.floats(0, 5), min_size=1, max_size=5),
    others=st.floats(0, 5),
    cores=st.floats(0.1, 8),
    duration_s=st.floats(0.001, 100),
)
def test_trackers_never_claim_more_than_the_reservation(
    own: list[float], others: float, cores: float, duration_s: float
) -> None:
    scale = min(1.0, cores * duration_s / (sum(own) + others)) if sum(own) + others else 1.0
    own_s = [o * scale for o in own]
    busy_s = sum(own_s) + others * scale
    claims = [Share(Reservation(cores, "a quota")).grown_s(duration_s, o, busy_s)[0] for o in own_s if o > 0]

    assert sum(claims) <= cores * duration_s * (1 + 1e-9)


def test_the_run_says_where_its_reservation_came_from(tmp_path: Path) -> None:
    following = follow(Settings(reserved_cores=0.5), environ={})
    following.read(0)

    assert following.facts["reserved_by"] == "setting reserved_cores"
    assert following.read(4 * 10**9)["cpu"].reserved_s == 2.0
    following.close()


def test_counts_of_two_reads_can_be_subtracted(activity: procfs.Following) -> None:
    before = activity.read(10**9)["cpu"]
    after = activity.read(2 * 10**9)["cpu"]

    assert after.since(before) == Work(
        after.own_s - before.own_s, after.busy_s - before.busy_s, after.capacity_s, after.reserved_s
    )
