import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from unicodedata import combining, east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonwatch.model import Gap, Place, Run, State
from carbonwatch.reports import _figures, markdown, notebook, terminal
from carbonwatch.reports import _social_cost as social_cost
from tests.reports import runs

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "reports.md"


def columns(line: str) -> int:
    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in line)


def test_the_page_in_the_docs_shows_it_as_it_is() -> None:
    shown = terminal.render(runs.on_a_server())

    assert f"```text\n{shown}```" in DOCS.read_text(encoding="utf-8")


@runs.patient
@given(run=runs.runs(), width=st.sampled_from((80, 80, 100, 200)))
def test_no_line_is_wider_than_asked_for(run: Run, width: int) -> None:
    lines = terminal.render(run, width=width).split("\n")

    assert [line for line in lines if columns(line) > width] == []


@runs.patient
@given(run=runs.runs())
def test_without_colour_no_sign_steers_the_terminal(run: Run) -> None:
    text = terminal.render(run)

    assert {sign for sign in text if not sign.isprintable()} <= {"\n"}


@runs.patient
@given(run=runs.runs())
def test_colour_changes_no_word(run: Run) -> None:
    coloured = terminal.render(run, colour=True)

    assert re.sub(r"\x1b\[\d*m", "", coloured) == terminal.render(run)


@pytest.mark.parametrize("example", runs.ALL, ids=lambda example: example.__name__)
def test_a_run_fits_on_a_screen_of_40_lines(example: runs.Example) -> None:
    lines = terminal.render(example()).splitlines()

    assert len(lines) <= 40


def test_the_headline_comes_first_with_two_digits_and_its_interval() -> None:
    first, second, *_ = terminal.render(runs.on_a_server()).splitlines()

    assert first == "960 mg CO2e (640–1500 mg, 90 %)"
    assert second == "26.2 Wh (24.7–27.9 Wh, 90 %), this program's own share, 100 % measured"


def test_the_headline_is_the_machine_where_that_was_asked_for() -> None:
    _, second, *_ = terminal.render(replace(runs.on_a_server(), scope="machine")).splitlines()

    assert second == "31.5 Wh (30.1–33.1 Wh, 90 %), all that the machine used, 100 % measured"


@runs.patient
@given(run=runs.runs().filter(lambda run: run.is_split))
def test_parts_add_up_as_shown(run: Run) -> None:
    for row in _figures.rows(run):
        # what names a unit of its own is less than half of the last digit
        own, idle, others, machine = (0.0 if " " in cell else float(cell) for cell in row.cells[1:5])
        last_digit = 10.0 ** -len(row.machine.partition(".")[2]) if row.machine != "0" else 0.001

        assert own + idle + others == pytest.approx(machine, abs=3.1 * last_digit, rel=1e-9)


def test_what_is_little_beside_the_whole_is_not_shown_as_nothing() -> None:
    run = runs.a_run(runs.entry(runs.usage(runs.PACKAGES[0], 36_000.0, 0.0, 1.0)))

    assert [row.cells[1:5] for row in _figures.rows(run)] == [("10.00", "0", "1.00 J", "10.00")]


def test_a_little_of_a_machine_that_works_is_shown_with_its_interval() -> None:
    run = runs.a_run(runs.entry(runs.usage(runs.CPU_MODEL, 0.000278, 10.0, 20.0)))
    (row,) = _figures.rows(run)

    assert (_figures.header(run).name, row.own, row.machine) == ("J", "278 µJ", "30.00")
    assert row.within == _figures.energy(run).partition("(")[2].removesuffix(", 90 %)")


def test_a_component_known_in_two_ways_has_two_lines() -> None:
    run = runs.a_run(
        runs.entry(runs.usage(runs.PACKAGES[0], 10.0)),
        runs.entry(runs.usage(replace(runs.CPU_MODEL, id="other"), 10.0)),
    )

    assert [(row.name, row.quality) for row in _figures.rows(run)] == [
        ("CPU", "measured"),
        ("CPU", "modelled"),
        ("all", ""),
    ]


