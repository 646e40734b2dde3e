"""What a journal has acknowledged is there, whatever happens to the program, the file or the disk afterwards."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonwatch import ledger
from carbonwatch.errors import StoreError
from carbonwatch.model import Domain, Entry, Gap, Intensity, Place, Run, Usage, Work
from carbonwatch.store import lists, rows
from carbonwatch.store.journal import Journal, StoreBusy, connect, share, thin
from carbonwatch.store.query import Store
from carbonwatch.testing import intensity

HOUR_NS = 3600 * 10**9
START_NS = 1_790_000_000 * 10**9
CPU = Domain("fake:cpu", "cpu", "measured", "a fake meter", error=(-0.1, 0.2), idle_w=4.0)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
joules = st.floats(0, 1e15)
instants = st.integers(START_NS, START_NS + 100 * HOUR_NS)
works = st.builds(Work, joules, joules, joules, joules)
domains = st.builds(
    Domain,
    text,
    st.sampled_from(["cpu", "gpu", "ram", "disk", "system"]),
    st.sampled_from(["measured", "modelled", "assumed"]),
    text,
    st.none() | text,
    st.tuples(st.floats(-1, 0), st.floats(0, 9)),
    st.none() | joules,
)
usages = st.builds(Usage, domains, joules, joules, joules, joules, joules, joules, st.none() | works)
intensities = st.builds(
    Intensity, joules, joules, joules, text, text, text, text, text, st.none() | st.integers(1990, 2100), text
)
entries = st.builds(Entry, text, instants, joules, usages, intensities)
runs = st.builds(
    Run,
    id=st.uuids().map(str),
    project=text,
    scope=st.sampled_from(["process", "machine"]),
    state=st.sampled_from(["finished", "failed", "killed"]),
    started_ns=instants,
    duration_s=joules,
    # a run's entries are a book: one per task, domain, intensity and hour
    entries=st.lists(entries, max_size=8).map(ledger.fold),
    gaps=st.lists(st.builds(Gap, text, instants, instants, text), max_size=4).map(tuple),
    notes=st.lists(text, max_size=3).map(tuple),
    place=st.builds(Place, st.none() | text, st.none() | text, st.none() | text, st.lists(text).map(tuple), text),
    facts=st.dictionaries(text, st.none() | st.booleans() | st.integers() | joules | text, max_size=4),
    overhead_s=joules,
    pue=st.floats(1, 3),
    wue_l_per_kwh=st.floats(0, 9),
)


def usage(energy_j: float, domain: Domain = CPU) -> Usage:
    return Usage(domain, energy_j, 0.0, energy_j, energy_j, energy_j, 0.0, Work(1.0, 1.0, 2.0, 0.0))


def entry(energy_j: float, *, task: str = "", start_ns: int = START_NS, duration_s: float = 1.0) -> Entry:
    return Entry(task, start_ns, duration_s, usage(energy_j), intensity())


def run(id_: str = "a-run", *entries: Entry, duration_s: float = 1.0, **values: object) -> Run:
    whole = Run(id_, "tests", "process", "running", START_NS, duration_s, entries)
    return replace(whole, **values)  # type: ignore[arg-type]  # each has its field's type


def written(path: Path, id_: str = "a-run") -> Run:
    with Store(str(path)) as store:
        return store.run(id_)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(str(path))) as opened:
        yield opened


def python(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """A program that uses this file's names, and has the first argument as `path`."""
    command = [sys.executable, "-c", f"{PRELUDE}\n{code}", *map(str, arguments)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


PRELUDE = """
import sys
from carbonwatch.model import Domain, Entry, Run, Usage
from carbonwatch.store.journal import Journal
from carbonwatch.testing import intensity

path = sys.argv[1]
START_NS = 1_790_000_000 * 10**9

def entry(energy_j):
    use = Usage(Domain("fake:cpu", "cpu", "measured", "a fake meter"), energy_j, 0.0, energy_j, energy_j, energy_j)
    return Entry("", START_NS, 1.0, use, intensity())

def run(id_, *entries, state="running"):
    return Run(id_, "tests", "process", state, START_NS, 1.0, entries)
"""


# -- what is written is read -----------------------------------------------------------------------------------------


@given(whole=runs)
@settings(max_examples=60, deadline=None)
def test_a_run_read_back_equals_the_run_written(whole: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("store") / "runs.db"
    with closing(Journal(str(path))) as journal:
        journal.begin(replace(whole, entries=(), gaps=()))
        journal.save(whole, whole.entries, ())

    assert written(path, whole.id) == whole


@given(steps=st.lists(st.tuples(st.sampled_from(["", "a", "a/b"]), st.integers(0, 3), joules), max_size=30))
@settings(max_examples=30, deadline=None)
def test_many_flushes_lose_no_joule(
    steps: list[tuple[str, int, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("store") / "runs.db"
    book: ledger.Book = {}
    with closing(Journal(str(path))) as journal:
        journal.begin(run())
        for task, hour, energy_j in steps:
            changed = ledger.fold_into(book, [entry(energy_j, task=task, start_ns=START_NS + hour * HOUR_NS)])
            journal.save(run("a-run", *book.values()), changed.values(), ())
    back = written(path)

    assert back.entries == tuple(book.values())
    assert back.energy().value == pytest.approx(sum(energy_j for *_, energy_j in steps))


def test_the_same_flush_twice_changes_nothing(journal: Journal, path: Path) -> None:
    whole = run("a-run", entry(5.0), gaps=(Gap("fake:cpu", START_NS, START_NS + 1, "gone"),))
    for _ in range(2):
        journal.save(whole, whole.entries, whole.entries)

    assert written(path) == whole
    assert samples(path) == [(START_NS, 1.0, 5.0)]


def test_runs_from_elsewhere_are_added_once_and_those_that_are_there_stay_as_they_are(
    journal: Journal, path: Path
) -> None:
    first, second = (replace(run(id_, entry(5.0)), state="finished") for id_ in ("one", "two"))

    assert journal.add([first]) == [first]
    assert journal.add([replace(first, project="another"), second]) == [second]
    assert (written(path, "one"), written(path, "two")) == (first, second)


def test_a_run_at_new_prices_has_its_entries_once(journal: Journal, path: Path) -> None:
    before = run("a-run", entry(5.0), entry(3.0, task="train"), state="finished")
    journal.save(before, before.entries, [entry(8.0)])
    after = replace(
        before,
        entries=tuple(replace(e, intensity=intensity(7.0)) for e in before.entries),
        notes=("priced by the hour",),
    )
    journal.reprice(after)
    journal.reprice(after)

    assert written(path) == after
    assert len(samples(path)) == 1


def test_entries_of_one_kind_that_come_together_are_added_up(journal: Journal, path: Path) -> None:
    unfolded = (entry(1.0), entry(2.0))
    journal.save(run("a-run", *unfolded), unfolded, ())

    assert written(path).energy_j == 3.0


def test_a_run_whose_beginning_could_not_be_written_is_kept_whole(journal: Journal, path: Path) -> None:
    whole = run("a-run", entry(1.0), entry(2.0, task="later"))
    journal.save(whole, [whole.entries[1]], ())

    assert written(path) == whole


def test_a_gap_that_goes_on_is_one_gap(journal: Journal, path: Path) -> None:
    for end_ns in (1, 2, 3):
        journal.save(run(gaps=(Gap("fake:cpu", 0, end_ns, "gone"),)), (), ())

    assert written(path).gaps == (Gap("fake:cpu", 0, 3, "gone"),)


def test_facts_that_are_no_json_are_kept_as_text(journal: Journal, path: Path) -> None:
    facts = {"metadata": {("a", "tuple"): 1, "path": Path("x")}}
    journal.save(run(facts=facts), (), ())

    assert written(path).facts == {"metadata": {"path": "x"}}


def test_what_sqlite_can_not_hold_is_an_error_of_the_store(journal: Journal, path: Path) -> None:
    with pytest.raises(StoreError, match="can't be written"):
        journal.save(run(project="\udcff"), (), ())
    journal.save(run(), (), ())

    assert written(path).project == "tests"


# -- the time series -------------------------------------------------------------------------------------------------


def samples(path: Path) -> list[tuple[int, float, float]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT start_ns, duration_s, machine_j FROM samples ORDER BY start_ns").fetchall()


@given(
    st.lists(st.tuples(st.floats(0.1, 4000), st.floats(0, 1e6)), min_size=1, max_size=60),
    st.lists(st.floats(0, 1e6), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_thinning_loses_no_joule_and_no_second(steps: list[tuple[float, float]], later_s: list[float]) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript(rows.schema())
        now_ns = START_NS
        for duration_s, energy_j in steps:
            db.execute("INSERT INTO samples VALUES ('r', 1, ?, ?, ?, 0, ?)", (now_ns, duration_s, energy_j, energy_j))
            now_ns += int(duration_s * 1e9)
        for age_s in (0.0, *later_s):
            now_ns += int(age_s * 1e9)
            thin(db, "r", now_ns)
        totals = db.execute("SELECT sum(duration_s), sum(machine_j), sum(own_j), min(start_ns) FROM samples").fetchone()

    energy_j = sum(energy_j for _, energy_j in steps)
    assert totals == pytest.approx((sum(duration_s for duration_s, _ in steps), energy_j, energy_j, START_NS))


def test_a_series_of_a_month_stays_small(journal: Journal, path: Path) -> None:
    journal.begin(run(duration_s=0.0))
    step_s = 30.0
    for day in range(31):
        steps = [entry(1.0, start_ns=START_NS + int((day * 86400 + i * step_s) * 1e9), duration_s=step_s)
                 for i in range(2880)]  # fmt: skip
        journal.save(run(duration_s=(day + 1) * 86400.0), (), steps)
    kept = samples(path)

    assert len(kept) < 31 * 24 + 24 * 60 + 120 + 24
    assert sum(energy_j for *_, energy_j in kept) == 31 * 2880
    assert sum(duration_s for _, duration_s, _ in kept) == 31 * 86400
    assert os.path.getsize(path) < 2 << 20


def test_each_of_two_runs_is_thinned(journal: Journal, path: Path) -> None:
    for hour in range(3):
        for id_ in ("a", "b"):
            steps = [entry(1.0, start_ns=START_NS + (hour * 3600 + i) * 10**9) for i in range(3600)]
            journal.save(run(id_, duration_s=(hour + 1) * 3600.0), (), steps)

    with closing(sqlite3.connect(path)) as db:
        kept = db.execute("SELECT count(*) FROM samples GROUP BY run").fetchall()
    assert all(count < 3600 + 3 * 60 for (count,) in kept)


# -- kills, many writers, threads and forks ---------------------------------------------------------------------------


@pytest.mark.parametrize("flushes_before", [1, 3, 10, 30, 47])
def test_a_kill_loses_no_flush_that_was_acknowledged(path: Path, flushes_before: int) -> None:
    code = """
journal = Journal(path)
journal.begin(run("a-run"))
for i in range(1, 100_000):
    journal.save(run("a-run", entry(float(i))), [entry(float(i))], [])
    print(i, flush=True)
"""
    with python(code, path) as program:
        assert program.stdout
        acknowledged = [int(program.stdout.readline()) for _ in range(flushes_before)]
        program.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in program.stdout.read().splitlines()]
    back = written(path)

    # the flush that was being printed may be there too
    assert back.energy_j in (float(acknowledged[-1]), float(acknowledged[-1] + 1))
    assert back.state == "killed"


def test_twenty_programs_make_and_write_one_file_at_a_time(path: Path) -> None:
    code = """
sys.stdin.readline()  # all at once
journal = Journal(path)
id_ = sys.argv[2]
journal.begin(run(id_), wait_s=30.0)
for i in range(1, 6):
    journal.save(run(id_, entry(float(i))), [entry(float(i))], [], wait_s=30.0)
journal.save(run(id_, entry(5.0), state="finished"), [], [], wait_s=30.0)
"""
    programs = [python(code, path, f"run-{i}", stdin=subprocess.PIPE) for i in range(20)]
    for program in programs:
        assert program.stdin
        program.stdin.write("go\n")
        program.stdin.flush()
    results = [(program.communicate()[1], program.returncode) for program in programs]

    assert results == [("", 0)] * 20
    with Store(str(path)) as store:
        found = [store.run(listed.run.id) for listed in store.runs()]
    assert sorted((whole.id, whole.state, whole.energy_j) for whole in found) == sorted(
        (f"run-{i}", "finished", 5.0) for i in range(20)
    )


def test_threads_may_share_a_journal(path: Path) -> None:
    journal = share(str(path))
    failed: list[Exception] = []

    def write(id_: str) -> None:
        try:
            for i in range(1, 20):
                journal.save(run(id_, entry(float(i))), [entry(float(i))], ())
        except Exception as error:  # border: shown below
            failed.append(error)

    threads = [threading.Thread(target=write, args=(f"run-{i}",)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()

    assert failed == []
    with Store(str(path)) as store:
        assert [listed.energy_j for listed in store.runs()] == [19.0] * 5


def test_a_process_has_one_journal_for_a_file(path: Path) -> None:
    assert share(str(path)) is share(os.path.relpath(path))


def test_a_fork_while_a_thread_writes_leaves_both_able_to_write(path: Path) -> None:
    code = """
import os, threading, warnings
warnings.simplefilter("ignore")
journal = Journal(path)
journal.begin(run("parent"))
stop = threading.Event()

def write():
    i = 0
    while not stop.is_set():
        i += 1
        journal.save(run("parent", entry(float(i))), [entry(float(i))], [])

thread = threading.Thread(target=write)
thread.start()
for child in range(15):
    pid = os.fork()
    if pid == 0:
        journal.save(run(f"child-{child}", entry(7.0), state="finished"), [], [])
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
thread.join()
journal.save(run("parent", entry(1.0), state="finished"), [entry(1.0)], [])
"""
    with python(code, path) as program:
        _, errors = program.communicate()

    assert (errors, program.returncode) == ("", 0)
    with Store(str(path)) as store:
        found = {listed.run.id: listed.energy_j for listed in store.runs()}
        assert store._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert found == {"parent": 1.0, **{f"child-{i}": 7.0 for i in range(15)}}


def test_a_save_from_a_signal_handler_in_the_middle_of_a_save_follows_it(journal: Journal, path: Path) -> None:
    class Interrupting(tuple[Entry, ...]):
        def __iter__(self) -> Iterator[Entry]:
            journal.save(run("a-run", entry(2.0), state="finished"), [entry(2.0)], ())
            return super().__iter__()

    journal.begin(run())
    journal.save(run("a-run", entry(1.0)), Interrupting([entry(1.0)]), ())

    assert written(path) == run("a-run", entry(2.0), state="finished")


def test_an_exit_from_a_signal_handler_in_the_middle_of_a_save_keeps_what_the_handler_saved(
    journal: Journal, path: Path
) -> None:
    class Exiting(tuple[Entry, ...]):
        def __iter__(self) -> Iterator[Entry]:
            journal.save(run("a-run", entry(2.0), state="finished"), [entry(2.0)], ())
            raise SystemExit

    journal.begin(run())
    with pytest.raises(SystemExit):
        journal.save(run("a-run", entry(1.0)), Exiting([entry(1.0)]), ())

    assert written(path) == run("a-run", entry(2.0), state="finished")


def test_after_an_interrupted_save_a_domain_is_not_taken_for_written(journal: Journal, path: Path) -> None:
    def interrupted() -> Iterator[Entry]:
        yield entry(1.0)
        raise KeyboardInterrupt

    journal.begin(run())
    with pytest.raises(KeyboardInterrupt):
        journal.save(run("a-run", entry(1.0)), interrupted(), ())
    with closing(Journal(str(path))) as other:
        stranger = replace(entry(9.0), usage=usage(9.0, replace(CPU, id="another")))
        other.save(run("other", stranger), [stranger], ())
    journal.save(run("a-run", entry(1.0)), [entry(1.0)], ())

    assert written(path) == run("a-run", entry(1.0))


# -- files and disks that fail ---------------------------------------------------------------------------------------


def test_folders_that_are_not_there_are_made_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "runs.db"
    with closing(Journal(str(path))) as journal:
        journal.begin(run())

    assert written(path).state == "running"
    assert path.parent.stat().st_mode & 0o777 == 0o700


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A real file system of 300 kB in a folder; False where this user may not mount one."""
    tool = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    mounted = tool is not None and subprocess.run([tool, *options], capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def fill(journal: Journal) -> float:
    """Writes until the disk is full, and gives the joules that were acknowledged last."""
    energy_j = 0.0
    for i in range(1, 10_000):
        try:
            journal.save(run("a-run", entry(float(i))), [entry(float(i))], [entry(1.0, start_ns=i * 10**9)] * 50)
        except StoreError:
            return energy_j
        energy_j = float(i)
    raise AssertionError("the disk is never full")


def test_a_full_disk_loses_nothing_that_was_acknowledged_and_takes_the_rest_when_it_has_room(tmp_path: Path) -> None:
    with small_disk(tmp_path) as mounted, closing(Journal(str(tmp_path / "runs.db"))) as journal:
        ballast = tmp_path / "ballast"
        if mounted:
            ballast.write_bytes(bytes(100 << 10))
        else:
            hold_files_to(200 << 10)
        try:
            journal.begin(run())
            energy_j = fill(journal)
            kept = written(tmp_path / "runs.db").energy_j
            if mounted:
                ballast.unlink()
        finally:
            hold_files_to(resource.RLIM_INFINITY)
        journal.save(run("a-run", entry(5.0)), [entry(5.0)], ())
        again = written(tmp_path / "runs.db").energy_j

    assert kept == energy_j > 0
    assert again == 5.0


def hold_files_to(size: int) -> None:
    """No file of this process may grow further: what a user meets who may not mount."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))


def test_a_limit_on_file_sizes_is_an_error_of_the_store_and_no_signal(journal: Journal, path: Path) -> None:
    journal.begin(run())
    hold_files_to(200 << 10)
    try:
        energy_j = fill(journal)
    finally:
        hold_files_to(resource.RLIM_INFINITY)

    assert written(path).energy_j == energy_j


def test_a_file_that_is_no_store_is_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"my thesis" * 1000)
    with closing(Journal(str(path))) as journal, pytest.raises(StoreError, match="not a database"):
        journal.begin(run())

    assert path.read_bytes() == b"my thesis" * 1000


def test_a_database_of_another_program_is_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE runs (id); PRAGMA user_version = 1;")
    before = path.read_bytes()
    with closing(Journal(str(path))) as journal, pytest.raises(StoreError, match="another program's database"):
        journal.begin(run())

    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_left_as_it_is(journal: Journal, path: Path) -> None:
    journal.begin(run())
    journal.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {rows.VERSION + 1}")

    with pytest.raises(StoreError, match=f"newer carbonwatch wrote it: version {rows.VERSION + 1}"):
        journal.save(run(), (), ())


def test_a_folder_that_can_not_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with closing(Journal(str(tmp_path / "file" / "runs.db"))) as journal, pytest.raises(StoreError, match="file"):
        journal.begin(run())


@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_that_may_not_be_written_to_is_an_error_of_the_store(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    for above in (folder, *folder.parents[:3]):
        above.chmod(0o755)
    folder.chmod(mode)
    code = """
import os
from carbonwatch.errors import StoreError
if os.geteuid() == 0:  # whom nothing stops
    os.setuid(65534)
try:
    Journal(path).begin(run("a-run"))
except StoreError as error:
    print(error)
"""
    with python(code, folder / "runs.db") as program:
        said, errors = program.communicate()
    folder.chmod(0o755)

    assert errors == ""
    assert said.startswith(f"{folder / 'runs.db'} can't be written (")


def test_a_writer_that_holds_the_store_for_long_is_waited_for_only_so_long(journal: Journal, path: Path) -> None:
    journal.begin(run())
    with closing(connect(str(path))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            journal.save(run("a-run", entry(1.0)), [entry(1.0)], (), wait_s=0.01)
        other.execute("ROLLBACK")
    journal.save(run("a-run", entry(1.0)), [entry(1.0)], ())

    assert written(path) == run("a-run", entry(1.0))


def test_a_store_that_is_deleted_meanwhile_is_made_again_with_the_whole_run(journal: Journal, path: Path) -> None:
    first, second = entry(1.0), entry(2.0, task="later")
    journal.begin(run())
    journal.save(run("a-run", first), [first], ())
    for file in path.parent.iterdir():
        file.unlink()
    journal.save(run("a-run", first, second), [second], ())

    assert written(path) == run("a-run", first, second)


def test_a_store_that_is_replaced_meanwhile_is_written_to_and_not_the_old_one(journal: Journal, path: Path) -> None:
    journal.begin(run())
    other = path.with_name("other.db")
    with closing(Journal(str(other))) as replacing:
        replacing.begin(run("of-others"))
    path.rename(path.with_name("old.db"))
    for end in ("-wal", "-shm"):
        path.with_name(f"runs.db{end}").unlink(missing_ok=True)
    other.rename(path)
    journal.save(run("a-run", entry(1.0)), [entry(1.0)], ())

    with Store(str(path)) as store:
        assert {listed.run.id for listed in store.runs()} == {"a-run", "of-others"}


VERSION_1 = """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, scope TEXT NOT NULL, state TEXT NOT NULL,
  started_ns INTEGER NOT NULL, duration_s REAL NOT NULL,
  place TEXT NOT NULL, facts TEXT NOT NULL, notes TEXT NOT NULL,
  overhead_s REAL NOT NULL, pue REAL NOT NULL, wue_l_per_kwh REAL NOT NULL,
  host TEXT NOT NULL, boot_id TEXT NOT NULL, pid INTEGER NOT NULL, pid_started TEXT NOT NULL,
  energy_j REAL, emissions_g REAL, measured REAL
) WITHOUT ROWID;
CREATE INDEX runs_by_start ON runs (started_ns);
PRAGMA user_version = 1;
"""


# as it was for a few hours before it had all columns of an entry
ENTRIES_OF_17_COLUMNS = """
CREATE TABLE entries (
  run TEXT NOT NULL, task TEXT NOT NULL, domain INTEGER NOT NULL, intensity INTEGER NOT NULL, slot INTEGER NOT NULL,
  start_ns INTEGER NOT NULL, duration_s REAL NOT NULL,
  machine_j REAL NOT NULL, idle_j REAL NOT NULL, own_j REAL NOT NULL, own_low_j REAL NOT NULL, own_high_j REAL NOT NULL,
  baseline_j REAL NOT NULL, own_s REAL, busy_s REAL, capacity_s REAL, reserved_s REAL,
  PRIMARY KEY (run, task, domain, intensity, slot)
) WITHOUT ROWID;
INSERT INTO entries VALUES ('a-run', '', 1, 1, 0, 7, 1.0, 5.0, 1.0, 4.0, 4.0, 4.0, 1.0, NULL, NULL, NULL, NULL);
"""


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_with_fewer_columns_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    path = str(tmp_path / "runs.db")
    old = replace(run(place=Place("FR")), entries=())
    with closing(Journal(path)) as journal:
        journal.save(old, (), ())
        journal.save(run("another", entry(5.0)), [entry(5.0)], ())
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(f"DROP TABLE entries; {ENTRIES_OF_17_COLUMNS}")
        db.execute("UPDATE runs SET energy_j = 0, emissions_g = 0")
        db.executescript("DROP INDEX runs_listed; ALTER TABLE runs DROP COLUMN country")
        if version == 1:
            db.executescript(
                "CREATE INDEX runs_by_start ON runs (started_ns);"
                "ALTER TABLE runs DROP COLUMN tags; ALTER TABLE runs DROP COLUMN words"
            )
        db.execute(f"PRAGMA user_version = {version}")

    with Store(path) as store:
        [back] = store.run("a-run").entries
        known = {listed.run.id: listed.energy_j for listed in store.runs()}
        places = {country.code: country.totals.runs for country in lists.by_country(store, lists.Wanted())}
    with closing(Journal(path)) as journal:
        journal.save(run("a-run", entry(5.0)), [entry(5.0)], ())

    assert (back.start_ns, back.usage.own_j, back.usage.work) == (7, 4.0, None)
    assert known == {"a-run": 0.0, "another": None}
    assert places == {"FR": 1, None: 1}


def test_a_store_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    old = replace(run(), facts={"command": "Train.py", "tags": ["new"]}, entries=())
    later = ("country", "tags", "words")
    values = {n: v for n, v in {**rows.of_run(old), **rows.of_process()}.items() if n not in later}
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(f"{VERSION_1}PRAGMA application_id = {rows.APPLICATION}")
        db.execute(f"INSERT INTO runs ({', '.join(values)}) VALUES ({', '.join(f':{n}' for n in values)})", values)

    with closing(Journal(path)) as journal:
        journal.begin(replace(old, id="another"))
    with Store(path) as store:
        assert [found.run.id for found in lists.page(store, lists.Wanted(text="train", tag="new"))] == [
            "another",
            old.id,
        ]
        assert store.run(old.id) == old
