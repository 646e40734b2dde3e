import math
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.model import Domain, Entry, Place, Run, Usage
from carbonwatch.store.rows import boot_id, of_process, of_run, pid_started, to_domain, to_intensity, to_text
from carbonwatch.testing import intensity

shares = st.floats(0, 1e12)


def entry(own_j: float, machine_j: float, quality: str, g_per_kwh: float) -> Entry:
    domain = Domain("fake:cpu", "cpu", quality, "a fake meter")  # type: ignore[arg-type]  # one of its words
    return Entry("", 0, 1.0, Usage(domain, machine_j, 0.0, own_j, own_j, own_j), intensity(g_per_kwh))


entries = st.builds(entry, shares, shares, st.sampled_from(["measured", "modelled"]), st.floats(0, 2000))


@given(st.lists(entries, max_size=9), st.sampled_from(["process", "machine"]), st.floats(1, 3))
def test_the_totals_of_a_row_are_those_of_the_run(entries: list[Entry], scope: str, pue: float) -> None:
    run = Run("r", "tests", scope, "finished", 0, 1.0, tuple(entries), pue=pue)  # type: ignore[arg-type]  # its words
    row = of_run(run)

    if entries:
        assert (row["energy_j"], row["emissions_g"]) == pytest.approx((run.energy_j, run.emissions_g))
    assert row["measured"] == pytest.approx(run.measured)


def test_a_row_has_no_totals_where_they_are_not_known() -> None:
    unsplit = Usage(Domain("fake:cpu", "cpu", "measured", "a fake meter"), 60.0, 0.0, 60.0, 0.0, 60.0)
    run = Run("r", "tests", "process", "finished", 0, 1.0, (Entry("", 0, 1.0, unsplit, intensity()),))
    found = [of_run(each) for each in (run, replace(run, entries=()), replace(run, scope="machine"))]

    assert [(row["energy_j"], row["measured"]) for row in found] == [(None, None), (None, None), (60.0, 1.0)]


@pytest.mark.parametrize("joules", [math.inf, 1e308])
def test_a_sum_that_no_number_holds_is_not_known(joules: float) -> None:
    run = Run("r", "tests", "machine", "finished", 0, 1.0, (entry(joules, joules, "measured", 400.0),) * 2)

    assert of_run(run)["energy_j"] is None


def test_a_noun_is_the_same_text_each_time() -> None:
    domain = Domain("fake:cpu", "cpu", "measured", "a fake meter", error=(-0.5, 1.0))

    assert to_text(domain) == to_text(Domain(**{f: getattr(domain, f) for f in reversed(domain.__slots__)}))
    assert to_domain(to_text(domain)) == domain
    assert to_intensity(to_text(intensity())) == intensity()
    assert '"candidates": ["US-VA"]' in to_text(Place(candidates=("US-VA",)))


def test_a_process_is_known_by_host_boot_pid_and_start() -> None:
    assert of_process() == {
        "host": os.uname().nodename,
        "boot_id": boot_id(),
        "pid": os.getpid(),
        "pid_started": pid_started(os.getpid()),
    }


def test_a_process_that_is_gone_did_not_start() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    alive = pid_started(child.pid)
    child.communicate(b"\n")

    assert alive
    assert pid_started(child.pid) is None


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken it away

    assert pid_started(child.pid) is None
    child.communicate()


def test_a_program_s_name_may_look_like_fields_of_its_row() -> None:
    name = ") Z 1 ("
    code = f"open('/proc/self/comm', 'w').write({name!r}); print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    started = pid_started(child.pid)
    child.communicate(b"\n")

    assert started
    assert started.isdigit()