def test_shares_that_nobody_knows_are_not_shown_as_nothing() -> None:
    text = terminal.render(runs.not_split())

    assert [row.cells[1:4] for row in _figures.rows(runs.not_split())] == [("unknown",) * 3] * 3
    assert text.startswith("CO2e unknown (0–")
    assert "energy unknown (0–5.54 Wh, 90 %), of the machine's 5.28 Wh, 98 % measured" in text
    assert "Nothing told who worked" in text


def test_the_machine_is_known_although_shares_are_not() -> None:
    text = terminal.render(replace(runs.not_split(), scope="machine"))

    assert "5.28 Wh (5.09–5.54 Wh, 90 %), all that the machine used" in text


def test_a_run_without_a_meter_says_so_and_what_to_do() -> None:
    text = " ".join(terminal.render(runs.not_metered()).split())

    assert text.startswith("CO2e unknown digits: finished")
    assert "Nothing was metered" in text
    assert "`carbonwatch doctor` says which meters can't be read here" in text
    assert not re.search(r"\b0(\.0)? (J|g|Wh)", text)


def test_a_killed_run_without_a_sample_says_what_would_have_saved_one() -> None:
    text = " ".join(terminal.render(replace(runs.not_metered(), state="killed")).split())

    assert "It was killed, perhaps before its first sample was saved: a shorter interval_s saves sooner." in text
    assert "the figures go up to" not in text


def test_a_long_command_is_cut() -> None:
    lines = terminal.render(runs.a_run(facts={"command": "train " * 80})).splitlines()

    assert sum(line.startswith("train") for line in lines) == 2
    assert [line[-1] for line in lines if line.startswith("train")] == ["n", "…"]


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("running", "digits: still running after 4 min 05 s, started 2026-09-21 14:13 UTC"),
        ("finished", "digits: finished after 4 min 05 s, started 2026-09-21 14:13 UTC"),
        ("failed", "It ended with an error; the figures are whole, and include the part that failed."),
        ("killed", "It was killed: the figures go up to the last sample that was saved."),
    ],
)
def test_the_state_is_said_plainly(state: State, line: str) -> None:
    lines = terminal.render(replace(runs.on_a_server(), state=state)).splitlines()

    assert line in lines


def test_what_could_not_be_read_is_told_with_its_reason_and_length() -> None:
    lines = dict(_figures.details(runs.with_gaps()))["Not read"]

    assert lines == [
        "NVIDIA A100-SXM4-40GB (NVML energy counter), for 1 min 23 s: GPU is lost: the driver answers no more",
        "RAPL package-1 (powercap), for 3.00 s in 3 intervals: I/O error",
    ]


def test_many_gaps_are_counted_and_not_hidden() -> None:
    gaps = tuple(Gap(f"meter {n}", 0, 10**9, "gone") for n in range(9))
    lines = dict(_figures.details(replace(runs.on_a_server(), gaps=gaps)))["Not read"]

    assert lines[-1] == "and 4 more"


def test_tasks_stand_below_the_one_that_they_are_inside_of() -> None:
    lines = [(line.name, line.depth, line.energy, line.share) for line in _figures.tasks(runs.with_tasks())]

    assert lines == [
        ("epoch 1", 0, "730 J", "47 %"),
        ("backward", 1, "520 J", "34 %"),
        ("forward", 1, "210 J", "14 %"),
        ("epoch 2", 0, "712 J", "46 %"),
        ("load data", 0, "95.0 J", "6.1 %"),
        ("outside any task", 0, "12.0 J", "0.77 %"),
    ]


