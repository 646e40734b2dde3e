from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.errors import SensorUnavailable, Unavailable
from carbonwatch.model import Domain
from carbonwatch.plugs import Shown
from carbonwatch.sampler import Sampler, cut
from carbonwatch.sensors._slow import SlowMeter
from carbonwatch.testing import Clock

S = 10**9
WALL = Domain("plug:wall", "system", "measured", "a plug")


class Plug:
    """A plug that shows what the test says, and a clock for it and its meter."""

    def __init__(self, power_w: float = 100.0) -> None:
        self.clock = Clock()
        self.shown: Shown | Exception = Shown(power_w)
        self.meter = SlowMeter([WALL], self.ask, 1.0, clock=self.clock, thread=False)

    def ask(self) -> dict[str, Shown]:
        if isinstance(self.shown, Exception):
            raise self.shown
        return {WALL.id: self.shown}

    def poll(self, power_w: float, energy_j: float | None = None, step_j: float = 0.0, lag_s: float = 0.0) -> None:
        self.shown = Shown(power_w, energy_j, step_j, lag_s)
        self.meter.poll()

    def counted_j(self) -> float | None:
        count = self.meter.read(self.clock.ns).get(WALL.id)
        return None if count is None else count / S


def test_power_counts_as_the_last_answer_until_the_next_one() -> None:
    plug = Plug()
    plug.poll(100)
    plug.clock.advance(1)
    first = plug.counted_j()
    plug.poll(300)
    plug.clock.advance(1)

    assert (first, plug.counted_j()) == (100, 400)


def test_a_read_between_two_answers_holds_what_was_used_so_far() -> None:
    plug = Plug()
    plug.poll(100)
    plug.clock.advance(0.25)

    assert plug.counted_j() == 25


def test_before_the_first_answer_nothing_is_counted() -> None:
    plug = Plug()
    plug.clock.advance(0.5)
    early = plug.counted_j()
    plug.poll(100)

    assert (early, plug.counted_j()) == (None, 0)


def test_without_an_answer_for_three_intervals_power_is_not_known_and_is_a_gap() -> None:
    plug = Plug()
    plug.poll(100)
    plug.shown = Unavailable("The plug does not answer (timed out).")
    sampler = Sampler([plug.meter], [], clock=plug.clock, thread=False)
    first = sampler.read()
    plug.clock.advance(3)
    plug.meter.poll()
    second = sampler.read()
    plug.clock.advance(1)
    third = sampler.read()

    assert cut(first, second).gaps == ()
    assert cut(second, third).energy_j == {WALL.id: 0}
    reason = "no answer since its last one: The plug does not answer (timed out)."
    assert [g.reason for g in cut(second, third).gaps] == [reason]


def test_over_a_silence_power_is_the_mean_of_its_ends_and_nothing_is_lost() -> None:
    plug = Plug()
    plug.poll(100)
    plug.clock.advance(1)
    plug.counted_j()
    plug.clock.advance(9)
    silent = plug.counted_j()
    plug.poll(200)

    assert (silent, plug.counted_j()) == (None, 100 + 9 * 150)


def test_a_silence_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    plug = Plug()
    plug.poll(100)
    plug.shown = Unavailable("It does not answer.")
    for _ in range(3):
        plug.meter.poll()
    plug.poll(100)
    plug.shown = Unavailable("It does not answer.")
    plug.meter.poll()

    assert [r.getMessage() for r in caplog.records] == ["a plug: It does not answer."] * 2


def test_an_answer_that_can_not_be_read_is_a_gap_and_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    plug = Plug()
    plug.shown = ZeroDivisionError("odd")
    plug.meter.poll()
    silent = plug.counted_j()
    plug.poll(100)
    plug.clock.advance(1)

    assert (silent, plug.counted_j()) == (None, 100)
    assert "what it answers can't be read (ZeroDivisionError('odd'))" in caplog.text


def test_an_answer_without_one_of_its_parts_is_none() -> None:
    plug = Plug()
    plug.poll(100)
    plug.meter = SlowMeter([WALL], dict, 1.0, clock=plug.clock, thread=False)
    plug.meter.poll()

    assert plug.counted_j() is None
    assert plug.meter.failed == {WALL.id: "what it answers can't be read (KeyError('plug:wall'))."}


# a counter of its own


