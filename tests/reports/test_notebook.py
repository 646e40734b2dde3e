from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given

from carbonwatch.model import Run
from carbonwatch.reports import notebook
from tests.reports import runs

EMPTY = {"br", "path"}


class Page(HTMLParser):
    """What a browser would make of it: tags, and the words that are shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attributes}
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in EMPTY or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] if data.strip() else []


def test_it_shows_headline_interval_quality_tasks_and_what_it_rests_on() -> None:
    words = Page(notebook.render(runs.on_a_server())).words

    assert words[:3] == [
        "960 mg CO2e (640–1500 mg, 90 %)",
        "26.2 Wh (24.7–27.9 Wh, 90 %), this program's own share, 100 % measured",
        "digits: finished after 4 min 05 s, started 2026-09-21 14:13 UTC",
    ]
    table = words.index("Wh")
    assert words[table : table + 14] == [
        *("Wh", "own", "idle", "others", "machine", "own, 90 %", "quality"),
        *("CPU", "6.50", "3.70", "1.00", "11.20", "5.99–7.03", "measured"),
    ]
    assert "What it rests on" in words
    assert "RAM measured: RAPL dram (powercap)" in words


@runs.patient
@given(run=runs.runs())
def test_whatever_a_run_is_called_its_tags_are_ours_and_all_closed(run: Run) -> None:
    page = Page(notebook.render(run, power_w=(1.0, None, 3.0, 2.0, 1.0)))

    assert page.open == []
    ours = "div b span br small svg title path table thead tbody tr th td details summary"
    assert page.tags <= set(ours.split())
    assert not any(name.startswith("on") or name in ("href", "src") for name in page.names)


def test_a_name_reads_as_it_is_and_is_no_mathematics() -> None:
    run = replace(runs.on_a_server(), project='<img src=x onerror="alert(1)"> $a$ & b')
    text = notebook.render(run)

    assert '<img src=x onerror="alert(1)"> $a$ & b: finished after' in " ".join(Page(text).words)
    assert text.startswith('<div class="tex2jax_ignore mathjax_ignore">')


def test_power_is_a_line_with_its_ends_and_a_hole_where_nothing_is_known() -> None:
    text = notebook.render(runs.on_a_server(), power_w=(10.0, None, 40.0, 20.0, 0.0))

    assert "<title>Power over time: 0 W to 40.0 W</title>" in text
    assert '<path d="M0,32V24h48V32zM96,32V0h48V32zM144,32V16h48V32zM192,32V32h48V32z"/>' in text


def test_a_line_that_says_nothing_is_left_out() -> None:
    run = runs.on_a_server()

    assert [notebook.render(run, power_w=few) for few in ((), (1.0, 2.0, 3.0), (0.0,) * 9)] == [
        notebook.render(run)
    ] * 3


def test_what_was_never_metered_is_said_and_is_no_zero() -> None:
    words = Page(notebook.render(runs.a_run())).words

    assert words[0] == "CO2e unknown"
    assert not any(word.startswith("0") for word in words)