def test_only_the_tasks_that_used_most_are_named() -> None:
    run = runs.a_run(*(runs.entry(runs.usage(runs.PACKAGES[0], 10.0 + n), f"task {n}") for n in range(40)))
    lines = _figures.tasks(run)

    assert [line.name for line in lines] == [f"task {n}" for n in (39, 38, 37, 36, 35, 34)]
    assert "and 34 more" in terminal.render(run)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place(), "unknown: nothing says where this machine is"),
        (runs.PARIS, "FR (time zone Europe/Paris)"),
        (Place("US", "US-VA", "aws/us-east-1", ("FR",), "AWS_REGION"), "aws/us-east-1, perhaps FR (AWS_REGION)"),
        (Place("US", candidates=("A", "B", "C", "D"), evidence="x"), "US, perhaps one of 4 places (x)"),
    ],
)
def test_the_place_comes_with_what_told_it(place: Place, text: str) -> None:
    assert dict(_figures.details(replace(runs.on_a_server(), place=place)))["Place"] == [text]


def test_an_intensity_comes_with_band_year_basis_boundary_and_source() -> None:
    assert dict(_figures.details(runs.on_a_server()))["Intensity"] == [
        "31.0 g CO2e/kWh (27.0–41.4), France, 2025, consumption, life cycle",
        "Electricity Maps via CO2.js",
    ]


def test_an_intensity_that_was_given_has_no_interval_of_its_own() -> None:
    run = runs.a_run(runs.entry(runs.usage(runs.GPU, 10.0), intensity=runs.GIVEN))

    assert dict(_figures.details(run))["Intensity"] == [
        "100 g CO2e/kWh, setting g_per_kwh: taken as given, without an interval for it"
    ]


def test_intensities_of_many_hours_are_told_by_their_range_and_mean() -> None:
    hours = [replace(runs.FRANCE, g_per_kwh=g, period="hour") for g in (20.0, 30.0, 40.0, 50.0)]
    joules = (30.0, 10.0, 10.0, 10.0)
    run = runs.a_run(
        *(runs.entry(runs.usage(runs.GPU, j), intensity=i) for j, i in zip(joules, hours, strict=True)), pue=2.0
    )

    assert dict(_figures.details(run))["Intensity"] == [
        "4 values, 20.0 to 50.0 g CO2e/kWh, 30.0 on average by energy",
        "100 % of the energy priced by its own hour",
        "France: Electricity Maps via CO2.js",
    ]


def test_water_and_pue_show_only_where_they_are_known() -> None:
    on_a_server, with_tasks = (dict(_figures.details(run)) for run in (runs.on_a_server(), runs.with_tasks()))

    assert on_a_server["PUE"] == ["1.18: emissions count the data centre's overhead, energy does not"]
    assert on_a_server["Water"] == ["12.8 ml, at 0.490 l/kWh"]
    assert not {"PUE", "Water"} & set(with_tasks)


def test_the_tracker_tells_its_own_share_of_the_time() -> None:
    assert dict(_figures.details(runs.on_a_server()))["Tracker"] == ["31.0 ms of CPU time, 0.013 % of the duration"]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1e-9, "<0.01 %"), (0.00031, "0.031 %"), (0.94, "94 %"), (0.996, ">99 %"), (1.0, "100 %")],
)
def test_a_share_is_nothing_or_all_only_if_it_is(share: float, text: str) -> None:
    assert _figures.percent(share) == text


def test_long_names_of_tasks_are_cut() -> None:
    run = runs.a_run(runs.entry(runs.usage(runs.GPU, 10.0), "漢" * 50))

    assert "漢" * 16 + "…  " in terminal.render(run)
    assert "漢" * 17 not in terminal.render(run)


def test_a_contract_and_the_lines_have_lines_of_their_own() -> None:
    asked = {"market_g_per_kwh": 20.0, "line_losses": 0.08, "line_losses_source": "the world's mean"}
    run = runs.on_a_server()
    details = dict(_figures.details(replace(run, facts={**run.facts, **asked})))

    assert details["Lines"] == [
        "83 mg CO2e more for losses of 8.0 % (scope 3; not in the figure above)",
        "the world's mean",
    ]
    assert details["Contract"] == [
        "620 mg CO2e by your contract's 20.0 g/kWh (market-based; the figure above is the grid's)"
    ]
    assert not {"Lines", "Contract"} & set(dict(_figures.details(run)))


