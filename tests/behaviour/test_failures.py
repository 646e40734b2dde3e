"""Whatever can't be written, the program goes on, hears of it once, and has its result."""

from contextlib import closing
from pathlib import Path

import pytest

from carbonwatch.store.journal import connect
from tests.behaviour.programs import Ended, Program, run, small_disk

WORK = """
with tracker(interval_s=0.02) as t:
    for _ in range(10):
        with t.start_task("x"): time.sleep(0.02)
        t.flush()
say("result", t.run.energy_j, t.run.state)
"""
# what is imported while root may still read it
AS_NOBODY = """
with tracker(store="none") as t: t.flush()
import carbonwatch.store.query
if os.geteuid() == 0:
    os.setuid(65534)
"""


def goes_on(ended: Ended, words: str) -> None:
    """It ended well, gave its result and said the words once."""
    result, energy_j, state = ended.said.split()
    assert (ended.status, result, state) == (0, "result", "finished")
    assert float(energy_j) > 0
    assert len(ended.errors.splitlines()) == 1, ended.errors
    assert words in ended.errors
    assert "It is measured all the same." in ended.errors


def test_on_a_full_disk_the_program_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, "100k") as mounted:
        limit = "" if mounted else "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30 << 10,) * 2)\n"
        if mounted:
            (folder / "ballast").write_bytes(bytes(60 << 10))
        ended = run(limit + WORK, tmp_path, CARBONWATCH_STORE=str(folder / "runs.db"))

    goes_on(ended, "can't be written")


def test_in_a_folder_that_may_only_be_read_the_program_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    ended = run(AS_NOBODY + WORK, tmp_path, CARBONWATCH_STORE=str(folder / "runs.db"))

    goes_on(ended, "unable to open database file")


@pytest.mark.parametrize(
    ("content", "words"), [(b"a poem" * 999, "file is not a database"), (None, "unable to open database file")]
)
def test_with_an_unreadable_store_the_program_goes_on(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    path.mkdir() if content is None else path.write_bytes(content)
    ended = run(WORK, tmp_path, CARBONWATCH_STORE=str(path))

    goes_on(ended, words)
    assert content is None or path.read_bytes() == content


def test_without_a_home_the_program_goes_on(tmp_path: Path) -> None:
    ended = run(AS_NOBODY + WORK, tmp_path, CARBONWATCH_STORE="", XDG_DATA_HOME="/proc/nowhere", HOME="/proc/nowhere")

    goes_on(ended, "/proc/nowhere")


def test_with_a_store_that_another_program_holds_the_program_goes_on(tmp_path: Path) -> None:
    with closing(connect(str(tmp_path / "runs.db"))) as other:
        other.execute("BEGIN IMMEDIATE")
        program = Program(WORK.replace("t.flush()", "pass"), tmp_path)
        said = program.hear()
        other.execute("ROLLBACK")
    ended = program.end()

    goes_on(Ended(ended.status, said, ended.errors, ended.runs), "database is locked")


def test_a_program_that_runs_out_of_file_descriptors_goes_on(tmp_path: Path) -> None:
    code = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
with tracker(interval_s=0.02) as t:
    try:
        while True: held.append(open(os.devnull))
    except OSError:
        pass
    with t.start_task("x"): time.sleep(0.1)
    t.flush()
say("result", t.run.energy_j, t.run.state)
"""
    ended = run(code, tmp_path)

    assert (ended.status, ended.errors, ended.said.split()[0]) == (0, "", "result")
    assert (ended.run.state, ended.run.tasks) == ("finished", ("x",))


def test_strange_facts_and_a_folder_that_is_gone_stop_nothing(tmp_path: Path) -> None:
    code = """
sys.argv = ["x", os.fsdecode(b"caf\\xe9"), "\\0"]
os.mkdir("gone")
os.chdir("gone")
os.rmdir("../gone")
with tracker(kind=lambda settings: Tracker(settings, facts={"n": float("nan"), "o": object(), 3: b"x"})) as t: pass
"""
    ended = run(code, tmp_path)

    assert (ended.status, ended.run.state, ended.errors) == (0, "finished", "")
    assert ended.run.facts["command"].startswith("x caf")
