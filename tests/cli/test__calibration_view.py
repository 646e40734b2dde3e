import io

from carbonwatch.calibration import Pair
from carbonwatch.cli._calibration_view import View


class Terminal(io.StringIO):
    """One that is drawn on."""

    def isatty(self) -> bool:
        return True


def test_it_shows_what_is_done_what_is_under_way_and_what_is_to_come() -> None:
    view = View((0.0, 0.5, 1.0), readings=2, every_s=2.0, settle_s=5.0, stream=io.StringIO())
    view.begin()
    view.seen(Pair(12.0, 66.0))
    view.seen(Pair(14.0, 68.0))
    view.begin()
    view.seen(Pair(60.0, 122.0))

    assert view.lines(80, False) == [
        "Calibrating, about 11.0 s left; Ctrl-C ends",
        "",
        "    0%  ████████████████████  inside       13 W   wall       67 W",
        "   50%  ██████████░░░░░░░░░░  inside       60 W   wall      122 W",
        "  100%  ····················",
        "",
        "wall ▅▅█  up to 122 W",
        "so far: too few readings, or too much alike, for a line",
    ]


def test_a_load_that_settles_says_so_and_its_time_counts() -> None:
    view = View((0.0, 1.0), readings=3, every_s=2.0, settle_s=5.0, stream=io.StringIO())
    before_s = view.left_s()
    view.begin()

    assert before_s == view.left_s() == 22.0
    assert view.lines(80, False)[2].endswith("░  settling")


def test_the_line_so_far_stands_below_when_there_is_one() -> None:
    view = View((0.0, 1.0), readings=5, every_s=2.0, settle_s=5.0, stream=io.StringIO())
    for at in range(10):
        if at % 5 == 0:
            view.begin()
        inside_w = 20.0 + 20 * at
        view.seen(Pair(inside_w, 50 + 1.1 * inside_w))

    assert view.lines(80, False)[-1].startswith("so far: wall = 50 W + 1.1 x inside, residual 0.0%")
    assert view.left_s() == 0.0


def test_no_line_is_wider_than_the_terminal() -> None:
    view = View((0.0,), readings=1, every_s=2.0, settle_s=5.0, stream=io.StringIO())
    view.begin()
    view.seen(Pair(12.0, 66.0))

    assert max(map(len, view.lines(30, False))) == 30


def test_a_terminal_is_drawn_over() -> None:
    screen = Terminal()
    view = View((0.0,), readings=1, every_s=2.0, settle_s=5.0, stream=screen)
    view.begin()
    view.seen(Pair(12.0, 66.0))
    view.end()
    first, again = screen.getvalue().split("\r\x1b[6A\x1b[J")

    assert first.count("\n") == again.count("\n") == 6
    assert "settling" in first
    assert "wall       66 W" in again


def test_elsewhere_each_reading_is_a_line() -> None:
    log = io.StringIO()
    view = View((0.0, 1.0), readings=1, every_s=2.0, settle_s=5.0, stream=log)
    view.begin()
    view.seen(Pair(12.0, 66.0))

    assert log.getvalue() == "load 0%\n  inside       12 W   wall       66 W\n"
