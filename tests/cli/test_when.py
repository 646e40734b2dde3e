from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import ledger
from carbonwatch.cli import _options, when
from carbonwatch.errors import GridUnavailable
from carbonwatch.model import Series, Slot
from tests.grid.conftest import HOUR_NS, SECRET, foretell
from tests.grid.conftest import source as source

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine
    from tests.grid.conftest import Source

H = 3600


def forecast(*g_per_kwh: float) -> Series:
    """An hour of each, from the epoch on."""
    slots = tuple(Slot(n * HOUR_NS, (n + 1) * HOUR_NS, g, "forecast") for n, g in enumerate(g_per_kwh))
    return Series(slots, "GB", "Great Britain", "consumption", "direct", "an oracle")


def test_the_cleanest_window_is_the_one_with_the_least_mean() -> None:
    window = when.cleanest(forecast(300, 200, 100, 140, 400), 0, 2 * H, 5 * H)

    assert (window.start_ns, window.wait_s) == (2 * HOUR_NS, 2 * H)
    assert (window.g_per_kwh, window.now_g_per_kwh) == (120, 250)
    assert window.saved == pytest.approx(1 - 120 / 250)
    assert window.is_worth


def test_it_may_begin_between_the_edges_of_slots() -> None:
    window = when.cleanest(forecast(300, 200, 100, 200, 300), HOUR_NS // 4, H // 2 + H, 5 * H)

    assert window.start_ns in (HOUR_NS * 3 // 2, HOUR_NS * 2)
    assert window.g_per_kwh == pytest.approx((100 + 0.5 * 200) / 1.5)


def test_of_two_that_are_alike_the_earlier_is_taken() -> None:
    assert when.cleanest(forecast(200, 100, 200, 100), 0, H, 4 * H).start_ns == HOUR_NS


def test_it_ends_within_the_time_that_there_is() -> None:
    assert when.cleanest(forecast(300, 250, 200, 10), 0, 2 * H, 3 * H).start_ns == HOUR_NS


def test_a_small_saving_is_not_worth_the_wait() -> None:
    assert not when.cleanest(forecast(100, 96), 0, H, 2 * H).is_worth
    assert when.cleanest(forecast(100, 94), 0, H, 2 * H).is_worth


def test_a_grid_without_emissions_is_not_waited_for() -> None:
    assert not when.cleanest(forecast(0, 0), 0, H, 2 * H).is_worth


def test_without_a_forecast_from_now_on_there_is_no_telling() -> None:
    with pytest.raises(GridUnavailable, match="an oracle has no forecast of the next 2 h 00 min"):
        when.cleanest(forecast(100), 0, 2 * H, 5 * H)


@given(st.lists(st.integers(0, 900), min_size=2, max_size=12), st.integers(1, 4 * H), st.integers(0, HOUR_NS - 1))
def test_no_other_second_is_better(prices: list[int], duration_s: int, now_ns: int) -> None:
    series = forecast(*prices)
    within_s = len(prices) * H - now_ns // 10**9 - 1
    if duration_s > within_s:
        return
    window = when.cleanest(series, now_ns, duration_s, within_s)

    length_ns = duration_s * 10**9
    others = range(now_ns, now_ns + (within_s - duration_s) * 10**9 + 1, 17 * 60 * 10**9)
    means = [ledger.mean(series.slots, start, start + length_ns) for start in others]
    assert all(mean is None or mean >= window.g_per_kwh - 1e-9 for mean in means)


@pytest.mark.parametrize(("text", "expected"), [("90min", 5400), ("4h", 14400), ("2d", 172800)])
def test_a_time_is_minutes_hours_or_days(text: str, expected: int) -> None:
    assert _options.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "4", "h", "-4h", "0h", "1.5h", "4 h", "99999d", "never"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="Write 90min, 4h or 2d"):
        _options.seconds(text)


# the command


@pytest.fixture
def asking(carbonwatch: CommandLine, source: Source) -> CommandLine:
    """A command line in Great Britain that asks the server here."""
    carbonwatch.environ |= {
        "CARBONWATCH_COUNTRY": "GB",
        "CARBONWATCH_GRID": "neso",
        "CARBONWATCH_GRID_URLS": f"neso={source.url}",
        "CARBONWATCH_BOUNDARY": "direct",
    }
    return carbonwatch


def test_a_cleaner_time_is_exit_code_1(asking: CommandLine, source: Source) -> None:
    foretell(source, 300, 300, 300, 100, 100, 100, 300)
    answer = asking("when", "--duration", "1h", "--within", "5h")

    assert (answer.returncode, answer.stderr) == (1, b"")
    assert b"100 g CO2e/kWh on average over 1 h 00 min, 67 % less than now (300 g CO2e/kWh)" in answer.stdout
    assert b"Forecast for GB: NESO Carbon Intensity API, direct." in answer.stdout


def test_now_is_exit_code_0(asking: CommandLine, source: Source) -> None:
    foretell(source, 100, 100, 100, 200, 200, 200)
    answer = asking("when", "--duration", "1h", "--within", "4h", "--json")

    assert (answer.returncode, answer.stderr) == (0, b"")
    told = json.loads(answer.stdout)
    assert (told["wait_s"], told["saved"], told["worth_waiting"]) == (0.0, 0.0, False)


def test_a_source_that_is_not_there_is_not_left_to_reprice(asking: CommandLine, source: Source) -> None:
    source.answer("/", {}, 503)
    answer = asking("when", "--duration", "1h")

    assert answer.returncode == 2
    assert answer.stderr.decode().rstrip().endswith("is out of order (503). Ask again later.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--duration", "1h", "--grid", ""), b"No source of hourly intensity is chosen"),
        (("--duration", "5h", "--within", "4h"), b"Give --within more than --duration"),
        (("--duration", "soon"), b"is no time"),
        ((), b"required: --duration"),
        (("--duration", "1h", "--grid", "oracle"), b"There is no grid called 'oracle'"),
        (("--duration", "1h", "--grid", "bundled", "--boundary", "lifecycle"), b"no forecast"),
        (("--duration", "1h", "--boundary", "lifecycle"), b"Set boundary=direct"),
    ],
)
def test_what_can_t_be_told_is_one_message_and_exit_code_2(
    asking: CommandLine, words: tuple[str, ...], said: bytes
) -> None:
    if words[-2:] == ("--grid", ""):
        del asking.environ["CARBONWATCH_GRID"]
        words = words[:-2]
    answer = asking("when", *words)

    assert (answer.returncode, answer.stdout, answer.stderr.count(b"\n")) == (2, b"", 1)
    assert said in answer.stderr


def test_a_source_that_does_not_answer_is_exit_code_2_with_the_reason(asking: CommandLine, source: Source) -> None:
    source.answer("/", {}, 503)
    answer = asking("when", "--duration", "1h")

    assert answer.returncode == 2
    assert b"neso is out of order (503)" in answer.stderr


def test_a_token_is_in_no_message(asking: CommandLine, source: Source) -> None:
    source.answer("/", {"error": SECRET}, 401)
    words = ("--grid", "electricity_maps", "--grid-urls", f"electricity_maps={source.url}")
    answer = asking("when", "--duration", "1h", "--electricity-maps-token", SECRET, *words)

    assert answer.returncode == 2
    assert SECRET.encode() not in answer.stdout + answer.stderr
    assert source.asked[0].headers["Auth-Token"] == SECRET