def test_a_device_s_own_count_decides_over_its_watts() -> None:
    plug = Plug()
    for second in range(101):
        plug.poll(100, 1000 + 110 * second, 3.6)
        plug.counted_j()
        plug.clock.advance(1)
    counted_j = plug.counted_j()

    assert counted_j is not None
    assert abs(counted_j - 110 * 101) <= 3.6 + 10 + 1  # a step, and the last second by its watts


def test_watts_that_show_too_much_are_held_back_until_the_count_has_come_so_far() -> None:
    plug = Plug()
    for second in range(101):
        plug.poll(100, 80 * second, 3.6)
        plug.clock.advance(1)
    plug.poll(100, 80 * 101, 3.6)
    counted_j = plug.counted_j()

    assert counted_j is not None
    assert abs(counted_j - 80 * 101) <= 3.6 + 20 + 1


def test_a_count_that_is_renewed_by_the_minute_does_not_stop_the_watts_in_between() -> None:
    plug = Plug()
    for _ in range(50):
        plug.poll(100, 5000, 3600, 60)
        plug.clock.advance(1)

    assert plug.counted_j() == 5000


def test_a_count_that_was_set_back_starts_anew() -> None:
    plug = Plug()
    for energy_j in (9000, 9100, 0, 100, 200):
        plug.poll(100, energy_j, 1)
        plug.clock.advance(1)

    assert plug.counted_j() == 500


@given(
    st.lists(
        st.tuples(
            st.floats(0, 5000),
            st.one_of(st.none(), st.floats(0, 1e6)),
            st.floats(0, 4),
            st.floats(0, 4),
        )
    )
)
def test_whatever_a_device_shows_its_count_never_goes_back(
    answers: list[tuple[float, float | None, float, float]],
) -> None:
    plug = Plug()
    plug.poll(1)
    counts: list[float] = []
    for power_w, energy_j, before_s, after_s in answers:
        plug.clock.advance(before_s)
        counts.append(plug.counted_j() or (counts[-1] if counts else 0.0))
        plug.poll(power_w, energy_j, 1.0, 10.0)
        counts.append(plug.counted_j() or 0.0)
        plug.clock.advance(after_s)

    assert counts == sorted(counts)


@given(st.lists(st.tuples(st.floats(0, 3000), st.floats(0.1, 2)), min_size=1))
def test_what_was_counted_is_within_a_step_and_its_lag_of_the_device_s_own_count(
    answers: list[tuple[float, float]],
) -> None:
    plug = Plug()
    truth_j = 0.0
    for power_w, seconds in answers:
        plug.poll(1.2 * power_w, truth_j, 50.0)
        plug.clock.advance(seconds)
        truth_j += power_w * seconds
    plug.poll(0, truth_j, 50.0)
    counted_j = plug.counted_j()

    assert counted_j is not None
    # within one interval nobody has told yet that the watts are a fifth too many, and no count goes back
    ahead_j = 0.2 * max(power_w * seconds for power_w, seconds in answers)
    assert -50.001 <= counted_j - truth_j <= 50.001 + ahead_j


# the thread


def test_a_thread_asks_and_the_sampler_never_waits_for_it() -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def ask() -> dict[str, Shown]:
        asked.release()
        assert go_on.wait(60)
        return {WALL.id: Shown(5)}

    meter = SlowMeter([WALL], ask, 0.001)
    assert asked.acquire(timeout=60)
    waiting, why = meter.read(1), meter.failed
    go_on.set()
    answered = meter.expect(60)
    for _ in range(3):
        assert asked.acquire(timeout=60)
    meter.close()

    assert waiting == {}
    assert why == {WALL.id: "a plug has not answered yet."}
    assert answered is meter


def test_a_meter_that_does_not_answer_at_the_start_is_not_there() -> None:
    def ask() -> dict[str, Shown]:
        raise Unavailable("The plug does not answer.", "Check its address.")

    with pytest.raises(SensorUnavailable) as caught:
        SlowMeter([WALL], ask, 0.001).expect(60)

    assert (caught.value.reason, caught.value.remedy) == ("The plug does not answer.", "Check its address.")


def test_a_meter_that_hangs_at_the_start_is_not_waited_for_any_longer() -> None:
    go_on = threading.Event()

    def ask() -> dict[str, Shown]:
        go_on.wait(60)
        return {WALL.id: Shown(5)}

    with pytest.raises(SensorUnavailable, match="has not answered yet"):
        SlowMeter([WALL], ask, 0.001).expect(0)
    go_on.set()
