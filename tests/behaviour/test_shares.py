"""Whose joules: real programs that are busy at a time, and children that come and go."""

import time
from pathlib import Path

import pytest

from carbonwatch.model import Run
from tests.behaviour.programs import Program, run

# works for a part of each 10 ms, tells when it begins and what CPU time it used from then until told to end
BUSY = """
def work(part, done):
    while not done.is_set():
        begin = time.thread_time()
        until = time.monotonic() + 0.01
        while time.thread_time() - begin < 0.01 * part: pass
        time.sleep(max(0, until - time.monotonic()))

def cpu_s():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system

done = threading.Event()
threading.Thread(target=lambda: (wait(), done.set()), daemon=True).start()
t = tracker(interval_s=0.2, sensors="cpu_model")
t.start()
begin_s = cpu_s()
say("begun")
work({part}, done)
used_s = cpu_s() - begin_s
t.stop()
say(used_s)
"""


def parts_w(run: Run) -> tuple[float, float, float]:
    """Mean power of own, idle and machine."""
    return tuple(run.energy(part).value / run.duration_s for part in ("own", "idle", "machine"))  # type: ignore[return-value]  # three


def two_busy_programs(folder: Path) -> list[tuple[Run, float]]:
    """Their runs and the CPU time that each says it used."""
    programs = []
    for name, part in (("a", 1.0), ("b", 0.4)):
        (folder / name).mkdir()
        programs.append(Program(BUSY.replace("{part}", str(part)), folder / name))
    for program in programs:
        assert program.hear() == "begun"
    time.sleep(3)
    for program in programs:
        program.tell()
    ended = [program.end() for program in programs]
    assert [e.errors for e in ended] == ["", ""]
    return [(e.run, float(e.said)) for e in ended]


def test_two_busy_programs_and_idle_are_no_more_than_the_machine_and_each_has_its_share(tmp_path: Path) -> None:
    (a, a_used_s), (b, b_used_s) = two_busy_programs(tmp_path)
    own_a_w, idle_a_w, machine_a_w = parts_w(a)
    own_b_w, idle_b_w, machine_b_w = parts_w(b)
    share = a_used_s / a.duration_s / (a_used_s / a.duration_s + b_used_s / b.duration_s)

    # the two windows begin and end some milliseconds apart
    assert own_a_w + own_b_w + max(idle_a_w, idle_b_w) <= max(machine_a_w, machine_b_w) * 1.02
    assert own_a_w / (own_a_w + own_b_w) == pytest.approx(share, rel=0.1)
    assert own_b_w / (own_a_w + own_b_w) == pytest.approx(1 - share, rel=0.1)


@pytest.mark.parametrize(
    ("children", "child"), [(100, "['/bin/true']"), (40, "[sys.executable, '-S', '-c', 'sum(range(300_000))']")]
)
def test_children_that_come_and_go_between_samples_are_counted(children: int, child: str, tmp_path: Path) -> None:
    code = f"""
import resource, subprocess

def used_s():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(r.ru_utime + r.ru_stime for r in both), both[1].ru_utime + both[1].ru_stime

with tracker(interval_s=0.5) as t:
    before, _ = used_s()
    for _ in range({children}):
        subprocess.run({child}, check=True)
    after, of_children = used_s()
say(after - before, of_children)
"""
    ended = run(code, tmp_path)
    used_s, of_children_s = map(float, ended.said.split())
    work = [e.usage.work for e in ended.run.entries if e.usage.domain.component == "cpu"]
    own_s = sum(w.own_s for w in work if w is not None)

    # the tracker's own start and stop come on top
    assert used_s * 0.99 <= own_s <= used_s + 0.1
    assert of_children_s > 0


# a meter whose power grows with the machine's busy time, as real ones do from their idle power on
LINEAR = """
from carbonwatch.activity.procfs import follow
from carbonwatch.cputime import ProcStat
from carbonwatch.sampler import Sampler
from carbonwatch.testing import FakeMeter

def linear():
    clock = ProcStat()
    meter = FakeMeter("cpu", counted_j=lambda seconds: 10 * seconds + 20 * clock.busy_s(), idle_w=10)
    return clock.cpus, Sampler([meter], [follow(resolve({"cpu_time": "proc"}))])  # the books of process_time()

def burn(seconds):
    begin = time.process_time()
    while time.process_time() < begin + seconds: pass
    return time.process_time() - begin  # with the ticks that came meanwhile
"""


def own_j_per_cpu_second(neighbours: int, folder: Path) -> tuple[float, float]:
    """Of a program beside some that work all the time: what it is said to have used, and what it should be."""
    code = f"""
import subprocess
busy = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range({neighbours})]
time.sleep(0.1)
child = os.fork()  # the run is in a tree that the neighbours are no part of
if child == 0:
    cpus, meters = linear()
    t = Tracker(resolve({{"country": "FR", "store": "none"}}), meters=meters)
    t.start()
    used_s = burn(0.8)
    t.stop()
    meters.close()
    say(t.run.energy_j / used_s, 20 + 10 / cpus)
    os._exit(0)
os.waitpid(child, 0)
for each in busy:
    each.kill()
    each.wait()
"""
    folder.mkdir()
    ended = run(LINEAR + code, folder)
    assert (ended.status, ended.errors) == (0, "")
    own_j, right_j = map(float, ended.said.split())
    return own_j, right_j


def test_a_neighbour_s_load_moves_own_by_less_than_a_tenth(tmp_path: Path) -> None:
    (alone_j, right_j), (beside_j, _) = (own_j_per_cpu_second(n, tmp_path / str(n)) for n in (0, 3))

    assert beside_j == pytest.approx(alone_j, rel=0.1)
    assert beside_j == pytest.approx(right_j, rel=0.1)