def test_what_one_kilowatt_hour_more_causes_stands_beside_the_average_and_never_in_it() -> None:
    run = runs.on_a_server()
    facts = {**run.facts, "marginal_g_per_kwh": 450.0, "marginal_source": "WattTime"}
    told = replace(run, facts=facts)

    assert dict(_figures.details(told))["Marginal"] == [
        "14 g CO2e by what one kilowatt-hour more makes the grid emit, 450 g; the figure above is by the average",
        "WattTime",
    ]
    assert "Marginal" not in dict(_figures.details(run))
    assert told.emissions_g == run.emissions_g
    assert all("14 g CO2e by what one" in render(told) for render in (terminal.render, markdown.render))


def test_what_is_not_known_is_not_known_by_a_contract_either() -> None:
    run = runs.not_split()
    asked = {"market_g_per_kwh": 20.0, "line_losses": 0.08, "marginal_g_per_kwh": 450.0}
    details = dict(_figures.details(replace(run, facts={**run.facts, **asked})))

    assert details["Marginal"][0].startswith("unknown CO2e by what one")

    assert details["Lines"][0].startswith("unknown CO2e more")
    assert details["Contract"][0].startswith("unknown CO2e by your contract")


def test_power_over_time_is_one_line_of_bars() -> None:
    text = terminal.render(runs.on_a_server(), power_w=(100.0, 50.0, None, 0.0, 200.0))

    assert "▅▃ ▁█  0 W to 200 W\n" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("power_w", [(), (1.0, 2.0), (0.0,) * 9, (None,) * 9])
def test_a_line_that_would_say_nothing_is_left_out(power_w: tuple[float | None, ...]) -> None:
    assert terminal.render(runs.on_a_server(), power_w=power_w) == terminal.render(runs.on_a_server())


def test_what_making_the_machine_emitted_is_a_line_of_its_own_and_in_no_headline() -> None:
    made = {"embodied_kg": [1200.0, 600.0, 2400.0], "embodied_share": 0.5, "embodied_lifetime_years": 4.0}
    run = runs.on_a_server()
    asked = replace(run, duration_s=3600.0, facts={**run.facts, **made, "embodied_source": "a study"})
    details = dict(_figures.details(asked))

    assert details["Embodied"] == [
        "17 g CO2e more for making the machine (8.6–34 g; not in the figure above)",
        "of 1.2 t (0.60–2.4 t) in 4 years: a study",
    ]
    assert _figures.emissions(asked) == _figures.emissions(replace(run, duration_s=3600.0))
    assert "Embodied" not in dict(_figures.details(run))


@pytest.mark.parametrize("report", [terminal, markdown, notebook])
def test_planned_work_is_said_to_be_planned_and_assumed(report: ModuleType) -> None:
    text = " ".join(report.render(runs.planned()).split())

    assert "plan: an estimate of 3 h 00 min of planned work" in text
    assert "which the devices would use: assumed, nothing of it measured" in text
    assert "This is an estimate of planned work: nothing ran" in text
    assert "finished" not in text


def test_a_label_does_not_run_into_its_text() -> None:
    text = terminal.render(social_cost.noted(runs.on_a_server(), social_cost.RICKE))

    assert "\nSocial cost 4.0e-04 US$ (1.7e-04–7.7e-04), at 417 (177–805) US$ per t CO2\n" in text


def test_slashes_in_a_name_are_no_levels() -> None:
    used = {"GET /items/{number}": 60.0, "GET /users/{name}": 30.0, "GET /users/{name}/load": 10.0}
    run = runs.a_run(*(runs.entry(runs.usage(runs.GPU, joules), task) for task, joules in used.items()))

    assert [(line.name, line.depth, line.share) for line in _figures.tasks(run)] == [
        ("GET /items/{number}", 0, "60 %"),
        ("GET /users/{name}", 0, "40 %"),
        ("load", 1, "10 %"),
    ]
