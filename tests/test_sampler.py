import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import plugins, sampler
from carbonwatch.errors import SettingsError
from carbonwatch.model import Domain, Gap, Reading, Sample, Work
from carbonwatch.sampler import Sampler, cut, open_sampler, outermost
from carbonwatch.sensors import _SIGNS, is_absent
from carbonwatch.settings import Settings
from carbonwatch.testing import Clock, FakeActivity, FakeMeter, fake_sampler
from tests import missing

SECOND = 10**9


class Broken:
    """A meter, or an activity, of somebody else's that does what no other should."""

    def __init__(self, answer: object = None) -> None:
        self.domains: tuple[Domain, ...] = (Domain("broken", "disk", "measured", "a broken meter"),)
        self.rejected: Mapping[str, str] = {}
        self.failed: Mapping[str, str] = {}
        self.answer = answer
        self.error: Exception | None = None
        self.reads = 0

    def read(self, ns: int) -> Mapping[str, int]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return {"broken": self.answer}  # type: ignore[dict-item]  # the point of it

    def close(self) -> None:
        raise OSError("close failed")


class BrokenActivity(FakeActivity):
    error: Exception | None = None

    def read(self, ns: int) -> Mapping[str, Work]:
        if self.error is not None:
            raise self.error
        return super().read(ns)


def domain(id_: str, component: str = "cpu", within: str | None = None) -> Domain:
    return Domain(id_, component, "measured", id_, within)  # type: ignore[arg-type]  # any text


def ids(found: tuple[Domain, ...]) -> list[str]:
    return [d.id for d in found]


# one subtraction

counts = st.dictionaries(st.sampled_from(("a", "b", "c")), st.integers(0, 10**15))


@st.composite
def readings(draw: st.DrawFn) -> list[Reading]:
    """Readings as a sampler gives them: counts of domains that come when they come, and stay and grow."""
    ns, energy_nj, work, found = 0, dict[str, int](), Work(0.0, 0.0, 0.0), list[Reading]()
    for _ in range(draw(st.integers(2, 10))):
        ns += draw(st.integers(1, 10**12))
        energy_nj = {k: energy_nj.get(k, 0) + v for k, v in ({**dict.fromkeys(energy_nj, 0), **draw(counts)}).items()}
        work = work.plus(Work(*(float(draw(st.integers(0, 100))) for _ in range(4))))
        found.append(Reading(ns, dict(energy_nj), {"cpu": work}))
    return found


@given(readings())
def test_samples_follow_each_other_without_a_hole_or_an_overlap(many: list[Reading]) -> None:
    samples = [cut(a, b) for a, b in pairwise(many)]

    assert [s.start_ns for s in samples] == [r.ns for r in many[:-1]]
    assert [s.end_ns for s in samples] == [r.ns for r in many[1:]]


@given(readings())
def test_consecutive_samples_add_up_to_the_outer_one_to_the_nanojoule(many: list[Reading]) -> None:
    samples, outer = [cut(a, b) for a, b in pairwise(many)], cut(many[0], many[-1])

    for id_, energy_j in outer.energy_j.items():
        assert sum(round(s.energy_j[id_] * 1e9) for s in samples) == round(energy_j * 1e9)
    assert sum((s.end_ns - s.start_ns) for s in samples) == outer.end_ns - outer.start_ns
    assert sum(s.work["cpu"].own_s for s in samples) == outer.work["cpu"].own_s


@given(readings())
def test_no_energy_is_negative(many: list[Reading]) -> None:
    assert all(e >= 0 for a, b in pairwise(many) for e in cut(a, b).energy_j.values())


def test_a_domain_that_appears_in_between_starts_with_the_next_sample() -> None:
    first, second = Reading(0, {"a": 0}, {}), Reading(SECOND, {"a": 3 * SECOND, "b": 900 * SECOND}, {})
    third = Reading(2 * SECOND, {"a": 4 * SECOND, "b": 907 * SECOND}, {})

    assert cut(first, second) == Sample(0, SECOND, {"a": 3.0}, {})
    assert cut(second, third) == Sample(SECOND, 2 * SECOND, {"a": 1.0, "b": 7.0}, {})


