"""Runs come back as they were written: all of them, some of them, or one by the beginning of its id."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from carbonwatch.errors import StoreError
from carbonwatch.model import Domain, Entry, Run, Trace, Usage
from carbonwatch.store import rows
from carbonwatch.store.journal import Journal, connect
from carbonwatch.store.query import Store
from carbonwatch.testing import intensity

SECOND = 10**9
START_NS = 1_790_000_000 * SECOND
HOSTILE = ["x' OR '1'='1", "%", "_", "a%", '"; DROP TABLE runs; --', "\0", "*", "\udcff"]


def entry(task: str, energy_j: float) -> Entry:
    use = Usage(Domain("fake:cpu", "cpu", "modelled", "a fake meter"), energy_j, 0.0, energy_j, energy_j, energy_j)
    return Entry(task, START_NS, 1.0, use, intensity(360_000.0))


def run(id_: str, project: str = "one", at_s: int = 0) -> Run:
    entries = entry("z", 10.0), entry("a", 20.0)
    return Run(id_, project, "process", "finished", START_NS + at_s * SECOND, 1.0, entries)


RUNS = (run("aaa-1"), run("aab-2", "two", 10), run("aab-22", "two", 20), run("b'; --", "it's", 30))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs.db"
    with closing(Journal(str(path))) as journal:
        for whole in RUNS:
            journal.save(whole, whole.entries, ())
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(str(path)) as opened:
        yield opened


def ids(store: Store, **filters: object) -> list[str]:
    return [listed.run.id for listed in store.runs(**filters)]  # type: ignore[arg-type]  # each of its type


def test_runs_are_listed_latest_first(store: Store) -> None:
    assert ids(store) == ["b'; --", "aab-22", "aab-2", "aaa-1"]


def test_a_line_of_the_list_has_the_run_s_totals_without_its_entries(store: Store) -> None:
    listed = store.runs(project="one")[0]

    assert listed.run == replace(RUNS[0], entries=())
    assert (listed.energy_j, listed.emissions_g, listed.measured) == pytest.approx((30.0, 3.0, 0.0))


def test_runs_are_filtered_by_project_time_and_number(store: Store) -> None:
    assert ids(store, project="two") == ["aab-22", "aab-2"]
    assert ids(store, project="it's") == ["b'; --"]
    assert ids(store, project="TWO") == []
    assert ids(store, since_ns=START_NS + 10 * SECOND, until_ns=START_NS + 30 * SECOND) == ["aab-22", "aab-2"]
    assert ids(store, project="two", limit=1) == ["aab-22"]
    assert ids(store, limit=0) == []


def test_runs_are_found_by_a_tag_of_theirs(path: Path) -> None:
    tagged = replace(RUNS[0], facts={"tags": ["new", "<script>"]})
    with closing(Journal(str(path))) as journal:
        journal.save(tagged, (), ())

    with Store(str(path)) as store:
        assert ids(store, tag="<script>") == ["aaa-1"]
        assert ids(store, tag="ne") == ids(store, project="two", tag="new") == []


def sample(domain: Domain, at_s: int, energy_j: float) -> Entry:
    use = Usage(domain, energy_j, energy_j / 4, energy_j / 2, energy_j / 2, energy_j / 2)
    return Entry("", START_NS + at_s * SECOND, 1.0, use, intensity(360_000.0))


CPU, GPU = (Domain(f"fake:{name}", name, "measured", "a fake meter") for name in ("cpu", "gpu"))


@pytest.fixture
def sampled(path: Path) -> Iterator[Store]:
    """Ten seconds of a processor, and two of a GPU beside it."""
    samples = [sample(CPU, second, float(second)) for second in range(10)]
    with closing(Journal(str(path))) as journal:
        journal.save(RUNS[0], (), [*samples, sample(GPU, 3, 8.0), sample(GPU, 4, 12.0)])
    with Store(str(path)) as opened:
        yield opened


def test_samples_come_back_by_meter_and_in_order(sampled: Store) -> None:
    cpu, gpu = sampled.samples("aaa-1")

    assert gpu == Trace(
        GPU, (START_NS + 3 * SECOND, START_NS + 4 * SECOND), (1.0, 1.0), (8.0, 12.0), (2.0, 3.0), (4.0, 6.0)
    )
    assert cpu.machine_j == tuple(map(float, range(10)))
    assert sampled.samples("aab-2") == ()


def test_samples_are_merged_where_fewer_are_asked_for_and_keep_every_joule(sampled: Store) -> None:
    cpu, gpu = sampled.samples("aaa-1", most=4)

    assert len(cpu.start_ns) <= 4
    assert (sum(cpu.machine_j), sum(cpu.own_j), sum(cpu.duration_s)) == (45.0, 22.5, 10.0)
    assert sum(gpu.machine_j) == 20.0


def test_merged_samples_say_how_far_the_power_went_and_begin_together(sampled: Store) -> None:
    cpu, gpu = sampled.samples("aaa-1", most=4)

    assert cpu.start_ns == tuple(START_NS + n * cpu_width_ns(cpu) for n in range(len(cpu.start_ns)))
    assert set(gpu.start_ns) <= set(cpu.start_ns)
    assert (cpu.least_w[0], cpu.most_w[-1]) == (0.0, 9.0)
    assert (gpu.least_w, gpu.most_w) == ((8.0,), (12.0,))


def cpu_width_ns(trace: Trace) -> int:
    return trace.start_ns[1] - trace.start_ns[0]


@pytest.mark.parametrize("most", [None, 100])
def test_samples_of_a_time_are_those_that_begin_in_it(sampled: Store, most: int | None) -> None:
    found = sampled.samples("aaa-1", most, since_ns=START_NS + 2 * SECOND, until_ns=START_NS + 4 * SECOND)

    assert [trace.machine_j for trace in found] == [(2.0, 3.0), (8.0,)]
    assert sampled.samples("aaa-1", most, since_ns=START_NS + 99 * SECOND) == ()


@pytest.mark.parametrize("project", HOSTILE)
def test_a_hostile_project_is_a_name_like_another(store: Store, project: str) -> None:
    if project == "\udcff":
        with pytest.raises(StoreError):
            ids(store, project=project)
    else:
        assert ids(store, project=project) == []
    assert len(ids(store)) == len(RUNS)


def test_a_run_is_found_by_its_id_or_the_beginning_of_it(store: Store) -> None:
    assert store.run("aaa-1") == RUNS[0]
    assert store.run("aaa") == RUNS[0]
    assert store.run("b'") == RUNS[3]


def test_an_id_that_begins_another_is_itself(store: Store) -> None:
    assert store.run("aab-2") == RUNS[1]


def test_the_last_run_is_the_latest_begun(store: Store) -> None:
    assert store.run("last") == RUNS[3]


def test_tasks_and_entries_keep_their_order(store: Store) -> None:
    assert store.run("aaa-1").tasks == ("z", "a")


def test_an_ambiguous_beginning_is_an_error(store: Store) -> None:
    with pytest.raises(StoreError, match="More than one run begins with 'aa'"):
        store.run("aa")


@pytest.mark.parametrize("id_", ["", "c", "aaa-1x", "AAA-1", *HOSTILE])
def test_an_unknown_id_is_an_error_however_hostile(store: Store, id_: str) -> None:
    with pytest.raises(StoreError):
        store.run(id_)
    assert len(ids(store)) == len(RUNS)


def test_without_a_file_there_are_no_runs_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There are no runs yet"):
        Store(str(tmp_path / "none" / "runs.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_a_run_has_no_last_one(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    connect(path).close()
    with Store(path) as store, pytest.raises(StoreError, match="There are no runs yet"):
        store.run("last")


def test_opening_marks_runs_that_were_killed(path: Path) -> None:
    with closing(Journal(str(path))) as journal:
        journal.begin(replace(run("of-the-dead"), state="running", entries=()))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET pid_started = '1' WHERE id = 'of-the-dead'")

    with Store(str(path)) as store:
        assert store.run("of-the-dead").state == "killed"


def test_runs_that_still_go_on_are_read_as_far_as_they_are(path: Path) -> None:
    whole = replace(run("alive"), state="running")
    with closing(Journal(str(path))) as journal:
        journal.save(whole, whole.entries, ())
        with Store(str(path)) as store:
            assert store.run("alive") == whole


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_no_store_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(content)

    with pytest.raises(StoreError, match=r"can't be read .* Choose another with CARBONWATCH_STORE"):
        Store(str(path))
    assert path.read_bytes() == content


def test_a_store_with_broken_pages_is_an_error_and_no_crash(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for at in range(4096, len(content), 4096):
        content[at : at + 100] = b"\xff" * 100
    path.write_bytes(content)

    def read() -> None:
        with Store(str(path)) as store:
            store.runs()

    with pytest.raises(StoreError, match="can't be read"):
        read()


def test_a_store_of_a_newer_version_is_an_error(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {rows.VERSION + 1}")

    with pytest.raises(StoreError, match="newer carbonwatch"):
        Store(str(path))


def test_a_store_that_another_program_holds_is_not_read_without_its_lock(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("UPDATE runs SET state = 'failed'")

        with pytest.raises(StoreError, match="another program holds it"):
            Store(str(path))


def test_a_row_that_something_else_wrote_is_named(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET place = '{}' WHERE id = 'aab-2'")

    with Store(str(path)) as store, pytest.raises(StoreError, match="The run aab-2 in the store is not whole"):
        store.runs()


def test_a_store_that_may_only_be_read_is_read(path: Path) -> None:
    code = """
import os, sys
from carbonwatch.store.query import Store
if os.geteuid() == 0:  # whom nothing stops
    os.setuid(65534)
with Store(sys.argv[1]) as store:
    print([listed.run.id for listed in store.runs(project="two")])
"""
    path.chmod(0o444)
    for above in path.parents[:3]:
        above.chmod(0o755)
    path.parent.chmod(0o555)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    path.parent.chmod(0o755)

    assert (done.stdout, done.stderr) == ("['aab-22', 'aab-2']\n", "")
