"""Children, however they are made, leave their parent's run alone and may have runs of their own."""

from pathlib import Path

import pytest

from tests.behaviour.programs import Program, run

START_METHODS = ("fork", "spawn", "forkserver")


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)", "t.stop(); sys.exit(0)", "1 / 0"])
def test_a_forked_child_leaves_its_parent_s_run_whole(end: str, tmp_path: Path) -> None:
    code = f"""
with tracker() as t:
    with t.start_task("before"): time.sleep(0.1)
    pid = os.fork()
    if pid == 0:
        t.flush()
        with t.start_task("of the child"): pass
        {end}
    os.waitpid(pid, 0)
    with t.start_task("after"): time.sleep(0.1)
say(t.run.duration_s, t.run.energy_j)
"""
    ended = run(code, tmp_path)
    duration_s, energy_j = map(float, ended.said.split())

    assert (ended.status, ended.run.state, ended.run.tasks) == (0, "finished", ("before", "after"))
    assert (ended.run.duration_s, ended.run.energy_j) == (duration_s, energy_j)
    assert ended.run.duration_s >= 0.2


def test_a_forked_child_may_have_a_tracker_of_its_own(tmp_path: Path) -> None:
    code = """
with tracker(project="parent", kind=Telling):
    for child in range(3):
        if os.fork() == 0:
            with tracker(project="child") as own:
                time.sleep(0.12)
            sys.exit(0)
    for child in range(3):
        os.wait()
"""
    ended = run(code, tmp_path)

    assert (ended.status, ended.errors) == (0, "")
    assert sorted((r.project, r.state) for r in ended.runs) == [*[("child", "finished")] * 3, ("parent", "finished")]
    assert all(r.energy_j > 0 for r in ended.runs)


def test_a_child_may_outlive_its_parent(tmp_path: Path) -> None:
    code = """
with tracker(project="parent"):
    if os.fork() == 0:
        os.setsid()
        with tracker(project="child"):
            time.sleep(0.3)
        os._exit(0)
"""
    program = Program(code, tmp_path)
    ended = program.end()  # its output ends with the child's, too

    assert sorted((r.project, r.state) for r in ended.runs) == [("child", "finished"), ("parent", "finished")]


@pytest.mark.parametrize("method", START_METHODS)
def test_processes_of_multiprocessing_have_runs_of_their_own(method: str, tmp_path: Path) -> None:
    code = f"""
import multiprocessing

def work(number):
    with tracker(project="child") as own:
        time.sleep(0.1)
    return own.run.energy_j > 0

if __name__ == "__main__":
    with tracker(project="parent") as t:
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            say(pool.map(work, range(4)))
            pool.close()
            pool.join()
"""
    ended = run(code, tmp_path)

    assert (ended.status, ended.errors, ended.said) == (0, "", "[True, True, True, True]\n")
    assert sorted((r.project, r.state) for r in ended.runs) == [*[("child", "finished")] * 4, ("parent", "finished")]


@pytest.mark.parametrize("method", START_METHODS)
def test_a_child_that_ends_without_a_stop_leaves_a_run_that_can_be_recovered(method: str, tmp_path: Path) -> None:
    code = f"""
import multiprocessing

def work():
    tracker(Telling, project="child").start()
    time.sleep(0.2)

if __name__ == "__main__":
    with tracker(project="parent"):
        child = multiprocessing.get_context({method!r}).Process(target=work)
        child.start()
        child.join()
"""
    ended = run(code, tmp_path)
    states = {r.project: r.state for r in ended.runs}

    assert (ended.status, ended.errors) == (0, "")
    assert states["parent"] == "finished"
    assert states["child"] in ("finished", "killed")
    assert all(r.energy_j > 0 for r in ended.runs)


def test_forks_while_many_threads_measure_hang_nobody(tmp_path: Path) -> None:
    code = """
t = tracker(interval_s=0.01)
t.start()
done = threading.Event()

def work():
    while not done.is_set():
        with t.start_task("x"): t.flush()

threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for child in range(20):
    pid = os.fork()
    if pid == 0:
        with tracker(project="child"): pass
        t.stop()
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
done.set()
for thread in threads: thread.join()
t.stop()
"""
    ended = run(code, tmp_path)

    assert (ended.status, ended.errors) == (0, "")
    assert [r.state for r in ended.runs] == ["finished"] * 21