def test_what_could_not_be_read_is_a_gap_with_its_reason() -> None:
    first, second = Reading(0, {"a": 5}, {}), Reading(SECOND, {"a": 5}, {}, {"a": "gone", "b": "never seen"})

    assert cut(first, second).gaps == (Gap("a", 0, SECOND, "gone"), Gap("b", 0, SECOND, "never seen"))


# what may be added up


def test_a_domain_within_another_is_not_added_again() -> None:
    package, core, dram = domain("package"), domain("core", within="package"), domain("dram", "ram")

    assert outermost([core, package, dram]) == (package, dram)


def test_a_domain_within_one_that_is_not_read_counts_itself() -> None:
    core = domain("core", within="package")

    assert outermost([core]) == (core,)


def test_a_system_meter_holds_everything_else() -> None:
    found = outermost([domain("package"), domain("psys", "system"), domain("card", "gpu")])

    assert ids(found) == ["psys"]


def test_two_platforms_are_added_and_one_within_another_is_not() -> None:
    sockets = [domain("psys-0", "system", within="plug"), domain("psys-1", "system", within="plug")]

    assert ids(outermost(sockets)) == ["psys-0", "psys-1"]
    assert ids(outermost([*sockets, domain("plug", "system")])) == ["plug"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.sampled_from("abcdef")), unique_by=lambda d: d[0]))
def test_what_is_added_up_holds_nothing_twice(pairs: list[tuple[str, str | None]]) -> None:
    found = outermost(domain(id_, within=within) for id_, within in pairs)

    assert not {d.within for d in found} & {d.id for d in found}


def test_what_is_not_counted_says_why() -> None:
    meters = [FakeMeter("cpu", id="package"), FakeMeter("cpu", id="core", within="package")]
    reader = fake_sampler(meters, Clock())

    assert (ids(reader.domains), reader.rejected) == (["package"], {"core": "inside package"})


# one reader


def test_a_reading_is_all_counts_at_one_instant() -> None:
    clock = Clock(2 * SECOND)
    reader = fake_sampler([FakeMeter("cpu", power_w=10), FakeMeter("gpu", power_w=3)], clock, FakeActivity())

    assert reader.read() == Reading(
        2 * SECOND, {"fake:cpu": 20 * SECOND, "fake:gpu": 6 * SECOND}, {"cpu": Work(2.0, 2.0, 4.0)}
    )


def test_a_meter_that_fails_keeps_its_last_count_and_the_next_holds_what_was_missed() -> None:
    clock, meter = Clock(), FakeMeter("cpu", power_w=10)
    reader = fake_sampler([meter], clock)
    found = [reader.read()]
    for reason in ("gone", "gone", ""):
        meter.fail(reason) if reason else meter.recover()
        clock.advance(1)
        found.append(reader.read())
    samples = [cut(a, b) for a, b in pairwise(found)]

    assert [s.energy_j["fake:cpu"] for s in samples] == [0.0, 0.0, 30.0]
    assert [[g.reason for g in s.gaps] for s in samples] == [["gone"], ["gone"], []]


def test_a_meter_that_raises_is_a_gap_and_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    clock, broken = Clock(), Broken(answer=5)
    reader = Sampler([broken, FakeMeter("cpu", power_w=10)], [FakeActivity()], clock=clock)
    before = reader.read()
    broken.error = ZeroDivisionError("of all things")
    clock.advance(1)
    readings = [reader.read(), reader.read()]

    assert [r.energy_nj for r in readings] == [{"broken": 5, "fake:cpu": 10 * SECOND}] * 2
    assert cut(before, readings[0]).gaps == (
        Gap("broken", 0, SECOND, "its meter failed: ZeroDivisionError('of all things')"),
    )
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "Broken failed, figures have a gap: ZeroDivisionError('of all things')"
    ]


@pytest.mark.parametrize("answer", [None, "many", float("nan"), float("inf"), object()])
def test_a_count_that_is_no_number_is_a_gap(answer: object) -> None:
    reader = Sampler([Broken(answer)], [], clock=Clock())

    assert (reader.read().energy_nj, list(reader.read().failed)) == ({}, ["broken"])


