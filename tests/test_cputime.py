import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.cputime import ProcStat, PsutilClock, machine_clock
from carbonwatch.errors import Unavailable

TICKS = os.sysconf("SC_CLK_TCK")


def write_stat(folder: Path, first: str, cpus: int = 2, tail: str = "intr 1 2 3\nctxt 5\n") -> None:
    (folder / "stat").write_text(
        f"cpu  {first}\n" + "".join(f"cpu{i} 0 0 0 0 0 0 0 0 0 0\n" for i in range(cpus)) + tail
    )


def test_idle_waiting_stolen_and_guest_time_are_not_busy(tmp_path: Path) -> None:
    #                     user nice system idle iowait irq softirq steal guest guest_nice
    write_stat(tmp_path, "1 20 300 4000 50000 600000 7000000 80000000 900000000 1000000000")
    clock = ProcStat(str(tmp_path))
    busy_s = clock.busy_s()
    clock.close()

    assert busy_s == pytest.approx((1 + 20 + 300 + 600000 + 7000000) / TICKS)


def test_old_kernels_with_fewer_columns_are_read(tmp_path: Path) -> None:
    write_stat(tmp_path, "100 0 100 9 9 0 0")
    clock = ProcStat(str(tmp_path))
    busy_s = clock.busy_s()
    clock.close()

    assert busy_s == pytest.approx(200 / TICKS)


def test_the_file_stays_open_and_is_read_anew(tmp_path: Path) -> None:
    write_stat(tmp_path, "100 0 0 0 0 0 0 0 0 0")
    clock = ProcStat(str(tmp_path))
    before_s = clock.busy_s()
    write_stat(tmp_path, "350 0 0 0 0 0 0 0 0 0")
    after_s = clock.busy_s()
    clock.close()

    assert after_s - before_s == pytest.approx(250 / TICKS)


@given(cpus=st.integers(1, 600), tail=st.sampled_from(["intr 1 2 3\n", "intr " + "0 " * 20000 + "\n", ""]))
def test_every_cpu_of_a_big_machine_is_counted(tmp_path_factory: pytest.TempPathFactory, cpus: int, tail: str) -> None:
    folder = tmp_path_factory.mktemp("proc")
    rows = "".join(f"cpu{i} 123456789 0 23456789 1234567890 1 0 0 0 0 0\n" for i in range(cpus))
    (folder / "stat").write_text("cpu  1 1 1 1 1 1 1 1 1 1\n" + rows + tail)
    clock = ProcStat(str(folder))
    clock.close()

    assert clock.cpus == cpus


def test_the_file_of_more_than_a_first_read_is_read_whole(tmp_path: Path) -> None:
    rows = "".join(f"cpu{i} {10**9} 0 {10**9} {10**10} 1 0 0 0 0 0 {' 0' * 30}\n" for i in range(1500))
    (tmp_path / "stat").write_text("cpu  1 1 1 1 1 1 1 1 1 1\n" + rows + "intr 0\n")
    clock = ProcStat(str(tmp_path))
    clock.close()

    assert clock.cpus == 1500


def test_busy_time_of_this_machine_grows_with_work() -> None:
    clock = ProcStat()
    before_s, began_s = clock.busy_s(), time.process_time()
    while time.process_time() < began_s + 0.05:
        pass
    grown_s = clock.busy_s() - before_s
    clock.close()

    assert grown_s >= 0.03
    assert clock.cpus == os.sysconf("SC_NPROCESSORS_ONLN")


def test_psutil_counts_the_same() -> None:
    ours, theirs = ProcStat(), PsutilClock()
    difference_s = theirs.busy_s() - ours.busy_s()
    ours.close()
    theirs.close()

    assert abs(difference_s) < 1.0
    assert theirs.cpus == ours.cpus


def test_linux_is_read_from_proc() -> None:
    clock = machine_clock()
    clock.close()

    assert isinstance(clock, ProcStat)


def test_a_wrong_path_is_an_error_and_no_other_machine_s_time(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Check the setting path_procfs"):
        machine_clock(str(tmp_path))