def test_a_count_that_goes_back_is_a_gap_and_no_negative_energy() -> None:
    clock, broken = Clock(), Broken(answer=100)
    reader = Sampler([broken], [], clock=clock)
    before = reader.read()
    broken.answer = 3
    clock.advance(1)
    after = reader.read()

    assert after.energy_nj == {"broken": 100}
    assert cut(before, after).gaps == (Gap("broken", 0, SECOND, "its count went back, so the last one stands"),)


def test_who_worked_is_unknown_and_not_nobody_while_it_can_t_be_told(caplog: pytest.LogCaptureFixture) -> None:
    clock, activity = Clock(), BrokenActivity(own=0.5, busy=0.5)
    reader = Sampler([FakeMeter("cpu")], [activity], clock=clock)
    before = reader.read()
    activity.error = OSError("no /proc any more")
    clock.advance(1)
    during = reader.read(), reader.read()
    activity.error = None
    clock.advance(1)
    after = reader.read()

    assert [cut(before, r).work for r in (*during, after)] == [{}, {}, {"cpu": Work(2.0, 2.0, 4.0)}]
    assert len(caplog.records) == 1


def test_a_reading_asked_for_in_the_middle_of_another_is_the_one_before() -> None:
    inner: list[Reading] = []

    def counted_j(seconds: float) -> float:  # as a signal handler would that stops a tracker
        inner.append(reader.read())
        return seconds

    clock = Clock()
    reader = fake_sampler([FakeMeter(counted_j=counted_j)], clock)
    first = reader.read()
    clock.advance(1)
    reader.read()

    assert inner[1:] == [first]


def test_reading_counts_its_own_cpu_time() -> None:
    def slow(seconds: float) -> float:
        return float(sum(range(200_000)))

    reader = fake_sampler([FakeMeter("cpu", counted_j=slow)], Clock())
    spent_s = []
    for _ in range(3):
        reader.read()
        spent_s.append(reader.spent_s)

    assert 0 < spent_s[0] < spent_s[1] < spent_s[2]


def test_many_threads_get_readings_in_order_and_none_twice() -> None:
    ticks = iter(range(10**6))
    reader = Sampler([FakeMeter("cpu", power_w=1.0)], [FakeActivity()], clock=lambda: next(ticks))
    found: list[Reading] = []
    threads = [threading.Thread(target=lambda: found.extend(reader.read() for _ in range(200))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(r.ns for r in found) == list(range(1600))
    assert all(r.energy_nj == {"fake:cpu": r.ns} for r in found)


def test_closing_gives_back_every_meter_though_one_fails_to() -> None:
    meters = FakeMeter("cpu"), FakeMeter("gpu")
    reader = Sampler([meters[0], Broken(0), meters[1]], [FakeActivity()], clock=Clock())
    reader.close()
    reader.close()

    assert [m.closed for m in meters] == [True, True]


def test_a_closed_sampler_s_counts_stand() -> None:
    clock = Clock(SECOND)
    reader = fake_sampler([FakeMeter("cpu", power_w=10)], clock)
    before = reader.read()
    reader.close()
    clock.advance(5)

    assert cut(before, reader.read()).energy_j == {"fake:cpu": 0.0}


# subscribers


@pytest.fixture
def threaded() -> Iterator[Sampler]:
    """A sampler on the real clock, with its own thread."""
    reader = Sampler([FakeMeter("cpu")], [FakeActivity()])
    yield reader
    reader.close()


def sampling_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "carbonwatch-sampler"]


def test_each_subscriber_is_called_at_multiples_of_its_interval() -> None:
    clock = Clock()
    reader = fake_sampler([FakeMeter("cpu")], clock)
    slow: list[Reading] = []
    fast: list[Reading] = []
    reader.subscribe(slow.append, 150)
    reader.subscribe(fast.append, 100)
    for _ in range(12):
        clock.advance(25)
        reader.tick()

    assert [r.ns // SECOND for r in fast] == [100, 200, 300]
    assert [r.ns // SECOND for r in slow] == [150, 300]


def test_beats_that_were_slept_through_are_left_out_and_the_rhythm_stays() -> None:
    clock = Clock()
    reader = fake_sampler([FakeMeter("cpu")], clock)
    found: list[Reading] = []
    reader.subscribe(found.append, 100)
    for step_s in (100, 8 * 3600 + 30, 60, 10, 100):
        clock.advance(step_s)
        reader.tick()

    assert [r.ns // SECOND for r in found] == [100, 28930, 29000, 29100]


def test_registers_are_read_every_half_minute_however_far_apart_samples_are_wanted() -> None:
    clock = Clock()
    meter = FakeMeter("cpu")
    reader = fake_sampler([meter], clock)
    wraps_j = iter((0.0, 50.0, 90.0))
    meter._counted_j = lambda seconds: next(wraps_j)
    found: list[Reading] = []
    reader.subscribe(found.append, 3600)
    reader.read()
    for seconds in (10, 25, 29, 2):
        clock.advance(seconds)
        reader.tick()

    assert found == []
    assert next(wraps_j, None) is None  # read at 35 s and at 66 s, for nobody


def test_a_subscriber_that_raises_stops_neither_the_others_nor_the_next_beat(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    reader = fake_sampler([FakeMeter("cpu")], clock)
    found: list[Reading] = []

    def fails(reading: Reading) -> None:
        found.append(reading)
        raise RuntimeError("disk full")

    reader.subscribe(fails, 100)
    reader.subscribe(found.append, 100)
    for _ in range(2):
        clock.advance(100)
        reader.tick()

    assert len(found) == 4
    assert [r.getMessage() for r in caplog.records] == ["a sample could not be kept; the next one holds it"] * 2


def test_who_unsubscribes_is_called_no_more_and_may_do_so_twice() -> None:
    clock = Clock()
    reader = fake_sampler([FakeMeter("cpu")], clock)
    found: list[Reading] = []
    subscriber = found.append
    reader.subscribe(subscriber, 100)
    reader.unsubscribe(subscriber)
    reader.unsubscribe(subscriber)
    clock.advance(1000)
    reader.tick()

    assert found == []


class Hasty(FakeMeter):
    """A meter that wants to be read four times a second, and remembers when it was."""

    tick_s = 0.25

    def __init__(self) -> None:
        super().__init__("gpu")
        self.read_ns: list[int] = []

    def read(self, ns: int) -> Mapping[str, int]:
        self.read_ns.append(ns)
        return super().read(ns)


def test_a_meter_that_asks_for_it_is_read_between_two_readings_and_the_others_are_not() -> None:
    clock, hasty, patient = Clock(), Hasty(), Broken(0)
    reader = Sampler([hasty, patient], [], clock=clock, thread=False)
    found: list[Reading] = []
    reader.subscribe(found.append, 1)
    for _ in range(16):
        clock.advance(0.125)
        reader.tick()

    assert hasty.read_ns == [SECOND // 4 * n for n in range(1, 9)]
    assert (patient.reads, [r.ns for r in found]) == (2, [SECOND, 2 * SECOND])


def test_nothing_is_read_for_nobody() -> None:
    clock, hasty = Clock(), Hasty()
    reader = Sampler([hasty], [], clock=clock, thread=False)
    subscriber: list[Reading] = []
    take = subscriber.append
    reader.subscribe(take, 10)
    reader.unsubscribe(take)
    clock.advance(5)
    reader.tick()

    assert hasty.read_ns == []


def test_what_failed_between_two_readings_is_a_gap_of_the_next() -> None:
    clock, hasty = Clock(), Hasty()
    reader = Sampler([hasty], [], clock=clock, thread=False)
    reader.subscribe(lambda _: None, 100)
    before = reader.read()
    hasty.fail("gone")
    clock.advance(0.25)
    reader.tick()
    hasty.recover()
    clock.advance(0.25)
    after = reader.read()

    assert cut(before, after).gaps == (Gap("fake:gpu", 0, SECOND // 2, "gone"),)
    assert reader.read().failed == {}


def test_the_thread_keeps_up_with_a_meter_that_asks_for_it() -> None:
    hasty, enough = Hasty(), threading.Event()
    hasty.tick_s = 0.01
    reader = Sampler([hasty], [])
    read = hasty.read

    def counted(ns: int) -> Mapping[str, int]:
        if len(hasty.read_ns) > 2:
            enough.set()
        return read(ns)

    hasty.read = counted  # type: ignore[method-assign]  # a test's own fake
    reader.subscribe(lambda _: None, 3600)
    came = enough.wait(60)
    reader.close()

    assert came


def test_looking_at_some_counts_leaves_the_other_meters_alone() -> None:
    clock, meter, other = Clock(3 * SECOND), FakeMeter("cpu", power_w=10), Broken(7)
    reader = Sampler([meter, other], [], clock=clock, thread=False)

    assert reader.look(["fake:cpu"]) == (3 * SECOND, {"fake:cpu": 30 * SECOND})
    assert other.reads == 0


def test_the_thread_calls_a_subscriber_without_being_asked(threaded: Sampler) -> None:
    called = threading.Event()
    threaded.subscribe(lambda _: called.set(), 0.01)

    assert called.wait(10)


def test_the_thread_ends_with_the_last_subscriber_and_comes_back_with_the_next(threaded: Sampler) -> None:
    first, second = (lambda _: None), (lambda _: None)
    threaded.subscribe(first, 100)
    threaded.subscribe(second, 100)
    (thread,) = sampling_threads()
    threaded.unsubscribe(first)
    is_kept = thread.is_alive()
    threaded.unsubscribe(second)
    thread.join(10)
    is_over = not thread.is_alive()
    threaded.subscribe(first, 100)

    assert (is_kept, is_over, len(sampling_threads())) == (True, True, 1)


def test_closing_ends_the_thread(threaded: Sampler) -> None:
    threaded.subscribe(lambda _: None, 100)
    threaded.close()

    assert sampling_threads() == []


def test_the_thread_keeps_no_program_alive(threaded: Sampler) -> None:
    threaded.subscribe(lambda _: None, 100)

    assert [t.daemon for t in sampling_threads()] == [True]


def test_a_sooner_subscriber_does_not_wait_for_a_later_one() -> None:
    waits, called = threading.Event(), threading.Event()

    def clock() -> int:
        if threading.current_thread() in sampling_threads():
            waits.set()  # the lock is free again when the thread has begun to wait
        return time.monotonic_ns()

    reader = Sampler([FakeMeter("cpu")], [FakeActivity()], clock=clock)
    reader.subscribe(lambda _: None, 3600)
    waits.wait(10)
    reader.subscribe(lambda _: called.set(), 0.01)
    was_called = called.wait(10)
    reader.close()

    assert was_called


def test_a_subscriber_may_close_the_sampler_it_is_called_from(threaded: Sampler) -> None:
    closed = threading.Event()

    def close(_: Reading) -> None:
        threaded.close()
        closed.set()

    threaded.subscribe(close, 0.01)

    assert closed.wait(10)
    assert threaded.meters == ()


def test_where_no_thread_can_be_started_edges_are_read_all_the_same(
    threaded: Sampler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    threaded.subscribe(lambda _: None, 100)

    assert list(threaded.read().energy_nj) == ["fake:cpu"]
    assert [r.getMessage() for r in caplog.records] == [
        "there is no thread for the time series (can't start new thread): energy is read at the edges alone"
    ]


def test_a_fake_sampler_has_no_thread() -> None:
    reader = fake_sampler([FakeMeter("cpu")], Clock())
    reader.subscribe(lambda _: None, 0.01)

    assert sampling_threads() == []


# opening


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder of installed packages with sensors of somebody else's: MODULE.py and a line for each."""
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))


def install(site: Path, name: str, body: str) -> None:
    source = (
        f"from carbonwatch.errors import *\nfrom carbonwatch.testing import *\n\ndef detect(settings):\n    {body}\n"
    )
    (site / f"{name}_sensor.py").write_text(source)
    info = site / f"{name}_sensor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}_sensor\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[carbonwatch.sensors]\n{name} = {name}_sensor:detect\n")


def opened(*sensors: str) -> Sampler:
    reader = open_sampler(Settings(sensors=sensors))
    reader.close()
    return reader


def test_a_model_stands_in_only_where_nothing_measures(site: Path) -> None:
    install(site, "measures_cpu", "return FakeMeter('cpu')")

    assert ids(opened("measures_cpu", "cpu_model", "ram_model").domains) == ["fake:cpu", "ram:model"]
    assert ids(opened("cpu_model", "ram_model").domains) == ["cpu:model", "ram:model"]


def test_no_model_stands_in_beside_a_system_meter(site: Path) -> None:
    install(site, "measures_all", "return FakeMeter('system')")
    reader = open_sampler(Settings(sensors=("measures_all", "cpu_model", "ram_model")))
    meters = reader.meters
    reader.close()

    assert [ids(meter.domains) for meter in meters] == [["fake:system"]]


def test_a_sensor_that_is_not_there_is_missing_with_its_reason(site: Path) -> None:
    reader = opened("no_such_sensor", "ram_model")

    assert ids(reader.domains) == ["ram:model"]
    assert reader.missing["no_such_sensor"].reason == "There is no sensor called 'no_such_sensor'."


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("raises", "raise KeyError('x')", "raises failed: KeyError('x')."),
        ("gives_none", "return None", "gives_none failed: AttributeError"),
    ],
)
def test_a_foreign_sensor_that_fails_is_missing_and_stops_nothing(
    site: Path, name: str, body: str, reason: str
) -> None:
    install(site, name, body)
    reader = opened(name, "ram_model")

    assert ids(reader.domains) == ["ram:model"]
    assert reader.missing[name].reason.startswith(reason)


def test_a_setting_that_a_sensor_finds_wrong_stops_the_start_and_leaves_nothing_open(site: Path) -> None:
    install(site, "opens", "detect.meter = FakeMeter('disk'); return detect.meter")
    install(site, "refuses", "raise SettingsError('gpus names 7')")

    with pytest.raises(SettingsError, match="gpus names 7"):
        opened("opens", "refuses")
    assert sys.modules["opens_sensor"].detect.meter.closed


def test_of_two_ways_to_the_same_registers_the_first_that_can_be_read_is_taken(tmp_path: Path) -> None:
    zone = tmp_path / "class" / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in {"name": "package-0", "energy_uj": "1000000"}.items():
        (zone / name).write_text(text)
    both = open_sampler(Settings(sensors=("rapl_perf", "rapl_powercap", "rapl_msr"), path_sysfs=str(tmp_path)))

    assert [d.source for d in both.domains] == ["RAPL package-0 (powercap)"]
    assert list(both.missing) == ["rapl_perf"]
    assert both.missing["rapl_perf"].reason.endswith("rapl_powercap reads the same registers.")
    assert both.missing["rapl_perf"].remedy == ""
    both.close()


def test_a_domain_that_two_sensors_count_is_counted_by_the_first(site: Path) -> None:
    install(site, "counts_first", "return FakeMeter('disk', power_w=5)")
    install(site, "counts_again", "return FakeMeter('disk', power_w=7)")
    reader = opened("counts_first", "counts_again")

    assert ids(reader.domains) == ["fake:disk"]
    assert reader.missing["counts_again"].reason == (
        "counts_again counts fake:disk, which a sensor before it counts already."
    )


def test_of_two_meters_of_the_whole_machine_the_first_is_counted(site: Path) -> None:
    install(site, "holds_all", "return FakeMeter('system', id='all')")
    install(site, "holds_all_too", "detect.meter = FakeMeter('system', id='too'); return detect.meter")
    reader = opened("holds_all", "holds_all_too")

    assert ids(reader.domains) == ["all"]
    assert reader.missing["holds_all_too"].reason == "holds_all_too counts the whole machine, as all does already."
    assert sys.modules["holds_all_too_sensor"].detect.meter.closed


def test_what_shows_nowhere_on_a_machine_is_not_even_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from carbonwatch.sampler import open_sampler; from carbonwatch.settings import Settings; "
        f"reader = open_sampler(Settings(path_sysfs={str(tmp_path)!r})); "
        "print(*(name for name in reader.missing if f'carbonwatch.sensors.{name}' not in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = {"darwin": {"apple"}, "win32": {"windows_emi"}}.get(sys.platform, set())

    assert set(done.stdout.split()) >= _SIGNS.keys() - here - {"pi5_pmic"}  # a Pi's device has no place in /sys


def test_every_sign_is_one_of_a_sensor() -> None:
    assert _SIGNS.keys() <= set(plugins.own_names("sensors"))


def test_every_sensor_of_the_defaults_is_there() -> None:
    assert set(Settings().sensors) <= set(plugins.own_names("sensors"))


@pytest.mark.parametrize(
    ("sign", "is_there"), [("file", True), ("full", True), ("empty", False), ("nothing", False), (sys.platform, True)]
)
def test_a_sign_is_a_file_or_a_folder_with_anything_in_it_or_a_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str, is_there: bool
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full" / "one").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    monkeypatch.setitem(_SIGNS, "hwmon", (sign,))

    assert is_absent("hwmon", str(tmp_path)) is not is_there


def test_a_sensor_without_a_sign_is_asked_itself(tmp_path: Path) -> None:
    assert not is_absent("cpu_model", str(tmp_path))


# sharing


@pytest.fixture
def models() -> Settings:
    return Settings(sensors=("ram_model",), ram_w=5.0)


def test_trackers_that_read_the_same_share_one_sampler_until_the_last_gives_it_back(models: Settings) -> None:
    first, second = sampler.share(models), sampler.share(Settings(sensors=("ram_model",), ram_w=5.0, project="other"))
    sampler.release(first)
    open_after_one = bool(first.meters)
    sampler.release(second)

    assert first is second
    assert open_after_one
    assert first.meters == ()


def test_trackers_that_read_otherwise_do_not_share(models: Settings) -> None:
    first, second = sampler.share(models), sampler.share(Settings(sensors=("ram_model",), ram_w=6.0))
    sampler.release(first)
    sampler.release(second)

    assert first is not second


def test_the_next_after_the_last_gets_an_open_one(models: Settings) -> None:
    first = sampler.share(models)
    sampler.release(first)
    second = sampler.share(models)
    is_open = bool(second.meters)
    sampler.release(second)

    assert is_open


def test_sharing_and_giving_back_from_many_threads_leaves_nothing_open(models: Settings) -> None:
    seen: list[Sampler] = []
    was_open: list[bool] = []

    def use() -> None:
        for _ in range(20):
            reader = sampler.share(models)
            seen.append(reader)
            was_open.append(bool(reader.meters))
            sampler.release(reader)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(was_open)
    assert all(reader.meters == () for reader in seen)


# fork


def in_child(check: object) -> int:
    """The exit status of a forked child that returns 0 if the check is true, and is killed if it hangs."""
    assert callable(check)
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        status = 1
        try:
            status = 0 if check() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_with_a_sampler_of_its_own_while_another_thread_holds_the_parent_s(
    models: Settings,
) -> None:
    missing.unless(hasattr(os, "fork"), "a system that forks")
    parent_s = sampler.share(models)
    parent_s.subscribe(lambda _: None, 100)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with sampler._shared_lock, parent_s._lock:
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)

    def works_alone() -> bool:
        own = sampler.share(models)
        own.subscribe(lambda _: None, 100)
        is_own = own is not parent_s and list(own.read().energy_nj) == ["ram:model"] and bool(sampling_threads())
        sampler.release(own)
        return is_own and own.meters == () and bool(parent_s.meters)

    status = in_child(works_alone)
    done.set()
    holder.join()
    is_still_shared = sampler.share(models) is parent_s
    sampler.release(parent_s)
    sampler.release(parent_s)

    assert status == 0
    assert is_still_shared


def test_what_activities_note_is_together_and_one_that_can_t_tell_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(FakeActivity):
        facts = property(lambda self: 1 / 0)

        def __init__(self) -> None:
            """Knows nothing."""

    first, second = FakeActivity(), FakeActivity()
    first.facts, second.facts = {"a": 1, "gpu_others": {"x": 1}}, {"b": 2, "gpu_others": {"y": 2}}

    together = {"a": 1, "b": 2, "gpu_others": {"x": 1, "y": 2}}
    assert Sampler([], [first, Broken(), second], thread=False).facts == together
    assert "Broken failed" in caplog.text


class Noting(FakeMeter):
    """A meter that has something to note."""

    def __init__(self, note: object) -> None:
        super().__init__("gpu", id=f"a:{note}")
        self._note = note

    @property
    def facts(self) -> dict[str, object]:
        if self._note == "fails":
            raise RuntimeError
        return {"gpu_state": {self._note: 1}, "gpu_driver": self._note}


def test_what_meters_note_is_joined_by_board_and_one_that_fails_leaves_the_others() -> None:
    sampler = Sampler([Noting("x"), Noting("fails"), Noting("y")], [], thread=False)

    assert sampler.facts == {"gpu_state": {"x": 1, "y": 1}, "gpu_driver": "y"}
